from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.durable import read_json, sha256
from core.errors import StorageError
from core.inference.predictor import load_predictor
from core.methods.base import Stopped
from core.methods.full import FullFineTuning
from core.settings import Settings
from core.training import hardware, processes, worker
from core.training.run_folder import RunConfig, RunFolder
from core.training.runner import Runner

Make = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, tiny_bases: Path, toy_version: Make, make_config: Make) -> RunFolder:
    measured(tmp_path / "cache")
    config = make_config(id="run", bases=str(tiny_bases), cache=str(tmp_path / "cache"))
    return RunFolder.create(tmp_path / "runs", config, toy_version())


def measured(cache: Path) -> None:
    """Let the cache say that this machine was measured, which takes seconds."""
    hardware.remember(cache, "cpu", {"float32": 100.0, "bfloat16": 1.0})


def work(folder: RunFolder) -> int:
    """What main() does, without changing signals and priority of this process."""
    config = folder.config()
    return worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu"))


def test_everything_a_run_leaves_behind(folder):
    assert work(folder) == 0
    result, status = folder.result(), folder.status()
    assert result is not None and status is not None and status.state == "finished"
    assert set(result["metrics"]) == {"dev", "test"} and set(result["metrics"]["test"]) >= {"accuracy", "macro_f1"}
    assert result["device"] == "cpu" and result["seconds"] > 0 and result["peak_memory_bytes"] > 1e7
    assert result["rows"] == {"train": 60, "dev": 12, "test": 12}
    assert result["versions"]["torch"] and result["size_bytes"] > 1000 and result["truncated"] == 0.0
    table = pq.read_table(folder.path / "predictions" / "test.parquet")
    assert table.column_names == ["item_id", "gold", "predicted", "scores"] and table.num_rows == 12
    assert table.column("item_id").to_pylist() == folder.data().test.ids
    scores = load_predictor(folder.model).scores(folder.data().test.texts)
    assert table.column("scores").to_pylist()[3] == pytest.approx(scores[3].tolist(), abs=1e-6)
    reached = read_json(Path(folder.config().cache) / "pace.json")["runs"][0]
    assert reached["kind"]["method"] == "full" and reached["kind"]["task"] == "classification"
    assert min(reached[part] for part in ("training", "scoring", "start", "memory")) > 0


def test_the_adapter_names_its_base_as_others_know_it(tmp_path, tiny_bases, toy_version, make_config):
    options = {"epochs": 1}
    measured(tmp_path)
    config = make_config(id="run", method="lora", options=options, bases=str(tiny_bases), cache=str(tmp_path))
    folder = RunFolder.create(tmp_path / "runs", config, toy_version())
    assert work(folder) == 0
    assert str(tmp_path) not in (folder.model / "adapter" / "adapter_config.json").read_text()
    facts = read_json(folder.model / "manifest.json")
    assert facts["base"] == "local:tiny" and len(facts["base_sha256"]) == 64
    assert "adapter/adapter_model.safetensors" in facts["files"]
    worker._name_base(folder.model / "adapter" / "adapter_config.json", "owner/base")
    assert read_json(folder.model / "adapter" / "adapter_config.json")["base_model_name_or_path"] == "owner/base"


def test_a_saved_model_is_not_trained_again(folder, monkeypatch):
    work(folder)
    (folder.path / "result.json").unlink()
    monkeypatch.setattr(FullFineTuning, "fit", lambda *_: pytest.fail("trained again"))
    assert work(folder) == 0 and folder.result() is not None


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_out_of_memory_names_the_batch_size_to_try(folder, monkeypatch, error):
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(FullFineTuning, "fit", fail)
    assert work(folder) == 1
    status = folder.status()
    assert status is not None and status.state == "failed" and "batch size 4 (it was 8)" in status.hint


def test_a_full_disk_leaves_no_half_model(folder, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.methods.neural.EncoderPredictor.save", full)
    assert work(folder) == 1
    status = folder.status()
    assert status is not None and "disk is full" in status.error and "resume" in status.hint
    assert not folder.model.exists() and list(folder.path.glob(".*tmp")) == []
    monkeypatch.undo()
    assert work(folder) == 0


def test_a_pace_that_cannot_be_kept_fails_no_finished_run(folder, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.training.worker.pace.remember", full)
    assert work(folder) == 0 and folder.result() is not None


def test_an_unknown_failure_keeps_its_words_and_its_traceback(folder, monkeypatch, capsys):
    nothing: dict[str, int] = {}
    monkeypatch.setattr(FullFineTuning, "fit", lambda *_: nothing["nowhere"])
    assert work(folder) == 1
    status = folder.status()
    assert status is not None and "KeyError: 'nowhere'" in status.error and status.hint
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_base_is_a_failure_with_a_way_out(folder, tmp_path):
    config = folder.config().model_copy(update={"bases": str(tmp_path / "none")})
    context = worker.WorkerContext(folder, config, "cpu")
    assert worker._outcome(folder, config, context) == 1
    status = folder.status()
    assert status is not None and "no model folder 'tiny'" in status.error and "Put the folder" in status.hint


def test_an_altered_snapshot_is_refused(folder):
    path = folder.path / "train.parquet"
    content = path.read_bytes()
    path.unlink()  # a hard link: the version's own file stays as it is
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(StorageError, match="train data"):
        folder.data()
    assert work(folder) == 1


def test_a_stop_that_comes_while_scoring_keeps_the_model(folder, monkeypatch):
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    real = FullFineTuning.fit

    def fit_then_stop(*arguments: Any) -> Any:
        predictor = real(*arguments)
        context.ask_stop()
        return predictor

    monkeypatch.setattr(FullFineTuning, "fit", fit_then_stop)
    with pytest.raises(Stopped):
        worker._work(folder, folder.config(), context)
    context.end(state="stopped")
    assert folder.model_is_complete() and folder.result() is None


def test_progress_becomes_an_eta(folder, monkeypatch):
    context = worker.WorkerContext(folder, folder.config(), "cpu")
    clock = iter(range(100, 200, 10))
    monkeypatch.setattr(worker.time, "monotonic", lambda: next(clock))
    context.progress(0, 100, "going")
    context.progress(20, 100)
    assert context._status.eta_seconds == 40.0 and context._status.message == "going"


def test_a_second_worker_for_the_same_run_leaves(folder):
    from filelock import FileLock

    with FileLock(folder.lock):
        assert worker.main(folder, "cpu") == worker.ALREADY_RUNNING
    assert folder.status() is None


def test_a_spare_worker_takes_a_run_over_as_any_other_does(tmp_path, toy_version, make_config, monkeypatch):
    monkeypatch.setattr(processes, "SPARE_AFTER", 0.0)
    runner = Runner(tmp_path / "runs", settings=Settings(home=tmp_path, device="cpu"))
    config, version = make_config(method="baseline", base=None, options={}), toy_version()
    try:
        first = runner.submit(config, version)
        assert runner.wait(first, 60).state == "finished"
        deadline = time.monotonic() + 15
        while runner._workers._spare is None and time.monotonic() < deadline:
            time.sleep(0.02)
        spare = runner._workers._spare
        assert spare is not None
        second = runner.submit(config, version)
        assert runner.wait(second, 60).state == "finished"
    finally:
        runner.close()
    folder = runner.folder(second)
    assert (folder.process() or [0])[0] == spare.pid and spare.wait(10) == 0 and folder.log.read_text() == ""
    results = [runner.folder(run).result() or {} for run in (first, second)]
    assert results[0]["metrics"] == results[1]["metrics"] and results[1]["device"] == "cpu"


def test_what_a_worker_prints_reaches_the_log_of_its_run(folder):
    (folder.path / "train.parquet").unlink()
    code = "from core.training import worker; print('before'); worker.serve(spare=False)"
    line = json.dumps({"run": str(folder.path), "device": "cpu"}) + "\n"
    subprocess.run([sys.executable, "-c", code], input=line.encode(), capture_output=True, timeout=60, check=True)
    assert "train data" in folder.log.read_text() and "before" not in folder.log.read_text()


def test_a_worker_without_a_run_goes_without_a_word(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "core.training.worker"], input=b"", capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def wait_for_event(runner: Runner, run_id: str, kind: str, count: int = 1) -> None:
    deadline = time.monotonic() + 60
    while sum(event["kind"] == kind for event in runner.folder(run_id).events()) < count:
        status = runner.state(run_id)
        assert time.monotonic() < deadline and (status.active or status.error == ""), runner.log_tail(run_id)
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_stopped_and_resumed_it_ends_with_the_same_bits(
    tmp_path, tiny_bases, toy_version, make_config, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    measured(tmp_path / "cache")
    runner = Runner(tmp_path / "runs", settings=Settings(home=tmp_path, device="cpu"), bases=tiny_bases)
    version = toy_version(train=200)
    options = {"epochs": 16, "batch_size": 8, "learning_rate": 1e-3, "checkpoint_seconds": 0.2, "patience": 0}
    config: RunConfig = make_config(options=options)
    try:
        run_id = runner.submit(config, version)
        wait_for_event(runner, run_id, "checkpoint", 2)
        pid = runner.state(run_id).pid
        assert pid is not None and os.getpgid(pid) == pid and os.getpriority(os.PRIO_PROCESS, pid) > 0
        os.kill(pid, signal.SIGKILL)
        assert runner.wait(run_id, 10).state == "interrupted"
        runner.resume(run_id)
        wait_for_event(runner, run_id, "resumed")
        runner.stop(run_id)
        stopped = runner.wait(run_id, 30)
        assert (stopped.state, stopped.resumable) == ("stopped", True)
    finally:
        runner.close()
        for status in runner.list():
            if status.pid:
                os.kill(status.pid, signal.SIGKILL)
    cut = runner.folder(run_id)
    whole = RunFolder.create(tmp_path / "runs", cut.config().model_copy(update={"id": "whole"}), version)
    cut.queue(time.time())  # what resume() does: it takes the stop back
    assert [work(cut), work(whole)] == [0, 0]
    first, second = (folder.model / "model.safetensors" for folder in (cut, whole))
    assert sha256(first) == sha256(second)
    steps = [event["step"] for event in cut.events() if event["kind"] == "step"]
    assert steps == sorted(set(steps)) and not cut.checkpoints.exists()
