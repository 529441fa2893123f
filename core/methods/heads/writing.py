"""The head of tasks that are answered with a text: a language model's own, over its vocabulary.

What is learned from is the response alone; answers are written token by token, greedily or sampled. A base with one
sequence (GPT, Llama, Qwen) and one with an encoder and a decoder (T5, BART) are told apart by their own config.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.base_models import clean_config
from core.errors import ModelError, RefusedError
from core.methods.base import Answers, Rows, Stopped
from core.methods.dialogue import IGNORED, Template, Turns, padded_left
from core.methods.heads.base import Head, Loss, Reading, ShouldStop, Targets, Weighting
from core.methods.heads.labels import cross_entropy
from core.methods.portions import Portions
from core.methods.tokens import sorted_batches
from core.records import Writing
from core.tasks.wording import perplexity

if TYPE_CHECKING:
    import torch

CAUSAL, SEQUENCE_TO_SEQUENCE = "AutoModelForCausalLM", "AutoModelForSeq2SeqLM"
WRITTEN_TOGETHER = 16
"""Prompts answered at a time; each keeps its keys and values in memory."""
BLOCK = 64
"""Prompts among which batches of similar length are made."""
PROMPT_TOKENS = 8_192
"""Padded prompt tokens of one batch."""
LOSS_TOKENS = 1_024
"""Padded tokens whose logits are in memory at a time: one of them is as long as the vocabulary."""
FEWEST_NEW, MOST_NEW = 16, 512
"""Bounds of the length of a response, in tokens, that a model gets from what it was trained on."""
Wrote = Callable[[str], bool]
"""Hears what is written so far, after each token; False ends it there."""
TOP_P = 0.95
"""When sampling, only the most probable tokens that make up this share (Holtzman et al. 2020, "nucleus sampling")."""


@dataclass(frozen=True)
class ResponseTargets(Targets):
    """The tokens of the responses, at the places of a batch's logits."""

    turns: Turns | None = None

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """(len(rows), places) int64."""
        import torch

        return torch.from_numpy(self.turns.targets(rows)) if self.turns is not None else super().take(rows)


class WritingHead(Head):
    """The language model as it is: nothing new is put on it."""

    fresh: ClassVar[tuple[str, ...]] = ()
    unheard: ClassVar[frozenset[str]] = Head.unheard | {"class_weights", "oversampling", "head_factor"}
    """There are no classes, and nothing new is put on the base."""

    def architecture_of(self, folder: Path) -> str:
        """The class of transformers for the base in ``folder``. Raises ModelError for one that cannot write."""
        facts = clean_config(folder)
        names = facts.get("architectures")
        made_as = str(names[0]) if isinstance(names, list) and names else ""
        if facts.get("is_encoder_decoder") and made_as.endswith("ForConditionalGeneration"):
            return SEQUENCE_TO_SEQUENCE
        if made_as.endswith(("ForCausalLM", "LMHeadModel")):
            return CAUSAL
        raise ModelError(
            f"{folder.name} reads texts and cannot write them ({made_as or 'no architecture named'}).",
            "Choose a base model that writes, e.g. SmolLM2 or T5.",
        )

    def peft_task_of(self, model: Any) -> str:
        """Name in peft's ``TaskType``."""
        return "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"

    # ------------------------------------------------------------ learning

    def read_rows(self, model: Any, tokenizer: Any, rows: Rows, limit: int) -> Reading:
        """Prompts with their responses, at most ``limit`` tokens together (each, for an encoder and a decoder)."""
        responses = [value or "" for value in rows.values]
        return Reading(template_of(model, tokenizer).turns(rows.texts, responses, limit, _keeps_logits(model)))

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """The tokens of the responses."""
        import torch

        return ResponseTargets(torch.zeros(0, dtype=torch.int64), turns=_turns(reading))

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Cross entropy, the mean over the tokens of the responses."""
        measure = cross_entropy(weighting, None, device, IGNORED)
        return lambda logits, wanted: measure(logits.flatten(0, 1), wanted.flatten())

    def measure(self, model: Any, reading: Reading, rows: Rows, targets: Targets, device: str) -> dict[str, float]:
        """How probable a token of the given responses is (geometric mean), perplexity and the mean loss."""
        model.eval()
        losses, tokens = response_losses(model, _turns(reading), device, self.portions)
        found = perplexity(losses, tokens)
        return {"token_probability": 1 / found, "perplexity": found, "loss": float(np.log(found))}

    def settle(self, model: Any, tokenizer: Any, reading: Reading | None = None) -> None:
        """Say in the model how it writes: greedily, up to its closing token, as long as what it learned from."""
        from transformers import GenerationConfig

        template = template_of(model, tokenizer)
        longest = getattr(model.generation_config, "max_new_tokens", None) or MOST_NEW // 2
        if reading is not None and len(reading.encoded):
            longest = np.clip(_turns(reading).response_lengths.max(), FEWEST_NEW, MOST_NEW)
        # The base's own settings may sample; ours are said in full, and saved with the model.
        model.generation_config = GenerationConfig(
            max_new_tokens=int(longest),
            do_sample=False,
            eos_token_id=template.stops,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=template.decoder_start,
        )

    # ------------------------------------------------------------ answering

    def say(
        self,
        model: Any,
        tokenizer: Any,
        texts: Sequence[str],
        texts_b: Sequence[str] | None,
        device: str,
        writing: Writing | None = None,
        seconds: float | None = None,
        should_stop: ShouldStop | None = None,
        wrote: Wrote | None = None,
    ) -> Answers:
        """The response to each prompt; how sure is the geometric mean of the probabilities of its tokens.

        After ``seconds`` no further batch is begun; prompts not reached, the last ones, get None and 0. ``wrote`` hears
        the first response of a batch as it is written. Raises Stopped.
        """
        writer = _Writer(model, tokenizer, device, writing or Writing(), wrote)
        prompts = writer.template.prompts(texts, writer.room(_limit(model, tokenizer)))
        written: list[Any] = [None] * len(texts)
        begun = time.monotonic()
        for rows in _in_order([len(prompt) for prompt in prompts], _learned_in_front(model)):
            if should_stop is not None and should_stop():
                raise Stopped
            if seconds is not None and time.monotonic() - begun > seconds:
                break
            for row, ids in zip(rows, writer.write([prompts[row] for row in rows]), strict=True):
                written[row] = ids
        values = [None if ids is None else writer.template.read(ids) for ids in written]
        return Answers(values, writer.sureness(prompts, written), np.zeros((len(texts), 0), np.float32))

    def examine(self, model: Any, tokenizer: Any, rows: Rows, device: str) -> dict[str, np.ndarray]:
        """``loss`` and ``tokens`` of each row's own response, (n,): what perplexity is made of; 0 without one."""
        reading = self.read_rows(model, tokenizer, rows, _limit(model, tokenizer))
        losses, tokens = response_losses(model, _turns(reading), device, self.portions)
        known = np.array([bool(value) for value in rows.values], dtype=bool)
        return {"loss": np.where(known, losses, 0.0), "tokens": np.where(known, tokens, 0)}

    def answers(self, logits: torch.Tensor, reading: Reading) -> Answers:
        """Logits of given responses are no answers. Raises RefusedError."""
        raise RefusedError("A text is written, it cannot be read off one pass.", "Ask the model for its answers.")


class _Writer:
    """One request to write."""

    def __init__(self, model: Any, tokenizer: Any, device: str, how: Writing, wrote: Wrote | None = None) -> None:
        self.model = model
        self.device = device
        self.how = how
        self.wrote = wrote
        self.template = template_of(model, tokenizer)
        self.pad = int(tokenizer.pad_token_id or 0)
        self.longest = int(how.max_tokens or model.generation_config.max_new_tokens or MOST_NEW // 2)

    def room(self, limit: int) -> int:
        """Tokens that a prompt may have so that its response still fits into ``limit``."""
        if self.template.decoder_start is not None:
            return limit
        return max(8, limit - min(self.longest, limit // 2))

    def write(self, prompts: list[np.ndarray]) -> list[np.ndarray]:
        """Tokens of the responses up to what ends them, without it."""
        import torch

        ids, mask = padded_left(prompts, self.pad)
        skipped = 1 if self.template.decoder_start is not None else ids.shape[1]
        sampled: dict[str, Any] = {}
        if self.how.temperature:
            sampled = {"do_sample": True, "temperature": self.how.temperature, "top_p": TOP_P}
        with torch.inference_mode(), torch.random.fork_rng(enabled=bool(sampled)):
            if sampled:
                torch.manual_seed(self.how.seed)
            out = self.model.generate(
                input_ids=torch.from_numpy(ids).to(self.device),
                attention_mask=torch.from_numpy(mask).to(self.device),
                max_new_tokens=self.longest,
                stopping_criteria=self._told(skipped),
                **sampled,
            )
        return [self._whole(row) for row in out[:, skipped:].cpu().numpy()]

    def _whole(self, row: np.ndarray) -> np.ndarray:
        """The tokens (n,) in front of the first one that ends a response."""
        ends = np.flatnonzero(np.isin(row, self.template.stops))
        return row[: ends[0]] if len(ends) else row

    def _told(self, skipped: int) -> Any:
        """What transformers asks after each token whether to end there; None where nobody listens."""
        import torch
        from transformers import StoppingCriteriaList

        wrote = self.wrote
        if wrote is None:
            return None

        def ends(ids: torch.Tensor, scores: Any, **_how: Any) -> torch.Tensor:
            text = self.template.read(self._whole(ids[0, skipped:].cpu().numpy()))
            goes_on = wrote(text.rstrip("\ufffd"))  # a letter of which the last token held only a part
            return ids.new_full((len(ids),), not goes_on, dtype=torch.bool)

        return StoppingCriteriaList([ends])

    def sureness(self, prompts: list[np.ndarray], written: list[Any]) -> np.ndarray:
        """(n,) float32: the geometric mean of the probabilities of the written tokens, by one pass over them."""
        some = [row for row, ids in enumerate(written) if ids is not None and len(ids)]
        sure = np.zeros(len(written), np.float32)
        if some:
            turns = Turns.of(
                [prompts[row] for row in some],
                [written[row] for row in some],
                self.pad,
                start_id=self.template.decoder_start,
                keeps_logits=_keeps_logits(self.model),
            )
            losses, tokens = response_losses(self.model, turns, self.device)
            sure[some] = np.exp(-losses / np.maximum(1, tokens))
        return sure


def _in_order(lengths: list[int], equal: bool) -> Iterator[np.ndarray]:
    """Batches of prompts about as long, the first rows first: who stops early has answered those.

    ``equal``: all prompts of a batch have the same length.
    """
    for start in range(0, len(lengths), BLOCK):
        block = np.array(lengths[start : start + BLOCK])
        for rows in sorted_batches(block, PROMPT_TOKENS, WRITTEN_TOGETHER):
            parts = np.split(rows, np.flatnonzero(np.diff(block[rows])) + 1) if equal else [rows]
            yield from (part + start for part in parts)


def _learned_in_front(model: Any) -> bool:
    """True with learned tokens before the prompt: padding would come between them, and change what is written."""
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def template_of(model: Any, tokenizer: Any) -> Template:
    """How this model's prompts and responses become tokens."""
    if not model.config.is_encoder_decoder:
        return Template(tokenizer)
    start = model.config.decoder_start_token_id
    return Template(tokenizer, int(tokenizer.pad_token_id if start is None else start))


def response_losses(
    model: Any, turns: Turns, device: str, portions: Portions | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(sum of the losses of its response's tokens, their number) of each row, (n,) float64 and (n,) int64."""
    import torch

    losses = np.zeros(len(turns))

    def read(rows: np.ndarray) -> None:
        inputs = {name: torch.from_numpy(array).to(device) for name, array in turns.batch(rows).items()}
        logits = model(**inputs).logits.float()  # (rows, places, vocabulary)
        targets = torch.from_numpy(turns.targets(rows)).to(device)
        each = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none"
        )
        losses[rows] = each.sum(dim=1).double().cpu().numpy()

    with torch.inference_mode():
        (portions or Portions()).each(sorted_batches(turns.lengths, LOSS_TOKENS, WRITTEN_TOGETHER), read)
    return losses, turns.response_lengths


def _turns(reading: Reading) -> Turns:
    if not isinstance(reading.encoded, Turns):
        raise RefusedError("These rows were read without their responses.", "Read them with read_rows.")
    return reading.encoded


def _keeps_logits(model: Any) -> bool:
    """True when the model can leave out logits that nobody asks for."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return not plain.config.is_encoder_decoder and "logits_to_keep" in signature(plain.forward).parameters


def _limit(model: Any, tokenizer: Any) -> int:
    """Most tokens that a row may have."""
    positions = getattr(model.config, "max_position_embeddings", None) or getattr(model.config, "n_positions", None)
    return int(min(tokenizer.model_max_length, positions or 10**6))
