"""Full fine-tuning: every layer of the encoder learns, with a new classification head."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from core.methods.base import Estimate, MethodOptions, RunContext, TrainingData
from core.methods.neural import EncoderPredictor, NeuralOptions, estimate_neural, fine_tune, load_encoder


class FullOptions(NeuralOptions):
    """Options of full fine-tuning."""


class FullFineTuning:
    """Train all layers."""

    name: ClassVar[str] = "full"
    title: ClassVar[str] = "Full fine-tuning"
    summary: ClassVar[str] = (
        "Every layer of the base model learns your labels. The highest scores from some thousand examples on; the "
        "slowest to train."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]] = FullOptions

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> EncoderPredictor:
        """Train on data.train, keep the best epoch on data.dev. Raises TrainingError, Stopped."""
        return fine_tune(data, FullOptions.model_validate(options.model_dump()), base, context, lambda model: model)

    def load(self, directory: Path, labels: list[str], device: str = "cpu") -> EncoderPredictor:
        """Load a saved model."""
        return load_encoder(directory, labels, device)

    def estimate(
        self, data: TrainingData | None, options: MethodOptions, rows: int, mean_tokens: float, base: Path | None
    ) -> Estimate:
        """Seconds and memory for ``rows`` training rows of ``mean_tokens`` tokens on this machine."""
        return estimate_neural(FullOptions.model_validate(options.model_dump()), rows, mean_tokens, base)
