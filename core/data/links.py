"""Texts that belong together because pairs say so: numbered, and joined along chains of matches."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np


def fold(text: str) -> str:
    """A text without case, white space and punctuation; the text itself where nothing else is left."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum()) or folded


def number(texts: Sequence[str], numbers: dict[str, int] | None = None) -> np.ndarray:
    """(n,) int64: texts that read alike get the same number, in order of appearance; ``numbers`` is carried on."""
    known: dict[str, int] = {} if numbers is None else numbers
    return np.fromiter((known.setdefault(fold(text), len(known)) for text in texts), np.int64, len(texts))


def joined(first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """Group number of each of ``count`` texts when text first[i] and text second[i], (n,) each, belong together."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    links = csr_matrix((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)
