"""What a run took beside what could be counted, and what the next one may expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.methods.base import Estimate
from core.training import hardware, pace
from core.training.pace import Kind, Pace

KIND = Kind(task="classification", method="full", device="cpu", half=False, weights=1_000_000)
COUNTED = Estimate(seconds=29.0, memory_bytes=1_000, training=18.0, scoring=2.0)
"""9 s to start, two epochs of 9 s, 2 s to measure before and after."""


def events(epochs: int = 2, each: float = 4.5) -> list[dict[str, Any]]:
    """A run whose epochs take ``each`` seconds with their measuring."""
    return [{"t": 109.0 + each * number, "kind": "epoch", "epoch": number} for number in range(epochs + 1)]


def test_a_run_is_told_apart_into_epochs_and_the_rest():
    reached = pace.of_run(events(), 17.0, 1_200, COUNTED, KIND)
    assert reached is not None
    assert (reached.training, reached.scoring, reached.memory) == (0.5, 0.5, 1.2)
    assert reached.start == pytest.approx(17 - 9 - 1)
    again = pace.corrected(COUNTED, reached)
    assert again.seconds == pytest.approx(17.0) and again.memory_bytes == 1_200
    longer = Estimate(seconds=101.0, memory_bytes=2_000, training=90.0, scoring=2.0)
    assert pace.corrected(longer, reached).seconds == pytest.approx(7 + 45 + 1)


def test_where_measuring_is_most_of_the_rest_it_is_what_is_learned_about():
    much = Estimate(seconds=127.0, memory_bytes=1_000, training=18.0, scoring=100.0)
    reached = pace.of_run(events(), 9 + 9 + 200.0, 1_000, much, KIND)
    assert reached is not None and reached.scoring == pytest.approx(2.0) and reached.start == pytest.approx(9.0)
    assert pace.corrected(much, reached).seconds == pytest.approx(218.0)


@pytest.mark.parametrize(
    "told", [[], events(0), [*events(), {"t": 130.0, "kind": "resumed", "step": 4}]], ids=["none", "short", "resumed"]
)
def test_a_run_that_says_too_little_is_no_evidence(told):
    assert pace.of_run(told, 17.0, 1_000, COUNTED, KIND) is None


@pytest.mark.parametrize("moved", [-3600.0, 3600.0], ids=["back", "on"])
def test_a_clock_that_was_set_meanwhile_is_no_evidence(moved: float):
    told = events()
    told[-1]["t"] += moved
    assert pace.of_run(told, 17.0, 1_000, COUNTED, KIND) is None


def taught(cache: Path, factor: float, **changes: Any) -> None:
    kind = KIND.model_copy(update=changes)
    pace.remember(cache, Pace(kind=kind, training=factor, scoring=factor, start=8.0, memory=1.0))


def test_the_newest_runs_of_the_nearest_kind_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def factor(**changes: Any) -> float | None:
        found = pace.expected(tmp_path, KIND.model_copy(update=changes))
        return None if found is None else found.training

    for one in (10.0, 20.0, 30.0, 50.0):
        taught(tmp_path, one)
    assert factor() == 30 and factor(method="lora") == 30 and factor(task="tagging") == 30
    taught(tmp_path, 7.0, method="lora")
    assert factor(method="lora") == 7 and factor(method="lora", task="pair") == 7
    assert factor(method="bitfit") == 30, "of 30, 50 and 7"
    assert factor(method="bitfit", task="pair") == 30, "nothing of its task or method: what its base took"
    taught(tmp_path, 99.0, task="tagging", method="lora")
    assert factor(task="tagging") == 30 and factor(task="tagging", method="lora") == 99
    for other in ({"half": True}, {"weights": 5}, {"processes": 2}, {"device": "cuda"}):
        assert factor(**other) is None
    monkeypatch.setattr(hardware, "machine", lambda: "another")
    assert factor() is None


def test_only_so_many_are_kept_and_other_files_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pace, "KEPT", 2)
    for _ in range(4):
        taught(tmp_path, 1.0)
    assert len(pace._all(tmp_path)) == 2
    file = tmp_path / pace.FILE
    file.write_text(file.read_text().replace('"format": 2', '"format": 1').replace('"format":2', '"format":1'))
    assert pace._all(tmp_path) == []


@pytest.mark.parametrize(("known", "damage"), [('"runs"', '"ran"'), ('"start"', '"began"')])
def test_a_damaged_file_is_learned_anew(tmp_path: Path, known: str, damage: str):
    taught(tmp_path, 1.0)
    file = tmp_path / pace.FILE
    assert known in file.read_text()
    file.write_text(file.read_text().replace(known, damage))
    assert pace.expected(tmp_path, KIND) is None
    taught(tmp_path, 2.0)
    assert pace.expected(tmp_path, KIND) is not None
