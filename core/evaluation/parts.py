"""Parts of an evaluation that the measures of several tasks share."""

from __future__ import annotations

import numpy as np

from core.evaluation.messages import Message
from core.evaluation.records import Calibration, CalibrationBin, ClassScore, Mistake

MOST_MISTAKES = 500
"""Mistakes kept with their texts; all of them are found through ``Evaluation.items``."""
TEXT_LIMIT = 2000
FEW_ROWS = 10
"""A label with fewer rows in the split gets a warning."""


def per_class(gold: np.ndarray, predicted: np.ndarray, names: list[str]) -> dict[str, ClassScore]:
    """Scores by label from indices (n,), or from indicators (n, labels), by scikit-learn; all 0 where n is 0."""
    from sklearn.metrics import precision_recall_fscore_support

    if not len(gold):
        return {name: ClassScore(precision=0.0, recall=0.0, f1=0.0, support=0) for name in names}

    columns = precision_recall_fscore_support(gold, predicted, labels=np.arange(len(names)), zero_division=0)
    return {
        name: ClassScore(precision=float(p), recall=float(r), f1=float(f), support=int(s))
        for name, p, r, f, s in zip(names, *columns, strict=True)
    }


def mistake(item_id: int, text: str, gold: str, predicted: str, score: float) -> Mistake:
    """A wrongly answered text, cut to ``TEXT_LIMIT`` characters."""
    shown = text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"
    return Mistake(item_id=int(item_id), text=shown, gold=gold, predicted=predicted, score=score)


def calibration(right: np.ndarray, confidence: np.ndarray, bins: int = 10) -> Calibration:
    """Confidence (n,) of answers beside the share that was right, ``right`` (n,) bool, in equal bins."""
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    confidences = np.bincount(place, weights=confidence, minlength=bins)
    rights = np.bincount(place, weights=right, minlength=bins)
    used = np.flatnonzero(rows)
    return Calibration(
        error=float(np.abs(confidences - rights).sum() / rows.sum()),
        bins=[
            CalibrationBin(
                low=b / bins,
                high=(b + 1) / bins,
                confidence=float(confidences[b] / rows[b]),
                accuracy=float(rights[b] / rows[b]),
                rows=int(rows[b]),
            )
            for b in used
        ],
    )


def warnings(support: np.ndarray, names: list[str], unseen: list[str], split: str) -> list[Message]:
    """What a reader must know: rare and absent labels, and those (``unseen``, the last of ``names``) new to the model.

    ``support`` (labels,) is the number of rows with each of ``names``.
    """
    found = []
    if unseen:
        rows = int(support[len(names) - len(unseen) :].sum())
        found.append(
            Message(
                key="The model never saw {labels} in training: {rows} {split} rows with it count as mistakes.",
                values={"labels": _list(unseen), "rows": str(rows), "split": split},
            )
        )
    missing = [name for name, rows in zip(names, support, strict=True) if not rows]
    if missing:
        found.append(
            Message(
                key="No {split} row has {labels}: how well it is found cannot be measured.",
                values={"labels": _list(missing), "split": split},
            )
        )
    few = [name for name, rows in zip(names, support, strict=True) if 0 < rows < FEW_ROWS]
    if few:
        found.append(
            Message(
                key="Fewer than {few} {split} rows have {labels}: its scores are rough.",
                values={"labels": _list(few), "few": str(FEW_ROWS), "split": split},
            )
        )
    return found


def _list(names: list[str], limit: int = 5) -> str:
    """Names in quotes, the rest as a number."""
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} (+{len(names) - limit})"
