"""How alike two texts are: exact match, F1 of words, ROUGE, chrF and BLEU, 0 to 1 each.

chrF and BLEU are sacrebleu's. ROUGE is written out: the usual library throws away everything that is not ASCII, so that
two Chinese texts always agree in nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff]|[^\W_]+")
"""A word, or one character of a script that is written without spaces (Chinese, Japanese)."""
LONGEST = 2_000
"""Words of a text that ROUGE-L looks at: its cost goes with the product of both lengths."""


@dataclass(frozen=True)
class Alike:
    """Figures of n pairs of texts."""

    rows: dict[str, np.ndarray]
    """Name -> (n,) one figure a pair."""
    corpus: dict[str, float]
    """Figures that are of all pairs together."""


def words(text: str) -> list[str]:
    """Lower-case words of a text, a Chinese or Japanese character each; punctuation is left out."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def compare_texts(gold: Sequence[str], predicted: Sequence[str]) -> Alike:
    """Compare each predicted text with the expected one at its place. Both have n texts."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    pairs = [(words(one), words(other)) for one, other in zip(gold, predicted, strict=True)]
    one_word = np.array([_overlap(one, other) for one, other in pairs])
    chrf = CHRF()  # character 6-grams, beta 2 (Popović 2015)
    rows = {
        "rouge_l": np.array([_longest_common(one, other) for one, other in pairs]),
        "rouge_1": one_word,
        "exact": np.array([float(a.split() == b.split()) for a, b in zip(gold, predicted, strict=True)]),
    }
    if not pairs:
        return Alike(rows, {"chrf": 0.0, "bleu": 0.0})
    # Characters where a script has no spaces, words elsewhere (Post 2018, "A Call for Clarity", names its tokenizers).
    chinese = sum(_unspaced(text) for text in gold) > len(pairs) / 2
    bleu = BLEU(tokenize="zh" if chinese else "13a", effective_order=True)
    texts, references = [str(text) for text in predicted], [[str(text) for text in gold]]
    return Alike(
        rows,
        {
            "chrf": chrf.corpus_score(texts, references).score / 100,
            "bleu": min(1.0, bleu.corpus_score(texts, references).score / 100),
        },
    )


def mean_figures(found: Alike) -> dict[str, float]:
    """Headline first: rouge_l, rouge_1, chrf, bleu, exact match as accuracy, F1 of words as macro_f1."""
    mean = {name: float(values.mean()) if len(values) else 0.0 for name, values in found.rows.items()}
    return {
        "rouge_l": mean["rouge_l"],
        "rouge_1": mean["rouge_1"],
        **found.corpus,
        "accuracy": mean["exact"],
        "macro_f1": mean["rouge_1"],
    }


def perplexity(losses: np.ndarray, tokens: np.ndarray) -> float:
    """exp of the mean loss of a token, from sums of losses (n,) and numbers of tokens (n,); 1 is certainty.

    Jelinek et al. 1977; capped, so that it stays a number.
    """
    return float(np.exp(min(50.0, losses.sum() / max(1, tokens.sum()))))


def _overlap(one: list[str], other: list[str]) -> float:
    """F1 of the words in common, each as often as it occurs: ROUGE-1 (Lin 2004), SQuAD's F1 of tokens."""
    if not one or not other:
        return float(one == other)
    common = (Counter(one) & Counter(other)).total()
    return 2 * common / (len(one) + len(other))


def _longest_common(one: list[str], other: list[str]) -> float:
    """F1 of the longest common subsequence of words: ROUGE-L (Lin 2004, "ROUGE", section 3.1)."""
    one, other = one[:LONGEST], other[:LONGEST]
    if not one or not other:
        return float(one == other)
    # Bit-parallel (Hyyrö 2004): a zero bit of `state` marks a word of `one` that the subsequence so far ends with.
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(one)) - 1
    state = full
    for word in other:
        match = state & places.get(word, 0)
        state = (state + match | state - match) & full
    return 2 * (full ^ state).bit_count() / (len(one) + len(other))


def _unspaced(text: str) -> bool:
    found = words(text)
    return sum(not word.isascii() and len(word) == 1 for word in found) > len(found) / 2
