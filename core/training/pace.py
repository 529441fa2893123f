"""How fast this machine trains, as its own runs found it: what the next estimate rests on.

A run is told apart into what it takes to start, operations a second in training, and operations a second when it
scores. Operations are counted as in Kaplan et al. 2020, section 2.1: two a weight and token for one pass. Knows no
torch, so that the app may ask.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from core.durable import read_json, write_json
from core.records import Record
from core.training import hardware

KEPT = 60
"""Runs that are remembered."""
NEWEST = 3
"""Runs of a kind whose median counts: what else the machine does changes by the day."""


class Pace(Record):
    """What one run reached."""

    method: str
    device: str
    half: bool = Field(description="It computed in 16 bits.")
    weights: int = Field(description="Weights of the base model without its embeddings.")
    training: float = Field(description="Operations a second in training, everything between two epochs counted.")
    scoring: float | None = Field(default=None, description="Operations a second on the dev split; None without one.")
    start: float = Field(description="Seconds until the first step, without the scoring before it.")


def of_run(events: Sequence[dict[str, Any]], began: float, dev_rows: int, passes: float, **facts: Any) -> Pace | None:
    """What a run reached, from its events; None for one that was resumed or had no whole epoch.

    ``began`` is when it started (seconds of the epoch), ``passes`` how many forward passes a step costs; ``facts`` are
    method, device, half and weights.
    """
    data = next((event for event in events if event["kind"] == "data"), None)
    speeds = [event["samples_per_s"] for event in events if event["kind"] == "speed" and event["samples_per_s"]]
    epochs = [event for event in events if event["kind"] == "epoch"]
    if data is None or not speeds or not epochs or any(event["kind"] == "resumed" for event in events):
        return None
    one_pass = 2.0 * data["mean_tokens"] * facts["weights"]
    ends = [event["t"] for event in events if event["kind"] == "speed"]
    measured = [epoch["t"] - end for end, epoch in zip(ends, epochs[1:], strict=False) if epoch["t"] > end]
    each = statistics.median(measured) if measured and dev_rows else 0.0
    return Pace(
        training=one_pass * passes * statistics.median(speeds),
        scoring=one_pass * dev_rows / each if each else None,
        start=max(0.0, epochs[0]["t"] - began - each),
        **facts,
    )


def remember(cache: Path, pace: Pace) -> None:
    """Keep what a run reached, beside the newest others of this machine."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = [one.model_dump() for one in [*_all(cache), pace][-KEPT:]]
    write_json(cache / "pace.json", {"machine": hardware.machine(), "runs": kept}, sync=False)


def expected(cache: Path, method: str, device: str, half: bool, weights: int) -> Pace | None:
    """What the next run of a kind may reach: of the same method, else of any with the same base; None: not known."""
    alike = [run for run in _all(cache) if (run.device, run.half, run.weights) == (device, half, weights)]
    newest = ([run for run in alike if run.method == method] or alike)[-NEWEST:]
    if not newest:
        return None
    scoring = [run.scoring for run in newest if run.scoring]
    return Pace(
        method=method,
        device=device,
        half=half,
        weights=weights,
        training=statistics.median(run.training for run in newest),
        scoring=statistics.median(scoring) if scoring else None,
        start=statistics.median(run.start for run in newest),
    )


def _all(cache: Path) -> list[Pace]:
    """Oldest first; none when they were of another machine."""
    known = read_json(cache / "pace.json")
    if not isinstance(known, dict) or known.get("machine") != hardware.machine():
        return []
    return [Pace.model_validate(run) for run in known["runs"]]
