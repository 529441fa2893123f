"""The measure of answers to questions about texts: F1 of words and exact match, as SQuAD measures them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.evaluation.bootstrap import mean_interval
from core.evaluation.judged import Judged
from core.evaluation.messages import Message
from core.evaluation.parts import FEW_ROWS, MOST_MISTAKES, calibration, mistake, per_class
from core.evaluation.records import ConfusedPair, Evaluation, Mistake, Reply
from core.tasks.answers import exact, f1_of
from core.tasks.question_answering import QuestionAnswering

SHOWN = 500
"""Questions that are kept to be read."""
AROUND = 1000
"""Characters kept on each side of an answer."""


def evaluate_answers(judged: Judged) -> Evaluation:
    """Figures with intervals, also of questions with and without an answer by themselves, and what to read.

    ``per_class``, ``confusion`` and the indices are about one thing only: is there an answer? ``accuracy`` is the exact
    match, ``macro_f1`` the mean of the F1 of both kinds of questions. ``extra`` may hold ``confidence``.
    """
    task = QuestionAnswering()
    labels = list(judged.labels) or list(task.fixed_labels)
    figures = task.metrics(judged.gold, judged.predicted, labels)
    f1 = np.array([f1_of(g, p) for g, p in zip(judged.gold, judged.predicted, strict=True)])
    same = np.array([exact(g, p) for g, p in zip(judged.gold, judged.predicted, strict=True)])
    there = np.array([bool(g) for g in judged.gold], dtype=bool)
    gold, predicted = task.targets(judged.gold, labels), task.targets(judged.predicted, labels)
    confusion = np.bincount(gold * len(labels) + predicted, minlength=len(labels) ** 2).reshape(len(labels), -1)
    sure = np.asarray(judged.extra.get("confidence", ()), np.float64)
    known = len(sure) == len(f1)
    sure = sure if known else np.zeros(len(f1))
    accuracy = figures.pop("accuracy")
    rows = {"answer_f1": f1, "exact_match": same, "accuracy": same}
    rows |= {"answerable_f1": f1[there], "answerable_exact": same[there], "unanswerable_right": same[~there]}
    intervals = {name: mean_interval(part, judged.seed) for name, part in rows.items() if len(part)}
    kinds = [float(f1[part].mean()) for part in (there, ~there) if part.any()]
    return Evaluation(
        name=judged.name,
        split=judged.split,
        rows=len(f1),
        labels=labels,
        accuracy=accuracy,
        macro_f1=float(np.mean(kinds)),
        weighted_f1=figures["answer_f1"],
        figures=figures,
        intervals=intervals,
        per_class=per_class(gold, predicted, labels),
        confusion=confusion.tolist(),
        confused_pairs=_confused(confusion, labels),
        mistakes=_mistakes(judged, same, f1, sure),
        calibration=calibration(same > 0, sure) if known else None,
        warnings=_warnings(judged, there),
        replies=_replies(judged, f1, sure),
        item_ids=[int(i) for i in judged.ids],
        gold=gold.tolist(),
        predicted=predicted.tolist(),
        row_scores=f1.tolist(),
    )


def _confused(confusion: np.ndarray, labels: Sequence[str]) -> list[ConfusedPair]:
    """Questions answered where there is no answer, and the other way round, most frequent first."""
    support = confusion.sum(axis=1)
    found = [
        ConfusedPair(gold=labels[g], predicted=labels[p], rows=int(confusion[g, p]), share=confusion[g, p] / support[g])
        for g, p in zip(*np.nonzero(confusion), strict=True)
        if g != p
    ]
    return sorted(found, key=lambda pair: (-pair.rows, -pair.share))


def _mistakes(judged: Judged, same: np.ndarray, f1: np.ndarray, sure: np.ndarray) -> list[Mistake]:
    """Answers that are not word for word an accepted one, those least alike first, and of these the surest."""
    wrong = np.flatnonzero(same < 1)
    wrong = wrong[np.lexsort((-sure[wrong], f1[wrong]))][:MOST_MISTAKES]
    found = []
    for row in wrong.tolist():
        context, _ = _excerpt(judged.texts[row], judged.predicted[row] or judged.gold[row])
        shown = f"{_question(judged, row)}\n\n{context}"
        found.append(
            mistake(judged.ids[row], shown, in_words(judged.gold[row]), in_words(judged.predicted[row]), sure[row])
        )
    return found


def _replies(judged: Judged, f1: np.ndarray, sure: np.ndarray) -> list[Reply]:
    found = []
    for row in range(min(SHOWN, len(f1))):
        given = judged.predicted[row]
        context, at = _excerpt(judged.texts[row], given or judged.gold[row])
        found.append(
            Reply(
                item_id=int(judged.ids[row]),
                question=_question(judged, row),
                context=context,
                expected=list(dict.fromkeys(one["text"] for one in judged.gold[row])),
                given=given[0]["text"] if given else "",
                at=at if given else [],
                f1=float(f1[row]),
                score=float(sure[row]),
            )
        )
    return found


def in_words(value: Sequence[Any]) -> str:
    """Answers as one reads them; a dash where there is none."""
    return " / ".join(dict.fromkeys(one["text"] for one in value)) or "–"


def _question(judged: Judged, row: int) -> str:
    return judged.texts_b[row] if judged.texts_b is not None else ""


def _excerpt(context: str, value: Sequence[Any]) -> tuple[str, list[int]]:
    """The text around the first answer, or its beginning, and where the answer is in it."""
    start, end = (value[0]["start"], value[0]["end"]) if value else (0, 0)
    first, last = max(0, start - AROUND), min(len(context), end + AROUND)
    before, after = "…" if first else "", "…" if last < len(context) else ""
    shift = len(before) - first
    return f"{before}{context[first:last]}{after}", [start + shift, end + shift]


def _warnings(judged: Judged, there: np.ndarray) -> list[Message]:
    found = []
    if len(there) < FEW_ROWS:
        found.append(
            Message(
                key="Fewer than {few} questions in the {split} split: all figures are rough.",
                values={"few": str(FEW_ROWS), "split": judged.split},
            )
        )
    if there.all():
        found.append(
            Message(
                key="Every {split} question has an answer: whether the model notices a missing one is not measured.",
                values={"split": judged.split},
            )
        )
    return found
