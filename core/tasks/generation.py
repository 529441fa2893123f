"""Generation: a text is answered with a text. Instructions, summaries, translations and dialogue are all of this kind.

A value is the response. It is compared with what people wrote: word for word (exact match), by the words and
characters they share (ROUGE, chrF, BLEU), in ``core.tasks.wording``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError, RefusedError
from core.tasks.wording import compare_texts, mean_figures

LONGEST_RESPONSE = 100_000
"""Characters."""


class Generation:
    """A response a prompt. A value is the response's text."""

    name = "generation"
    title = "Write a text"
    help = (
        "Choose it when every text is answered with a text: an instruction with its response, a document with its "
        "summary, a sentence with its translation."
    )
    needs_labels = False
    scored = False
    many = False
    paired = False
    fixed_labels: tuple[str, ...] = ()
    implied: Any = None
    minimum_per_class = 3
    """Fewest prompts with a response before a version is frozen: one for each split."""

    def parse(self, cell: Any) -> str | None:
        """A response without white space around it; None for an empty cell. Raises InputError for one too long."""
        text = "" if cell is None else str(cell).strip()
        if len(text) > LONGEST_RESPONSE:
            raise InputError(f"the response has more than {LONGEST_RESPONSE:,} characters")
        return text or None

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Texts mean the same in every file."""
        return list(values), []

    def names(self, value: Any) -> tuple[str, ...]:
        """A response mentions no label."""
        return ()

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """The response is the payload; there are no label ids."""
        text = self.parse(value) if isinstance(value, str) else None
        if text is None:
            raise InputError("The response is empty.", "Write one, or skip this prompt.")
        return json.dumps(text, ensure_ascii=False), []

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> str | None:
        """The response; None when there is none."""
        return None if payload is None else str(json.loads(payload))

    def strata(self, values: Sequence[Any]) -> list[str]:
        """One stratum: splits are drawn at random."""
        return ["responses"] * len(values)

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Refuse a version without a prompt to learn from; say which split cannot be measured."""
        rows = {split: sum(found.values()) for split, found in counts.items()}
        if not rows.get("train"):
            raise RefusedError("No prompt to learn from has a response.", "Import or write responses first.")
        return [
            f"There is no prompt in the {split} split; nothing can be measured there."
            for split in ("dev", "test")
            if not rows.get(split)
        ]

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """(n, 0): what is learned are the tokens of each response, which only a model's tokenizer knows."""
        return np.zeros((len(values), 0), np.int64)

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """Scores say nothing about a text. Raises RefusedError."""
        raise RefusedError("A text cannot be told from scores.", "Ask the model for its answers.")

    def headline(self, values: Sequence[Any]) -> str:
        """ROUGE-L: perplexity is lower for better models, and not comparable between tokenizers."""
        return "rouge_l"

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """ROUGE-L first, ROUGE-1, chrF and BLEU (0 to 1), exact match as accuracy, F1 of words as macro_f1.

        Over the rows with an answer; a model may have been asked for some of them only (None elsewhere).
        """
        pairs = [(one, other) for one, other in zip(gold, predicted, strict=True) if other is not None]
        return mean_figures(compare_texts([one for one, _ in pairs], [other for _, other in pairs]))
