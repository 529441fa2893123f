"""What can go wrong while a run trains: it says what happened and what to do, and its last good checkpoint stays."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from core.durable import sha256
from core.errors import TrainingError
from core.methods.full import FullFineTuning
from core.methods.neural import EncoderPredictor
from core.settings import Settings
from core.training import checkpoints, checks, hardware, loop, worker
from core.training.run_folder import RunFolder
from core.training.runner import Runner

Make = Callable[..., Any]
Patch = pytest.MonkeyPatch
OPTIONS = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "checkpoint_seconds": 0.0, "patience": 0}
"""With a checkpoint after every step."""


@pytest.fixture
def bases(tiny_bases: Path, tmp_path: Path) -> Path:
    """Base models that a test may spoil."""
    return Path(shutil.copytree(tiny_bases, tmp_path / "bases"))


@pytest.fixture
def folder(tmp_path: Path, bases: Path, toy_version: Make, make_config: Make) -> RunFolder:
    config = make_config(id="run", bases=str(bases), cache=str(tmp_path / "cache"), options=OPTIONS)
    hardware.remember(tmp_path / "cache", "cpu", {"float32": 100.0, "bfloat16": 1.0})  # measured: takes no time here
    folder = RunFolder.create(tmp_path / "runs", config, toy_version(train=24))
    folder.unqueue()  # these tests are its worker
    return folder


@pytest.fixture(scope="module")
def whole() -> dict[str, str]:
    """sha256 of the weights that an undisturbed run ends with; filled by the first test that makes one."""
    return {}


def work(folder: RunFolder) -> int:
    """What main() does, without changing signals and priority of this process."""
    config = folder.config()
    return worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu"))


def weights(folder: RunFolder) -> str:
    return sha256(folder.model / "model.safetensors")


def state_of(folder: RunFolder) -> Any:
    """What the app says about the run."""
    runner = Runner(folder.path.parent, settings=Settings(home=folder.path.parent.parent, device="cpu"))
    try:
        return runner.state(folder.path.name)
    finally:
        runner.close()


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_start(patch: Patch) -> None:
    patch.setattr(FullFineTuning, "fit", die)


def in_a_step(patch: Patch) -> None:
    real = loop.Loop._step
    patch.setattr(loop.Loop, "_step", lambda self, rows: die() if self.state.step == 4 else real(self, rows))


def in_a_checkpoint(patch: Patch) -> None:
    real = checkpoints.seal
    patch.setattr(checkpoints, "seal", lambda to, facts: die() if facts["step"] == 3 else real(to, facts))


def while_the_model_is_saved(patch: Patch) -> None:
    patch.setattr(worker, "seal", die)


def before_the_result(patch: Patch) -> None:
    patch.setattr(RunFolder, "write_result", die)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a worker that dies at an exact line is a fork of this process")
@pytest.mark.parametrize(
    ("moment", "checkpoint"),
    [(at_start, None), (in_a_step, 4), (in_a_checkpoint, 2), (while_the_model_is_saved, 6), (before_the_result, 6)],
)
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(folder, monkeypatch, whole, moment, checkpoint):
    def killed() -> None:
        moment(monkeypatch)
        worker.main(folder, "cpu")

    child = multiprocessing.get_context("fork").Process(target=killed)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    status = state_of(folder)
    assert status.state == "interrupted" and status.resumable and "last saved checkpoint" in status.hint
    last = checkpoints.latest(folder.checkpoints)
    assert (int(last.name) if last else None) == checkpoint
    assert folder.result() is None and folder.model_is_complete() == (moment is before_the_result)
    assert work(folder) == 0 and state_of(folder).state == "finished"
    assert whole.setdefault("weights", weights(folder)) == weights(folder)


def test_a_stop_in_the_middle_of_a_save_lets_it_be_finished(folder, monkeypatch):
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    real = checkpoints.seal

    def seal(to: Path, facts: dict[str, Any]) -> None:
        context.ask_stop()
        real(to, facts)

    monkeypatch.setattr(checkpoints, "seal", seal)
    assert worker._outcome(folder, folder.config(), context) == 0
    last = checkpoints.latest(folder.checkpoints)
    assert state_of(folder).state == "stopped" and last is not None and int(last.name) == 1
    monkeypatch.undo()
    assert work(folder) == 0


def stopped_after(folder: RunFolder, patch: Patch, step: int) -> None:
    """Train the run up to a step and stop it there."""
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    real = loop.Loop._step

    def stop(self: loop.Loop, rows: Any) -> None:
        real(self, rows)
        if self.state.step == step:
            context.ask_stop()

    patch.setattr(loop.Loop, "_step", stop)
    assert worker._outcome(folder, folder.config(), context) == 0
    patch.undo()


def test_another_or_no_base_model_at_resume_is_named_and_the_old_one_goes_on(folder, bases, monkeypatch):
    stopped_after(folder, monkeypatch, 2)
    vocabulary, weights_file = bases / "tiny" / "tokenizer.json", bases / "tiny" / "model.safetensors"
    for file, spoil, words in [
        (weights_file, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "not the one that this run"),
        (vocabulary, lambda path: path.write_text(path.read_text() + "\n"), "not the one that this run"),
        (vocabulary, Path.unlink, "is gone since this run began"),
    ]:
        kept = file.read_bytes()
        spoil(file)
        assert work(folder) == 1
        status = state_of(folder)
        assert f"The file {file.name} of the base model 'local:tiny'" in status.error and words in status.error
        assert status.state == "failed" and status.resumable and "start a new run" in status.hint
        file.write_bytes(kept)
    shutil.move(bases / "tiny", bases / "away")
    assert work(folder) == 1 and "no model folder 'tiny'" in state_of(folder).error
    shutil.move(bases / "away", bases / "tiny")
    assert checkpoints.latest(folder.checkpoints) is not None and work(folder) == 0


def test_a_run_that_saved_nothing_may_begin_with_a_mended_base(folder, bases):
    tokenizer = bases / "tiny" / "tokenizer.json"
    kept = tokenizer.read_bytes()
    tokenizer.write_text("{}")
    assert work(folder) == 1 and state_of(folder).state == "failed"
    tokenizer.write_bytes(kept)
    assert work(folder) == 0


def test_a_full_disk_in_a_checkpoint_says_so_and_the_one_before_stays(folder, monkeypatch):
    real = checkpoints.seal

    def full(to: Path, facts: dict[str, Any]) -> None:
        if facts["step"] == 3:
            raise OSError(28, "No space left on device")
        real(to, facts)

    monkeypatch.setattr(checkpoints, "seal", full)
    assert work(folder) == 1
    status = state_of(folder)
    assert status.state == "failed" and "disk is full" in status.error and "resume the run" in status.hint
    assert [path.name for path in sorted(folder.checkpoints.iterdir())] == ["00000001", "00000002"]
    monkeypatch.undo()
    assert work(folder) == 0


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(folder, monkeypatch, whole, what):
    forward, backward = loop.Loop._forward, loop.Loop._backward

    def spoiled(self: loop.Loop, inputs: Any) -> Any:
        found = forward(self, inputs)
        return found * float("nan") if self.state.step == 4 else found

    def spoils(self: loop.Loop, *arguments: Any) -> float:
        value = backward(self, *arguments)
        if self.state.step == 4:
            gradient = next(p.grad for p in self.trainable.values() if p.grad is not None)
            gradient.view(-1)[0] = float("inf")
        return value

    monkeypatch.setattr(loop.Loop, *(("_forward", spoiled) if what == "loss" else ("_backward", spoils)))
    assert work(folder) == 1
    status = state_of(folder)
    assert status.state == "failed" and status.resumable and "in step 5" in status.error
    assert "lower learning rate, e.g. 0.00025 (it was 0.001)" in status.hint
    last = checkpoints.latest(folder.checkpoints)
    assert last is not None and int(last.name) == 4
    assert all(bool(tensor.isfinite().all()) for tensor in load_file(last / "weights.safetensors").values())
    monkeypatch.undo()
    assert work(folder) == 0 and whole.setdefault("weights", weights(folder)) == weights(folder)


def test_a_stop_while_the_model_is_saved_lets_it_be_finished(folder, monkeypatch):
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    real = EncoderPredictor.save

    def save(self: EncoderPredictor, directory: Path) -> None:
        context.ask_stop()
        real(self, directory)

    monkeypatch.setattr(EncoderPredictor, "save", save)
    assert worker._outcome(folder, folder.config(), context) == 0
    assert state_of(folder).state == "stopped" and state_of(folder).resumable
    assert folder.model_is_complete() and folder.result() is None
    monkeypatch.undo()
    monkeypatch.setattr(FullFineTuning, "fit", lambda *_: pytest.fail("trained again"))
    assert work(folder) == 0 and state_of(folder).state == "finished"


def test_the_time_left_after_a_resume_is_that_of_this_session(folder, monkeypatch):
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    context._ended.set()  # no heartbeat looks at the clock
    clock = iter([100.0, 130.0, 140.0])
    monkeypatch.setattr(worker.time, "monotonic", lambda: next(clock))
    context.progress(0, 1, "fetching the base model")
    context.progress(901, 1000)  # the first step after 900 of an earlier session
    assert context._status.eta_seconds is None
    context.progress(906, 1000)
    assert context._status.eta_seconds == 188.0  # 94 steps at one in two seconds


def test_texts_without_anything_to_read(folder, monkeypatch, tmp_path):
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    checks.check_texts(["\u200b", " \ufeff", "a", "😀"], context)
    checks.check_texts(["a"], context)
    notes = [event["message"] for event in folder.events() if event["kind"] == "note"]
    assert notes == ["50.0% of the training texts have no visible character; cleaning finds them"]
    with pytest.raises(TrainingError, match="None of the training texts"):
        checks.check_texts(["\u200b", ""], context)


def test_a_run_reads_texts_without_a_token(folder, bases, monkeypatch):
    real = RunFolder.data

    def empty(self: RunFolder) -> Any:
        data = real(self)
        for rows in (data.train, data.dev, data.test):
            rows.texts[::2] = ["\u200b", ""] * (len(rows) // 4)
        return data

    facts = json.loads((bases / "tiny" / "tokenizer.json").read_text())
    (bases / "tiny" / "tokenizer.json").write_text(json.dumps({**facts, "post_processor": None}))  # no [CLS], no [SEP]
    monkeypatch.setattr(RunFolder, "data", empty)
    assert work(folder) == 0, folder.status()
    notes = [event["message"] for event in folder.events() if event["kind"] == "note"]
    assert "50.0% of the training texts have no visible character; cleaning finds them" in notes
    losses = [event["loss"] for event in folder.events() if event["kind"] == "step"]
    assert len(losses) == 6 and np.isfinite(losses).all()


def test_texts_that_are_all_longer_than_the_model_are_cut_and_it_is_said(folder, monkeypatch):
    real = RunFolder.data

    def long(self: RunFolder) -> Any:
        data = real(self)
        for rows in (data.train, data.dev, data.test):
            rows.texts[:] = [f"{text} " * 80 for text in rows.texts]
        return data

    monkeypatch.setattr(RunFolder, "data", long)
    assert work(folder) == 0
    notes = [event["message"] for event in folder.events() if event["kind"] == "note"]
    assert "100.0% of the texts are longer than 64 tokens and were cut" in notes
    assert (folder.result() or {})["truncated"] == 1.0
