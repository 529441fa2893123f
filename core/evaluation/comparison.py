"""Is one model better than another on the same texts, or is it chance?"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.errors import RefusedError
from core.evaluation.bootstrap import DRAWS, Outcomes, interval, scores
from core.evaluation.messages import Message, points
from core.evaluation.records import Evaluation
from core.records import Record

Metric = Literal["accuracy", "macro_f1", "weighted_f1", "row_score"]


class Comparison(Record):
    """The difference between two models on the same rows."""

    metric: Metric
    rows: int
    difference: float = Field(description="First minus second; 0.04 is four percentage points.")
    low: float = Field(description="Lower end of the 95 % interval of the difference (paired bootstrap).")
    high: float = Field(description="Upper end of the interval.")
    only_first_right: int = Field(description="Rows that only the first model got right, or the first nearer right.")
    only_second_right: int = Field(description="Rows that only the second got right, or nearer right.")
    p_value: float = Field(
        description="Exact McNemar test on the rows that only one model got right: probability of a difference in "
        "accuracy this large by chance (McNemar 1947)."
    )

    @property
    def distinguishable(self) -> bool:
        """True when the interval excludes zero (for accuracy: and McNemar's test agrees at 5 %)."""
        apart = self.low > 0 or self.high < 0
        return apart and (self.metric != "accuracy" or self.p_value < 0.05)

    def sentence(self, other: str = "the other model") -> Message:
        """One plain sentence about the first model; ``other`` names the second one."""
        values = {"other": other, "points": points(self.difference), "rows": f"{self.rows:,}"}
        if not self.distinguishable:
            low, high = f"{100 * self.low:+.1f}", f"{100 * self.high:+.1f}"
            template = "not distinguishable from {other} on {rows} texts (difference {low} to {high} points)"
            return Message(key=template, values={**values, "low": low, "high": high})
        ends = sorted((abs(self.low), abs(self.high)))
        values |= {"low": points(ends[0]), "high": points(ends[1])}
        if self.difference > 0:
            return Message(key="better than {other} by {points} points ({low} to {high})", values=values)
        return Message(key="worse than {other} by {points} points ({low} to {high})", values=values)


def compare(first: Evaluation, second: Evaluation, metric: Metric = "accuracy", seed: int = 0) -> Comparison:
    """Paired comparison on the items that both evaluations measured.

    Raises RefusedError when they share no item, or disagree about the gold label of one.
    """
    if first.row_scores and second.row_scores:
        return _compare_rows(first, second, seed)
    names = list(dict.fromkeys([*first.labels, *second.labels]))
    gold, a, b = _paired(first, second, names)
    outcomes = Outcomes.of(gold, a, b)
    counts = outcomes.draw(seed)  # (draws, kinds)
    kinds = outcomes.columns.T  # (3, kinds): gold, first, second
    difference = (
        scores(counts, kinds[0], kinds[1], len(names))[metric] - scores(counts, kinds[0], kinds[2], len(names))[metric]
    )
    once = outcomes.counts[None, :]
    seen = scores(once, kinds[0], kinds[1], len(names))[metric] - scores(once, kinds[0], kinds[2], len(names))[metric]
    low, high = interval(difference)
    only_first = int(np.sum((a == gold) & (b != gold)))
    only_second = int(np.sum((a != gold) & (b == gold)))
    return Comparison(
        metric=metric,
        rows=len(gold),
        difference=float(seen[0]),
        low=low,
        high=high,
        only_first_right=only_first,
        only_second_right=only_second,
        p_value=_mcnemar(only_first, only_second),
    )


def _compare_rows(first: Evaluation, second: Evaluation, seed: int) -> Comparison:
    """Paired bootstrap of the mean row score over the items that both answered.

    The test is the sign test on rows that one of them answered better.
    """
    i, j = _shared(first, second)
    difference = np.array(first.row_scores, np.float64)[i] - np.array(second.row_scores, np.float64)[j]
    difference = difference[~np.isnan(difference)]  # not answered by one of them
    if not len(difference):
        raise _different_texts()
    random = np.random.default_rng(seed)
    means = [random.choice(difference, len(difference)).mean() for _ in range(DRAWS)]
    low, high = interval(np.array(means))
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    return Comparison(
        metric="row_score",
        rows=len(difference),
        difference=float(difference.mean()),
        low=low,
        high=high,
        only_first_right=better,
        only_second_right=worse,
        p_value=_mcnemar(better, worse),
    )


def _shared(first: Evaluation, second: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """Places of the shared items in both, (rows,) each. Raises RefusedError when there is none."""
    ids, i, j = np.intersect1d(first.item_ids, second.item_ids, return_indices=True)
    if not len(ids):
        raise _different_texts()
    return i, j


def _different_texts() -> RefusedError:
    return RefusedError(
        "These two results were measured on different texts and cannot be compared.",
        "Compare models that were trained on the same version.",
    )


def _mcnemar(only_first: int, only_second: int) -> float:
    """Exact McNemar test: the rows that only one model got right fall to either side like a coin."""
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0


def _paired(first: Evaluation, second: Evaluation, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gold, first and second prediction of the shared items as indices into ``names``, (rows,) each."""
    index = {name: i for i, name in enumerate(names)}
    first_place = np.array([index[name] for name in first.labels])
    second_place = np.array([index[name] for name in second.labels])
    i, j = _shared(first, second)
    gold = first_place[np.array(first.gold)[i]]
    if not np.array_equal(gold, second_place[np.array(second.gold)[j]]):
        raise RefusedError(
            "The gold labels of some texts changed between these two results.",
            "Compare models that were trained on the same version.",
        )
    return gold, first_place[np.array(first.predicted)[i]], second_place[np.array(second.predicted)[j]]
