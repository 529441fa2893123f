from __future__ import annotations

from typing import Any

import pytest
import torch

from core.methods.encoders import new_model
from core.methods.full import FullFineTuning, FullOptions
from core.methods.heads import head_for
from core.training import hardware
from core.training.precision import ATTENTION, attention_in_32_bits, frozen_weights_in_half, half_precision

OPTIONS: dict[str, Any] = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3}


@pytest.mark.parametrize(("device", "fast"), [("cuda:0", 400.0), ("cuda:1", 60.0), ("cpu", 300.0), ("cpu", 0.3)])
def test_half_precision_only_where_it_was_measured_to_pay(make_context, device, fast):
    context = make_context()
    context.device = device
    hardware.remember(context.cache, device, {"float32": 50.0, "bfloat16": fast})
    assert half_precision(context) == (torch.bfloat16 if fast > 100 else None)


def test_a_machine_that_was_never_measured_is_measured_once(make_context, monkeypatch):
    context = make_context()
    (context.cache / "hardware.json").unlink()
    measured: list[str] = []

    def speeds(device: str) -> dict[str, float]:
        measured.append(device)
        return {"float32": 10.0, "bfloat16": 100.0}

    monkeypatch.setattr("core.training.precision.probe.speeds", speeds)
    assert [half_precision(context), half_precision(context)] == [torch.bfloat16] * 2 and measured == ["cpu"]


def test_the_option_switches_it_off_and_the_run_says_when_it_is_on(make_context, toy_data, tiny_bases):
    weights = []
    for name, half, wanted in (("plain", False, True), ("off", True, False), ("on", True, True)):
        context = make_context(name, half=half)
        options = FullOptions(**OPTIONS, half_precision=wanted)
        model = FullFineTuning().fit(toy_data(), options, tiny_bases / "tiny", context).model
        assert any("16 bits" in note["message"] for note in context.of("note")) == (name == "on")
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
        weights.append(model.classifier.weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def test_attention_keeps_32_bits_inside_autocast_and_is_as_before_afterwards(tiny_bases):
    model = new_model(tiny_bases / "tiny", head_for("classification", ["a", "b"]), dropout=0.0).eval()
    ids, mask = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    exact = model(ids, attention_mask=mask).logits
    with attention_in_32_bits(model):
        assert model.config._attn_implementation == ATTENTION
        assert torch.allclose(model(ids, attention_mask=mask).logits, exact, atol=1e-6)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            near = model(ids, attention_mask=mask).logits
    assert torch.allclose(near.float(), exact, atol=0.02)
    assert model.config._attn_implementation == "sdpa"


def test_frozen_layers_are_halved_once_and_answer_bit_by_bit_as_before(tiny_bases):
    model = new_model(tiny_bases / "tiny", head_for("classification", ["a", "b"]), dropout=0.0).eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("classifier" in name or "layer.1" in name)
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 3]])

    def logits_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(ids).logits
        logits.float().sum().backward()
        gradient = model.bert.encoder.layer[1].intermediate.dense.weight.grad
        return logits.detach(), gradient.clone()

    usual, exact = logits_and_gradient(), model(ids).logits
    first, second = (layer.intermediate.dense for layer in model.bert.encoder.layer)
    with frozen_weights_in_half(model, torch.bfloat16):
        assert "forward" in vars(first) and "forward" not in vars(second), "what learns is never copied"
        assert all(torch.equal(a, b) for a, b in zip(logits_and_gradient(), usual, strict=True))
        assert torch.equal(model(ids).logits, exact), "outside of autocast nothing changes"
    assert "forward" not in vars(first) and first.weight.dtype == torch.float32
