"""Gradient checkpointing: the same weights, layer by layer, for every head and every kind of method that tunes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from core.errors import TrainingError
from core.methods import get_method
from core.methods.base import Rows, TrainingData
from core.methods.encoders import new_model
from core.methods.heads import head_for
from core.tasks import get_task
from core.training.dropout import Masks, quick_dropout
from core.training.recomputing import recomputed_layers

QUICK = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, "checkpoint_seconds": 3600}


@pytest.fixture
def both(make_context: Callable[..., Any]) -> Callable[..., list[dict[str, torch.Tensor]]]:
    """Weights after training without and with recomputing."""

    def train(name: str, data: TrainingData, base: Any, **options: Any) -> list[dict[str, torch.Tensor]]:
        method, found = get_method(name), []
        for recompute in (False, True):
            checked = method.Options.model_validate({**QUICK, **options, "gradient_checkpointing": recompute})
            model: Any = method.fit(data, checked, base, make_context(f"{name} {recompute}"))
            found.append({key: value.clone() for key, value in model.model.state_dict().items()})
        return found

    return train


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("full", {"r_drop": 1.0}),
        ("full", {"adversarial": "fgm", "accumulation": 2}),
        ("top_layers", {"layers": 1}),
        ("bitfit", {}),
        ("adapter", {}),
        ("lora", {}),
        ("adalora", {}),
        ("ia3", {}),
        ("prompt_tuning", {}),
    ],
    ids=str,
)
def test_every_method_learns_the_very_same(both, toy_data, tiny_bases, name, options):
    plain, recomputed = both(name, toy_data(), tiny_bases / "tiny", **options)
    assert same(plain, recomputed)


@pytest.mark.parametrize("task", ["multilabel", "tagging"])
def test_every_head_learns_the_very_same(both, toy_data, tiny_bases, task):
    texts = toy_data()
    labels = list(texts.labels)

    def values(rows: Rows) -> list[Any]:
        if task == "multilabel":
            return [[value] for value in rows.values]
        return [[(0, len(text.split()[0]), name)] for text, name in zip(rows.texts, rows.values, strict=True)]

    def changed(rows: Rows) -> Rows:
        return Rows(rows.ids, rows.texts, values(rows))

    data = TrainingData(get_task(task), labels, changed(texts.train), changed(texts.dev), texts.test)
    assert same(*both("full", data, tiny_bases / "tiny"))


def test_a_language_model_learns_the_very_same(both, toy_dialogue, tiny_writers):
    for name in ("llama", "t5"):
        assert same(*both("lora", toy_dialogue(), tiny_writers / name, max_length=64, epochs=1))


def test_each_layer_is_worked_out_twice_and_as_usual_afterwards(tiny_bases):
    head, masks = head_for("classification", ["a", "b"]), Masks(0)
    model = new_model(tiny_bases / "tiny", head, 0.1).train()
    seen: list[int] = []
    for number, layer in enumerate(model.bert.encoder.layer):
        layer.attention.register_forward_hook(lambda *_, number=number: seen.append(number))
    ids = torch.tensor([[2, 5, 6, 3]])
    with quick_dropout(model, masks), recomputed_layers(model, masks) as layers:
        assert len(layers) == 2
        model(ids).logits.sum().backward()
    assert seen == [0, 1, 1, 0]
    seen.clear()
    model(ids).logits.sum().backward()
    assert seen == [0, 1]


def test_masks_are_drawn_again_as_they_were_and_then_go_on():
    masks, signal = Masks(3), torch.ones(4, 50)
    expected = [masks.draw(signal, 0.5) for _ in range(3)]
    masks.start(0)
    forward, again = masks.twice()
    with forward:
        first = masks.draw(signal, 0.5)
    second = masks.draw(signal, 0.5)
    with again:
        assert torch.equal(masks.draw(signal, 0.5), first)
    third = masks.draw(signal, 0.5)
    assert all(torch.equal(*pair) for pair in zip((first, second, third), expected, strict=True))
    assert not torch.equal(first, second)


def test_a_model_without_such_layers_is_told(tiny_bases):
    with (
        pytest.raises(TrainingError, match="cannot be computed twice"),
        recomputed_layers(torch.nn.Linear(2, 2), Masks(0)),
    ):
        pass


def test_prefix_tuning_refuses_before_the_start():
    with pytest.raises(ValidationError, match="prefix tuning cannot do it"):
        get_method("prefix_tuning").Options.model_validate({"gradient_checkpointing": True})
