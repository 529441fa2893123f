"""Which weight moves how far in a step: the optimiser with its groups, and how the learning rate rises and falls."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from core.methods.neural_options import LoopOptions

_LAYER = re.compile(r"\.(\d+)\.")


def new_optimizer(
    trainable: Mapping[str, torch.nn.Parameter], options: LoopOptions, head_names: Sequence[str], device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser of the options over weights by name; those of ``head_names`` are new and learn faster."""
    groups: dict[tuple[bool, bool, int], list[torch.nn.Parameter]] = {}
    decay = getattr(options, "layer_decay", 1.0)
    depths = layer_depths(list(trainable)) if decay < 1 else {}
    for name, parameter in trainable.items():
        head = any(part in name for part in head_names)
        decays = parameter.ndim > 1  # biases and layer norms are not decayed
        groups.setdefault((head, decays, 0 if head else depths.get(name, 0)), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": options.learning_rate * (getattr(options, "head_factor", 1.0) if head else decay**depth),
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for (head, decays, depth), parameters in groups.items()
    ]
    if options.optimizer == "adafactor":
        return torch.optim.Adafactor(settings, lr=options.learning_rate)
    if options.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=options.learning_rate, momentum=0.9)
    return torch.optim.AdamW(settings, lr=options.learning_rate, fused=device.type in ("cpu", "cuda"))


def rate(options: LoopOptions, total: int, step: int) -> float:
    """Share of the learning rate at a step of ``total``: rises through the warm-up, then falls by the schedule."""
    warmup = round(options.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    if options.schedule == "constant":
        return 1.0
    return 1.0 - done if options.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


def layer_depths(names: Sequence[str]) -> dict[str, int]:
    """How many layers lie above each parameter: 0 for those of the top layer, and one more than all for what is below.

    Layers are told by the first number in a name, as in ``encoder.layer.3.output.dense.weight``.
    """
    numbers = {name: int(found.group(1)) for name in names if (found := _LAYER.search(name))}
    top = max(numbers.values(), default=-1)
    return {name: top - numbers[name] if name in numbers else top + 1 for name in names}
