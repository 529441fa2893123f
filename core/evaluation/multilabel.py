"""How well sets of labels are found: one decision a label and text, counted by label and by text."""

from __future__ import annotations

import numpy as np

from core.evaluation.bootstrap import DRAWS, interval, lowest_plausible
from core.evaluation.judged import Judged
from core.evaluation.parts import MOST_MISTAKES, calibration, mistake, per_class, warnings
from core.evaluation.records import Calibration, ConfusedPair, Evaluation, Mistake
from core.tasks.multilabel import Multilabel, as_cell, mean_f1, padded

DRAWS_AT_ONCE = 50
MOST_PAIRS = 200
"""Confused pairs that are kept."""


def evaluate_multilabel(judged: Judged) -> Evaluation:
    """Figures, intervals and mistakes of one split; ``accuracy``: the share of texts with exactly the right labels."""
    unseen = sorted({name for value in judged.gold for name in value} - set(judged.labels))
    names = [*judged.labels, *unseen]
    task = Multilabel()
    gold, predicted = (task.targets(values, names).astype(bool) for values in (judged.gold, judged.predicted))
    right = (gold == predicted).all(axis=1)
    figures = _figures(gold, predicted)
    intervals = _intervals(gold, predicted, judged.seed)
    return Evaluation(
        name=judged.name,
        split=judged.split,
        rows=len(gold),
        labels=names,
        accuracy=figures["texts_right"],
        macro_f1=figures["macro_f1"],
        weighted_f1=figures["weighted_f1"],
        figures=figures,
        intervals=intervals | {"texts_right": intervals["accuracy"]},
        row_scores=_row_f1(gold, predicted).tolist(),
        per_class=per_class(padded(gold), padded(predicted), names),
        confused_pairs=_confused(gold, predicted, names),
        mistakes=_mistakes(judged, right),
        calibration=_calibration(gold, predicted, np.asarray(judged.scores, dtype=np.float64)),
        warnings=warnings(gold.sum(axis=0), names, unseen, judged.split),
        item_ids=[int(i) for i in judged.ids],
        gold_sets=[np.flatnonzero(row).tolist() for row in gold],
        predicted_sets=[np.flatnonzero(row).tolist() for row in predicted],
    )


def _figures(gold: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """All figures from indicators (n, labels) bool, the headline first."""
    return {
        "micro_f1": mean_f1(gold, predicted, "micro"),
        "texts_right": float((gold == predicted).all(axis=1).mean()),
        **{f"{kind}_f1": mean_f1(gold, predicted, kind) for kind in ("macro", "weighted", "samples")},
        "hamming_loss": float((gold != predicted).mean()),
    }


def _row_f1(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n,) F1 of the labels of each text; 1 where there is none and none was given."""
    hits, size = (gold & predicted).sum(axis=1), gold.sum(axis=1) + predicted.sum(axis=1)
    return np.where(size > 0, 2 * hits / np.maximum(size, 1), 1.0)


def _intervals(gold: np.ndarray, predicted: np.ndarray, seed: int) -> dict[str, tuple[float, float]]:
    """95 % intervals by drawing rows with replacement; equal rows are drawn together, some draws at a time."""
    from scipy.sparse import csr_matrix

    labels = gold.shape[1]
    kinds, counts = np.unique(np.packbits(np.hstack([gold, predicted]), axis=1), axis=0, return_counts=True)
    rows = np.unpackbits(kinds, axis=1, count=2 * labels).astype(bool)
    a, b = rows[:, :labels], rows[:, labels:]
    right = (a == b).all(axis=1)
    if right.all():
        return dict.fromkeys(("accuracy", "macro_f1", "weighted_f1", "micro_f1"), (lowest_plausible(len(gold)), 1.0))
    table = csr_matrix(np.hstack([a & b, a, b]).astype(np.float64))  # (kinds, 3 x labels): hits, gold, predicted
    never_gold = np.asarray(b.any(axis=0) & ~a.any(axis=0))
    total, random = int(counts.sum()), np.random.default_rng(seed)
    draws: dict[str, list[np.ndarray]] = {}
    for _ in range(DRAWS // DRAWS_AT_ONCE):
        drawn = random.multinomial(total, counts / total, size=DRAWS_AT_ONCE)  # (draws, kinds)
        hits, support, answered = np.split(np.asarray(drawn @ table), 3, axis=1)  # (draws, labels) each
        for name, values in _resampled(hits, support, answered, never_gold).items():
            draws.setdefault(name, []).append(values)
        draws.setdefault("accuracy", []).append(drawn[:, right].sum(axis=1) / total)
    return {name: interval(np.concatenate(parts)) for name, parts in draws.items()}


def _resampled(
    hits: np.ndarray, support: np.ndarray, answered: np.ndarray, never_gold: np.ndarray
) -> dict[str, np.ndarray]:
    """F1 of resampled splits, (draws,) each, from counts (draws, labels)."""
    f1 = 2 * hits / np.maximum(support + answered, 1)
    present = ((support + answered) > 0) | never_gold
    return {
        "macro_f1": f1.sum(axis=1) / np.maximum(present.sum(axis=1), 1),
        "weighted_f1": (f1 * support).sum(axis=1) / np.maximum(support.sum(axis=1), 1),
        "micro_f1": 2 * hits.sum(axis=1) / np.maximum((support + answered).sum(axis=1), 1),
    }


def _confused(gold: np.ndarray, predicted: np.ndarray, names: list[str]) -> list[ConfusedPair]:
    """Labels that were missed on texts where another was given too much, most frequent first."""
    missed, extra = gold & ~predicted, predicted & ~gold
    counts = missed.T.astype(np.int64) @ extra.astype(np.int64)  # (missed, extra)
    support = gold.sum(axis=0)
    rows, columns = np.nonzero(counts)
    share = counts[rows, columns] / support[rows]
    order = np.lexsort((columns, rows, -share, -counts[rows, columns]))[:MOST_PAIRS]
    return [
        ConfusedPair(gold=names[g], predicted=names[p], rows=int(counts[g, p]), share=float(counts[g, p] / support[g]))
        for g, p in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    ]


def _mistakes(judged: Judged, right: np.ndarray) -> list[Mistake]:
    """Texts with a wrong label or without a right one, those first of which the model was most sure."""
    task = Multilabel()
    scores = np.asarray(judged.scores, dtype=np.float64)  # (n, labels)
    known = list(judged.labels)
    wrong = task.targets(judged.gold, known) != task.targets(judged.predicted, known)
    given = task.targets(judged.predicted, known) > 0
    sure = np.where(wrong, np.where(given, scores, 1 - scores), 0).max(axis=1, initial=0)
    order = np.flatnonzero(~right)
    order = order[np.argsort(-sure[order], kind="stable")][:MOST_MISTAKES]
    return [
        mistake(
            judged.ids[i],
            judged.texts[i],
            as_cell(judged.gold[i]),
            as_cell(judged.predicted[i]),
            float(sure[i]),
        )
        for i in order.tolist()
    ]


def _calibration(gold: np.ndarray, predicted: np.ndarray, scores: np.ndarray) -> Calibration | None:
    """Of the labels that were given, is the share that was right what their probabilities say?"""
    said = predicted[:, : scores.shape[1]]
    if not said.any():
        return None
    return calibration(gold[:, : scores.shape[1]][said], scores[said])
