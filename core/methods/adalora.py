"""AdaLoRA: LoRA that starts wide and moves its rank to the layers where it helps.

Zhang et al. 2023, "AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", through the peft library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from core.methods.lora import LowRankOptions, targets
from core.methods.neural_options import NeuralOptions
from core.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    import torch

    from core.training.loop import Companion


class AdaLoraOptions(LowRankOptions):
    """Options of AdaLoRA."""

    learning_rate: float = Field(
        default=3e-3,
        gt=0,
        le=1,
        description="How far each step moves the weights. AdaLoRA wants some times more than LoRA.",
    )
    rank: int = Field(
        default=12, ge=1, le=256, description="Rank that every layer starts with. Higher leaves more to choose from."
    )
    final_rank: int = Field(
        default=8, ge=1, le=256, description="Mean rank that is left at the end; some layers keep more, some none."
    )
    orthogonality: float = Field(
        default=0.1,
        ge=0,
        le=10,
        description="How strongly the directions of a layer are kept apart, so that each can be judged by itself.",
    )


class AdaLora(PeftMethod):
    """Train low-rank matrices with a budget."""

    name: ClassVar[str] = "adalora"
    title: ClassVar[str] = "AdaLoRA"
    summary: ClassVar[str] = (
        "LoRA that moves its capacity to the layers where it helps most. Worth a try when LoRA is close but not there; "
        "a little slower."
    )
    Options: ClassVar[type[NeuralOptions]] = AdaLoraOptions

    def config(self, model: Any, options: Any, steps: int) -> Any:
        """The budget falls between a tenth and seven tenths of the steps."""
        from peft import AdaLoraConfig

        return AdaLoraConfig(
            init_r=max(options.rank, options.final_rank),
            target_r=options.final_rank,
            lora_alpha=options.alpha,
            lora_dropout=options.lora_dropout,
            target_modules=targets(model, options.targets),
            total_step=max(steps, 3),
            tinit=steps // 10,
            tfinal=max(1, (3 * steps) // 10),
            deltaT=max(1, steps // 100),
            orth_reg_weight=max(options.orthogonality, 1e-9),
        )

    def companion(self, model: Any) -> Companion | None:
        """Moves the ranks after every step."""
        return Budget(model)


class Budget:
    """AdaLoRA's part in every step: the penalty on directions that are alike, and the ranks."""

    def __init__(self, model: Any) -> None:
        self.adapted = model.base_model
        self.config = model.peft_config["default"]
        self.matrices = [(name, p) for name, p in model.named_parameters() if "lora_A" in name or "lora_B" in name]

    def penalty(self) -> torch.Tensor:
        """Mean distance of the directions from being orthogonal (Zhang et al., equation 4), as peft has it."""
        import torch

        total = torch.zeros(())
        for name, matrix in self.matrices:
            alike = matrix @ matrix.T if "lora_A" in name else matrix.T @ matrix
            total = total.to(alike.device) + torch.norm(alike - torch.eye(len(alike), device=alike.device))
        return self.config.orth_reg_weight * total / max(1, len(self.matrices))

    def after_step(self, step: int) -> None:
        """Judge the directions and put away those that count least."""
        self.adapted.update_and_allocate(step)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the judgement rests on, for a checkpoint."""
        import torch

        allocator = self.adapted.rankallocator
        found = {
            f"{kind}/{name}": value.detach().to("cpu").contiguous()
            for kind in ("ipt", "exp_avg_ipt", "exp_avg_unc")
            for name, value in getattr(allocator, kind).items()
        }
        pattern = self.config.rank_pattern or {}
        return found | {f"pattern/{name}": torch.tensor(kept, dtype=torch.bool) for name, kept in pattern.items()}

    def put(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from a checkpoint."""
        device = self.matrices[0][1].device
        pattern: dict[str, list[bool]] = {}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "pattern":
                pattern[name] = value.tolist()
            else:
                getattr(self.adapted.rankallocator, kind)[name] = value.to(device)
        self.config.rank_pattern = pattern or self.config.rank_pattern
