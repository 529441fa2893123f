"""Full fine-tuning: every layer of the encoder learns, with a new classification head."""

from __future__ import annotations

from typing import Any, ClassVar

from core.methods.neural_options import WRITING_DEFAULTS, NeuralOptions
from core.methods.tuned import TunedEncoder

TAGGING_DEFAULTS: dict[str, Any] = {"learning_rate": 1e-4, "layer_decay": 0.9}
"""Names in noisy texts are soon learned by heart: entity F1 on dev of wnut17 is 59.0 %, without this 57.7 (seed 0)."""


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
    tasks: ClassVar[frozenset[str]] = TunedEncoder.tasks - {"pair"}
    Options: ClassVar[type[NeuralOptions]] = FullOptions
    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        **TunedEncoder.task_defaults,
        "generation": {**WRITING_DEFAULTS, "learning_rate": 5e-5},
        "tagging": TAGGING_DEFAULTS,
    }

    def unsuited(self, task: str, kind: str) -> str | None:
        """For pairs it has a name of its own."""
        if task == "pair":
            return "For pairs the cross-encoder is this method: all layers learn, and it reads both texts at once."
        return super().unsuited(task, kind)
