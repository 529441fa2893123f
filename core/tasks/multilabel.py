"""Multi-label classification: any number of labels a text, also none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError, RefusedError
from core.tasks.counts import check_train, unmeasured

SEPARATOR = "|"
EVEN = 0.5
"""Threshold of a label about which the dev split says too little."""
HALF_AN_ERROR = 0.5
"""Standard errors of F1 that a threshold nearer to one half may cost: the best one on dev is partly chance. Mixed
Banking77 texts of 30 labels, 150 to 666 dev rows, micro F1 of fresh rows with thresholds at 0.5, the best on dev, and
these: 81.7, 81.6 to 83.4, 82.4 to 83.8 (baseline); 77.6, 76.5 to 78.0, 78.2 to 79.2 (features)."""
LEAST_POSITIVES = 5
"""Dev rows a label needs before its threshold is chosen there: with fewer it would follow chance."""


class Multilabel:
    """Any number of labels a text, e.g. topics or emotions. A value is a list of names, empty for none of them."""

    name = "multilabel"
    title = "Any number of labels a text"
    help = "Choose it when a text may belong to several classes, or to none: topics, emotions, complaints, risks."
    needs_labels = True
    paired = False
    many = True
    fixed_labels: tuple[str, ...] = ()
    scored = True
    implied: Any = None
    minimum_per_class = 3
    """Fewest examples a label needs before a version is frozen: one for each split."""

    def parse(self, cell: Any) -> list[str] | None:
        """Names from a list, a JSON list, or a cell like ``a|b``: trimmed, each once; None for an empty cell.

        An empty list says that none of the labels fits. Raises InputError for a list of anything but names.
        """
        text = "" if cell is None else cell.strip() if isinstance(cell, str) else cell
        if isinstance(text, str):
            if not (text.startswith("[") and text.endswith("]")):
                return _trimmed(text.split(SEPARATOR)) or None
            try:
                text = json.loads(text)
            except ValueError:
                raise InputError(
                    f"the label {text[:40]} looks like a list, but is none in JSON; write it as a|b"
                ) from None
        if not isinstance(text, list | tuple) or not all(_is_name(name) for name in text):
            raise InputError(f"the label {str(cell)[:40]} is no list of names")
        return _trimmed([str(name) for name in text])

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Names mean the same in every file."""
        return list(values), []

    def names(self, value: Any) -> tuple[str, ...]:
        """The names."""
        return tuple(value or ())

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """Label ids in ascending order; an empty list is a payload, so that it is told from no answer at all."""
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InputError(
                f"'{str(value)[:40]}' is no list of labels.", "Give a list; an empty one for none of them."
            )
        unknown = [name for name in value if not isinstance(name, str) or name not in ids]
        if unknown:
            raise InputError(
                f"'{str(unknown[0])[:40]}' is not a label of this project.", f"Labels: {', '.join(ids) or 'none yet'}."
            )
        return None if value else "[]", sorted({ids[name] for name in value})

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> list[str] | None:
        """Names in the order of the schema; None when the item carries no label."""
        if not label_ids:
            return None if payload is None else []
        chosen = {names[label_id] for label_id in label_ids if label_id in names}
        return [name for name in dict.fromkeys(names.values()) if name in chosen]

    def strata(self, values: Sequence[Any]) -> list[str]:
        """The rarest label of each value, so that every label lands in every split.

        The idea of iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, "On the Stratification of
        Multi-Label Data"). A stratum that is too small although its label is not, since the label's other rows count
        by rarer ones, joins the largest.
        """
        totals = Counter(name for value in values for name in value)
        rarest = [min(value, key=lambda name: (totals[name], name), default="") for value in values]
        sizes = Counter(rarest)
        small = {name for name, rows in sizes.items() if rows < self.minimum_per_class <= totals.get(name, len(values))}
        largest = max(sorted(sizes), key=sizes.__getitem__, default="")
        return [largest if name in small else name for name in rarest]

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Refuse a version that cannot be trained; warn where a split lacks a label."""
        totals: Counter[str] = Counter()
        for split in counts.values():
            totals.update(split)
        bare = totals.pop("", 0)
        if not totals:
            found = f"All {bare} labelled items carry none of the labels." if bare else "Nothing is labelled yet."
            raise RefusedError(f"A model needs texts with labels. {found}", "Label texts to which a label applies.")
        if len(totals) == 1 and not bare:
            raise RefusedError(
                f"All labelled items are '{next(iter(totals))}'.", "Label texts to which it does not apply as well."
            )
        check_train(counts, totals)
        return unmeasured(counts, totals)

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """1 where a label applies, (n, len(labels)) float32; names that are no label of the model are left out."""
        index = {label: i for i, label in enumerate(labels)}
        targets = np.zeros((len(values), len(labels)), dtype=np.float32)
        for row, value in enumerate(values):
            targets[row, [index[name] for name in value if name in index]] = 1
        return targets

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[list[str]]:
        """The labels of each row of scores (n, len(labels)) that are more probable than not."""
        return self.answers(scores, labels, {})[0]

    def decide(self, gold: Sequence[Any], scores: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """The threshold of each label for a high F1 on the dev split (n values, scores (n, len(labels))).

        Fan & Lin 2007, "A Study on Threshold Selection for Multi-label Classification"; Lipton, Elkan & Narayanaswamy
        2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure". A label that is too rare there keeps 0.5.
        """
        targets = self.targets(gold, labels)
        return {
            "thresholds": {
                label: best_threshold(targets[:, column], scores[:, column]) for column, label in enumerate(labels)
            }
        }

    def answers(
        self, scores: np.ndarray, labels: Sequence[str], decision: Mapping[str, Any]
    ) -> tuple[list[list[str]], np.ndarray]:
        """(values, confidence (n,) float32) from probabilities (n, len(labels)) and what ``decide`` gave.

        The confidence is that of the least sure label: 0.5 at its threshold, 1 where its probability is 0 or 1.
        """
        chosen = decision.get("thresholds", {})
        limits = np.array([chosen.get(label, EVEN) for label in labels])
        given = scores >= limits
        values = [[labels[i] for i in np.flatnonzero(row).tolist()] for row in given]
        reach = np.where(given, (scores - limits) / (1 - limits), (limits - scores) / limits)
        return values, (0.5 + reach.min(axis=1, initial=1) / 2).astype(np.float32)

    def headline(self, values: Sequence[Any]) -> str:
        """Micro F1: every decision counts the same."""
        return "micro_f1"

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """Micro and macro F1, the share of texts with exactly the right labels, and the share of wrong decisions.

        F1 by scikit-learn, over the labels that occur in gold or predictions.
        """
        known = list(dict.fromkeys([*labels, *(name for value in gold for name in value)]))
        true, said = (self.targets(values, known).astype(bool) for values in (gold, predicted))
        return {
            "micro_f1": mean_f1(true, said, "micro"),
            "macro_f1": mean_f1(true, said, "macro"),
            "accuracy": float((true == said).all(axis=1).mean()),
            "hamming_loss": float((true != said).mean()) if known else 0.0,
        }


def mean_f1(gold: np.ndarray, predicted: np.ndarray, average: str) -> float:
    """scikit-learn's F1 of indicators (n, labels) bool over the labels that occur in either; 1 where none does.

    ``average`` is micro, macro, weighted or samples. A text without labels that got none counts as 1 in the last.
    """
    from sklearn.metrics import f1_score

    used = np.flatnonzero((gold | predicted).any(axis=0))
    if not len(used):
        return 1.0
    empty = float(average == "samples")
    return float(f1_score(padded(gold), padded(predicted), labels=used, average=average, zero_division=empty))


def padded(indicators: np.ndarray) -> np.ndarray:
    """Indicators (n, labels) with an empty column: scikit-learn takes a single one for two classes."""
    return np.hstack([indicators, np.zeros((len(indicators), 1), dtype=bool)]).astype(int)


def best_threshold(targets: np.ndarray, scores: np.ndarray) -> float:
    """The probability from which a label should be given for a high F1 on targets (n,) 0 or 1 and scores (n,).

    Among those whose F1 is the highest, up to half a standard error (the rule of Breiman et al. 1984, with one), the
    nearest to 0.5. It lies in the middle between two scores. 0.5 for too few positives.
    """
    positives = int(targets.sum())
    if positives < LEAST_POSITIVES:
        return EVEN
    order = np.argsort(-scores, kind="stable")
    ranked = np.asarray(scores[order], dtype=np.float64)
    hits = np.cumsum(targets[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + positives)  # (n,) when the first 1, 2 ... n rows get the label
    below = np.append(ranked[1:], 0.0)
    middle = (ranked + below) / 2
    f1[(ranked == below) | (middle <= 0) | (middle >= 1)] = -1  # a threshold cannot part equal scores
    highest = float(f1.max())
    if highest <= 0:
        return EVEN
    margin = HALF_AN_ERROR * np.sqrt(highest * (1 - highest) / positives)
    best = middle[f1 >= highest - margin - 1e-12]
    return float(best[np.abs(best - EVEN).argmin()])


def as_cell(value: Sequence[str]) -> str:
    """The labels as one cell that ``parse`` reads back: ``a|b``, or a JSON list where that would not do."""
    text = SEPARATOR.join(value)
    plain = value and not any(SEPARATOR in name for name in value) and not (text.startswith("[") and text.endswith("]"))
    return text if plain else json.dumps(list(value), ensure_ascii=False)


def _trimmed(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
