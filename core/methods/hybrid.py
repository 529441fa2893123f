"""TF-IDF and embeddings side by side: exact wording and meaning, decided by one linear support vector machine."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from core.methods.base import Estimate, MethodOptions, Range, RunContext, TrainingData
from core.methods.baseline import TfidfOptions, svc, tfidf_cost
from core.methods.features import EncoderOptions, encoder_cost, encoder_features
from core.methods.linear import LinearPredictor, tfidf_vectorizers
from core.methods.linear_kinds import load_linear, train_texts


class HybridOptions(TfidfOptions, EncoderOptions):
    """Options of the hybrid."""

    SEARCHED: ClassVar[dict[str, Range]] = {**TfidfOptions.SEARCHED, "embedding_weight": Range(0.5, 8, log=True)}

    embedding_weight: float = Field(
        default=2.0,
        gt=0,
        le=20,
        description="How much the encoder's reading counts beside the words. Higher trusts meaning, lower exact "
        "wording.",
    )


class Hybrid:
    """TF-IDF, frozen encoder and linear SVC."""

    name: ClassVar[str] = "hybrid"
    title: ClassVar[str] = "Words and encoder"
    summary: ClassVar[str] = (
        "The baseline's word counts and the frozen encoder's reading side by side. The strongest model that needs no "
        "fine-tuning: on Banking77 ahead of a fine-tuned BERT base, in about a minute."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification", "multilabel", "relation"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = HybridOptions

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> LinearPredictor:
        """Encode and count, fit on data.train, calibrate on data.dev. Raises TrainingError, Stopped."""
        checked = HybridOptions.model_validate(options.model_dump())
        features = encoder_features(checked, base, context)
        features.vectorizers = tfidf_vectorizers(checked.word_ngrams, checked.char_ngrams)
        features.weight = checked.embedding_weight
        return train_texts(data, features, svc(checked), [checked.C], context, checked.seed)

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> LinearPredictor:
        """Load what the predictor's ``save`` wrote."""
        return load_linear(directory, labels, device)

    def estimate(
        self, data: TrainingData | None, options: MethodOptions, rows: int, mean_tokens: float, base: Path | None
    ) -> Estimate:
        """Seconds and memory when no embedding is cached yet."""
        counting, count_memory = tfidf_cost(rows, mean_tokens, len(data.labels) if data else 10)
        length = min(mean_tokens, float(getattr(options, "max_length", 256)))
        encoding, encode_memory = encoder_cost(rows, length, base)
        return Estimate(2 * counting + encoding, count_memory + encode_memory)
