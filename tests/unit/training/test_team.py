"""Several processes share a training: as one would, with one run folder, and nobody left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from core.errors import TrainingError
from core.training import worker
from core.training.members import Members, together
from core.training.run_folder import RunFolder
from core.training.team import Team

OPTIONS = {
    "epochs": 3,
    "batch_size": 7,
    "optimizer": "sgd",  # AdamW makes much of the last bits of gradients that are next to nothing
    "learning_rate": 0.05,
    "dropout": 0.0,
    "half_precision": False,  # 16 bits are rounded otherwise where a batch is cut otherwise
    "patience": 0,
    "checkpoint_seconds": 0.0,
}


class Told(worker.WorkerContext):
    """A run that does something after a step."""

    after: dict[int, Callable[[Told], None]]

    def progress(self, done: int, total: int, message: str = "") -> None:
        super().progress(done, total, message)
        if total > 1 and (act := self.after.pop(done, None)):
            act(self)


@pytest.fixture
def work(tmp_path: Path, tiny_bases: Path, toy_version: Any, make_config: Any) -> Callable[..., tuple[int, RunFolder]]:
    version = toy_version()

    def run(name: str, after: dict[int, Callable[[Told], None]] | None = None, **changes: Any) -> tuple[int, RunFolder]:
        config = make_config(
            id=name, options={**OPTIONS, **changes}, bases=str(tiny_bases), cache=str(tmp_path / "cache")
        )
        path = tmp_path / "runs" / name
        folder = RunFolder(path) if path.exists() else RunFolder.create(path.parent, config, version)
        context = Told(folder, folder.config(), "cpu")
        context.after = after or {}
        return worker._outcome(folder, folder.config(), context), folder

    return run


def helpers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "core.training.members" in " ".join(child.cmdline())]


def test_two_learn_what_one_learns_and_stop_and_go_on_together(work):
    threads = torch.get_num_threads()
    code, cut = work("two", {12: worker.WorkerContext.ask_stop}, processes=2)
    status = cut.status()
    assert code == 0 and status is not None and status.state == "stopped", status
    assert list(cut.path.glob(".team*")) == [] and helpers() == [] and torch.get_num_threads() == threads
    assert work("two", processes=2)[0] == 0
    assert [event["step"] for event in cut.events() if event["kind"] == "resumed"] == [13]  # one step to agree on it
    assert work("one", processes=1)[0] == 0
    one, two = (load_file(cut.path.parent / name / "model" / "model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        assert torch.allclose(weight, two[name], atol=1e-6), name
    first, second = (RunFolder(cut.path.parent / name).result() or {} for name in ("one", "two"))
    assert first["metrics"]["test"] == pytest.approx(second["metrics"]["test"], abs=1e-4)
    steps = [event["step"] for event in cut.events() if event["kind"] == "step"]
    assert steps == list(range(1, 28))


def tagged_version(folder: Path) -> Path:
    """Rows to tag, short and long ones side by side: a mean over rows is not one over words."""
    folder.mkdir()
    for first, (split, rows) in enumerate({"train": 21, "dev": 4, "test": 4}.items()):
        texts = [f"hello my parcel {'is so very late now ' * (row % 4)}" for row in range(rows)]
        table = {
            "item_id": pa.array(range(100 * first, 100 * first + rows), pa.int64()),
            "text": pa.array(texts, pa.string()),
            "text_b": pa.array([None] * rows, pa.string()),
            "value": pa.array([json.dumps([[6, 15, "item"]])] * rows, pa.string()),
        }
        pq.write_table(pa.table(table), folder / f"{split}.parquet")
    return folder


@pytest.mark.parametrize(
    ("method", "task", "options", "apart"),
    [
        ("lora", "classification", {"optimizer": "adamw", "learning_rate": 1e-3, "lora_dropout": 0.0}, 2e-3),
        ("full", "tagging", {}, 2e-5),
    ],
)
def test_two_share_every_kind_of_training(tmp_path, tiny_bases, toy_version, make_config, method, task, options, apart):
    version = toy_version(train=21) if task == "classification" else tagged_version(tmp_path / "tagged")
    labels = {"labels": ["item"]} if task == "tagging" else {}
    curves = []
    for count in (1, 2):
        config = make_config(
            id=f"by{count}", method=method, task=task, bases=str(tiny_bases), cache=str(tmp_path / "cache"),
            options={**OPTIONS, "epochs": 2, **options, "processes": count}, **labels,
        )  # fmt: skip
        folder = RunFolder.create(tmp_path / "runs", config, version)
        assert worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu")) == 0, folder.status()
        curves.append([event["loss"] for event in folder.events() if event["kind"] == "step"])
    assert len(curves[0]) == 6 and curves[0] == pytest.approx(curves[1], abs=apart)
    assert curves[0][-1] < curves[0][0] - 20 * apart, "what is compared has moved"


ENDS = """
import os, sys, time
from pathlib import Path
from core.training.team import join
join(Path(sys.argv[5]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
os._exit(3)
"""


def test_one_that_is_lost_ends_the_training_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Members, "COMMAND", (sys.executable, "-c", ENDS))
    told: list[TrainingError] = []
    with (
        pytest.raises(TrainingError, match=r"Process 2 of 2 .*exit code 3") as caught,
        together(RunFolder(tmp_path), ("cpu", "cpu"), told.append),
    ):
        while True:
            Team.present(torch.device("cpu")).total(1.0)
    assert "Resume the run" in caught.value.hint and not told
    assert Team.present(torch.device("cpu")).size == 1 and list(tmp_path.iterdir()) == []


def test_a_loss_that_the_training_does_not_notice_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(Members, "COMMAND", (sys.executable, "-c", "raise SystemExit(4)"))
    monkeypatch.setattr("core.training.members.GRACE", 0.0)
    ended: list[int] = []
    members = Members(RunFolder(tmp_path), ("cpu", "cpu"))

    def end(code: int) -> None:
        ended.append(code)
        members.closing = True

    monkeypatch.setattr("core.training.members.os._exit", end)
    told: list[TrainingError] = []
    members.watch(told.append)
    assert ended == [1] and "exit code 4" in told[0].message


def test_rows_are_shared_without_one_too_many():
    rows = np.arange(7)
    parts = [Team(rank, 3).part(rows).tolist() for rank in range(3)]
    assert parts == [[0, 1, 2], [3, 4], [5, 6]]
    assert Team().part(rows).tolist() == rows.tolist() and Team().total(2.5, 1) == (2.5, 1) and Team().same(3) == 3
