"""Pairs of texts as numbers, and batches of them for contrastive training. Knows texts and grades, nothing of models.

Training needs counter-examples: the other second texts of a batch. What may be a match in truth must not be one of
them: the same text again, a known match, or a text linked to the first by a chain of matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.links import joined, number
from core.methods.base import Rows
from core.methods.tokens import Encoded, encode
from core.tasks.pair import HALF, grades

if TYPE_CHECKING:
    from core.evaluation.retrieval import Ranking

LARGEST_GROUP = 0.5
"""A group with more than this share of all texts says that chains of matches mean nothing here."""
CLOSEST_SHARE = 0.95
"""Hard negatives stay below this share of the score of the match: above it they are often matches that nobody noted
(Moreira et al. 2024, "NV-Retriever", TopK-PercPos)."""
MOST_REFUSED = 4
"""Noted non-matches of a first text that join a batch with it."""
LEAST_ROWS = 10
"""With fewer rows a curve would follow chance ..."""
UNFITTED = (10.0, -5.0)
"""... then a cosine of 0.5 is even odds."""
MOST_QUERIES = 2_000
"""First texts that are ranked when a split is measured; of more, this many are drawn."""
CELLS_AT_ONCE = 4_000_000
"""Cosines held in memory while hard negatives are looked for."""


@dataclass
class Pairs:
    """The rows of a split as numbers: which first text, which second text, and how much they belong together."""

    firsts: list[str]
    """Different first texts."""
    seconds: list[str]
    """Different second texts."""
    first: np.ndarray
    """(n,) index into ``firsts``."""
    second: np.ndarray
    """(n,) index into ``seconds``."""
    grade: np.ndarray
    """(n,) float32, 0 to 1."""
    refused: np.ndarray
    """(n,) bool: rows that say no match."""
    first_group: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(len(firsts),) what each first text belongs to."""
    second_group: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(len(seconds),) the same for second texts."""

    def __post_init__(self) -> None:
        codes = self._codes(self.first, self.second)
        self._matched, self._apart = np.unique(codes[~self.refused]), np.unique(codes[self.refused])

    @classmethod
    def of(cls, rows: Rows, chains: bool = True, beside: Sequence[Rows] = ()) -> Pairs:
        """Number the texts of a split and group them; with ``chains`` also along chains of matches.

        A chain may lead through the other splits given ``beside``.
        """
        texts_b = rows.texts_b or [""] * len(rows)
        firsts, first = _different(rows.texts)
        seconds, second = _different(texts_b)
        grade = grades(rows.values)
        pairs = cls(firsts, seconds, first, second, grade, grade < HALF)
        numbers: dict[str, int] = {}
        pairs.first_group, pairs.second_group = number(firsts, numbers), number(seconds, numbers)
        if chains:
            links = [(pairs.first_group[pairs.first], pairs.second_group[pairs.second], ~pairs.refused)]
            for other in beside:
                ends = number(other.texts, numbers), number(other.texts_b or [], numbers)
                links.append((*ends, grades(other.values) >= HALF))
            pairs._join(links, len(numbers))
        return pairs

    def _join(self, links: list[tuple[np.ndarray, np.ndarray, np.ndarray]], count: int) -> None:
        """Group texts along (first, second, whether they match), unless nearly everything hangs together."""
        first, second, match = (np.concatenate(column) for column in zip(*links, strict=True))
        groups = joined(first[match], second[match], count)
        if len(groups) and np.bincount(groups).max() <= LARGEST_GROUP * count:
            self.first_group, self.second_group = groups[self.first_group], groups[self.second_group]

    @property
    def matches(self) -> np.ndarray:
        """Row numbers of the matches."""
        return np.flatnonzero(~self.refused)

    def together(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(len(first), len(second)) bool: may these texts be matches? A pair noted as no match never is."""
        codes = self._codes(first[:, None], second[None, :])
        same = self.first_group[first][:, None] == self.second_group[second][None, :]
        return (same | _among(codes, self._matched)) & ~_among(codes, self._apart)

    def _codes(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """One number a pair of texts."""
        return np.asarray(first * len(self.seconds) + second)

    def sample_others(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """About ``count`` random (first, second) that are no match as far as is known, as indices of texts."""
        random = np.random.default_rng(seed)
        first = self.first[random.choice(len(self.first), 2 * count)] if len(self.first) else self.first
        second = self.second[random.choice(len(self.second), 2 * count)] if len(self.second) else self.second
        apart = self.first_group[first] != self.second_group[second]
        apart &= ~_among(self._codes(first, second), self._matched)
        return first[apart][:count], second[apart][:count]


def rank_pairs(
    pairs: Pairs,
    similar: Callable[[list[str], list[str]], Callable[[slice], np.ndarray]],
    most: int = MOST_QUERIES,
) -> Ranking:
    """Rank every second text of a split for each first text that has a match; of more than ``most``, that many.

    Right are the texts that may be matches (``Pairs.together``): noted ones, and those in the same group.

    ``similar(queries, candidates)`` returns a function that gives similarities (rows, candidates) for some queries.
    """
    from core.evaluation.retrieval import rank_all

    asked = asked_of(pairs, most)
    everyone = np.arange(len(pairs.seconds))
    scores = similar([pairs.firsts[i] for i in asked], pairs.seconds)
    return rank_all(len(asked), len(everyone), scores, lambda rows: pairs.together(asked[rows], everyone))


def asked_of(pairs: Pairs, most: int) -> np.ndarray:
    """Indices of the first texts that are ranked: those with a match; of more than ``most``, always the same ones."""
    asked = np.unique(pairs.first[pairs.matches])
    return asked if len(asked) <= most else np.sort(np.random.default_rng(0).choice(asked, most, replace=False))


def rank_scores(rows: Rows, ranking: Ranking, depth: int) -> list[float | None]:
    """Reciprocal rank of each first text that was ranked, at its first match; None for every other row, (n,).

    What one model reached for a text can so be held against what another one reached.
    """
    pairs = Pairs.of(rows, chains=False)
    place = {int(pairs.first[row]): int(row) for row in pairs.matches[::-1]}
    found: list[float | None] = [None] * len(rows)
    for query, score in zip(asked_of(pairs, ranking.queries), ranking.reciprocal_rank(depth), strict=True):
        found[place[int(query)]] = float(score)
    return found


def cosine_line(cosines: np.ndarray, grade: np.ndarray) -> tuple[float, float]:
    """(slope, intercept) of the logistic curve from cosines (n,) to the probability of a match.

    Fitted to grades (n,) from 0 to 1; a grade counts as that share of a match (Platt 1999 for the curve).
    """
    from sklearn.linear_model import LogisticRegression

    if len(cosines) < LEAST_ROWS or not 0 < grade.sum() < len(grade):
        return UNFITTED
    column = np.concatenate([cosines, cosines])[:, None]
    answers = np.repeat([1, 0], len(cosines))
    weights = np.concatenate([grade, 1 - grade])
    line = LogisticRegression(C=1000.0, max_iter=1000).fit(column, answers, sample_weight=weights)
    slope = float(line.coef_[0, 0])
    return (slope, float(line.intercept_[0])) if slope > 0 else UNFITTED


def line_up(pairs: Pairs, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first, second, grade) to fit probabilities to: the rows, and as many random others where none says no match."""
    if pairs.refused.any():
        return pairs.first, pairs.second, pairs.grade
    first, second = pairs.sample_others(len(pairs.first), seed)
    grade = np.concatenate([pairs.grade, np.zeros(len(first), np.float32)])
    return np.concatenate([pairs.first, first]), np.concatenate([pairs.second, second]), grade


def _among(codes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which codes (any shape) are in ``known`` (m,), which is sorted."""
    if not len(known):
        return np.zeros(codes.shape, bool)
    return np.asarray(known[np.minimum(np.searchsorted(known, codes), len(known) - 1)] == codes)


def _different(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """(different texts in order of appearance, index of each text among them)."""
    known: dict[str, int] = {}
    index = np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int64, len(texts))
    return list(known), index


class PairBatches:
    """Batches of pairs for the training loop: the first texts, and every second text they are held against, once."""

    def __init__(self, pairs: Pairs, rows: np.ndarray, tokenizer: Any, max_length: int) -> None:
        self.pairs = pairs
        self.rows = rows
        """(n,) rows of the pairs that are trained on; batches count from 0 to n."""
        self.firsts: Encoded = encode(tokenizer, pairs.firsts, max_length=max_length)
        self.seconds: Encoded = encode(tokenizer, pairs.seconds, max_length=max_length)
        self.negatives: list[np.ndarray] = [np.zeros(0, np.int64)] * len(rows)
        """Second texts that join the batch of each row."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) tokens of both texts of each row."""
        pairs = self.pairs
        return self.firsts.lengths[pairs.first[self.rows]] + self.seconds.lengths[pairs.second[self.rows]]

    @property
    def truncated(self) -> int:
        """Number of different texts that were cut."""
        return self.firsts.truncated + self.seconds.truncated

    def candidates(self, rows: np.ndarray) -> np.ndarray:
        """Sorted indices of the second texts in the batch of these rows."""
        own = self.pairs.second[self.rows[rows]]
        return np.unique(np.concatenate([own, *(self.negatives[row] for row in rows)]))

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs of ``TwoTexts``: (rows, T) of the first texts and, named ``second_...``, (candidates, T)."""
        first = self.firsts.batch(self.pairs.first[self.rows[rows]])
        second = self.seconds.batch(self.candidates(rows))
        return {**first, **{f"second_{name}": array for name, array in second.items()}}

    def add_refused(self) -> None:
        """Let pairs that are noted as no match be counter-examples of their first text."""
        pairs = self.pairs
        noted: dict[int, list[int]] = {}
        for row in np.flatnonzero(pairs.refused):
            noted.setdefault(int(pairs.first[row]), []).append(int(pairs.second[row]))
        for place, row in enumerate(self.rows):
            extra = noted.get(int(pairs.first[row]), [])[:MOST_REFUSED]
            self.negatives[place] = np.union1d(self.negatives[place], np.array(extra, np.int64))

    def add_hard(self, count: int, first: np.ndarray, second: np.ndarray) -> None:
        """Add the ``count`` closest second texts that are no matches, by unit vectors of all texts, (m, d) each."""
        pairs = self.pairs
        size = max(1, CELLS_AT_ONCE // len(pairs.seconds))
        for start in range(0, len(self.rows), size):
            rows = self.rows[start : start + size]
            near = first[pairs.first[rows]] @ second.T  # (rows, seconds)
            own = np.take_along_axis(near, pairs.second[rows][:, None], axis=1)
            near[pairs.together(pairs.first[rows], np.arange(len(pairs.seconds))) | (near > CLOSEST_SHARE * own)] = -2.0
            wanted = min(count, near.shape[1])
            best = np.argpartition(-near, wanted - 1, axis=1)[:, :wanted]
            for place, columns in enumerate(best, start):
                kept = columns[near[place - start, columns] > -2.0]
                self.negatives[place] = np.union1d(self.negatives[place], kept)
