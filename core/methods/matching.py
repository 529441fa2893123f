"""How well two texts match by the cosine of their vectors: what models of pairs share that make a vector a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from core.tasks.pair import MATCH


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
        slope, intercept = self.line
        match = 1.0 / (1.0 + np.exp(-(slope * (first * second).sum(axis=1) + intercept)))
        columns = [match if label == MATCH else 1.0 - match for label in self.labels]
        return np.stack(columns, axis=1).astype(np.float32)

    def similarities(self, queries: Sequence[str], candidates: Sequence[str]) -> Callable[[slice], np.ndarray]:
        """A function from a slice of the queries to their cosines (rows, len(candidates))."""
        first, second = self.embed(queries), self.embed(candidates)
        return lambda rows: np.asarray(first[rows] @ second.T)
