"""The best of many candidates for a text: all are compared quickly, and the nearest read where a model reads.

Knows models as what gives similarities and probabilities. Two stages as in Nogueira & Cho 2019, "Passage Re-ranking
with BERT".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core.methods import get_method
from core.methods.base import Predictor
from core.methods.matching import RERANK, CosineMatching, Searching
from core.records import Found
from core.tasks.pair import MATCH, Pair

CELLS_AT_ONCE = 4_000_000
"""Similarities held in memory."""


def reads(task: str, method: str) -> bool:
    """True for models of pairs that read two texts together: they re-rank, and search a shortlist only."""
    from core.methods.tuned import TunedEncoder

    return task == Pair.name and isinstance(get_method(method), TunedEncoder)


def digest(texts: Iterable[str]) -> str:
    """Content address of a list of texts, 32 hexadecimal characters."""
    found = hashlib.blake2b(digest_size=16)
    for text in texts:
        known = text.encode("utf-8", "surrogatepass")
        found.update(len(known).to_bytes(8, "little") + known)
    return found.hexdigest()


def search(
    searcher: Searching,
    index: Any,
    readers: Sequence[Predictor],
    queries: Sequence[str],
    candidates: Sequence[str],
    top: int,
) -> list[list[Found]]:
    """The ``top`` best of the ``candidates`` for each query, best first.

    ``index`` is what the searcher made of the candidates. Without ``readers`` they are in the order of its
    similarities, and it is asked for the probabilities; otherwise each reader in turn puts the best ``rerank`` of its
    own, or as many as are asked for, into the order of its own.
    """
    size = max(1, CELLS_AT_ONCE // len(candidates))
    shortlists = [max(top, getattr(reader, "rerank", RERANK)) for reader in readers]
    wanted = min(len(candidates), max([top, *shortlists[:1]]))
    found: list[list[Found]] = []
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        near = searcher.near(part, index)
        places = np.argsort(-near, axis=1, kind="stable")[:, :wanted]  # (part, wanted)
        similar = np.take_along_axis(near, places, axis=1)
        if not readers:
            chances = _own_chances(searcher, similar, part, candidates, places)
        order = None
        for reader, most in zip(readers, shortlists, strict=True):
            places, similar = places[:, :most], similar[:, :most]
            chances = _chances(reader, part, candidates, places)
            order = np.argsort(-chances, axis=1, kind="stable")
            places, similar, chances = (np.take_along_axis(a, order, axis=1) for a in (places, similar, chances))
        for row in range(len(part)):
            found.append(
                [
                    Found(
                        place=int(place),
                        text=candidates[place],
                        score=float(chances[row, rank]),
                        similarity=float(similar[row, rank]),
                        rank_before=None if order is None else int(order[row, rank]) + 1,
                    )
                    for rank, place in enumerate(places[row, :top])
                ]
            )
    return found


def _own_chances(
    searcher: Any, similar: np.ndarray, queries: Sequence[str], candidates: Sequence[str], places: np.ndarray
) -> np.ndarray:
    """Probabilities of a match by the model that searched, (queries, wanted)."""
    if isinstance(searcher, CosineMatching):  # known from the cosines: no text is read again
        return searcher.chance(similar)
    return _chances(searcher, queries, candidates, places)


def _chances(reader: Predictor, queries: Sequence[str], candidates: Sequence[str], places: np.ndarray) -> np.ndarray:
    """Probabilities of a match, (queries, wanted), by reading each query with each of its candidates."""
    first = [query for query in queries for _ in range(places.shape[1])]
    second = [candidates[place] for line in places for place in line]
    scores = reader.scores(first, second)
    return np.asarray(scores[:, reader.labels.index(MATCH)].reshape(places.shape))
