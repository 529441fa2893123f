"""Top layers: the lower layers of the encoder stay as they are, the last ones and a new head learn."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from core.methods.encoders import layers
from core.methods.heads import Head
from core.methods.neural_options import NeuralOptions
from core.methods.tuned import FROZEN_WORDS, TunedEncoder


class TopLayersOptions(NeuralOptions):
    """Options of training the last layers only."""

    layers: int = Field(
        default=2,
        ge=1,
        le=48,
        description="How many of the last layers learn. More fits better and is slower; fewer forgets less.",
    )


class TopLayers(TunedEncoder):
    """Train the last layers."""

    name: ClassVar[str] = "top_layers"
    title: ClassVar[str] = "Top layers"
    summary: ClassVar[str] = (
        "Only the last layers of the base model learn: faster than full fine-tuning and safer with few examples."
    )
    Options: ClassVar[type[NeuralOptions]] = TopLayersOptions
    fixed: ClassVar[frozenset[str]] = FROZEN_WORDS

    def prepare(self, model: Any, options: Any, steps: int, head: Head) -> Any:
        """Freeze everything but the head and the last layers."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(head.owns(name))
        for layer in layers(model)[-options.layers :]:
            layer.requires_grad_(True)
        return model

    def shares(self, options: Any) -> tuple[float, float]:
        """Of a base model with six layers."""
        return min(1.0, options.layers / 6), 1.0
