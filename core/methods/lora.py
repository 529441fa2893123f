"""LoRA: the encoder stays as it is; small low-rank matrices beside its attention, and a new head, learn.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", through the peft library; its variants: rsLoRA
(Kalajdzievski 2023), DoRA (Liu et al. 2024), PiSSA (Meng et al. 2024).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from core.methods.base import Range
from core.methods.encoders import LORA_TARGETS
from core.methods.heads import Head
from core.methods.neural_options import READING_DEFAULTS, WRITING_DEFAULTS, NeuralOptions
from core.methods.peft_method import BEGUN_WITH, PeftMethod, low_rank_matrices


class LowRankOptions(NeuralOptions):
    """Options of low-rank matrices."""

    SEARCHED: ClassVar[dict[str, Range]] = {
        **NeuralOptions.SEARCHED,
        "rank": Range(choices=(4, 8, 16, 32)),
        "alpha": Range(8, 64, log=True),
    }

    rank: int = Field(
        default=16, ge=1, le=256, description="Width of the low-rank matrices. Higher can learn more and is slower."
    )
    alpha: int = Field(
        default=32, ge=1, le=1024, description="Strength of the low-rank matrices; usually twice the rank."
    )
    lora_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the matrices' inputs dropped at random; guards small data, and costs a tenth of the "
        "time.",
    )
    targets: Literal["attention", "all"] = Field(
        default="attention",
        description="Where the matrices sit: at the attention's queries and values, or at every linear layer, which "
        "learns more and takes longer.",
    )
    head_factor: float = Field(
        default=2.0, gt=0, le=100, description="How many times faster the new head learns than the matrices."
    )


class LoraOptions(LowRankOptions):
    """Options of LoRA."""

    learning_rate: float = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="How far each step moves the weights. LoRA wants about five times more than full fine-tuning.",
    )
    variant: Literal["plain", "rslora", "dora", "pissa"] = Field(
        default="plain",
        description="rsLoRA keeps high ranks stable, DoRA learns size and direction of weights apart (slower), PiSSA "
        "starts from the strongest directions of the weights (learns faster; its adapter has twice the rank).",
    )


class Lora(PeftMethod):
    """Train low-rank matrices."""

    name: ClassVar[str] = "lora"
    title: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = (
        "Adds small trainable matrices to a frozen base model. Close to full fine-tuning at a fraction of the memory; "
        "the result is an adapter of a few megabytes and a merged model."
    )
    Options: ClassVar[type[NeuralOptions]] = LoraOptions
    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        **PeftMethod.task_defaults,
        "question_answering": {**READING_DEFAULTS, "lora_dropout": 0.05},
        "generation": {**WRITING_DEFAULTS, "learning_rate": 5e-4, "lora_dropout": 0.05},
    }
    """Where the head drops nothing the matrices do."""

    def prepare(self, model: Any, options: Any, steps: int, head: Head) -> Any:
        """Wrap the model; PiSSA changes the base, so what it begins with is kept for the adapter's file."""
        adapted = super().prepare(model, options, steps, head)
        if options.variant == "pissa":
            setattr(adapted, BEGUN_WITH, low_rank_matrices(adapted))
        return adapted

    def config(self, model: Any, options: Any, steps: int) -> Any:
        """Low-rank matrices as the options say."""
        from peft import LoraConfig

        return LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.lora_dropout,
            target_modules=targets(model, options.targets),
            use_rslora=options.variant == "rslora",
            use_dora=options.variant == "dora",
            init_lora_weights="pissa" if options.variant == "pissa" else True,
        )


def targets(model: Any, where: str) -> list[str] | str:
    """Names of the layers that matrices are put beside."""
    known = LORA_TARGETS.get(model.config.model_type)
    return known if where == "attention" and known else "all-linear"
