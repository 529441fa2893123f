"""Linear classifiers on fixed features: what the baseline, features and hybrid methods share.

Texts become features (TF-IDF, embeddings of a frozen encoder, or both side by side), a linear classifier separates
the labels, and one temperature turns its margins into probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import RunContext, TrainingData
from core.methods.fitted import Fitted, fit_calibrated
from core.methods.skops_files import load_estimators, save_estimators

WORD = r"(?u)\b\w+\b"
"""Words of one letter count too: 'I', 'a', and every Chinese character that stands alone."""


@dataclass
class TextFeatures:
    """From texts to one feature matrix: TF-IDF blocks and, beside them, embeddings times ``weight``."""

    vectorizers: list[Any] = field(default_factory=list)
    """Fitted or unfitted TfidfVectorizer objects."""
    base: Path | None = None
    """Folder of the encoder; None for no embeddings."""
    weight: float = 1.0
    max_length: int = 256
    device: str = "cpu"
    cache: Path | None = None
    """Where embeddings are looked up and kept; None encodes anew each time."""

    def fit(self, texts: Sequence[str]) -> TextFeatures:
        """Learn the n-grams; the encoder is frozen and learns nothing. Raises TrainingError."""
        for vectorizer in self.vectorizers:
            try:
                vectorizer.fit(texts)
            except ValueError as error:  # scikit-learn: no n-gram in any text
                raise TrainingError("The training texts contain no words.", "Check the text column.") from error
        return self

    def matrix(
        self,
        texts: Sequence[str],
        progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Any:
        """(len(texts), features): a CSR matrix, or a dense array when there are embeddings only."""
        if not len(texts):
            return self.matrix([""])[:0]  # scikit-learn refuses an empty list
        blocks: list[Any] = [vectorizer.transform(texts) for vectorizer in self.vectorizers]
        if self.base is not None:
            vectors = self.embed(texts, should_stop, progress)
            if not blocks:
                return vectors
            from scipy.sparse import csr_matrix

            blocks.append(csr_matrix(vectors * np.float32(self.weight)))
        from scipy.sparse import hstack

        return hstack(blocks, format="csr")

    def embed(
        self,
        texts: Sequence[str],
        should_stop: Callable[[], bool] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Unit vectors (len(texts), d) float32 by the encoder."""
        from core.methods.embeddings import encode

        if self.base is None:
            raise ModelError("This model counts words and makes no vectors.", "Use one with a base model.")
        return encode(texts, self.base, self.cache, self.device, self.max_length, progress, should_stop)


def tfidf_vectorizers(word_ngrams: int, char_ngrams: int) -> list[Any]:
    """Unfitted TF-IDF blocks: words, and characters inside words (for Chinese: inside the sentence)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    blocks = []
    if word_ngrams:
        blocks.append(
            TfidfVectorizer(ngram_range=(1, word_ngrams), sublinear_tf=True, token_pattern=WORD, dtype=np.float32)
        )
    if char_ngrams:
        blocks.append(
            TfidfVectorizer(
                analyzer="char_wb", ngram_range=(min(2, char_ngrams), char_ngrams), sublinear_tf=True, dtype=np.float32
            )
        )
    if not blocks:
        raise TrainingError("Words and characters are both switched off.", "Switch one of them on.")
    return blocks


def fitted_blocks(word_ngrams: int, char_ngrams: int, texts: Sequence[str]) -> list[tuple[Any, Any]]:
    """(fitted vectorizer, unit vectors of the texts) of words and of parts of words, as far as the texts have any."""
    blocks = []
    for vectorizer in tfidf_vectorizers(word_ngrams, char_ngrams):
        with suppress(ValueError):  # no text has a word, or anything at all
            blocks.append((vectorizer, vectorizer.fit_transform(texts)))
    return blocks


def train_linear(
    data: TrainingData,
    features: TextFeatures,
    make: Callable[[float], Any],
    choices: Sequence[float],
    context: RunContext,
    seed: int,
) -> LinearPredictor:
    """Features of train and dev, then the classifier. Raises TrainingError, Stopped."""
    matrix, dev = read_texts(data, features, context)
    targets = data.task.targets(data.train.values, data.labels)
    held = dev_targets(data)
    fitted = fit_calibrated(make, choices, matrix, targets, (dev[held >= 0], held[held >= 0]), context, seed)
    context.progress(100, 100, "fitted")
    return LinearPredictor(data.labels, features, fitted)


def read_texts(data: TrainingData, features: TextFeatures, context: RunContext) -> tuple[Any, Any]:
    """Features of train and dev, (n, features) each. Raises TrainingError, Stopped."""
    context.progress(0, 100, "reading the texts")
    features.fit(data.train.texts)
    matrix = features.matrix(data.train.texts, _share(context, 0, 70), context.should_stop)
    dev = features.matrix(data.dev.texts, _share(context, 70, 80), context.should_stop)
    context.progress(80, 100, "fitting the classifier")
    return matrix, dev


def dev_targets(data: TrainingData) -> np.ndarray:
    """(n,) label indices of the dev split, -1 for a label that the model does not have."""
    index = {label: i for i, label in enumerate(data.labels)}
    return np.array([index.get(value, -1) for value in data.dev.values], dtype=np.int64)


def _share(context: RunContext, low: int, high: int) -> Callable[[int, int], None]:
    """Progress of the encoder as a part of the whole run."""

    def publish(done: int, total: int) -> None:
        context.progress(low + (high - low) * done // max(total, 1), 100, f"encoded {done:,} of {total:,} texts")

    return publish


class LinearPredictor:
    """A linear model in memory."""

    FILE = "linear.skops"
    HEAD = "linear.json"
    KIND = "texts"
    """What it reads; in ``linear.json``, so that loading finds the class again."""
    Decider: ClassVar[type[Any]] = Fitted
    """From features to probabilities: ``scores``, ``estimators``, ``facts`` and ``restore`` as those of ``Fitted``."""

    def __init__(self, labels: list[str], features: TextFeatures, fitted: Any) -> None:
        self.labels = labels
        self.features = features
        self.fitted = fitted

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities (len(texts), len(labels)) float32; with one label a text, rows sum to 1."""
        if not len(texts):
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        return self.fitted.scores(self.features.matrix(texts), len(self.labels))

    @property
    def learned_weights(self) -> int:
        """Numbers that were learned from the labels."""
        return sum(int(one.coef_.size + one.intercept_.size) for one in self.fitted.estimators())

    def use_cache(self, cache: Path | None) -> None:
        """Look embeddings up in, and add them to, this cache. None, as at first, keeps nobody's input."""
        self.features = replace(self.features, cache=cache)  # a copy of this model may have another

    def save(self, directory: Path) -> None:
        """Write ``linear.skops`` (classifier, TF-IDF), ``linear.json`` and, where there is one, the encoder's place."""
        base = self.features.base
        estimators = self.fitted.estimators()
        save_estimators([*estimators, *self.features.vectorizers], directory / self.FILE)
        facts = {
            "kind": self.KIND,
            "labels": self.labels,
            "estimators": len(estimators),
            **self.fitted.facts(),
            "weight": self.features.weight,
            **encoder_facts(base, self.features.max_length, self.features.cache),
        }
        write_json(directory / self.HEAD, facts)

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> LinearPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files, other labels or a missing encoder."""
        facts = read_json(directory / cls.HEAD)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{cls.HEAD} of this model is missing or does not fit its labels.", "Train it again.")
        loaded = load_estimators(directory / cls.FILE)
        count = int(facts.get("estimators", 1))
        base = encoder_folder(facts) if facts["encoder"] else None
        features = TextFeatures(loaded[count:], base, float(facts["weight"]), int(facts["max_length"]), device)
        return cls(labels, features, cls.Decider.restore(loaded[:count], facts))


def encoder_facts(base: Path | None, max_length: int, memo: Path | None = None) -> dict[str, Any]:
    """What a model with a frozen encoder, or without one, says about it; ``memo`` remembers hashes."""
    from core.methods.embeddings import fingerprint

    return {
        "max_length": max_length,
        "encoder": str(base) if base else None,
        "encoder_fingerprint": fingerprint(base, memo, max_length) if base else None,
    }


def encoder_folder(facts: dict[str, Any]) -> Path:
    """The encoder that the model was trained on: where it was, or the built-in one when it is the same."""
    from core.base_models import DEFAULT_BASE, resolve
    from core.methods.embeddings import fingerprint

    for candidate in (lambda: Path(facts["encoder"]), lambda: resolve(DEFAULT_BASE)):
        folder = candidate()
        if not (folder / "config.json").is_file():
            continue
        if fingerprint(folder, max_length=int(facts["max_length"])) == facts["encoder_fingerprint"]:
            return folder
    raise ModelError(
        f"The base model in {facts['encoder']} is missing or no longer the one this model was trained on.",
        "Put it back, or train the model again.",
    )
