"""How well the right candidates come first: figures of ranked lists with intervals. Knows arrays, nothing of models.

Formulas: Manning, Raghavan & Schütze 2008, "Introduction to Information Retrieval", chapter 8 (precision, recall);
Voorhees 1999, "The TREC-8 Question Answering Track Report" (reciprocal rank); Järvelin & Kekäläinen 2002, "Cumulated
gain-based evaluation of IR techniques" (nDCG, here with gains 0 and 1 and the usual discount 1 / log2(rank + 1)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from core.errors import RefusedError
from core.evaluation.bootstrap import DRAWS, interval, lowest_plausible
from core.records import Record

DEPTHS = (1, 3, 5, 10)
"""Lengths of the list, k, for which figures are worked out."""
HEADLINES = ("hit_rate@1", "mrr@10", "recall@10", "ndcg@10")
"""Figures that stand beside accuracy in the lists of models."""
CELLS_AT_ONCE = 4_000_000
"""Scores held in memory while lists are ranked."""
DRAWN_AT_ONCE = 2_000_000


class Retrieval(Record):
    """Figures of ranked lists, each the mean over the queries."""

    queries: int = Field(description="Queries with at least one right candidate.")
    candidates: int = Field(description="Candidates that each query was ranked against.")
    figures: dict[str, float] = Field(description="By name: hit_rate@k, recall@k, precision@k, mrr@k, ndcg@k.")
    intervals: dict[str, tuple[float, float]] = Field(description="95 % intervals, by resampling queries.")


@dataclass(frozen=True)
class Ranking:
    """Where the right candidates of each query came in its list."""

    query: np.ndarray
    """(n,) int64 number of the query, one entry a right candidate."""
    rank: np.ndarray
    """(n,) int64 its place in that query's list, from 1."""
    queries: int
    candidates: int

    @classmethod
    def of_lists(cls, ranks: Sequence[Sequence[int]], candidates: int) -> Ranking:
        """From the ranks of the right candidates of each query."""
        query = np.repeat(np.arange(len(ranks)), [len(own) for own in ranks])
        return cls(query, np.array([rank for own in ranks for rank in own], np.int64), len(ranks), candidates)

    @property
    def right(self) -> np.ndarray:
        """(queries,) number of right candidates."""
        return np.bincount(self.query, minlength=self.queries)

    def _found(self, k: int) -> np.ndarray:
        """(queries,) right candidates among the first k."""
        return np.bincount(self.query[self.rank <= k], minlength=self.queries)

    def hit_rate(self, k: int) -> np.ndarray:
        """(queries,) 1 where a right candidate is among the first k."""
        return (self._found(k) > 0).astype(float)

    def recall(self, k: int) -> np.ndarray:
        """(queries,) share of the right candidates that are among the first k."""
        return np.asarray(self._found(k) / np.maximum(self.right, 1))

    def precision(self, k: int) -> np.ndarray:
        """(queries,) share of the first k that are right."""
        return np.asarray(self._found(k) / k)

    def reciprocal_rank(self, k: int) -> np.ndarray:
        """(queries,) 1 / rank of the first right candidate; 0 where it is not among the first k."""
        first = np.full(self.queries, np.inf)
        np.minimum.at(first, self.query, self.rank.astype(float))
        return np.where(first <= k, 1.0 / first, 0.0)

    def ndcg(self, k: int) -> np.ndarray:
        """(queries,) discounted gain of the first k, as a share of what the best order would have."""
        inside = self.rank <= k
        gained = np.bincount(self.query[inside], 1.0 / np.log2(self.rank[inside] + 1.0), minlength=self.queries)
        ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2.0, k + 2.0)))])
        return np.asarray(gained / np.maximum(ideal[np.minimum(self.right, k)], 1e-12))


def rank_all(
    queries: int,
    candidates: int,
    scores: Callable[[slice], np.ndarray],
    relevant: Callable[[slice], np.ndarray],
    seed: int = 0,
) -> Ranking:
    """Rank all candidates for every query, some queries at a time.

    ``scores(rows)`` and ``relevant(rows)`` give (rows, candidates): numbers, higher first, and True where a candidate
    is right. Candidates with equal scores come in a random order, the same for every query, so that a model that gives
    the same score to all gains nothing from the order of the file.
    """
    order = np.random.default_rng(seed).permutation(candidates)
    size = max(1, CELLS_AT_ONCE // max(1, candidates))
    numbers: list[np.ndarray] = [np.zeros(0, np.int64)]
    ranks: list[np.ndarray] = [np.zeros(0, np.int64)]
    for start in range(0, queries, size):
        rows = slice(start, min(start + size, queries))
        listed = np.argsort(-np.asarray(scores(rows))[:, order], axis=1, kind="stable")
        right = np.take_along_axis(np.asarray(relevant(rows), bool)[:, order], listed, axis=1)
        query, place = np.nonzero(right)
        numbers.append(query + start)
        ranks.append(place + 1)
    return Ranking(np.concatenate(numbers), np.concatenate(ranks), queries, candidates)


def best_of_groups(scores: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """(q, count) score of each group: that of its best candidate. ``scores`` (q, c), ``groups`` (c,) from 0."""
    best = np.full((count, len(scores)), -np.inf, dtype=scores.dtype)
    np.maximum.at(best, groups, scores.T)
    return np.ascontiguousarray(best.T)


def measure(ranking: Ranking, depths: Sequence[int] = DEPTHS, seed: int = 0) -> Retrieval:
    """All figures with intervals; queries without a right candidate are left out. Raises RefusedError without any."""
    asked = ranking.right > 0
    if not asked.any():
        raise RefusedError("No query of this split has a right candidate.", "Freeze a version with matches in it.")
    values: dict[str, np.ndarray] = {}
    for k in depths:
        values |= {
            f"hit_rate@{k}": ranking.hit_rate(k)[asked],
            f"recall@{k}": ranking.recall(k)[asked],
            f"precision@{k}": ranking.precision(k)[asked],
            f"mrr@{k}": ranking.reciprocal_rank(k)[asked],
            f"ndcg@{k}": ranking.ndcg(k)[asked],
        }
    table = np.stack(list(values.values()), axis=1)  # (queries, figures)
    return Retrieval(
        queries=int(asked.sum()),
        candidates=ranking.candidates,
        figures=dict(zip(values, table.mean(axis=0).tolist(), strict=True)),
        intervals=dict(zip(values, mean_intervals(table, seed), strict=True)),
    )


def mean_intervals(values: np.ndarray, seed: int = 0, draws: int = DRAWS) -> list[tuple[float, float]]:
    """95 % interval of the mean of each column of ``values`` (n, figures) by resampling rows (Efron 1979)."""
    random, rows = np.random.default_rng(seed), len(values)
    size = max(1, DRAWN_AT_ONCE // rows)
    means = np.concatenate(
        [
            random.multinomial(rows, np.full(rows, 1.0 / rows), size=min(size, draws - start)) @ values / rows
            for start in range(0, draws, size)
        ]
    )  # (draws, figures)
    found = [interval(column) for column in means.T]
    perfect = (values == 1.0).all(axis=0)
    return [(lowest_plausible(rows), 1.0) if sure else ends for sure, ends in zip(perfect, found, strict=True)]
