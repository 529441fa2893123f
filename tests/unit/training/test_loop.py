from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import StorageError, TrainingError
from core.methods.adalora import AdaLora, AdaLoraOptions
from core.methods.base import Stopped, TrainingData
from core.methods.full import FullFineTuning, FullOptions
from core.training import checkpoints

QUICK = {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, "train_word_embeddings": True, "checkpoint_seconds": 3600}


Fit = Callable[..., Any]


@pytest.fixture
def fit(tiny_bases: Path, toy_data: Callable[..., TrainingData]) -> Fit:
    def run(context: Any, **changes: Any) -> Any:
        options = FullOptions(**{**QUICK, **changes})
        return FullFineTuning().fit(toy_data(), options, tiny_bases / "tiny", context)

    return run


def weights(predictor: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in predictor.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_and_tells_its_curve(fit, make_context):
    context = make_context()
    predictor = fit(context, epochs=20, patience=0, schedule="constant", learning_rate=2e-3)
    epochs = context.of("epoch")
    assert epochs[0]["step"] == 0 and set(epochs[0]["dev"]) == {"accuracy", "macro_f1", "weighted_f1", "loss"}
    assert max(epoch["dev"]["accuracy"] for epoch in epochs) > 0.9
    assert context.of("step")[-1]["loss"] < context.of("step")[0]["loss"]
    scores = predictor.scores(["money back please", "", "hello good day"])
    assert scores.shape == (3, 3) and abs(scores.sum(axis=1) - 1).max() < 1e-5


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(fit, make_context):
    first, second, other = (
        weights(fit(make_context(str(run)), seed=seed, epochs=1)) for run, seed in enumerate((0, 0, 1))
    )
    assert same(first, second) and not same(first, other)


@pytest.mark.parametrize("stop_after", [3, 6, 14])
@pytest.mark.parametrize(("optimizer", "half"), [("adamw", False), ("sgd", False), ("adamw", True)])
def test_a_stopped_and_resumed_run_ends_with_the_very_same_weights(fit, make_context, stop_after, optimizer, half):
    whole = weights(fit(make_context("whole", half=half), optimizer=optimizer))
    with pytest.raises(Stopped):
        fit(make_context("cut", stop_after, half), optimizer=optimizer)
    again = make_context("cut", half=half)
    resumed = weights(fit(again, optimizer=optimizer))
    assert again.of("resumed") == [{"kind": "resumed", "step": stop_after}]
    assert same(whole, resumed)


@pytest.mark.parametrize("stop_after", [4, 13])
def test_a_resumed_adalora_goes_on_with_the_very_same_ranks(toy_data, tiny_bases, make_context, stop_after):
    def fit(context: Any) -> dict[str, torch.Tensor]:
        options = AdaLoraOptions(epochs=3, batch_size=8, learning_rate=5e-3, checkpoint_seconds=3600)
        return weights(AdaLora().fit(toy_data(), options, tiny_bases / "tiny", context))

    whole = fit(make_context("whole"))
    with pytest.raises(Stopped):
        fit(make_context("cut", stop_after))
    assert same(whole, fit(make_context("cut")))


def test_a_broken_checkpoint_is_passed_over(fit, make_context):
    context = make_context("run", 10)
    with pytest.raises(Stopped):
        fit(context, checkpoint_seconds=0)
    folders = sorted(path.name for path in (context.directory / "checkpoints").iterdir())
    assert folders == ["00000009", "00000010"]
    newest = context.directory / "checkpoints" / "00000010" / "weights.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    again = make_context()
    fit(again)
    assert again.of("resumed")[0]["step"] == 9


def test_a_half_written_checkpoint_does_not_count(tmp_path):
    def write(folder: Path) -> None:
        (folder / "weights.safetensors").write_bytes(b"abc")

    checkpoints.save(tmp_path, 5, write)
    (tmp_path / "00000006").mkdir()
    (tmp_path / "00000006" / "weights.safetensors").write_bytes(b"abc")
    newest = checkpoints.latest(tmp_path)
    assert newest is not None and newest.name == "00000005"


def test_a_full_disk_while_saving_leaves_the_last_good_checkpoint(fit, make_context, monkeypatch):
    context = make_context("run", 6)
    with pytest.raises(Stopped):
        fit(context)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.durable.os.fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        fit(make_context("run", 9))
    monkeypatch.undo()
    assert [path.name for path in (context.directory / "checkpoints").iterdir()] == ["00000006"]
    again = make_context()
    fit(again)
    assert again.of("resumed")[0]["step"] == 6


def test_the_first_loss_that_is_no_number_stops_the_run(tiny_bases, toy_data, make_context, tmp_path):
    base = tmp_path / "broken"
    shutil.copytree(tiny_bases / "tiny", base)
    tensors = load_file(base / "model.safetensors")
    tensors["encoder.layer.1.output.dense.bias"][0] = float("nan")
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    context = make_context()
    with pytest.raises(TrainingError, match="became nan in step 1") as caught:
        FullFineTuning().fit(toy_data(), FullOptions(learning_rate=0.004), base, context)
    assert "lower learning rate, e.g. 0.001" in caught.value.hint
    assert not (context.directory / "checkpoints").exists()


def test_the_best_epoch_is_restored_and_patience_ends_the_run(fit, toy_data, make_context):
    context = make_context()
    predictor = fit(context, epochs=30, patience=2, learning_rate=8e-3, schedule="constant")
    epochs = context.of("epoch")[1:]
    best = max(range(len(epochs)), key=lambda i: (epochs[i]["dev"]["accuracy"], -epochs[i]["dev"]["loss"]))
    assert len(epochs) < 30 and len(epochs) == best + 3
    data = toy_data()
    found = data.task.predictions(predictor.scores(data.dev.texts), data.labels)
    assert data.task.metrics(data.dev.values, found, data.labels)["accuracy"] == pytest.approx(
        epochs[best]["dev"]["accuracy"], abs=1e-4
    )


def test_word_embeddings_stay_frozen_by_default(fit, tiny_bases, make_context):
    predictor = fit(make_context(), epochs=1, train_word_embeddings=False)
    before = load_file(tiny_bases / "tiny" / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert torch.equal(predictor.model.get_input_embeddings().weight, before)


def test_texts_over_the_maximum_are_counted(fit, toy_data, make_context):
    context = make_context()
    fit(context, epochs=1, max_length=8)
    expected = sum(len(text.split()) + 2 > 8 for text in toy_data().train.texts) / 48
    assert 0 < expected < 1 and context.of("data")[0]["truncated"] == round(expected, 4)


def test_checkpoints_hold_no_pickle(fit, make_context):
    context = make_context("run", 4)
    with pytest.raises(Stopped):
        fit(context)
    files = {path.name for path in (context.directory / "checkpoints" / "00000004").iterdir()}
    assert files == {"manifest.json", "optimizer.safetensors", "state.json", "weights.safetensors"}
    assert json.loads((context.directory / "checkpoints" / "00000004" / "state.json").read_text())["step"] == 4
