"""Prompts and responses as token ids: what a language model reads, and which of it it has to learn.

A prompt goes through the tokenizer's chat template; where a base has none a plain one is set, which is then saved with
the tokenizer. Knows tokenizers and arrays, nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.methods.tokens import Encoded

IGNORED = -100
"""Target of a token that is not to be learned, as torch's cross entropy leaves it out."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}### Prompt:\n{{ message['content'] }}\n\n"
    "{% else %}### Response:\n{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
"""For bases that were never taught to converse."""
PROMPT_SHARE = 0.5
"""Share of the length that a prompt keeps when prompt and response do not both fit."""


@dataclass(frozen=True)
class Turns(Encoded):
    """Prompts, each with its response behind it, as token ids of n rows; a response ends with its closing token."""

    prompts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) how many of a row's tokens are the prompt."""
    start_id: int | None = None
    """First token of what a decoder writes, for models with an encoder and a decoder; None: one sequence."""
    keeps_logits: bool = False
    """The model can leave out logits that nobody asks for."""

    @classmethod
    def of(
        cls,
        prompts: Sequence[np.ndarray],
        responses: Sequence[np.ndarray],
        pad_id: int,
        truncated: int = 0,
        start_id: int | None = None,
        keeps_logits: bool = False,
    ) -> Turns:
        """Put prompts and responses, (tokens,) each, one after the other."""
        flat = [part for turn in zip(prompts, responses, strict=True) for part in turn]
        sizes = [len(prompt) + len(response) for prompt, response in zip(prompts, responses, strict=True)]
        return cls(
            ids=np.concatenate(flat).astype(np.int32) if flat else np.zeros(0, np.int32),
            types=None,
            offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
            pad_id=pad_id,
            truncated=truncated,
            prompts=np.array([len(prompt) for prompt in prompts], dtype=np.int64),
            start_id=start_id,
            keeps_logits=keeps_logits,
        )

    def prompt(self, row: int) -> np.ndarray:
        """(tokens,) ids of one prompt."""
        return self.ids[self.offsets[row] : self.offsets[row] + self.prompts[row]]

    def response(self, row: int) -> np.ndarray:
        """(tokens,) ids of one response."""
        return self.ids[self.offsets[row] + self.prompts[row] : self.offsets[row + 1]]

    @property
    def response_lengths(self) -> np.ndarray:
        """(n,) tokens of each response."""
        return self.lengths - self.prompts

    def batch(self, rows: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Model inputs of these rows, (rows, longest) int64 each."""
        if self.start_id is not None:
            ids, mask = _padded([self.prompt(row) for row in rows], self.pad_id)
            written = [np.concatenate([[self.start_id], self.response(row)[:-1]]) for row in rows]
            decoder, _ = _padded(written, self.pad_id)  # what is padded comes last and is not learned: no mask
            return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": decoder}
        inputs = super().batch(rows)
        if self.keeps_logits:
            inputs["logits_to_keep"] = self._asked(self._next(rows))
        return inputs

    def targets(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The token that belongs at each place of the logits, (rows, places) int64; IGNORED in prompts and padding."""
        if self.start_id is not None:
            return _padded([self.response(row) for row in rows], IGNORED)[0]
        following = self._next(rows)
        return following[:, self._asked(following)] if self.keeps_logits else following

    def _next(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """For each token of one sequence the one that follows it, where that belongs to the response."""
        whole = [
            np.concatenate([np.full(max(0, self.prompts[row] - 1), IGNORED), self.response(row), [IGNORED]])
            for row in rows
        ]
        return _padded(whole, IGNORED)[0]

    def _asked(self, following: np.ndarray) -> np.ndarray:
        """Places at which some row has something to learn; one at least."""
        places = np.flatnonzero((following != IGNORED).any(axis=0))
        return places if len(places) else np.zeros(1, np.int64)


def _padded(rows: Sequence[np.ndarray], pad: int, left: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(ids, mask), (rows, longest) int64 each."""
    width = max((len(row) for row in rows), default=0)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        where = slice(width - len(row), width) if left else slice(0, len(row))
        ids[place, where], mask[place, where] = row, 1
    return ids, mask


def padded_left(rows: Sequence[np.ndarray], pad: int) -> tuple[np.ndarray, np.ndarray]:
    """(ids, mask) of prompts (tokens,) that end at the same place, (rows, longest) int64: what follows is written."""
    return _padded(rows, pad, left=True)


class Template:
    """How prompts and responses become tokens for one tokenizer."""

    def __init__(self, tokenizer: Any, decoder_start: int | None = None) -> None:
        """``decoder_start`` is the first token of a decoder, for models that have one; they read prompts plainly."""
        self.tokenizer = tokenizer
        self.decoder_start = decoder_start
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if decoder_start is None and not tokenizer.chat_template:
            tokenizer.chat_template = PLAIN_TEMPLATE
        self.closing = self._closing()

    @property
    def stops(self) -> list[int]:
        """Ids of the tokens that end a response."""
        return sorted({self.closing[-1], *([] if self._eos is None else [self._eos])})

    def prompts(self, texts: Sequence[str], limit: int) -> list[np.ndarray]:
        """Ids of each prompt up to where its response begins, at most ``limit`` tokens; the end of long ones is cut."""
        return [self._prompt(text, limit)[0] for text in texts]

    def turns(self, texts: Sequence[str], responses: Sequence[str], limit: int, keeps_logits: bool = False) -> Turns:
        """Prompts and responses of n rows, at most ``limit`` tokens together.

        Where both do not fit, the prompt keeps ``PROMPT_SHARE`` and the response the rest.
        """
        prompts, answers, truncated = [], [], 0
        for text, response in zip(texts, responses, strict=True):
            whole = np.array([*self._ids(response), *self.closing], np.int64)
            room = limit if self.decoder_start is not None else limit - min(len(whole), limit - self._share(limit))
            prompt, cut = self._prompt(text, room)
            left = limit if self.decoder_start is not None else max(1, limit - len(prompt))
            prompts.append(prompt)
            answers.append(whole[:left])
            truncated += cut or len(whole) > left
        pad = int(self.tokenizer.pad_token_id or 0)
        return Turns.of(prompts, answers, pad, truncated, self.decoder_start, keeps_logits)

    def read(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of written tokens, without what ends it."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    # ------------------------------------------------------------ parts

    @property
    def _eos(self) -> int | None:
        return None if self.tokenizer.eos_token_id is None else int(self.tokenizer.eos_token_id)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _wrapped(self, text: str) -> str:
        """The prompt inside the template, up to where its response begins."""
        if self.decoder_start is not None:
            return text
        turn = [{"role": "user", "content": text}]
        return str(self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))

    def _prompt(self, text: str, limit: int) -> tuple[np.ndarray, bool]:
        """(ids, whether the text was cut). The template around the text is never cut."""
        ends = [] if self.decoder_start is None or self._eos is None else [self._eos]
        whole = [*self._ids(self._wrapped(text)), *ends]
        over = len(whole) - limit
        if over <= 0 or not text:
            return np.array(whole, np.int64), False
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = found["offset_mapping"]
        kept = max(0, len(offsets) - over)
        shorter = text[: offsets[kept - 1][1]] if kept else ""
        # The end of a cut text may be split into more tokens than before: cut again, each time by one at least.
        return self._prompt(shorter if len(shorter) < len(text) else text[:-1], limit)[0], True

    def _closing(self) -> list[int]:
        """Tokens that end a response: those that the template writes behind it, or the end of text."""
        eos = [] if self._eos is None else [self._eos]
        if self.decoder_start is not None:
            return eos or [int(self.tokenizer.pad_token_id or 0)]
        mark = "response"
        turns = [{"role": "user", "content": "prompt"}, {"role": "assistant", "content": mark}]
        whole = str(self.tokenizer.apply_chat_template(turns, tokenize=False))
        behind = whole.rpartition(mark)[2].strip()
        return self._ids(behind) or eos or [int(self.tokenizer.pad_token_id or 0)]

    def _share(self, limit: int) -> int:
        return max(1, round(limit * PROMPT_SHARE))
