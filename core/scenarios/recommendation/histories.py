"""Who liked what, in the order of time. One entry for each person and item; knows arrays, nothing of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from core.scenarios.recommendation.config import GOOD, NOT_FOR_ME, RecommendationConfig

MOST_ITEMS = 500
"""Newest liked items of one person that count. A person with 100,000 would otherwise decide what goes together."""
LEAST_LIKED = 3
"""Liked items of a person before the last one can be held back: one to find, one to tune on, one to start from."""


@dataclass(frozen=True, eq=False)
class Histories:
    """What people like; entries are sorted by person, then by time."""

    people: list[str]
    items: int
    """Number of items of the catalogue."""
    person: np.ndarray
    """(n,) int64 index into ``people``."""
    item: np.ndarray
    """(n,) int64 row of the catalogue."""
    strength: np.ndarray
    """(n,) float32, above 0."""
    at: np.ndarray
    """(n,) float64 days since 1970-01-01 of the last time; NaN where the file had none."""
    disliked: sparse.csr_matrix
    """(people, items) bool."""
    unknown: int = 0
    """Events for items that the catalogue does not have."""
    events: int = 0
    """Events that count, liking or not."""
    latest: float = float("nan")
    """Days since 1970 of the newest event but feedback: an old log is looked at as of its end; NaN without times."""

    @classmethod
    def of(cls, columns: Mapping[str, Any], index: Mapping[str, int], config: RecommendationConfig) -> Histories:
        """From event columns by time: person, item, kind, rating, at. ``index`` is the catalogue's row by item id."""
        rows = _look_up(columns["item"], index)
        known = rows >= 0
        names, person = np.unique(np.asarray(columns["person"], dtype=object)[known].astype(str), return_inverse=True)
        item, size = rows[known], len(index)
        strength = _strengths(columns, config)[known]
        at = np.ma.filled(np.ma.asarray(columns["at"], dtype=np.float64), np.nan)[known]
        code = person.reshape(-1) * max(size, 1) + item
        # The last opinion counts, and the strongest liking says how much.
        opinion = np.flatnonzero(strength != 0)
        last = opinion[_last_of(code[opinion])]
        likes = last[strength[last] > 0]
        hates = last[strength[last] < 0]
        best = np.zeros(len(code), np.float32)
        groups, place = np.unique(code, return_inverse=True)
        most = np.zeros(len(groups), np.float32)
        np.maximum.at(most, place.reshape(-1), strength.astype(np.float32))
        best[:] = most[place.reshape(-1)]
        likes = likes[np.argsort(person.reshape(-1)[likes], kind="stable")]
        likes = likes[_newest(person.reshape(-1)[likes], MOST_ITEMS)]
        return cls(
            people=names.tolist(),
            items=size,
            person=person.reshape(-1)[likes].astype(np.int64),
            item=item[likes].astype(np.int64),
            strength=best[likes],
            at=at[likes],
            disliked=sparse.csr_matrix(
                (np.ones(len(hates), bool), (person.reshape(-1)[hates], item[hates])), shape=(len(names), size)
            ),
            unknown=int((~known).sum()),
            events=int(known.sum()),
            latest=_latest(columns["kind"], columns["at"]),
        )

    def __len__(self) -> int:
        return len(self.item)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """By name: the number of a person."""
        return {name: number for number, name in enumerate(self.people)}

    @cached_property
    def starts(self) -> np.ndarray:
        """(people + 1,) where the entries of each person begin."""
        return np.searchsorted(self.person, np.arange(len(self.people) + 1))

    @cached_property
    def back(self) -> np.ndarray:
        """(n,) how many of the person's entries came later: 0 for the last one."""
        return np.asarray(self.starts[self.person + 1] - 1 - np.arange(len(self)))

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """(people, items) float32, 1 where a person likes an item."""
        ones = np.ones(len(self), np.float32)
        return sparse.csr_matrix((ones, (self.person, self.item)), shape=(len(self.people), self.items))

    @cached_property
    def counts(self) -> np.ndarray:
        """(items,) how many people like each item."""
        return np.bincount(self.item, minlength=self.items)

    def liked(self, person: int) -> slice:
        """The entries of one person, oldest first."""
        return slice(int(self.starts[person]), int(self.starts[person + 1]))

    def held_back(self, count: int) -> tuple[Histories, np.ndarray, np.ndarray]:
        """Hold back the last ``count`` entries of everybody with at least ``LEAST_LIKED``.

        Returns (what is left, people (m,), the item (m,) that each of them liked next).
        """
        enough = np.diff(self.starts)[self.person] >= LEAST_LIKED
        kept = ~enough | (self.back >= count)
        wanted = enough & (self.back == count - 1)
        left = replace(
            self, person=self.person[kept], item=self.item[kept], strength=self.strength[kept], at=self.at[kept]
        )
        return left, self.person[wanted], self.item[wanted]


def recency(count: int, memory: float) -> np.ndarray:
    """(count,) weights of a history, oldest first: halved every ``memory`` steps back, the last one 1."""
    return np.asarray(0.5 ** (np.arange(count)[::-1] / memory))


def _latest(kinds: Any, at: Any) -> float:
    own = np.array([kind not in (GOOD, NOT_FOR_ME) for kind in kinds], bool)
    days = np.ma.filled(np.ma.asarray(at, dtype=np.float64), np.nan)[own]
    days = days[~np.isnan(days)]
    return float(days.max()) if len(days) else float("nan")


def _look_up(keys: Any, index: Mapping[str, int]) -> np.ndarray:
    """(n,) row of each item id, -1 where it is unknown."""
    return np.fromiter((index.get(str(key), -1) for key in keys), np.int64, len(keys))


def _strengths(columns: Mapping[str, Any], config: RecommendationConfig) -> np.ndarray:
    """(n,) how much each event says: by its kind, and by its rating where it has one."""
    kinds, code = np.unique(np.asarray(columns["kind"], dtype=object).astype(str), return_inverse=True)
    weights = np.array([config.kinds.get(kind.lower(), 1.0) for kind in kinds], dtype=np.float64)
    found = weights[code.reshape(-1)] if len(kinds) else np.zeros(0)
    rating = np.ma.filled(np.ma.asarray(columns["rating"], dtype=np.float64), np.nan)
    # A low rating says that somebody knows the item, not that it must never be shown.
    return np.asarray(np.where(np.isnan(rating) | (rating >= config.liked_from), found, 0.0))


def _last_of(code: np.ndarray) -> np.ndarray:
    """Positions of the last entry of each code, in the order of the entries."""
    _, first_from_end = np.unique(code[::-1], return_index=True)
    return np.sort(len(code) - 1 - first_from_end)


def _newest(person: np.ndarray, most: int) -> np.ndarray:
    """True for the last ``most`` entries of each person; ``person`` is sorted."""
    ends = np.searchsorted(person, person, side="right")
    return np.asarray(ends - np.arange(len(person)) <= most)
