"""Texts that say the same: exactly, or nearly (MinHash LSH on character shingles, Broder 1997; `datasketch`)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import xxhash

SIMILAR = 0.8
"""Jaccard similarity of the shingle sets from which two texts count as near duplicates."""
_PERMUTATIONS = 64
_MOST_CANDIDATES = 50
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class NearGroup:
    """One text and the texts that are nearly the same; places are indices of the sequence handed in."""

    keep: int
    others: list[tuple[int, float]]
    """(place, Jaccard similarity with ``keep``)."""


def exact_groups(keys: Sequence[Hashable]) -> list[list[int]]:
    """Places of equal keys, groups of two and more, each in order."""
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def near_groups(
    texts: Sequence[str], similar: float = SIMILAR, progress: Callable[[int], None] | None = None
) -> list[NearGroup]:
    """Group texts that are nearly the same as an earlier one; earlier texts are the ones to keep.

    Each text is compared with the kept texts only, so a thousand variations of one template cost a thousand
    comparisons, not a million. LSH proposes, the true Jaccard similarity decides: every pair is at least ``similar``,
    and a pair just above it can be missed. ``progress`` is called with the number of texts done and may raise.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=similar - 0.1, num_perm=_PERMUTATIONS, weights=(0.3, 0.7))
    empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_hash)
    groups: dict[int, list[tuple[int, float]]] = {}
    kept: Callable[[int], frozenset[str]] = lru_cache(maxsize=20_000)(lambda place: shingles(texts[place]))
    for place, text in enumerate(texts):
        if progress is not None and place % 500 == 0:
            progress(place)
        own = shingles(text)
        if not own:
            continue
        signature = empty.copy()
        signature.update_batch(own)
        candidates = sorted(index.query(signature))[:_MOST_CANDIDATES]
        scored = [(jaccard(own, kept(candidate)), -candidate) for candidate in candidates]
        score, best = max(scored, default=(0.0, 0))
        if score >= similar:
            groups.setdefault(-best, []).append((place, score))
        else:
            index.insert(place, signature)
    return [NearGroup(keep, others) for keep, others in sorted(groups.items())]


def shingles(text: str) -> frozenset[str]:
    """Overlapping pieces of 3 characters (2 where the text is mostly Chinese, Japanese or Korean).

    Case, punctuation and the amount of white space do not count.
    """
    plain = _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    size = 2 if len(_CJK.findall(plain)) * 2 > len(plain) else 3
    if len(plain) <= size:
        return frozenset((plain,)) if plain else frozenset()
    return frozenset(plain[start : start + size] for start in range(len(plain) - size + 1))


def alike(one: str, other: str) -> bool:
    """True for two texts that are near duplicates; two empty ones are."""
    return one == other or jaccard(shingles(one), shingles(other)) >= SIMILAR


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Share of the pieces that two sets have in common, 0 to 1."""
    common = len(a & b)
    return common / (len(a) + len(b) - common) if common else 0.0


def _hash(piece: str) -> int:
    """Unsigned 32-bit hash of a shingle."""
    return xxhash.xxh32_intdigest(piece.encode())
