"""A causal language model that reads a prompt: how probable are these words next, and which would it write?

Nothing is learned. A prompt is a template with places in braces (Brown et al. 2020, "Language Models are Few-Shot
Learners"); examples for it are those most alike to what is asked (Liu et al. 2022, "What Makes Good In-Context Examples
for GPT-3?").
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json

AT_ONCE = 16
"""Continuations scored in one pass; each keeps a copy of what the model remembers of the prompt."""
_PLACE = re.compile(r"\{([a-z]+)\}")


def fill(template: str, said: Mapping[str, str]) -> str:
    """The template with its places filled, in one go: braces inside of what is filled in are text."""
    return _PLACE.sub(lambda place: said.get(place.group(1), place.group()), template)


def is_language_model(folder: Path) -> bool:
    """True when config.json says that the model was made to write on: a causal language model."""
    made = (read_json(folder / "config.json") or {}).get("architectures") or [""]
    return str(made[0]).endswith(("ForCausalLM", "LMHeadModel"))


@dataclass(frozen=True)
class Read:
    """A prompt that a language model has read."""

    length: int
    """Tokens of it."""
    memory: Any
    """Keys and values of its tokens."""
    next: np.ndarray
    """(V,) float32 log probability of every token that may follow."""


@dataclass
class LanguageModel:
    """A causal language model in 32-bit floats, loaded when it is first needed."""

    base: Path
    device: str = "cpu"

    @cached_property
    def model(self) -> Any:
        """The model. Raises ModelError."""
        from core.methods.encoders import _load

        return _load(self.base, "AutoModelForCausalLM", ("lm_head",)).eval().to(self.device)

    @cached_property
    def tokenizer(self) -> Any:
        """Its tokenizer. Raises ModelError."""
        from core.methods.encoders import load_tokenizer

        return load_tokenizer(self.base)

    @property
    def positions(self) -> int:
        """Most tokens that it reads."""
        config = self.model.config
        return int(getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 2048)

    def ids(self, prompt: str) -> list[int]:
        """Tokens of a prompt, without one that ends a text."""
        ids: list[int] = self.tokenizer(prompt, verbose=False)["input_ids"]
        eos = self.tokenizer.eos_token_id
        return ids[:-1] if ids and ids[-1] == eos and eos is not None else ids

    def next_ids(self, words: str) -> list[int]:
        """Tokens of words as they follow a colon."""
        ids: list[int] = self.tokenizer(f" {words}", add_special_tokens=False)["input_ids"]
        return ids

    def cut(self, text: str, most: int) -> str:
        """One line of the first ``most`` tokens of a text."""
        line = " ".join(text.split())
        if len(line) <= most:  # a token is a character at least
            return line
        found = self.tokenizer(line, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ends = found["offset_mapping"]
        return line if len(ends) <= most else line[: ends[most - 1][1]]

    def read(self, prompt: Sequence[int]) -> Read:
        """Read the tokens of a prompt once, for all that is asked about it."""
        import torch

        with torch.inference_mode():
            out = self.model(input_ids=torch.tensor([list(prompt)], device=self.device), use_cache=True)
        return Read(len(prompt), out.past_key_values, _logs(out.logits[0, -1]))

    def chances(self, read: Read, answers: Sequence[list[int]]) -> np.ndarray:
        """(len(answers),) float64 log probability of each answer's tokens after the prompt."""
        values = np.array([read.next[ids[0]] for ids in answers], np.float64)
        longer = [i for i, ids in enumerate(answers) if len(ids) > 1]
        for start in range(0, len(longer), AT_ONCE):
            chosen = longer[start : start + AT_ONCE]
            values[chosen] += self._rest(copy.deepcopy(read.memory), read.length, [answers[i] for i in chosen])
        return values

    def _rest(self, memory: Any, before: int, answers: list[list[int]]) -> np.ndarray:
        """(len(answers),) log probability of every token but the first; ``memory`` is used up."""
        import torch

        memory.batch_repeat_interleave(len(answers))
        width = max(len(answer) for answer in answers)
        ids = torch.zeros(len(answers), width, dtype=torch.long, device=self.device)
        seen = torch.zeros_like(ids)
        for row, answer in enumerate(answers):
            ids[row, : len(answer)] = torch.tensor(answer)
            seen[row, : len(answer)] = 1
        mask = torch.cat([seen.new_ones(len(answers), before), seen[:, :-1]], dim=1)  # (L, prompt + A - 1)
        with torch.inference_mode():
            logits = self.model(input_ids=ids[:, :-1], attention_mask=mask, past_key_values=memory).logits
        logs = logits.float().log_softmax(-1).gather(2, ids[:, 1:, None])[:, :, 0]  # (L, A - 1)
        return np.asarray((logs * seen[:, 1:]).sum(1).cpu().numpy(), np.float64)

    def write(self, read: Read, most: int) -> tuple[str, np.ndarray]:
        """The likeliest token after the other up to the end of the line: (text, (tokens,) log probabilities).

        What the prompt left in the memory is used up.
        """
        import torch

        ids: list[int] = []
        sure: list[float] = []
        stops, memory, following = self._stops, read.memory, read.next
        while len(ids) < min(most, self.positions - read.length):
            ids.append(int(following.argmax()))
            sure.append(float(following[ids[-1]]))
            if ids[-1] in stops or "\n" in self._said(ids).lstrip():
                break
            with torch.inference_mode():
                out = self.model(
                    input_ids=torch.tensor([ids[-1:]], device=self.device), past_key_values=memory, use_cache=True
                )
            memory, following = out.past_key_values, _logs(out.logits[0, -1])
        return self._said(ids).strip().partition("\n")[0].strip(), np.array(sure, np.float64)

    def _said(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    @cached_property
    def _stops(self) -> set[int]:
        """Tokens that end a text."""
        told = self.model.generation_config.eos_token_id
        return {
            int(token)
            for token in [self.tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])]
            if token is not None
        }


def _logs(logits: Any) -> np.ndarray:
    """(V,) float32 log probabilities."""
    found: np.ndarray = logits.float().log_softmax(-1).cpu().numpy()
    return found


class Nearest:
    """The examples most alike to a text (TF-IDF cosine)."""

    def __init__(self, known: Sequence[str], count: int, keys: Sequence[str] | None = None) -> None:
        """``known`` are the texts of the examples, ``keys`` what tells each from all others; else its text."""
        self.known = list(known)
        self.count = count
        self.keys = list(known if keys is None else keys)

    def __call__(self, texts: Sequence[str], keys: Sequence[str] | None = None) -> list[list[int]]:
        """Each text's examples by their place, the most alike first; never itself."""
        if not self.count or not self.known:
            return [[] for _ in texts]
        found = []
        for text, key in zip(texts, texts if keys is None else keys, strict=True):
            alike = np.zeros(len(self.known))
            for vectorizer, known in self._vectors:
                alike += (vectorizer.transform([text]) @ known.T).toarray()[0]
            order = np.argsort(-alike, kind="stable")
            found.append([int(i) for i in order[: self.count + 1] if self.keys[i] != key][: self.count])
        return found

    @cached_property
    def _vectors(self) -> list[tuple[Any, Any]]:
        from core.methods.linear import fitted_blocks

        return fitted_blocks(1, 3, self.known)
