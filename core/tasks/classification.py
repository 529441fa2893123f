"""Single-label classification: exactly one label a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError, RefusedError
from core.tasks.counts import check_train, unmeasured


class Classification:
    """One label a text, e.g. an intent or a sentiment. A value is the label's name."""

    name = "classification"
    title = "One label a text"
    help = "Choose it when every text belongs to exactly one class: intent, sentiment, topic, risk."
    needs_labels = True
    paired = False
    many = False
    fixed_labels: tuple[str, ...] = ()
    scored = True
    implied: Any = None
    minimum_per_class = 3
    """Fewest labelled examples a class needs before a version is frozen: one for each split."""
    learns_unlabelled = True
    """Methods may learn from texts without a label too: a version holds some."""

    def parse(self, cell: Any) -> str | None:
        """A label name without surrounding white space; None for an empty cell."""
        if cell is None:
            return None
        name = str(cell).strip()
        return name or None

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Names mean the same in every file."""
        return list(values), []

    def names(self, value: Any) -> tuple[str, ...]:
        """The one name."""
        return () if value is None else (value,)

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """The label id says it all; there is no payload."""
        if not isinstance(value, str) or value not in ids:
            raise InputError(f"'{value}' is not a label of this project.", f"Labels: {', '.join(ids) or 'none yet'}.")
        return None, [ids[value]]

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> str | None:
        """The name of the one label id; None when there is none."""
        return names[label_ids[0]] if label_ids else None

    def strata(self, values: Sequence[Any]) -> list[str]:
        """The label itself."""
        return list(values)

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Refuse a version that cannot be trained; warn where a split lacks a class."""
        totals: dict[str, int] = {}
        for split in counts.values():
            for label, rows in split.items():
                totals[label] = totals.get(label, 0) + rows
        if len(totals) < 2:
            found = f"All labelled items are '{next(iter(totals))}'." if totals else "Nothing is labelled yet."
            raise RefusedError(f"A model needs at least two classes. {found}", "Label items of a second class first.")
        check_train(counts, totals)
        return unmeasured(counts, totals)

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """Label indices, (n,) int64."""
        index = {label: i for i, label in enumerate(labels)}
        return np.fromiter((index[value] for value in values), dtype=np.int64, count=len(values))

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[str]:
        """The most probable label of each row of scores (n, len(labels))."""
        return [labels[i] for i in scores.argmax(axis=1)]

    def headline(self, values: Sequence[Any]) -> str:
        """The share of right answers."""
        return "accuracy"

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """Accuracy, macro and weighted F1 by scikit-learn over the labels that occur in gold or predictions."""
        from sklearn.metrics import accuracy_score, f1_score

        return {
            "accuracy": float(accuracy_score(gold, predicted)),
            "macro_f1": float(f1_score(gold, predicted, average="macro", zero_division=0)),
            "weighted_f1": float(f1_score(gold, predicted, average="weighted", zero_division=0)),
        }
