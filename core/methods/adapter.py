"""Bottleneck adapters: a narrow network after each layer's feed-forward part, and a new head, learn.

Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", in the place that Pfeiffer et al. 2020
("AdapterFusion") found to be enough. The adapters library needs an older transformers, so the module is our own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.encoders import layers, load_tokenizer, new_model
from core.methods.heads import Head, head_for
from core.methods.neural import EncoderPredictor
from core.methods.neural_options import NeuralOptions
from core.methods.peft_method import BASE, copy_base
from core.methods.tuned import FROZEN_WORDS, TunedEncoder

if TYPE_CHECKING:
    import torch

WEIGHTS = "adapter.safetensors"
FACTS = "adapter.json"
PLACES = (
    ("output", "dense"),
    ("ffn", "lin2"),
    ("mlp", "Wo"),
    ("mlp", "down_proj"),
    ("mlp", "c_proj"),
    ("DenseReluDense", "wo"),
)
"""(part of a block, name in it) of the layers that end feed-forward parts: BERT's, DistilBERT's, ModernBERT's, Llama's,
GPT-2's and T5's."""


class AdapterOptions(NeuralOptions):
    """Options of bottleneck adapters."""

    learning_rate: float = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="How far each step moves the weights. Adapters want about five times more than full fine-tuning.",
    )
    head_factor: float = Field(
        default=2.0, gt=0, le=100, description="How many times faster the new head learns than the adapters."
    )
    width: int = Field(
        default=48, ge=1, le=1024, description="Width of the bottleneck. Higher can learn more and is slower."
    )


class Adapter(TunedEncoder):
    """Train bottlenecks."""

    name: ClassVar[str] = "adapter"
    title: ClassVar[str] = "Adapters"
    summary: ClassVar[str] = (
        "Puts a narrow trainable network after each layer of a frozen base model. Learns as well as LoRA; cannot be "
        "folded into the base, so it answers a little slower."
    )
    Options: ClassVar[type[NeuralOptions]] = AdapterOptions
    fixed: ClassVar[frozenset[str]] = FROZEN_WORDS

    def prepare(self, model: Any, options: Any, steps: int, head: Head) -> Any:
        """Freeze everything but the head and put the bottlenecks in. Raises TrainingError."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(head.owns(name))
        insert(model, options.width)
        return model

    def shares(self, options: Any) -> tuple[float, float]:
        """Gradients pass through every layer; little learns."""
        return 1.0, 0.05

    def finish(self, predictor: EncoderPredictor, base: Path) -> EncoderPredictor:
        """A predictor that saves base and adapter apart."""
        return AdapterPredictor(predictor.model, predictor.tokenizer, predictor.head, predictor.device, base)

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> EncoderPredictor:
        """Put base and adapter together. Raises ModelError."""
        return AdapterPredictor.load(directory, head_for(task, labels), device)


class AdapterPredictor(EncoderPredictor):
    """A base model with bottlenecks."""

    def __init__(self, model: Any, tokenizer: Any, head: Head, device: str, base: Path) -> None:
        super().__init__(model, tokenizer, head, device)
        self.base = base

    def save(self, directory: Path) -> None:
        """Write the base model as it is, what learned, its width, and the tokenizer."""
        from safetensors.torch import save_file

        copy_base(self.base, directory / BASE, self.model)
        self.tokenizer.save_pretrained(directory)
        self.head.remember(directory)
        learned = {name: p.detach().to("cpu").contiguous() for name, p in _learned(self.model, self.head)}
        save_file(learned, directory / WEIGHTS, metadata={"format": "pt"})
        width = next(len(p) for name, p in learned.items() if name.endswith("bottleneck.down.weight"))
        write_json(directory / FACTS, {"width": width})

    @classmethod
    def load(cls, directory: Path, head: Head, device: str = "cpu") -> AdapterPredictor:
        """Load what ``save`` wrote. Raises ModelError when a weight is missing."""
        import torch
        from safetensors.torch import load_file

        head = head.recall(directory)
        model = new_model(directory / BASE, head, 0.0)
        try:
            insert(model, int((read_json(directory / FACTS) or {})["width"]))
            state = load_file(directory / WEIGHTS)
        except (OSError, KeyError, TypeError) as error:
            raise ModelError(f"The adapter of {directory.name} cannot be read.", "Repeat the run.") from error
        wanted = dict(_learned(model, head))
        if missing := wanted.keys() - state.keys():
            raise ModelError(f"The adapter lacks the weights {', '.join(sorted(missing)[:3])}.", "Repeat the run.")
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(state[name])
        return cls(model, load_tokenizer(directory), head, device, directory / BASE)


def insert(model: Any, width: int) -> None:
    """Put a bottleneck behind the last dropout of every layer's feed-forward part, before its residual sum.

    Raises TrainingError for an architecture where that place is not known.
    """
    import torch

    class Bottleneck(torch.nn.Module):
        """x + up(gelu(down(x))); starts as the identity."""

        def __init__(self, size: int) -> None:
            super().__init__()
            self.down = torch.nn.Linear(size, width)
            self.up = torch.nn.Linear(width, size)
            torch.nn.init.normal_(self.down.weight, std=0.02)
            for still in (self.down.bias, self.up.weight, self.up.bias):
                torch.nn.init.zeros_(still)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            """(..., size) to (..., size)."""
            return values + self.up(torch.nn.functional.gelu(self.down(values)))

    class After(torch.nn.Module):
        """A linear layer followed by a bottleneck."""

        def __init__(self, linear: Any) -> None:
            super().__init__()
            self.linear = linear
            self.bottleneck = Bottleneck(linear.nf if hasattr(linear, "nf") else linear.out_features)  # nf: GPT-2's

        @property
        def weight(self) -> torch.Tensor:
            """Of the linear layer: T5 looks at its type."""
            found: torch.Tensor = self.linear.weight
            return found

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            """What the linear layer makes of them, adapted."""
            out: torch.Tensor = self.bottleneck(self.linear(values))
            return out

    for layer in layers(model):
        place = _feed_forward_out(layer)
        if place is None:
            raise TrainingError(
                f"Adapters do not know the inside of base models of the type '{model.config.model_type}'.",
                "Choose another base model, or LoRA.",
            )
        parent, name = place
        setattr(parent, name, After(getattr(parent, name)))


def _feed_forward_out(layer: Any) -> tuple[Any, str] | None:
    """(module, attribute) of the linear layer that ends the feed-forward part."""
    inner = layer.layer[-1] if hasattr(layer, "layer") else layer  # T5 has the parts of a block in a list
    for path, name in PLACES:
        parent = getattr(inner, path, None)
        if parent is not None and hasattr(parent, name):
            return parent, name
    return None


def _learned(model: Any, head: Head) -> list[tuple[str, Any]]:
    """Parameters of the bottlenecks and the head."""
    return [(name, p) for name, p in model.named_parameters() if ".bottleneck." in name or head.owns(name)]
