"""16-bit arithmetic in training: only where this machine was measured to gain from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from core.methods.base import RunContext
from core.training import hardware, probe

ATTENTION = "sdpa_in_32_bits"


def half_precision(context: RunContext) -> torch.dtype | None:
    """bfloat16 where a short probe found it clearly faster than 32 bits on the run's device; else None.

    Processors with matrix units for it (AMX) train twice as fast; others emulate it and are hundreds of times slower.
    The measurement is kept, so that a machine decides once and repeats its runs bit by bit.
    """
    if context.device == "mps":
        return None
    known = hardware.measured(context.cache)
    if context.device not in known:
        hardware.remember(context.cache, context.device, probe.speeds(context.device))
        known = hardware.measured(context.cache)
    return torch.bfloat16 if hardware.pays_off(known, context.device, "bfloat16") else None


@contextmanager
def attention_in_32_bits(model: torch.nn.Module) -> Iterator[None]:
    """Keep attention out of autocast on a CPU: its way back in bfloat16 is 13 times slower than in 32 bits."""
    owner: Any = next((part for part in model.modules() if hasattr(part, "set_attn_implementation")), None)
    usual = getattr(getattr(owner, "config", None), "_attn_implementation", None)
    if owner is None or usual != "sdpa":
        yield
        return
    _register()
    owner.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        owner.set_attn_implementation(usual)


@contextmanager
def frozen_weights_in_half(model: torch.nn.Module, half: torch.dtype) -> Iterator[None]:
    """Keep a 16-bit copy of the linear layers that do not learn, so that no step has to make it anew.

    The products are bit by bit those of autocast, which makes the same copy each time; the weights stay as they are.
    """
    changed: list[torch.nn.Module] = []
    for layer in model.modules():
        frozen = not any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
        if type(layer) is torch.nn.Linear and frozen and "forward" not in vars(layer):
            layer.forward = _quick_forward(layer, half)  # type: ignore[assignment,method-assign]
            changed.append(layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.forward


def _quick_forward(layer: torch.nn.Linear, half: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    usual, weight = layer.forward, layer.weight.detach().to(half)
    bias = None if layer.bias is None else layer.bias.detach().to(half)

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        if torch.is_autocast_enabled(inputs.device.type):
            return torch.nn.functional.linear(inputs, weight, bias)
        return usual(inputs)

    return forward


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    def attend(module: Any, query: Any, key: Any, value: Any, mask: Any, **rest: Any) -> tuple[Any, None]:
        if rest.get("position_bias") is not None:  # T5
            rest["position_bias"] = rest["position_bias"].float()
        with torch.autocast("cpu", enabled=False):
            return sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **rest)

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
