"""A language model that writes: answers to prompts, greedy or sampled, and how well it foresees given responses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.base_models import clean_config
from core.errors import ModelError
from core.methods.base import Answers, Rows
from core.methods.dialogue import IGNORED, Template, Turns, padded_left
from core.methods.tokens import sorted_batches
from core.records import Writing

WRITTEN_TOGETHER = 16
"""Prompts answered at a time; each keeps its keys and values in memory."""
PROMPT_TOKENS = 8_192
"""Padded prompt tokens of one batch."""
LOSS_TOKENS = 1_024
"""Padded tokens whose logits are in memory at a time: one of them is as long as the vocabulary."""
FEWEST_NEW, MOST_NEW = 16, 512
"""Bounds of the length of a response, in tokens, that a model gets from what it was trained on."""
TOP_P = 0.95
"""When sampling, only the most probable tokens that make up this share (Holtzman et al. 2020, "nucleus sampling")."""


def kind_of(folder: Path) -> str:
    """Class of transformers for the writing model in ``folder``. Raises ModelError when it is none."""
    facts = clean_config(folder)
    made_as = str((facts.get("architectures") or [""])[0])  # type: ignore[index]
    if facts.get("is_encoder_decoder") and made_as.endswith("ForConditionalGeneration"):
        return "AutoModelForSeq2SeqLM"
    if made_as.endswith(("ForCausalLM", "LMHeadModel")):
        return "AutoModelForCausalLM"
    raise ModelError(
        f"{folder.name} reads texts and cannot write them ({made_as or 'no architecture named'}).",
        "Choose a base model that writes, e.g. SmolLM2 or T5.",
    )


def template_of(model: Any, tokenizer: Any) -> Template:
    """How this model's prompts and responses become tokens."""
    config = model.config
    if not config.is_encoder_decoder:
        return Template(tokenizer)
    start = config.decoder_start_token_id
    return Template(tokenizer, int(tokenizer.pad_token_id if start is None else start))


def keeps_logits(model: Any) -> bool:
    """True when the model can leave out logits that nobody asks for."""
    from inspect import signature

    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return not plain.config.is_encoder_decoder and "logits_to_keep" in signature(plain.forward).parameters


def positions_of(model: Any) -> int:
    """Most tokens that the model can read; a large number where nothing limits it."""
    return int(getattr(model.config, "max_position_embeddings", 0) or getattr(model.config, "n_positions", 0) or 10**6)


def longest_response(turns: Turns) -> int:
    """Tokens that a tuned model may write: as many as the longest response it learned from."""
    return int(min(MOST_NEW, max([FEWEST_NEW, *map(len, turns.responses)])))


def response_losses(model: Any, turns: Turns, device: str) -> tuple[np.ndarray, np.ndarray]:
    """(sum of the losses of its response's tokens, their number) of each row, (n,) float64 and (n,) int64."""
    import torch

    losses = np.zeros(len(turns))
    with torch.inference_mode():
        for rows in sorted_batches(turns.lengths, LOSS_TOKENS, WRITTEN_TOGETHER):
            inputs = {name: torch.from_numpy(array).to(device) for name, array in turns.batch(rows).items()}
            logits = model(**inputs).logits.float()  # (rows, places, vocabulary)
            targets = torch.from_numpy(turns.targets(rows)).to(device)
            each = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none"
            )
            losses[rows] = each.sum(dim=1).double().cpu().numpy()
    return losses, np.array([len(response) for response in turns.responses], dtype=np.int64)


class Writer:
    """A model in memory that answers prompts with texts."""

    def __init__(
        self, model: Any, tokenizer: Any, labels: list[str], device: str = "cpu", longest: int | None = None
    ) -> None:
        from transformers import GenerationConfig

        self.model = model.to(device).eval()
        self.tokenizer = tokenizer
        self.labels = labels
        self.device = device
        self.adapter: Any = None
        """What LoRA saves beside the merged weights."""
        self.template = template_of(model, tokenizer)
        self.limit = int(min(tokenizer.model_max_length, positions_of(model)))
        told = longest or getattr(model.generation_config, "max_new_tokens", None) or MOST_NEW // 2
        # The base's own settings may sample; ours are said in full, once, and saved with the model.
        self.model.generation_config = GenerationConfig(
            max_new_tokens=int(told),
            do_sample=False,
            eos_token_id=self.template.stops,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=self.template.decoder_start,
        )

    @property
    def longest(self) -> int:
        """Tokens of a response unless asked otherwise."""
        return int(self.model.generation_config.max_new_tokens)

    # ------------------------------------------------------------ answering

    def answers(
        self,
        texts: Sequence[str],
        texts_b: Sequence[str] | None = None,
        writing: Writing | None = None,
        seconds: float | None = None,
    ) -> Answers:
        """The response to each prompt; how sure is exp of the mean log-probability of its tokens.

        After ``seconds`` no further batch is begun; prompts that were not reached get None and 0.
        """
        how = writing or Writing()
        prompts = self.template.prompts(texts, self._room(how))
        written: list[Any] = [None] * len(texts)
        begun = time.monotonic()
        lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        for rows in sorted_batches(lengths, PROMPT_TOKENS, WRITTEN_TOGETHER):
            if seconds is not None and time.monotonic() - begun > seconds:
                break
            for row, ids in zip(rows, self._write([prompts[row] for row in rows], how), strict=True):
                written[row] = ids
        values = [None if ids is None else self.template.read(ids) for ids in written]
        return Answers(values, self._sureness(prompts, written), np.zeros((len(texts), 0), np.float32))

    def examine(self, rows: Rows) -> dict[str, np.ndarray]:
        """``loss`` and ``tokens`` of each row's own response, (n,): what perplexity is made of; 0 without one."""
        responses = [value or "" for value in rows.values]
        turns = self.template.turns(rows.texts, responses, self.limit, keeps_logits(self.model))
        losses, tokens = response_losses(self.model, turns, self.device)
        known = np.array([bool(value) for value in rows.values], dtype=bool)
        return {"loss": np.where(known, losses, 0.0), "tokens": np.where(known, tokens, 0)}

    def _room(self, how: Writing) -> int:
        """Tokens that a prompt may have so that its response still fits."""
        if self.template.decoder_start is not None:
            return self.limit
        return max(8, self.limit - min(how.max_tokens or self.longest, self.limit // 2))

    def _write(self, prompts: list[np.ndarray], how: Writing) -> list[np.ndarray]:
        """Tokens of the responses up to what ends them, without it."""
        import torch

        ids, mask = padded_left(prompts, int(self.tokenizer.pad_token_id or 0))
        sampled = {"temperature": how.temperature, "top_p": TOP_P, "do_sample": True} if how.temperature else {}
        with torch.inference_mode(), torch.random.fork_rng(enabled=bool(sampled)):
            if sampled:
                torch.manual_seed(how.seed)
            out = self.model.generate(
                input_ids=torch.from_numpy(ids).to(self.device),
                attention_mask=torch.from_numpy(mask).to(self.device),
                max_new_tokens=how.max_tokens or self.longest,
                **sampled,
            )
        skipped = 1 if self.template.decoder_start is not None else ids.shape[1]
        stops = self.template.stops
        found = []
        for row in out[:, skipped:].cpu().numpy():
            ends = np.flatnonzero(np.isin(row, stops))
            found.append(row[: ends[0]] if len(ends) else row)
        return found

    def _sureness(self, prompts: list[np.ndarray], written: list[Any]) -> np.ndarray:
        """(n,) float32: the geometric mean of the probabilities of the written tokens, by one pass over them."""
        some = [row for row, ids in enumerate(written) if ids is not None and len(ids)]
        sure = np.zeros(len(written), np.float32)
        if some:
            turns = Turns(
                [prompts[row] for row in some],
                [np.asarray(written[row], np.int64) for row in some],
                int(self.tokenizer.pad_token_id or 0),
                0,
                self.template.decoder_start,
                keeps_logits(self.model),
            )
            losses, tokens = response_losses(self.model, turns, self.device)
            sure[some] = np.exp(-losses / np.maximum(1, tokens))
        return sure

    # ------------------------------------------------------------ files

    def save(self, directory: Path) -> None:
        """Write weights (safetensors), configs and tokenizer with its template as plain transformers reads them."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        if self.adapter is not None:
            self.adapter.save_pretrained(directory / "adapter")
