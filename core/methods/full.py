"""Full fine-tuning: every layer of the encoder learns, with a new classification head."""

from __future__ import annotations

from typing import ClassVar

from core.methods.neural import NeuralOptions
from core.methods.tuned import TunedEncoder


class FullOptions(NeuralOptions):
    """Options of full fine-tuning."""


class FullFineTuning(TunedEncoder):
    """Train all layers."""

    name: ClassVar[str] = "full"
    title: ClassVar[str] = "Full fine-tuning"
    summary: ClassVar[str] = (
        "Every layer of the base model learns your labels. The highest scores from some thousand examples on; the "
        "slowest to train."
    )
    Options: ClassVar[type[NeuralOptions]] = FullOptions
