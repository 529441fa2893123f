from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFoundError, RefusedError, StorageError
from core.training import trackers
from core.training.run_folder import RunFolder, WorkerStatus

NAMES = ("wandb", "mlflow", "trackio")
RECORDER = """
import json, os
def note(*what):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(what) + "\\n")
"""
FAKES = {
    # The calls that the adapters make, with the signatures of wandb 0.31, mlflow 3.17 and trackio 0.43; with these
    # packages themselves the same exports were made and read back by hand, once and again over the first.
    "wandb": """
class Run:
    def __enter__(self): return self
    def __exit__(self, *_): note("finish")
    def log(self, data, step=None, commit=None): note("log", step, data)
def init(entity=None, project=None, dir=None, id=None, name=None, notes=None, tags=None, config=None, mode=None):
    note("init", project, name, id, mode, config, dir, sorted(n for n in os.environ if n.startswith("WANDB_")))
    return Run()
""",
    "mlflow": """
from types import SimpleNamespace as Any
class MlflowClient:
    def __init__(self, tracking_uri=None, registry_uri=None): note("client", tracking_uri)
    def get_experiment_by_name(self, name): return None
    def create_experiment(self, name, artifact_location=None, tags=None): note("experiment", name); return "1"
    def search_runs(self, experiment_ids, filter_string=""): return [Any(info=Any(run_id="old"))]
    def delete_run(self, run_id): note("delete", run_id)
    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        note("run", run_name, start_time); return Any(info=Any(run_id="new"))
    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None):
        note("batch", run_id, [vars(m) for m in metrics], [vars(p) for p in params])
    def set_terminated(self, run_id, status=None, end_time=None): note("finish", end_time)
""",
    "trackio": """
class Run:
    def log(self, metrics, step=None): note("log", step, metrics)
def init(project, name=None, config=None, embed=True):
    note("init", project, name, config, embed, os.environ["TRACKIO_DIR"]); return Run()
def finish(): note("finish")
""",
}
ENTITIES = """
class Metric:
    def __init__(self, key, value, timestamp, step): vars(self).update(key=key, value=value, at=timestamp, step=step)
class Param:
    def __init__(self, key, value): vars(self).update(key=key, value=value)
"""


@pytest.fixture
def folder(tmp_path: Path, toy_version: Callable[..., Path], make_config: Callable[..., Any]) -> RunFolder:
    """A run that was resumed after step 20 and has finished."""
    folder = RunFolder.create(tmp_path / "runs", make_config(id="run"), toy_version())
    folder.append_event({"t": 100.0, "kind": "epoch", "epoch": 0, "step": 0, "dev": {"accuracy": 0.25}})
    for step in (10, 20, 30):
        folder.append_event({"t": 100.0 + step, "kind": "step", "step": step, "loss": 3.0 / step, "lr": 0.5})
    folder.append_event({"t": 150.0, "kind": "resumed", "step": 20})
    folder.append_event({"t": 160.0, "kind": "step", "step": 30, "loss": float("inf"), "lr": 0.25})
    folder.append_event({"t": 161.0, "kind": "speed", "samples_per_s": 7.5})
    folder.append_event({"t": 162.0, "kind": "note", "message": "words"})
    folder.append_event({"t": 170.0, "kind": "epoch", "epoch": 1, "step": 30, "dev": {"accuracy": 0.5}})
    folder.write_status(WorkerStatus(state="finished"))
    folder.write_result({"metrics": {"test": {"accuracy": 0.75, "words": None}}})
    return folder


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """Puts a package of that name on the path; afterwards ``fake(name)`` is what it was told."""
    packages, record = tmp_path / "packages", tmp_path / "record"
    monkeypatch.setenv("RECORD", str(record))

    def make(name: str) -> list[Any]:
        if record.exists():
            return [json.loads(line) for line in record.read_text().splitlines()]
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text(RECORDER + FAKES[name])
        (packages / name / "entities.py").write_text(ENTITIES)
        monkeypatch.syspath_prepend(str(packages))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")]))
        return []

    return make


def read_tensorboard(folder: Path) -> list[tuple[str, int, float, float]]:
    """(tag, step, value, time) of the figures in the one event file of a folder, as its format says."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.glob("events.out.tfevents.*")
    content, found, at = file.read_bytes(), [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        at += 12 + length + 4
        found += [
            (value.tag, event.step, value.simple_value, event.wall_time)
            for value in event.summary.value
            if value.HasField("simple_value")
        ]
    return found


def test_tensorboard_gets_every_figure_once(folder, tmp_path):
    for _ in range(2):  # the second export replaces the first
        assert trackers.export(folder, "Tickets", "tensorboard", tmp_path / "curves") == tmp_path / "curves"
    found = read_tensorboard(tmp_path / "curves" / "run")
    by_tag = {tag: [(step, round(value, 6), at) for t, step, value, at in found if t == tag] for tag, *_ in found}
    assert by_tag.pop("train/loss") == [(10, 0.3, 110.0), (20, 0.15, 120.0)]
    assert by_tag.pop("train/lr") == [(10, 0.5, 110.0), (20, 0.5, 120.0), (30, 0.25, 170.0)]
    assert by_tag.pop("dev/accuracy") == [(0, 0.25, 100.0), (30, 0.5, 170.0)]
    assert by_tag.pop("train/samples_per_s") == [(30, 7.5, 170.0)]
    assert by_tag.pop("test/accuracy") == [(30, 0.75, 170.0)] and set(by_tag) == {"train/epoch"}


@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_that_is_not_installed_says_how_to_get_it(folder, tmp_path, name):
    with pytest.raises(RefusedError) as caught:
        trackers.export(folder, "Tickets", name, tmp_path / "curves")
    assert f"pip install {name}" in caught.value.hint and not (tmp_path / "curves").exists()


def test_wandb_is_told_offline_and_knows_no_account(folder, tmp_path, fake, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    old = tmp_path / "curves" / "wandb" / "offline-run-1-run"
    old.mkdir(parents=True)
    fake("wandb")
    trackers.export(folder, "Tickets: all", "wandb", tmp_path / "curves")
    (_, project, name, run, mode, config, place, environment), *logs, last = fake("wandb")
    assert (project, name, run, mode) == ("Tickets- all", "run", "run", "offline") and last == ["finish"]
    assert place == str(tmp_path / "curves") and not old.exists() and "WANDB_API_KEY" not in environment
    assert config["method"] == "full" and config["batch_size"] == 8
    assert [step for _, step, _ in logs] == [0, 10, 20, 30]
    assert logs[-1][2]["test/accuracy"] == 0.75 and logs[1][2] == {"train/loss": 0.3, "train/lr": 0.5}


def test_mlflow_gets_its_own_database(folder, tmp_path, fake, monkeypatch):
    monkeypatch.setattr(trackers, "MOST_AT_ONCE", 4)
    fake("mlflow")
    target = tmp_path / "curves"
    trackers.export(folder, "Tickets", "mlflow", target)
    client, experiment, deleted, run, options, *batches, last = fake("mlflow")
    assert client == ["client", f"sqlite:///{target}/mlflow.db"] and experiment == ["experiment", "Tickets"]
    assert deleted == ["delete", "old"] and run == ["run", "run", 100_000] and last == ["finish", 170_000]
    assert {"key": "epochs", "value": "2"} in options[3]
    metrics = [metric for batch in batches for metric in batch[2]]
    assert {"key": "dev/accuracy", "value": 0.5, "at": 170_000, "step": 30} in metrics and len(metrics) == 11


def test_trackio_writes_into_the_folder(folder, tmp_path, fake):
    fake("trackio")
    trackers.export(folder, "Tickets", "trackio", tmp_path / "curves")
    (_, project, name, config, embed, place), *logs, last = fake("trackio")
    assert (project, name, embed, last) == ("Tickets", "run", False, ["finish"])
    assert place == str(tmp_path / "curves") and config["base"] == "local:tiny" and logs[0][1] == 0


def test_a_library_that_fails_is_named_with_its_last_words(folder, tmp_path, fake, monkeypatch):
    monkeypatch.setitem(FAKES, "trackio", "raise ImportError('needs libfoo')")
    fake("trackio")
    with pytest.raises(StorageError, match="Trackio could not write the curves: ImportError: needs libfoo"):
        trackers.export(folder, "Tickets", "trackio", tmp_path / "curves")


def test_there_is_nothing_to_export_before_the_first_figure(tmp_path, toy_version, make_config):
    folder = RunFolder.create(tmp_path / "runs", make_config(id="new"), toy_version())
    with pytest.raises(RefusedError, match="no figures yet"):
        trackers.export(folder, "Tickets", "tensorboard", tmp_path / "curves")
    with pytest.raises(NotFoundError, match="no tracker 'abacus'"):
        trackers.export(folder, "Tickets", "abacus", tmp_path / "curves")


def test_figures_without_a_step_belong_to_the_last_one(tmp_path, toy_version, make_config):
    folder = RunFolder.create(tmp_path / "runs", make_config(id="linear", method="baseline"), toy_version())
    folder.write_result({"metrics": {"test": {"accuracy": 1.0}}})
    told = trackers.curves(folder, "Tickets")
    assert [(point.step, point.values) for point in told.points] == [(0, {"test/accuracy": 1.0})]
