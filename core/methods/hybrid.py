"""TF-IDF and embeddings side by side: exact wording and meaning, decided by one linear support vector machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.methods.base import Estimate, MethodOptions, Predictor, Range, RunContext, TrainingData, Work
from core.methods.baseline import IDLE_FOR_TAGS, LIBRARY_BYTES, TfidfOptions, svc, tfidf_cost
from core.methods.crf import CrfPredictor, crf_cost, dense_cost, train_crf
from core.methods.embeddings import embedding_width
from core.methods.features import UNSUITED, EncoderOptions, encoder_cost, encoder_features, max_length, word_reader
from core.methods.linear import tfidf_vectorizers
from core.methods.linear_kinds import load_linear, train_texts
from core.methods.pair_linear import train_pairs


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
    tasks: ClassVar[frozenset[str]] = frozenset({"classification", "multilabel", "pair", "relation", "tagging"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = HybridOptions
    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {"pair": {"C": 0.1}}

    def idle(self, task: str) -> frozenset[str]:
        """Tags are found by a field with settings of its own."""
        return IDLE_FOR_TAGS if task == "tagging" else frozenset()

    def unsuited(self, task: str, kind: str) -> str | None:
        """Vectors are no texts, and no places."""
        return UNSUITED.get(task)

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Predictor:
        """Encode and count, fit on data.train, calibrate on data.dev. Raises TrainingError, Stopped."""
        checked = HybridOptions.model_validate(options.model_dump())
        features = encoder_features(checked, base, context)
        if data.task.name == "tagging":
            return train_crf(data, context, word_reader(features), checked.embedding_weight / 2)
        features.vectorizers = tfidf_vectorizers(checked.word_ngrams, checked.char_ngrams)
        features.weight = checked.embedding_weight
        if data.task.paired:
            return train_pairs(data, features, [checked.C], context, checked.seed, checked.class_weights)
        return train_texts(data, features, svc(checked), [checked.C], context, checked.seed)

    def load(self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification") -> Predictor:
        """Load what the predictor's ``save`` wrote."""
        if task == "tagging":
            return CrfPredictor.load(directory, labels, device)
        return load_linear(directory, labels, device)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory of this work."""
        counting, count_memory = tfidf_cost(work)
        encoding, encode_memory = encoder_cost(work, max_length(options), base)
        if work.task == "tagging":
            words, word_memory = crf_cost(work)
            dense, dense_memory = dense_cost(work, embedding_width(base) if base else 384)
            return Estimate(words + dense + encoding, word_memory + dense_memory + encode_memory)
        return Estimate(2 * counting + encoding, count_memory + encode_memory - LIBRARY_BYTES)
