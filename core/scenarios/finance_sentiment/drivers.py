"""What moved the curve: the words that set some items apart from others, by log-odds with an informative prior."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pydantic import Field

from core.records import Record

PRIOR_WORDS = 100.0
"""Weight of the words of all texts together, in words: the rarer a word, the more proof it needs."""
LEAST_ITEMS = 2
"""A word of one item alone is no driver."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?", re.UNICODE)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_SAYING = frozenset({"say", "says", "said", "tells", "told"})
"""In news, every second line has one of them."""


class DrivingWord(Record):
    """A word that is unusually frequent in the chosen items."""

    word: str
    z: float = Field(description="Log-odds ratio over its standard deviation; beyond 1.96 it is hardly chance.")
    items: int = Field(description="Chosen items with the word.")
    others: int = Field(description="Other items with the word.")


def driving_words(chosen: Sequence[str], others: Sequence[str], limit: int = 15) -> list[DrivingWord]:
    """Words that tell the chosen texts from the others, strongest first.

    Log-odds ratio with an informative Dirichlet prior from all texts (Monroe, Colaresi and Quinn 2008, "Fightin'
    Words", equations 15 to 22), on the number of texts that hold a word, so that a text counts it once.
    """
    first, second = _counts(chosen), _counts(others)
    total = first + second
    words = sum(total.values())
    if not chosen or not words:
        return []
    n_first, n_second = sum(first.values()), sum(second.values())
    found = []
    for word, count in total.items():
        if first[word] < LEAST_ITEMS:
            continue
        prior = PRIOR_WORDS * count / words
        odds = math.log((first[word] + prior) / (n_first + PRIOR_WORDS - first[word] - prior))
        odds -= math.log((second[word] + prior) / (n_second + PRIOR_WORDS - second[word] - prior))
        z = odds / math.sqrt(1 / (first[word] + prior) + 1 / (second[word] + prior))
        if z > 0:
            found.append(DrivingWord(word=word, z=z, items=first[word], others=second[word]))
    return sorted(found, key=lambda one: (-one.z, one.word))[:limit]


def _counts(texts: Iterable[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        found.update(set(words_of(text)))
    return found


def words_of(text: str) -> list[str]:
    """Words in lower case without those that say nothing; Chinese and Japanese as pairs of characters."""
    lowered = text.casefold()
    pairs = [run[i : i + 2] for run in _CJK.findall(lowered) for i in range(max(1, len(run) - 1))]
    words = _WORD.findall(_CJK.sub(" ", lowered))
    return pairs + [word for word in words if len(word) > 1 and word not in _empty_words()]


@lru_cache(maxsize=1)
def _empty_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS) | _SAYING
