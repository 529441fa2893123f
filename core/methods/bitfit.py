"""BitFit: only the biases of the encoder and a new head learn.

Ben Zaken, Ravfogel and Goldberg 2021, "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
Language-models".
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from core.errors import TrainingError
from core.methods.heads import Head
from core.methods.neural_options import NeuralOptions
from core.methods.tuned import FROZEN_WORDS, TunedEncoder


class BitFitOptions(NeuralOptions):
    """Options of BitFit."""

    learning_rate: float = Field(
        default=2e-3,
        gt=0,
        le=1,
        description="How far each step moves the biases. BitFit wants about ten times more than full fine-tuning.",
    )
    head_factor: float = Field(
        default=1.0, gt=0, le=100, description="How many times faster the new head learns than the biases."
    )


UNBIASED = frozenset({"llama", "mistral", "qwen3", "gemma2", "gemma3_text", "t5", "mt5", "modernbert"})
"""Types of models whose layers have no biases."""


class BitFit(TunedEncoder):
    """Train the biases."""

    name: ClassVar[str] = "bitfit"
    title: ClassVar[str] = "BitFit"
    summary: ClassVar[str] = (
        "Only the bias terms of the base model learn, a thousandth of its weights. Hard to overfit with few examples; "
        "behind LoRA with many."
    )
    Options: ClassVar[type[NeuralOptions]] = BitFitOptions
    fixed: ClassVar[frozenset[str]] = FROZEN_WORDS

    def unsuited(self, task: str, kind: str) -> str | None:
        """Some models have no biases."""
        if kind in UNBIASED:
            return f"This method changes biases, and base models of the type '{kind}' have none."
        return super().unsuited(task, kind)

    def prepare(self, model: Any, options: Any, steps: int, head: Head) -> Any:
        """Freeze everything but biases and head. Raises TrainingError for a model without biases."""
        if reason := self.unsuited(head.task.name, model.config.model_type):
            raise TrainingError(reason, "Choose another base model, or LoRA.")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(head.owns(name) or name.endswith(".bias"))
        return model

    def shares(self, options: Any) -> tuple[float, float]:
        """Gradients pass through every layer; next to nothing learns."""
        return 1.0, 0.02
