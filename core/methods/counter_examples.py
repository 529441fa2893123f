"""Counter-examples for pairs of texts where the data has matches only, and the quick search that finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.methods.base import Rows
from core.methods.pairs import Pairs
from core.tasks.pair import NO_MATCH

NEGATIVES = 4
"""Counter-examples a match where the data has none."""
CLOSEST = 20
"""Half of the counter-examples are drawn from this many texts that look most like the match."""
CELLS_AT_ONCE = 4_000_000
"""Similarities held in memory while counter-examples are looked for."""


def with_others(rows: Rows, count: int | None, seed: int, beside: Sequence[Rows] = ()) -> Rows:
    """The rows and ``count`` made rows of no match for each match; None: 4, where no row says no match.

    A made row never holds texts that may be a match (``Pairs.together``), also by a chain through the rows ``beside``.
    """
    pairs = Pairs.of(rows, beside=beside)
    if count is None:
        count = 0 if pairs.refused.any() else NEGATIVES
    if not count or not len(pairs.matches):
        return rows
    random = np.random.default_rng(seed)
    similar = by_words(pairs.firsts, pairs.seconds)
    asked = np.unique(pairs.first[pairs.matches])
    everyone = np.arange(len(pairs.seconds))
    chosen: dict[int, np.ndarray] = {}
    size = max(1, CELLS_AT_ONCE // len(everyone))
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        close = similar(part)  # (part, seconds)
        open_ = ~pairs.together(part, everyone)
        for place, first in enumerate(part):
            free = np.flatnonzero(open_[place])
            near = free[np.argsort(-close[place, free], kind="stable")[:CLOSEST]]
            half = random.permutation(near)[: (count + 1) // 2]
            rest = random.permutation(np.setdiff1d(free, half))[: count - len(half)]
            chosen[int(first)] = np.concatenate([half, rest])
    made = [(int(first), int(second)) for first in pairs.first[pairs.matches] for second in chosen[int(first)]]
    return Rows(
        [*rows.ids, *([-1] * len(made))],
        [*rows.texts, *(pairs.firsts[first] for first, _ in made)],
        [*rows.values, *([NO_MATCH] * len(made))],
        [*(rows.texts_b or []), *(pairs.seconds[second] for _, second in made)],
    )


def by_words(queries: Sequence[str], candidates: Sequence[str]) -> Callable[[Any], np.ndarray]:
    """From rows of the queries (slice or indices) to their TF-IDF cosines (rows, candidates), no training needed."""
    from core.methods.linear import tfidf_vectorizers

    blocks = []
    for vectorizer in tfidf_vectorizers(1, 4):
        known = vectorizer.fit_transform([*candidates, *queries])
        blocks.append((known[len(candidates) :], known[: len(candidates)]))
    return lambda rows: np.asarray(sum((query[rows] @ other.T).toarray() for query, other in blocks)) / len(blocks)


class WordSearch:
    """The same search with candidates that are taken in once: what a model begins with that reads two texts together.

    Words that no candidate has count nothing.
    """

    def index(self, candidates: Sequence[str]) -> tuple[int, list[tuple[Any, Any]]]:
        """How many they are; (fitted vectorizer, unit vectors of the candidates) of words and of parts of words."""
        from core.methods.linear import fitted_blocks

        return len(candidates), fitted_blocks(1, 4, candidates)

    def near(self, queries: Sequence[str], index: tuple[int, list[tuple[Any, Any]]]) -> np.ndarray:
        """Mean cosines, (len(queries), candidates)."""
        count, blocks = index
        found = np.zeros((len(queries), count), np.float32)
        for vectorizer, known in blocks:
            found += (vectorizer.transform(queries) @ known.T).toarray() / len(blocks)
        return found
