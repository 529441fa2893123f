"""IA3: learned factors on keys, values and inner activations, and a new head.

Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning", through the
peft library.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from core.methods.neural_options import NeuralOptions
from core.methods.peft_method import PeftMethod

TARGETS: dict[str, tuple[list[str], list[str]]] = {
    "bert": (["key", "value", "intermediate.dense"], []),
    "roberta": (["key", "value", "intermediate.dense"], []),
    "xlm-roberta": (["key", "value", "intermediate.dense"], []),
    "electra": (["key", "value", "intermediate.dense"], []),
    "distilbert": (["k_lin", "v_lin", "lin1"], []),
    "mpnet": (["k", "v", "intermediate.dense"], []),
    "modernbert": (["Wqkv", "mlp.Wi"], []),
    "gpt2": (["c_attn"], ["mlp.c_proj"]),
    "llama": (["k_proj", "v_proj"], ["down_proj"]),
    "mistral": (["k_proj", "v_proj"], ["down_proj"]),
    "qwen2": (["k_proj", "v_proj"], ["down_proj"]),
    "qwen3": (["k_proj", "v_proj"], ["down_proj"]),
    "gemma3_text": (["k_proj", "v_proj"], ["down_proj"]),
    "t5": (["k", "v"], ["wo"]),
    "mt5": (["k", "v"], ["wo"]),
}
"""By model type: (layers whose output is scaled, those of them whose input is scaled instead)."""


class Ia3Options(NeuralOptions):
    """Options of IA3."""

    learning_rate: float = Field(
        default=1e-2,
        gt=0,
        le=1,
        description="How far each step moves the factors. IA3 wants fifty times more than full fine-tuning.",
    )
    head_factor: float = Field(
        default=0.3, gt=0, le=100, description="How many times faster the new head learns than the factors."
    )


class Ia3(PeftMethod):
    """Train factors."""

    name: ClassVar[str] = "ia3"
    title: ClassVar[str] = "IA3"
    summary: ClassVar[str] = (
        "Learns one factor for each inner signal, far fewer weights than LoRA. Made for few examples; the adapter is "
        "a few kilobytes beside the head."
    )
    only: ClassVar[frozenset[str] | None] = frozenset(TARGETS)
    Options: ClassVar[type[NeuralOptions]] = Ia3Options

    def config(self, model: Any, options: Any, steps: int) -> Any:
        """Factors where the paper has them."""
        from peft import IA3Config

        outputs, inputs = TARGETS[model.config.model_type]
        return IA3Config(target_modules=outputs + inputs, feedforward_modules=inputs)
