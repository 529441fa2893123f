"""What speaks for an item: six features between 0 and 1 for one person and every item of the catalogue.

- text: cosines of the item's text with the newest liked ones, sharpened so that one close match counts more than many
  vague ones; or with what the person wrote;
- behaviour: item-to-item cosine over people with shrinkage (Sarwar et al. 2001; Deshpande & Karypis 2004);
- popularity, newness: halved after some days; price: distance from the usual price on a logarithmic scale;
- category: how often the person chooses the item's categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy import sparse

from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import FEATURES, RecommendationConfig
from core.scenarios.recommendation.histories import Histories, recency

NEIGHBOURS = 200
"""Items that are kept as liked together with each item."""
SHRINKAGE = 5.0
"""How much chance weighs against a pair of items that few people like."""
LEAST_SPREAD = 0.3
"""Of logarithmic prices; about a third up or down still feels the same."""
NEWEST = 30
"""Liked items whose texts are compared."""
ROWS_AT_ONCE = 2_000
PERIODS = 3.0
"""Without a setting, popularity and newness halve after this part of the time that the events span."""
LEAST_DAYS = 7.0


@dataclass(frozen=True, eq=False)
class Profile:
    """What is known of a person when a list is made."""

    items: np.ndarray
    """(k,) rows of liked items, oldest first."""
    weights: np.ndarray
    """(k,) how much each says, above 0."""
    vector: np.ndarray | None = None
    """(d,) unit vector of what the person wrote, or of the whole history as a tuned model reads it."""
    whole: bool = False
    """Whether the vector stands for the liked items as well."""

    @classmethod
    def of(cls, histories: Histories, person: int, memory: float, vector: np.ndarray | None = None) -> Profile:
        """From a person's history: recent and strong likes say more."""
        own = histories.liked(person)
        items = histories.item[own]
        weights = recency(len(items), memory) * np.sqrt(histories.strength[own])
        return cls(items, weights, vector, whole=vector is not None)

    @classmethod
    def chosen(cls, items: list[int], memory: float, vector: np.ndarray | None = None) -> Profile:
        """From the items a new person clicked, oldest first."""
        return cls(np.array(items, np.int64), recency(len(items), memory), vector)


class Features:
    """Features on one state of the histories. Make one, ask often: one person takes about a millisecond."""

    def __init__(
        self,
        catalog: Catalog,
        histories: Histories,
        config: RecommendationConfig,
        vectors: np.ndarray | None = None,
        now: float | None = None,
    ) -> None:
        self.catalog, self.histories, self.config = catalog, histories, config
        self.vectors = vectors
        """(items, d) unit vectors of the texts, zeros where there is no text; None while they are not read."""
        self.now = latest(catalog, histories) if now is None else now
        self.together = liked_together(histories)
        self.popularity = self._popularity()
        self.newness = self._newness()
        with np.errstate(divide="ignore", invalid="ignore"):
            self._log_prices = np.where(catalog.prices > 0, np.log(catalog.prices), np.nan)
        sizes = np.maximum(np.asarray(catalog.has_category.sum(axis=1)).ravel(), 1.0)
        self._category_shares = sparse.diags(1.0 / sizes) @ catalog.has_category  # (items, categories)

    def of(self, profile: Profile) -> np.ndarray:
        """(items, features) float32, columns in the order of ``FEATURES``."""
        found = np.zeros((len(self.catalog), len(FEATURES)), np.float32)
        found[:, 0] = scaled(self.text(profile), profile.items)
        found[:, 1] = scaled(self.behaviour(profile), profile.items)
        found[:, 2] = self.popularity
        found[:, 3] = self.newness
        if len(profile.items):
            found[:, 4] = self._price(profile)
            found[:, 5] = self._category(profile)
        return found

    def text(self, profile: Profile) -> np.ndarray:
        """(items,) how close each item's text is to the person's, 0 without texts."""
        found = np.zeros(len(self.catalog), np.float32)
        if self.vectors is None:
            return found
        if profile.vector is not None:
            found += sharp(self.vectors @ profile.vector)
        if len(profile.items) and not profile.whole:
            near = sharp(self.vectors @ self.vectors[profile.items[-NEWEST:]].T)  # (items, newest)
            found += near @ profile.weights[-NEWEST:].astype(np.float32)
        return found

    def behaviour(self, profile: Profile) -> np.ndarray:
        """(items,) sum over the liked items of how much each is liked together with the item."""
        if not len(profile.items):
            return np.zeros(len(self.catalog), np.float32)
        return np.asarray(self.together[profile.items].T @ profile.weights.astype(np.float32))

    def _popularity(self) -> np.ndarray:
        at = self.histories.at
        age = np.maximum(np.nan_to_num(self.now - at, nan=0.0), 0.0)
        decayed = 0.5 ** (age / (self.config.popular_days or self.period))
        return scaled(np.log1p(np.bincount(self.histories.item, decayed, minlength=len(self.catalog))))

    def _newness(self) -> np.ndarray:
        age = np.maximum(self.now - self.catalog.added, 0.0)
        return np.nan_to_num(0.5 ** (age / (self.config.new_days or self.period)), nan=0.0).astype(np.float32)

    @property
    def period(self) -> float:
        """Days after which an event counts half where the setup does not say."""
        known = self.histories.at[~np.isnan(self.histories.at)]
        return max(float(np.ptp(known)) / PERIODS, LEAST_DAYS) if len(known) else LEAST_DAYS

    def _price(self, profile: Profile) -> np.ndarray:
        own = self._log_prices[profile.items]
        known = ~np.isnan(own)
        if not known.any():
            return np.zeros(len(self.catalog), np.float32)
        mean = np.average(own[known], weights=profile.weights[known])
        spread = max(LEAST_SPREAD, float(np.sqrt(np.average((own[known] - mean) ** 2, weights=profile.weights[known]))))
        fit = np.exp(-0.5 * ((self._log_prices - mean) / spread) ** 2)
        return np.nan_to_num(fit, nan=0.0).astype(np.float32)

    def _category(self, profile: Profile) -> np.ndarray:
        taste = np.asarray(profile.weights @ self._category_shares[profile.items]).ravel()  # (categories,)
        return np.asarray(self._category_shares @ scaled(taste), np.float32)


def latest(catalog: Catalog, histories: Histories) -> float:
    """Days since 1970 of the newest event or item: an old log is looked at as of its end."""
    known = np.append(catalog.added, histories.latest)
    known = known[~np.isnan(known)]
    return float(known.max()) if len(known) else 0.0


def liked_together(histories: Histories) -> sparse.csr_matrix:
    """(items, items) float32: of each item the ``NEIGHBOURS`` items that most of the same people like.

    Cosine of the two sets of people, shrunk where they are small.
    """
    liked = histories.matrix.astype(np.float32)
    columns = liked.T.tocsr()
    norms = np.sqrt(histories.counts).astype(np.float32)
    blocks = []
    for start in range(0, histories.items, ROWS_AT_ONCE):
        block = (columns[start : start + ROWS_AT_ONCE] @ liked).tocsr()
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)) + start
        block.data /= norms[rows] * norms[block.indices] + SHRINKAGE
        block.data[rows == block.indices] = 0.0
        blocks.append(_strongest(block, NEIGHBOURS))
    if not blocks:
        return sparse.csr_matrix((0, 0), dtype=np.float32)
    return cast(sparse.csr_matrix, sparse.vstack(blocks, format="csr"))


def _strongest(block: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """The block with at most ``most`` entries a row, the largest."""
    for first, last in zip(block.indptr[:-1], block.indptr[1:], strict=True):
        if last - first > most:
            row = block.data[first:last]
            row[row < np.partition(row, -most)[-most]] = 0.0
    block.eliminate_zeros()
    return block


def sharp(cosines: np.ndarray) -> np.ndarray:
    """Cosines below 0 as 0, the others to the power of 4 (of 1, 2, 4 and 8 the best on MovieLens' validation items)."""
    return np.square(np.square(np.maximum(cosines, 0.0)))


def scaled(values: np.ndarray, without: np.ndarray | None = None) -> np.ndarray:
    """Values from 0 on, float32, as a share of the largest, at most 1.

    The rows ``without`` do not count as largest: what somebody likes already resembles itself most.
    """
    others = values if without is None else np.delete(values, without)
    top = float(others.max(initial=0.0))
    return np.asarray(np.minimum(values / top, 1.0) if top > 0 else np.zeros_like(values), np.float32)
