"""How well two texts match by the cosine of their vectors: what models of pairs share that make a vector a text.

Also what every model has that searches many texts: it takes them in once, whatever is asked for afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from core.tasks.pair import MATCH

RERANK = 20
"""To search, how many of the best candidates of a quick search are read and put into a new order."""


@runtime_checkable
class Searching(Protocol):
    """What finds the nearest of many texts, which it takes in once."""

    def index(self, candidates: Sequence[str]) -> Any:
        """What is kept of the candidates; arrays only, so that it can outlive the model."""

    def near(self, queries: Sequence[str], index: Any) -> np.ndarray:
        """How near each candidate of an index is, (len(queries), candidates) float32; larger is nearer."""


class CosineMatching(ABC):
    """From vectors of texts to probabilities of a match, and to the best of many candidates."""

    labels: list[str]
    line: tuple[float, float]
    """(slope, intercept) from the cosine to the log odds of a match."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (len(texts), d) float32."""

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities, (len(texts), 2) float32: how likely each pair is a match, and how likely not."""
        first, second = self.embed(texts), self.embed(texts_b if texts_b is not None else texts)
        match = self.chance((first * second).sum(axis=1))
        columns = [match if label == MATCH else 1.0 - match for label in self.labels]
        return np.stack(columns, axis=1).astype(np.float32)

    def chance(self, cosines: np.ndarray) -> np.ndarray:
        """Probability of a match by the cosine of two texts, in the shape of ``cosines``."""
        slope, intercept = self.line
        return np.asarray(1.0 / (1.0 + np.exp(-(slope * cosines + intercept))))

    def index(self, candidates: Sequence[str]) -> np.ndarray:
        """Their unit vectors, (len(candidates), d) float32."""
        return self.embed(candidates)

    def near(self, queries: Sequence[str], index: np.ndarray) -> np.ndarray:
        """Cosines, (len(queries), candidates)."""
        return np.asarray(self.embed(queries) @ index.T)

    def similarities(self, queries: Sequence[str], candidates: Sequence[str]) -> Callable[[slice], np.ndarray]:
        """A function from a slice of the queries to their cosines (rows, len(candidates))."""
        first, second = self.embed(queries), self.embed(candidates)
        return lambda rows: np.asarray(first[rows] @ second.T)
