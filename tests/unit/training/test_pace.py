"""What a run reached, and what the next one may expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.training import hardware, pace

FACTS: dict[str, Any] = {"method": "full", "device": "cpu", "half": False, "weights": 1_000_000}


def events(epochs: int = 2, speed: float = 50.0) -> list[dict[str, Any]]:
    """A run of 100 rows of 20 tokens: 9 s to the first measurement, an epoch of 2 s, 1 s to measure."""
    found: list[dict[str, Any]] = [
        {"t": 105.0, "kind": "data", "rows": 100, "mean_tokens": 20.0},
        {"t": 109.0, "kind": "epoch", "step": 0},
    ]
    for number in range(epochs):
        found.append({"t": 111.0 + 3 * number, "kind": "speed", "samples_per_s": speed})
        found.append({"t": 112.0 + 3 * number, "kind": "epoch", "step": number + 1})
    return found


def test_a_run_is_told_apart_into_start_training_and_scoring():
    reached = pace.of_run(events(), 100.0, 40, 3.0, **FACTS)
    assert reached is not None
    assert reached.training == pytest.approx(2 * 20 * 1e6 * 3 * 50)  # two a weight and token for each pass
    assert reached.scoring == pytest.approx(2 * 20 * 1e6 * 40 / 1.0)
    assert reached.start == pytest.approx(9.0 - 1.0)


@pytest.mark.parametrize(
    "told", [[], events(0), [*events(), {"t": 130.0, "kind": "resumed", "step": 4}]], ids=["none", "short", "resumed"]
)
def test_a_run_that_says_too_little_is_no_evidence(told):
    assert pace.of_run(told, 100.0, 40, 3.0, **FACTS) is None


def test_without_a_dev_split_there_is_no_scoring():
    reached = pace.of_run(events(), 100.0, 0, 3.0, **FACTS)
    assert reached is not None and reached.scoring is None and reached.start == 9.0


def test_the_newest_runs_of_a_kind_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for speed in (10.0, 20.0, 30.0, 50.0):
        reached = pace.of_run(events(speed=speed), 100.0, 40, 3.0, **FACTS)
        assert reached is not None
        pace.remember(tmp_path, reached)
    unit = 2 * 20 * 1e6 * 3
    expected = pace.expected(tmp_path, "full", "cpu", False, 1_000_000)
    assert expected is not None and expected.training == pytest.approx(30 * unit)
    lora = pace.of_run(events(speed=90.0), 100.0, 40, 2.0, **{**FACTS, "method": "lora"})
    assert lora is not None
    pace.remember(tmp_path, lora)
    own, other = (pace.expected(tmp_path, name, "cpu", False, 1_000_000) for name in ("lora", "bitfit"))
    assert own is not None and own.training == lora.training
    assert other is not None and other.training == pytest.approx(50 * unit)  # of 30, 50 and 60
    assert pace.expected(tmp_path, "full", "cpu", True, 1_000_000) is None
    assert pace.expected(tmp_path, "full", "cpu", False, 2_000_000) is None
    monkeypatch.setattr(hardware, "machine", lambda: "another")
    assert pace.expected(tmp_path, "full", "cpu", False, 1_000_000) is None


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pace, "KEPT", 2)
    reached = pace.of_run(events(), 100.0, 40, 3.0, **FACTS)
    assert reached is not None
    for _ in range(4):
        pace.remember(tmp_path, reached)
    assert len(pace._all(tmp_path)) == 2
