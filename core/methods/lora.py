"""LoRA: the encoder stays as it is; small low-rank matrices beside its attention, and a new head, learn.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", through the peft library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.methods.base import Estimate, MethodOptions, RunContext, TrainingData
from core.methods.encoders import LORA_TARGETS, head_modules
from core.methods.neural import EncoderPredictor, NeuralOptions, estimate_neural, fine_tune, load_encoder


class LoraOptions(NeuralOptions):
    """Options of LoRA."""

    learning_rate: float = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="How far each step moves the weights. LoRA wants about five times more than full fine-tuning.",
    )
    head_factor: float = Field(
        default=2.0, gt=0, le=100, description="How many times faster the new head learns than the LoRA matrices."
    )
    rank: int = Field(
        default=16, ge=1, le=256, description="Width of the low-rank matrices. Higher can learn more and is slower."
    )
    alpha: int = Field(default=32, ge=1, le=1024, description="Strength of the LoRA matrices; usually twice the rank.")
    lora_dropout: float = Field(
        default=0.05, ge=0, lt=1, description="Share of LoRA's inputs dropped at random; higher guards small data."
    )


class Lora:
    """Train low-rank matrices."""

    name: ClassVar[str] = "lora"
    title: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = (
        "Adds small trainable matrices to a frozen base model. Close to full fine-tuning at a fraction of the memory; "
        "the result is an adapter of a few megabytes and a merged model."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]] = LoraOptions

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> EncoderPredictor:
        """Train on data.train, keep the best epoch on data.dev, merge. Raises TrainingError, Stopped."""
        checked = LoraOptions.model_validate(options.model_dump())

        def prepare(model: Any) -> Any:
            from peft import LoraConfig, TaskType, get_peft_model

            settings = LoraConfig(
                task_type=TaskType.SEQ_CLS,
                r=checked.rank,
                lora_alpha=checked.alpha,
                lora_dropout=checked.lora_dropout,
                target_modules=LORA_TARGETS.get(model.config.model_type, "all-linear"),
                modules_to_save=head_modules(model),
            )
            return get_peft_model(model, settings)

        predictor = fine_tune(data, checked, base, context, prepare)
        return merged(predictor)

    def load(self, directory: Path, labels: list[str], device: str = "cpu") -> EncoderPredictor:
        """Load a saved, merged model."""
        return load_encoder(directory, labels, device)

    def estimate(
        self, data: TrainingData | None, options: MethodOptions, rows: int, mean_tokens: float, base: Path | None
    ) -> Estimate:
        """Seconds and memory for ``rows`` training rows of ``mean_tokens`` tokens on this machine."""
        return estimate_neural(LoraOptions.model_validate(options.model_dump()), rows, mean_tokens, base, weights=0.05)


def merged(predictor: EncoderPredictor) -> EncoderPredictor:
    """The same predictor with the adapter folded into plain weights; the adapter itself is kept for saving."""
    adapter = predictor.model
    state = {name: tensor.detach().to("cpu").clone() for name, tensor in _adapter_state(adapter).items()}
    config = adapter.peft_config["default"]
    plain = EncoderPredictor(adapter.merge_and_unload(), predictor.tokenizer, predictor.labels, predictor.device)
    plain.adapter = SavedAdapter(state, config)
    return plain


def _adapter_state(adapter: Any) -> dict[str, Any]:
    from peft import get_peft_model_state_dict

    state: dict[str, Any] = get_peft_model_state_dict(adapter)
    return state


class SavedAdapter:
    """Adapter weights as they were before merging, in peft's own file format."""

    def __init__(self, state: dict[str, Any], config: Any) -> None:
        self.state = state
        self.config = config

    def save_pretrained(self, directory: Path) -> None:
        """Write adapter_model.safetensors and adapter_config.json."""
        from safetensors.torch import save_file

        directory.mkdir(parents=True, exist_ok=True)
        save_file(self.state, directory / "adapter_model.safetensors", metadata={"format": "pt"})
        self.config.inference_mode = True
        self.config.save_pretrained(directory)
