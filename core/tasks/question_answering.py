"""Question answering: which stretch of a text answers a question about it, if any. Also known as reading comprehension.

The text of a row is the context, its second text the question: rows of one context are then rows of one text, which
stay together when versions are split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError, RefusedError
from core.tasks.answers import Answer, checked_answers, exact, f1_of, read_cell
from core.tasks.base import Answers
from core.tasks.counts import unmeasured

ANSWER, NO_ANSWER = "answer", "no answer"
HALF = 0.5


def chances(there: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """(n, labels) float32 from the probability (n,) that there is an answer."""
    return np.stack([there if label == ANSWER else 1 - there for label in labels], axis=1).astype(np.float32)


class QuestionAnswering:
    """A span of the context for each question. A value is the list of accepted answers; empty: there is none."""

    name = "question_answering"
    title = "Answers in a text"
    help = (
        "Choose it when every row has a text and a question about it: the answer is a stretch of the text, or it says "
        "that the text holds none. Reading comprehension, as in SQuAD."
    )
    needs_labels = True
    paired = True
    many = False
    scored = False
    fixed_labels: tuple[str, ...] = (ANSWER, NO_ANSWER)
    implied: Any = None
    minimum_per_class = 1
    columns: tuple[tuple[str, ...], ...] = (
        ("context", "answers", "question"), ("context", "answer", "question"), ("text", "label", "text_b"),
        ("passage", "answers", "question"), ("passage", "answer", "question"), ("text", "answers", "question"),
        ("text", "answer", "question"), ("上下文", "答案", "问题"), ("文本", "答案", "问题"),
        ("context", "", "question"), ("passage", "", "question"),
    )  # fmt: skip
    beside = ("answer_start", "is_impossible")

    # ------------------------------------------------------------ values

    def join(self, text: str, text_b: str | None, cell: str | None, *beside: str | None) -> tuple[str, str | None]:
        """The context as it is, and its answers as JSON. Raises InputError for an answer that is not in it."""
        found = read_cell(text, cell, *beside)
        # Only ASCII, so that no later step changes a letter of an answer and not of the context.
        return text, None if found is None else json.dumps(found)

    def fit(self, value: Any, text: str, text_b: str | None) -> list[Answer]:
        """Answers in their places. Raises InputError for those that are not in the context."""
        try:
            return checked_answers(value, text)
        except InputError as error:
            raise InputError(
                f"This is no answer in the text: {error.message}.", "Mark words of the text, or say that it has none."
            ) from error

    def parse(self, cell: Any) -> list[Answer] | None:
        """Answers as ``join`` wrote them; None for an empty cell."""
        found: list[Answer] | None = json.loads(cell) if cell else None
        return found

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Answers mean the same in every file."""
        return list(values), []

    def names(self, value: Any) -> tuple[str, ...]:
        """Whether there is an answer."""
        return () if value is None else ((ANSWER,) if value else (NO_ANSWER,))

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """The answers are the payload; the label says whether there are any."""
        return json.dumps(value, ensure_ascii=False), [ids[name] for name in self.names(value)]

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> list[Answer] | None:
        """The answers; None when the item carries no label."""
        found: list[Answer] | None = json.loads(payload) if payload is not None else None
        return found

    # ------------------------------------------------------------ versions

    def strata(self, values: Sequence[Any]) -> list[str]:
        """Whether there is an answer."""
        return [self.names(value)[0] for value in values]

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Refuse a version without an answer to learn from; warn where a kind of question is missing in a split."""
        if not counts.get("train", {}).get(ANSWER):
            raise RefusedError(
                "No question to learn from has an answer.", "Import or label questions with answers first."
            )
        kinds = [name for name in self.fixed_labels if any(split.get(name) for split in counts.values())]
        warnings = unmeasured(counts, kinds)
        if NO_ANSWER in kinds and not counts["train"].get(NO_ANSWER):
            warnings.append("No training question is without an answer: models will find an answer to every question.")
        return warnings

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """Index of the label that says whether there is an answer, (n,) int64."""
        return np.array([list(labels).index(self.names(value)[0]) for value in values], dtype=np.int64)

    # ------------------------------------------------------------ answers of models

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """Answers do not follow from scores of a text. Raises InputError."""
        raise InputError("An answer cannot be told from scores of whole texts.", "Ask the model for answers.")

    def threshold(self, gold: Sequence[Any], said: Answers, labels: Sequence[str]) -> dict[str, Any]:
        """The lowest probability of an answer at which it is given: the one with the highest F1 on these rows.

        As the official script of SQuAD 2.0 does it; 0 where every question has an answer.
        """
        if all(gold):
            return {"threshold": 0.0 if gold else HALF}
        sure = said.scores[:, list(labels).index(ANSWER)]
        order = np.argsort(sure, kind="stable")
        given = np.array([f1_of(g, p) for g, p in zip(gold, said.values, strict=True)])[order]
        declined = np.array([float(not g) for g in gold])[order]
        # Cut k: the k least sure rows are declined, the others answered.
        total = np.concatenate([[0.0], np.cumsum(declined)]) + given.sum() - np.concatenate([[0.0], np.cumsum(given)])
        edges = np.concatenate([[0.0], sure[order], [1.0]])
        middle = (edges[:-1] + edges[1:]) / 2  # between two rows, so that neither falls to the other side by rounding
        apart = np.concatenate([[True], np.diff(sure[order]) > 0, [True]])
        best = np.flatnonzero(apart & (total >= total[apart].max() - 1e-9))
        cut = best[np.abs(middle[best] - HALF).argmin()]  # of equals the one nearest to a half
        return {"threshold": round(float(middle[cut]), 6)}

    def decline(self, said: Answers, labels: Sequence[str], decision: Mapping[str, Any]) -> Answers:
        """None where an answer is less probable than the threshold."""
        sure = said.scores[:, list(labels).index(ANSWER)]
        kept = sure >= float(decision.get("threshold", HALF))
        values = [list(value) if keep else [] for value, keep in zip(said.values, kept, strict=True)]
        confidence = np.where([bool(value) for value in values], said.confidence, 1 - sure).astype(np.float32)
        return Answers(values, confidence, said.scores)

    def headline(self, values: Sequence[Any]) -> str:
        """F1 of the words of the answers."""
        return "answer_f1"

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """F1 of words first, exact match, each also over the questions with and without an answer (0 to 1).

        ``accuracy`` is the exact match.
        """
        f1 = np.array([f1_of(g, p) for g, p in zip(gold, predicted, strict=True)])
        same = np.array([exact(g, p) for g, p in zip(gold, predicted, strict=True)])
        there = np.array([bool(g) for g in gold], dtype=bool)
        found = {"answer_f1": float(f1.mean()), "exact_match": float(same.mean())} if len(f1) else {}
        if there.any():
            found |= {"answerable_f1": float(f1[there].mean()), "answerable_exact": float(same[there].mean())}
        if not there.all():
            found["unanswerable_right"] = float(same[~there].mean())
        return {**found, "accuracy": float(same.mean())} if len(f1) else {}
