"""Ways to rank the whole catalogue for people, to stand beside each other on the same held-back items."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from scipy import sparse

from core.errors import RefusedError
from core.scenarios.recommendation.config import FEATURES, Weights
from core.scenarios.recommendation.features import Features, Profile
from core.scenarios.recommendation.histories import Histories, recency

FACTORS = 32
REGULARISATION = 5.0
ALPHA = 10.0
"""Weight of what was liked against what was not (Hu, Koren & Volinsky 2008)."""
ITERATIONS = 15


class Ranker(Protocol):
    """Scores of all items for some people."""

    name: ClassVar[str]
    title: ClassVar[str]

    def scores(self, people: np.ndarray) -> np.ndarray:
        """(len(people), items) float32, higher first."""


class Popularity:
    """The same list for everybody: what is liked most, recent likes count more."""

    name: ClassVar[str] = "popularity"
    title: ClassVar[str] = "Popularity"

    def __init__(self, features: Features) -> None:
        self._scores = features.popularity

    def scores(self, people: np.ndarray) -> np.ndarray:
        """The popularity, once for each person."""
        return np.tile(self._scores, (len(people), 1))


class ItemKnn:
    """What is liked together with the history; the last steps count more when ``memory`` is given."""

    name: ClassVar[str] = "item_knn"
    title: ClassVar[str] = "Item-kNN"

    def __init__(self, features: Features, memory: float | None = None) -> None:
        self._together = features.together
        self._histories = features.histories
        self._memory = memory

    def scores(self, people: np.ndarray) -> np.ndarray:
        """Sums of the cosines with the liked items."""
        return np.asarray((history_weights(self._histories, self._memory)[people] @ self._together).todense())


class RecentItemKnn(ItemKnn):
    """Item-kNN that forgets like the list does: the fairest neighbour to be held against."""

    name: ClassVar[str] = "item_knn_recent"
    title: ClassVar[str] = "Item-kNN, recent first"


class MatrixFactorisation:
    """Implicit-feedback matrix factorisation by alternating least squares (Hu, Koren & Volinsky 2008)."""

    name: ClassVar[str] = "matrix_factorisation"
    title: ClassVar[str] = "Matrix factorisation"

    def __init__(self, features: Features, seed: int = 0) -> None:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
        except ImportError as error:
            raise RefusedError(
                "Matrix factorisation needs the library 'implicit', which is not installed.",
                "Install it: pip install 'whetstone[recommendation]'.",
            ) from error
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):  # the library warns, and is slower, where BLAS has threads of its own
            self._model = AlternatingLeastSquares(
                factors=min(FACTORS, max(1, min(features.histories.matrix.shape) - 1)),
                regularization=REGULARISATION,
                alpha=ALPHA,
                iterations=ITERATIONS,
                random_state=seed,
                num_threads=1,
            )
            self._model.fit(features.histories.matrix, show_progress=False)

    def scores(self, people: np.ndarray) -> np.ndarray:
        """Products of the factors."""
        return np.asarray(self._model.user_factors[people] @ self._model.item_factors.T)


class Text:
    """Closest texts to what was liked; ``vectors`` of people where a tuned model reads whole histories."""

    name: ClassVar[str] = "text"
    title: ClassVar[str] = "Text alone"

    def __init__(self, features: Features, vectors: np.ndarray | None = None) -> None:
        self._features = features
        self._vectors = vectors

    def scores(self, people: np.ndarray) -> np.ndarray:
        """Cosines."""
        return np.stack([self._features.text(self.profile(int(person))) for person in people])

    def profile(self, person: int) -> Profile:
        """What this ranker knows of a person."""
        vector = None if self._vectors is None else self._vectors[person]
        return Profile.of(self._features.histories, person, self._features.config.memory, vector)


class TextAndBehaviour(Text):
    """All features with one weight each: what the page shows."""

    name: ClassVar[str] = "text_and_behaviour"
    title: ClassVar[str] = "Text and behaviour"

    def __init__(self, features: Features, weights: Weights, vectors: np.ndarray | None = None) -> None:
        super().__init__(features, vectors)
        self._weights = weight_array(weights)

    def scores(self, people: np.ndarray) -> np.ndarray:
        """Weighted sums of the features."""
        return np.stack([self._features.of(self.profile(int(person))) @ self._weights for person in people])


def weight_array(weights: Weights) -> np.ndarray:
    """(features,) float32 in the order of ``FEATURES``."""
    return np.array([getattr(weights, name) for name in FEATURES], np.float32)


def history_weights(histories: Histories, memory: float | None) -> sparse.csr_matrix:
    """(people, items) float32: 1 for each liked item, less for older ones where ``memory`` is given."""
    if memory is None:
        return histories.matrix
    longest = int(histories.back.max(initial=0)) + 1
    data = recency(longest, memory)[::-1][histories.back].astype(np.float32)
    return sparse.csr_matrix((data, (histories.person, histories.item)), shape=histories.matrix.shape)
