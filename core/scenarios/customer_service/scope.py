"""Is a message about anything we serve? The intent model's confidence times how near the message is to known ones.

The measure is the largest in-scope probability times the mean cosine to the five nearest training messages; each of
the two alone finds fewer foreign messages. The threshold is where a chosen share of in-scope development messages
would be turned away. Probability as a detector: Hendrycks & Gimpel 2017; distance to the nearest training examples:
Sun et al. 2022, 'Out-of-distribution detection with deep nearest neighbors'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from core.data.versions import read_split
from core.records import Record
from core.scenarios.customer_service.embedder import Embedder

if TYPE_CHECKING:
    from core.model import Model

NEAREST = 5
MOST_CALIBRATION = 2_000
"""Development messages that set the threshold."""


@dataclass(frozen=True)
class Scope:
    """The check for one intent model and one embedder."""

    known: np.ndarray
    """(n, d) float32: unit vectors of the in-scope training messages."""
    columns: np.ndarray
    """(labels,) bool: which labels of the model are in scope."""
    calibration: np.ndarray
    """(m,) ascending: the measure of in-scope development messages."""

    @classmethod
    def of(cls, model: Model, embedder: Embedder, out_of_scope: str) -> Scope:
        """Learn what is in scope from the version that the model was trained on."""
        train, dev = (read_split(model.path.parent, split) for split in ("train", "dev"))
        inside = [text for text, value in zip(train.texts, train.values, strict=True) if value != out_of_scope]
        held = [text for text, value in zip(dev.texts, dev.values, strict=True) if value != out_of_scope]
        held = held[:MOST_CALIBRATION] or inside[:MOST_CALIBRATION]
        columns = np.array([label != out_of_scope for label in model.info.labels])
        scope = cls(embedder.many(inside), columns, np.zeros(0, dtype=np.float32))
        scores = np.array([[found.scores[label] for label in model.info.labels] for found in model.predict(held)])
        measured = scope.measure(scores.reshape(len(held), -1), embedder.many(held))
        return cls(scope.known, columns, np.sort(measured))

    def measure(self, scores: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """(n,) from probabilities (n, labels) and unit vectors (n, d); higher is more surely in scope."""
        confidence = np.where(self.columns, scores, 0.0).max(axis=1)
        return np.asarray(confidence * nearness(vectors, self.known))

    def threshold(self, rejected: float) -> float:
        """The measure below which ``rejected`` (a share) of the in-scope development messages lie."""
        return float(np.quantile(self.calibration, rejected)) if len(self.calibration) else 0.0


def nearness(vectors: np.ndarray, known: np.ndarray, block: int = 512) -> np.ndarray:
    """(n,) mean cosine of each vector (n, d) to its five nearest in ``known`` (m, d); at least 0."""
    count = min(NEAREST, len(known))
    if not count:
        return np.zeros(len(vectors), dtype=np.float32)
    found = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), block):
        cosines = vectors[start : start + block] @ known.T
        found[start : start + block] = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
    return np.maximum(found, 0.0)


def best_labels(scores: np.ndarray, labels: Sequence[str], columns: np.ndarray) -> list[str]:
    """The most probable in-scope label of each row of ``scores`` (n, labels)."""
    return [labels[place] for place in np.where(columns, scores, -1.0).argmax(axis=1)]


class ScopeFigures(Record):
    """How well the check does on texts that it has not seen."""

    in_scope: int = Field(description="In-scope texts.")
    foreign: int = Field(description="Foreign texts.")
    accuracy: float = Field(description="Share of in-scope texts with the right intent, turned away or not.")
    accepted_accuracy: float = Field(description="The same of those that are not turned away.")
    kept_accuracy: float = Field(description="Share of in-scope texts that keep the right intent: a text turned away "
                                 "counts as wrong.")  # fmt: skip
    turned_away: float = Field(description="Share of in-scope texts taken for foreign.")
    recall: float = Field(description="Share of foreign texts that are found.")
    area: float | None = Field(description="Area under the ROC curve of the measure; None without foreign texts.")


def measure_scope(
    scope: Scope, model: Model, embedder: Embedder, rejected: float, out_of_scope: str, split: str = "test"
) -> ScopeFigures:
    """Run the check over a split of the model's version."""
    rows = read_split(model.path.parent, split)
    return scope_figures(scope, model, embedder, rejected, out_of_scope, rows.texts, rows.values)


def scope_figures(
    scope: Scope,
    model: Model,
    embedder: Embedder,
    rejected: float,
    out_of_scope: str,
    texts: Sequence[str],
    gold: Sequence[str],
) -> ScopeFigures:
    """Run the check over texts whose right intents, or ``out_of_scope``, are known."""
    labels = model.info.labels
    scores = np.array([[found.scores[label] for label in labels] for found in model.predict(texts)], dtype=np.float32)
    scores = scores.reshape(len(texts), len(labels))
    measured = scope.measure(scores, embedder.many(texts))
    inside = np.array([value != out_of_scope for value in gold], dtype=bool)
    # A text whose most probable label is "out of scope" is turned away whatever the measure says.
    chosen = [labels[place] for place in scores.argmax(axis=1)] if len(texts) else []
    refused = np.array([label == out_of_scope for label in chosen], dtype=bool)
    refused |= measured < scope.threshold(rejected)
    right = np.array(
        [a == b for a, b in zip(best_labels(scores, labels, scope.columns), gold, strict=True)], dtype=bool
    )
    kept = inside & ~refused
    return ScopeFigures(
        in_scope=int(inside.sum()),
        foreign=int((~inside).sum()),
        accuracy=_mean(right[inside]),
        accepted_accuracy=_mean(right[kept]),
        kept_accuracy=_mean((right & ~refused)[inside]),
        turned_away=_mean(refused[inside]),
        recall=_mean(refused[~inside]),
        area=_area(measured, inside),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _area(measured: np.ndarray, inside: np.ndarray) -> float | None:
    if inside.all() or not inside.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(inside, measured))
