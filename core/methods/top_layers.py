"""Top layers: the lower layers of the encoder stay as they are, the last ones and a new head learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.methods.base import Estimate, MethodOptions, RunContext, TrainingData
from core.methods.encoders import is_head, layers
from core.methods.neural import EncoderPredictor, NeuralOptions, estimate_neural, fine_tune, load_encoder


class TopLayersOptions(NeuralOptions):
    """Options of training the last layers only."""

    layers: int = Field(
        default=2,
        ge=1,
        le=48,
        description="How many of the last layers learn. More fits better and is slower; fewer forgets less.",
    )


class TopLayers:
    """Train the last layers."""

    name: ClassVar[str] = "top_layers"
    title: ClassVar[str] = "Top layers"
    summary: ClassVar[str] = (
        "Only the last layers of the base model learn: faster than full fine-tuning and safer with few examples."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]] = TopLayersOptions

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> EncoderPredictor:
        """Train on data.train, keep the best epoch on data.dev. Raises TrainingError, Stopped."""
        checked = TopLayersOptions.model_validate(options.model_dump())

        def prepare(model: Any) -> Any:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(is_head(name))
            for layer in layers(model)[-checked.layers :]:
                layer.requires_grad_(True)
            return model

        return fine_tune(data, checked, base, context, prepare)

    def load(self, directory: Path, labels: list[str], device: str = "cpu") -> EncoderPredictor:
        """Load a saved model."""
        return load_encoder(directory, labels, device)

    def estimate(
        self, data: TrainingData | None, options: MethodOptions, rows: int, mean_tokens: float, base: Path | None
    ) -> Estimate:
        """Seconds and memory for ``rows`` training rows of ``mean_tokens`` tokens on this machine."""
        checked = TopLayersOptions.model_validate(options.model_dump())
        return estimate_neural(checked, rows, mean_tokens, base, min(1.0, checked.layers / 6))
