"""Gradient checkpointing: signals inside a layer are dropped on the way forward and worked out again on the way back.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"; the steps stay the same, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from core.errors import TrainingError
from core.training.dropout import Masks


@contextmanager
def recomputed_layers(model: torch.nn.Module, masks: Masks) -> Iterator[list[torch.nn.Module]]:
    """Let every layer of transformers' own kind forget and recompute; gives these layers.

    A layer does so in training mode only. Raises TrainingError for a model that has no such layer.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[Any] = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise TrainingError(
            "The layers of this base model cannot be computed twice (gradient checkpointing).",
            "Start it again without gradient checkpointing, or with another base model.",
        )
    for layer in layers:
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False, context_fn=masks.twice)
        layer.gradient_checkpointing = True
    try:
        yield layers
    finally:
        for layer in layers:
            del layer.gradient_checkpointing, layer._gradient_checkpointing_func
