"""From gold values and scores to an Evaluation. The figures are scikit-learn's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import RefusedError
from core.evaluation import texts
from core.evaluation.answers import evaluate_answers
from core.evaluation.bootstrap import Outcomes, correlation_interval, correlation_parts, interval, lowest_plausible
from core.evaluation.bootstrap import scores as resampled_scores
from core.evaluation.judged import Judged
from core.evaluation.multilabel import evaluate_multilabel
from core.evaluation.parts import MOST_MISTAKES, calibration, mistake, per_class, warnings
from core.evaluation.records import Agreement, ConfusedPair, Evaluation, Mistake
from core.evaluation.spans import evaluate_spans
from core.tasks.base import Task
from core.tasks.generation import Generation
from core.tasks.pair import MATCH, Pair, correlations, grades, is_graded

BY_VALUES: dict[str, Callable[[Judged], Evaluation]] = {
    "multilabel": evaluate_multilabel,
    "tagging": evaluate_spans,
    "question_answering": evaluate_answers,
    Generation.name: texts.measure,
}
"""Measures of the tasks that are not one label a row, by task name."""


def evaluate(
    gold: Sequence[Any],
    scores: np.ndarray,
    labels: Sequence[str],
    ids: Sequence[int],
    texts: Sequence[str],
    task: Task,
    split: str = "test",
    name: str = "",
    seed: int = 0,
    predicted: Sequence[Any] | None = None,
    extra: Mapping[str, Sequence[float]] | None = None,
    texts_b: Sequence[str] | None = None,
) -> Evaluation:
    """Measure predictions on one split.

    ``scores`` is (n, len(labels)) probabilities; ``gold``, ``ids``, ``texts``, ``texts_b`` and ``predicted`` have n
    entries. Tasks with one label a row are judged by their scores alone; ``extra`` has further numbers of each row by
    name. Gold labels that the model does not know count as mistakes and are named in ``warnings``. Raises RefusedError
    for an empty split and for predictions that do not fit it.
    """
    if len(gold) == 0:
        raise RefusedError(
            f"The {split} split is empty, there is nothing to measure.",
            "Freeze a version that sets some labelled items aside for it.",
        )
    if (measure := BY_VALUES.get(task.name)) is not None:
        if predicted is None or not len(gold) == len(predicted) == len(ids) == len(texts):
            raise RefusedError(f"The predictions do not fit the {split} split.", "Train the model again.")
        judged = Judged(gold, predicted, scores, labels, ids, texts, split, name, seed, texts_b, extra or {})
        return measure(judged).model_copy(update={"counts": task.headline(gold)})
    texts = texts if texts_b is None else list(map(" ↔ ".join, zip(texts, texts_b, strict=True)))
    scores = np.asarray(scores, dtype=np.float64)
    if not len(gold) == len(scores) == len(ids) == len(texts) or scores.shape[1:] != (len(labels),):
        raise RefusedError(
            f"The predictions do not fit the {split} split: {len(gold)} rows and {len(labels)} labels, "
            f"scores of shape {scores.shape}.",
            "Train the model again on this version.",
        )
    if not np.isfinite(scores).all():
        raise RefusedError(
            f"Some scores of the {split} split are not numbers.", "Train the model again with a lower learning rate."
        )
    unseen = sorted({name for value in gold for name in task.names(value)} - set(labels))
    names = [*labels, *unseen]
    gold_index = task.targets(gold, names)
    predicted_index = scores.argmax(axis=1)
    confidence = scores[np.arange(len(scores)), predicted_index]
    confusion = _confusion(gold_index, predicted_index, len(names))
    graded = task.name == Pair.name and is_graded(gold)
    return Evaluation(
        name=name,
        split=split,
        rows=len(gold),
        labels=names,
        counts=task.headline(gold),
        **_figures(gold_index, predicted_index, len(names), seed),
        per_class=per_class(gold_index, predicted_index, names),
        confusion=confusion.tolist(),
        confused_pairs=_confused_pairs(confusion, names),
        mistakes=_mistakes(gold_index, predicted_index, confidence, names, ids, texts),
        calibration=calibration(gold_index == predicted_index, confidence),
        warnings=warnings(confusion.sum(axis=1), names, unseen, split),
        item_ids=[int(i) for i in ids],
        gold=gold_index.tolist(),
        predicted=predicted_index.tolist(),
        agreement=_agreement(gold, scores, labels) if graded else None,
        row_scores=correlation_parts(grades(gold), scores[:, list(labels).index(MATCH)]).tolist() if graded else [],
    )


def _agreement(gold: Sequence[Any], scores: np.ndarray, labels: Sequence[str]) -> Agreement:
    """How well the probabilities of a match follow the grades."""
    grade, match = grades(gold), scores[:, list(labels).index(MATCH)]
    found = correlations(grade, match) if len(gold) > 1 else {"spearman": 0.0, "pearson": 0.0}
    low, high = correlation_interval(found["spearman"], len(gold))
    return Agreement(**found, low=low, high=high)


def _figures(gold: np.ndarray, predicted: np.ndarray, labels: int, seed: int) -> dict[str, Any]:
    from sklearn.metrics import accuracy_score, f1_score

    outcomes = Outcomes.of(gold, predicted)
    draws = resampled_scores(outcomes.draw(seed), outcomes.columns[:, 0], outcomes.columns[:, 1], labels)
    intervals = {figure: interval(values) for figure, values in draws.items()}
    if np.array_equal(gold, predicted):
        intervals = dict.fromkeys(intervals, (lowest_plausible(len(gold)), 1.0))
    return {
        "accuracy": float(accuracy_score(gold, predicted)),
        "macro_f1": float(f1_score(gold, predicted, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(gold, predicted, average="weighted", zero_division=0)),
        "intervals": intervals,
    }


def _confusion(gold: np.ndarray, predicted: np.ndarray, labels: int) -> np.ndarray:
    """(labels, labels) int64; rows are gold."""
    return np.bincount(gold * labels + predicted, minlength=labels * labels).reshape(labels, labels)


def _confused_pairs(confusion: np.ndarray, names: list[str]) -> list[ConfusedPair]:
    wrong = confusion - np.diag(np.diag(confusion))
    support = confusion.sum(axis=1)
    rows, columns = np.nonzero(wrong)
    order = np.lexsort((columns, rows, -wrong[rows, columns] / support[rows], -wrong[rows, columns]))
    return [
        ConfusedPair(gold=names[g], predicted=names[p], rows=int(wrong[g, p]), share=float(wrong[g, p] / support[g]))
        for g, p in zip(rows[order], columns[order], strict=True)
    ]


def _mistakes(
    gold: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    names: list[str],
    ids: Sequence[int],
    texts: Sequence[str],
) -> list[Mistake]:
    wrong = np.flatnonzero(gold != predicted)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
    return [
        mistake(ids[i], texts[i], names[gold[i]], names[predicted[i]], float(confidence[i])) for i in wrong.tolist()
    ]
