"""Baseline, frozen encoder and both for pairs: what two texts share as features, and a logistic regression on them.

The baseline compares words and parts of words; the frozen encoder compares embeddings by their product and their
distance in every dimension (Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations", section
3.1). A grade counts as that share of a match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.errors import RefusedError, TrainingError
from core.methods.base import RunContext, Stopped, TrainingData
from core.methods.fitted import LEAST_CALIBRATION_ROWS, Fitted, fit_temperature, margins
from core.methods.linear import WORD, LinearPredictor, TextFeatures
from core.methods.pairs import Pairs, line_up
from core.tasks.pair import HALF, MATCH

CHOICES = (0.01, 0.1, 1.0)
"""Values of C that are tried on the dev split; both kinds of features are brought to about the same size first."""
_NUMBER = re.compile(r"\d+")


class PairPredictor(LinearPredictor):
    """A linear model of pairs in memory."""

    KIND = "pairs"

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities (len(texts), 2) float32 of match and no match."""
        if not len(texts):
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        return self.fitted.scores(compare(self.features, texts, texts if texts_b is None else texts_b), 2)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors (len(texts), d) float32 of the frozen encoder. Raises RefusedError when there is none."""
        if self.features.base is None:
            raise RefusedError("This model counts words and makes no vectors.", "Use one with a base model.")
        return self.features.embed(texts)

    def index(self, candidates: Sequence[str]) -> list[Any]:
        """Their unit vectors (len(candidates), d), a block a kind of features."""
        return _blocks(self.features, candidates)

    def near(self, queries: Sequence[str], index: list[Any]) -> np.ndarray:
        """Sums of the cosines of each block, (len(queries), candidates), before any training."""
        return _products(_blocks(self.features, queries), index)

    def similarities(self, queries: Sequence[str], candidates: Sequence[str]) -> Callable[[slice], np.ndarray]:
        """A function from a slice of the queries to their cosines (rows, len(candidates)) before any training."""
        first, second = _blocks(self.features, queries), self.index(candidates)
        return lambda rows: _products([block[rows] for block in first], second)


def train_pairs(
    data: TrainingData, features: TextFeatures, choices: Sequence[float], context: RunContext, seed: int, balanced: bool
) -> PairPredictor:
    """Compare the texts of train and dev, fit, choose C and calibrate. Raises TrainingError, Stopped."""
    context.progress(0, 100, "reading the texts")
    train = Pairs.of(data.train)
    features.fit([*train.firsts, *train.seconds])
    first, second, grade = line_up(train, seed)
    if not 0 < grade.sum() < len(grade):
        raise TrainingError(
            "All training pairs have the same label.", "Label pairs of the other kind and freeze a new version."
        )
    match = data.labels.index(MATCH)
    matrix = compare(features, [train.firsts[i] for i in first], [train.seconds[i] for i in second], context)
    dev = Pairs.of(data.dev, beside=[data.train])
    dev_first, dev_second, dev_grade = line_up(dev, seed)
    held = compare(features, [dev.firsts[i] for i in dev_first], [dev.seconds[i] for i in dev_second], context)
    context.progress(80, 100, "fitting the classifier")
    targets = np.where(dev_grade >= HALF, match, 1 - match)
    enough = len(targets) >= LEAST_CALIBRATION_ROWS and len(np.unique(targets)) == 2
    found: list[tuple[float, Fitted]] = []
    for choice in choices if enough else choices[-1:]:
        if context.should_stop():
            raise Stopped
        fitted = Fitted(_fit(matrix, grade, match, choice, balanced), np.arange(2), choice=choice)
        loss = 0.0
        if enough:
            fitted.temperature, loss = fit_temperature(margins(fitted.classifier, held), targets)
            context.report("note", message=f"C={choice:g}: log loss {loss:.4f} on dev", loss=loss)
        found.append((loss, fitted))
    context.progress(100, 100, "fitted")
    return PairPredictor(data.labels, features, min(found, key=lambda pair: pair[0])[1])


def _fit(matrix: np.ndarray, grade: np.ndarray, match: int, choice: float, balanced: bool) -> Any:
    """A logistic regression in which each row counts ``grade`` times as a match and the rest as none."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weights = np.concatenate([grade, 1 - grade]).astype(float)
    targets = np.repeat([match, 1 - match], len(grade))
    rows = np.tile(np.arange(len(grade)), 2)
    used = weights > 0
    if balanced:
        weights = weights / np.where(targets == match, grade.sum(), (1 - grade).sum()) * len(grade) / 2
    with threadpool_limits(limits=1):  # the solver is slower with threads that wait for each other
        return LogisticRegression(C=choice, max_iter=500).fit(
            matrix[rows[used]], targets[used], sample_weight=weights[used]
        )


def compare(
    features: TextFeatures, texts: Sequence[str], texts_b: Sequence[str], context: RunContext | None = None
) -> np.ndarray:
    """What the texts of each pair have in common, (n, features) float32; symmetric in the two texts."""
    if not len(texts):
        return compare(features, [""], [""])[:0]
    first, second = (_blocks(features, side, context) for side in (texts, texts_b))
    found: list[np.ndarray] = []
    if features.vectorizers:
        cosines = [
            np.asarray(a.multiply(b).sum(axis=1)).ravel()
            for a, b in zip(first, second, strict=True)
            if not isinstance(a, np.ndarray)
        ]
        shared = np.array([_shared(one, other) for one, other in zip(texts, texts_b, strict=True)])
        found += [*(column[:, None] for column in cosines), shared]
    if features.base is not None:
        a, b = first[-1], second[-1]
        width = a.shape[1]
        # Entries of unit vectors shrink with their number: this brings all features to about the same size.
        found += [features.weight * part for part in (a * b * width, np.abs(a - b) * np.sqrt(width))]
    return np.hstack(found).astype(np.float32)


def _blocks(features: TextFeatures, texts: Sequence[str], context: RunContext | None = None) -> list[Any]:
    """Unit vectors (n, d) of texts: one sparse block a vectorizer, then embeddings where there is an encoder."""
    blocks: list[Any] = [vectorizer.transform(texts) for vectorizer in features.vectorizers]
    if features.base is not None:
        blocks.append(features.embed(texts, context.should_stop if context else None))
    return blocks


def _products(first: list[Any], second: list[Any]) -> np.ndarray:
    """Cosines (n, m) of texts given by the same blocks, added up."""
    products = [a @ b.T for a, b in zip(first, second, strict=True)]
    return np.asarray(sum(product if isinstance(product, np.ndarray) else product.toarray() for product in products))


def _shared(text: str, text_b: str) -> tuple[float, float, float, float]:
    """Words in common (of all; of the shorter text), ratio of lengths, and whether numbers agree (0.5: none there)."""
    words, words_b = (set(re.findall(WORD, side.lower())) for side in (text, text_b))
    common = len(words & words_b)
    numbers, numbers_b = (set(_NUMBER.findall(side)) for side in (text, text_b))
    agree = float(numbers == numbers_b) if numbers or numbers_b else 0.5
    shorter, longer = sorted((len(text), len(text_b)))
    return (
        common / max(1, len(words | words_b)),
        common / max(1, min(len(words), len(words_b))),
        shorter / max(1, longer),
        agree,
    )
