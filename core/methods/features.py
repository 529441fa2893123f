"""A frozen encoder reads, a logistic regression decides.

The encoder's pass over the texts is paid once: embeddings are cached, and every later run on the same texts takes
seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.errors import TrainingError
from core.methods.base import Estimate, MethodOptions, Predictor, RunContext, TrainingData, Work
from core.methods.embeddings import TOKENS_PER_BATCH, missing_share
from core.methods.encoders import encoder_weights
from core.methods.linear import TextFeatures
from core.methods.linear_kinds import load_linear, train_texts
from core.methods.pair_linear import CHOICES as PAIR_CHOICES
from core.methods.pair_linear import train_pairs
from core.methods.word_tagger import WordTagger, train_tagger
from core.methods.word_vectors import WordReader

CANNOT_WRITE = "This method turns texts into numbers and chooses between labels; it cannot write a text."
CANNOT_POINT = (
    "This method reads question and text apart and judges each as a whole; where in the text the answer is, it cannot "
    "say."
)
UNSUITED = {"generation": CANNOT_WRITE, "question_answering": CANNOT_POINT}
CHOICES = (10.0, 20.0)
"""Values of C that are tried. Banking77 with MiniLM, dev / test: 5 gives 91.9 / 92.6, 10: 92.8 / 92.7,
20: 93.1 / 92.8, 30: 92.8 / 92.4; 1 gives 90.8 on test."""
START_SECONDS = 2.5
"""Loading the encoder, which single answers at the end need in any case."""
READING_SHARE = 0.55
"""Of the machine's speed in large matrix products; measured with MiniLM, texts of 15 and of 100 tokens."""
LIBRARY_BYTES = 520_000_000
"""Bytes of a process with torch and scikit-learn, before anything is read."""
SECONDS_PER_TAG = 3.5e-5
"""Of fitting, a word and tag there is, for all values of C that are tried (200 texts of 160 words, 9 tags: 9 s)."""
PAIR_SECONDS = 1.2
"""Drawing counter-examples and trying more values of C (400 pairs)."""
READING_BYTES = 6e-3
"""Of a token and weight, while a batch is read."""


class EncoderOptions(MethodOptions):
    """Options of the frozen encoder."""

    max_length: int = Field(
        default=256,
        ge=8,
        le=8192,
        description="Tokens of a text that are read; the rest is cut. Longer is slower and needs more memory.",
    )
    class_weights: bool = Field(
        default=False,
        description="Let rare labels count as much as frequent ones: finds more of them, at the price of more false "
        "alarms.",
    )


class FeaturesOptions(EncoderOptions):
    """Options of the frozen encoder with a logistic regression."""

    C: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="How closely the classifier follows the training examples. 0 tries several values (10 "
        "and 20; for pairs and words 0.01 to 1) and keeps the best on the dev split.",
    )


class Features:
    """Frozen encoder and logistic regression."""

    name: ClassVar[str] = "features"
    title: ClassVar[str] = "Frozen encoder"
    summary: ClassVar[str] = (
        "A pre-trained encoder reads the texts once, a small classifier learns on top. Strong from a few labels a "
        "class on, and retrained in seconds while you label."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification", "multilabel", "pair", "relation", "tagging"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = FeaturesOptions

    def unsuited(self, task: str, kind: str) -> str | None:
        """Vectors are no texts, and no places."""
        return UNSUITED.get(task)

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Predictor:
        """Encode, fit on data.train, choose C and calibrate on data.dev. Raises TrainingError, Stopped."""
        checked = FeaturesOptions.model_validate(options.model_dump())

        def make(choice: float) -> Any:
            from sklearn.linear_model import LogisticRegression

            weights = "balanced" if checked.class_weights else None
            return LogisticRegression(C=choice, class_weight=weights, max_iter=500, warm_start=True)

        features = encoder_features(checked, base, context)
        if data.task.name == "tagging":
            return train_tagger(data, word_reader(features), checked.C, checked.class_weights, context)
        if data.task.paired:
            choices = [checked.C] if checked.C else PAIR_CHOICES
            return train_pairs(data, features, choices, context, checked.seed, checked.class_weights)
        return train_texts(data, features, make, [checked.C] if checked.C else CHOICES, context, checked.seed)

    def load(self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification") -> Predictor:
        """Load what the predictor's ``save`` wrote."""
        if task == "tagging":
            return WordTagger.load(directory, labels, device)
        return load_linear(directory, labels, device)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory of this work; without the texts whose embeddings are there already."""
        seconds, memory = encoder_cost(work, max_length(options), base)
        fitting = 1.5 + work.rows * work.labels * 2e-5
        if work.task == "tagging":
            fitting += work.rows * work.mean() * (1 + 2 * work.labels) * SECONDS_PER_TAG
        elif work.lengths.shape[1] == 2:
            fitting += PAIR_SECONDS
        note = f"About {START_SECONDS + fitting:.0f} s once the texts have been encoded by an earlier run."
        notes = [note] if seconds > START_SECONDS else []
        return Estimate(seconds + fitting, memory + work.rows * work.labels * 24, notes)


def encoder_features(options: EncoderOptions, base: Path | None, context: RunContext) -> TextFeatures:
    """Embeddings by the frozen encoder in ``base``. Raises TrainingError without one."""
    if base is None:
        raise TrainingError("This method needs a base model.", "Choose a base model.")
    return TextFeatures(base=base, max_length=options.max_length, device=context.device, cache=context.cache)


def word_reader(features: TextFeatures) -> WordReader:
    """The same encoder, for words."""
    return WordReader(features.base or Path(), features.max_length, features.device)


def encoder_cost(work: Work, limit: int, base: Path | None) -> tuple[float, int]:
    """(seconds, bytes) of one pass of the encoder over all rows, but those whose embeddings are in the cache.

    A forward pass takes two operations a weight and token, without the word vectors, which are only looked up.
    """
    every, working = encoder_weights(base)
    rows = work.rows + work.dev + work.test
    new = 1.0
    if base is not None and work.task != "tagging":  # vectors of words are not kept
        new = missing_share(work.texts, base, work.cache, limit)
    tokens = work.mean(limit, apart=True)
    if not new:
        return START_SECONDS, int(LIBRARY_BYTES + every * 4 + rows * 8e3)
    memory = int(
        LIBRARY_BYTES + every * 4 + min(TOKENS_PER_BATCH, rows * tokens) * working * READING_BYTES + rows * 20e3
    )
    return START_SECONDS + new * rows * 2.0 * tokens * working / (READING_SHARE * work.speed), memory


def max_length(options: MethodOptions) -> int:
    """Tokens of a text that are read."""
    return int(getattr(options, "max_length", 256))
