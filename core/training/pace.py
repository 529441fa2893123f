"""How what runs of this machine took compares with what could be counted before: it corrects the next estimate.

A run is told apart into its epochs, the reading of dev and test before and after them, and the rest, which does not
grow with the data. Knows no torch, so that the app may ask.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from core.durable import read_json, write_json
from core.methods.base import Estimate, Work
from core.methods.encoders import encoder_weights
from core.methods.neural_options import LoopOptions
from core.records import Record
from core.training import hardware

FILE = "pace.json"
FORMAT = 2
"""Of that file; what was kept in another one is forgotten."""
REFERENCE = 1e11
"""Operations a second of the machine that estimates to compare with are made for."""
KEPT = 100
"""Runs that are remembered."""
NEWEST = 3
"""Runs of a kind whose median counts: what else the machine does changes by the day."""
LEAST_START = 1.0
"""Seconds; no run starts and ends in less."""


class Kind(Record):
    """What makes runs comparable."""

    task: str
    method: str
    device: str = Field(description="cpu, cuda or mps.")
    processes: int = 1
    half: bool = Field(description="It computed in 16 bits.")
    weights: int = Field(description="Weights of the base model without its embeddings.")


class Pace(Record):
    """What one run took, as factors on what could be counted for a machine of the ``REFERENCE`` speed."""

    kind: Kind
    training: float
    scoring: float
    start: float = Field(description="Seconds that do not grow with the data.")
    memory: float


def kind_of(work: Work, method: str, options: LoopOptions, base: Path | None) -> Kind:
    """To which runs one compares."""
    return Kind(
        task=work.task,
        method=method,
        device=work.devices[0].partition(":")[0],
        processes=len(work.devices),
        half=options.half_precision and work.half,
        weights=encoder_weights(base)[1],
    )


def of_run(events: Sequence[dict[str, Any]], seconds: float, memory: int, counted: Estimate, kind: Kind) -> Pace | None:
    """What a run took, from its events; None for one that was resumed, had no whole epoch or says what cannot be.

    ``seconds`` and ``memory`` (bytes) are those of the whole run, ``counted`` the estimate of the epochs it had, for
    the ``REFERENCE`` speed.
    """
    epochs = [event["t"] for event in events if event["kind"] == "epoch"]
    if len(epochs) < 2 or not counted.training or any(event["kind"] == "resumed" for event in events):
        return None
    training = epochs[-1] - epochs[0]
    if not 0 < training <= seconds:  # the clock was set meanwhile: events have the time of day
        return None
    rest = max(LEAST_START, seconds - training)
    factor = training / counted.training
    usual = counted.seconds - counted.training - counted.scoring
    # The larger of the two parts of what is left is what is learned about; the other is taken as it was expected.
    scoring = factor
    if counted.scoring * factor > usual and rest > 2 * LEAST_START:
        scoring = max(LEAST_START, rest - min(usual, rest / 2)) / counted.scoring
    return Pace(
        kind=kind,
        training=factor,
        scoring=scoring,
        start=max(LEAST_START, rest - scoring * counted.scoring),
        memory=memory / counted.memory_bytes,
    )


def remember(cache: Path, pace: Pace) -> None:
    """Keep what a run took, beside the newest others of this machine."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = [one.model_dump() for one in [*_all(cache), pace][-KEPT:]]
    write_json(cache / FILE, {"machine": hardware.machine(), "format": FORMAT, "runs": kept}, sync=False)


def expected(cache: Path, kind: Kind) -> Pace | None:
    """What the next run of a kind may take: as others of its task and method, of its method, or of its base; None
    where none is known."""
    every = _all(cache)
    for same in (("task", "method"), ("method",), ("task",), ()):
        fields = {*same, "device", "processes", "half", "weights"}
        alike = [run for run in every if run.kind.model_dump(include=fields) == kind.model_dump(include=fields)]
        if alike:
            return _middle(alike[-NEWEST:], kind)
    return None


def corrected(counted: Estimate, pace: Pace) -> Estimate:
    """The estimate for the ``REFERENCE`` speed as runs of this machine teach."""
    training, scoring = counted.training * pace.training, counted.scoring * pace.scoring
    return replace(
        counted,
        seconds=pace.start + training + scoring,
        training=training,
        scoring=scoring,
        memory_bytes=int(counted.memory_bytes * pace.memory),
    )


def revision(cache: Path) -> float:
    """Changes when another run is remembered, the machine was measured, or embeddings were added."""
    files = [cache / FILE, cache / hardware.FILE, *(cache / "embeddings").glob("*")]
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def _middle(runs: Sequence[Pace], kind: Kind) -> Pace:
    fields = ("training", "scoring", "start", "memory")
    return Pace(kind=kind, **{name: statistics.median(getattr(run, name) for run in runs) for name in fields})


def _all(cache: Path) -> list[Pace]:
    """Oldest first; none when they were of another machine."""
    known = read_json(cache / FILE)
    if not isinstance(known, dict) or (known.get("machine"), known.get("format")) != (hardware.machine(), FORMAT):
        return []
    try:
        return [Pace.model_validate(run) for run in known["runs"]]
    except (KeyError, TypeError, ValidationError):  # damaged: it is learned anew
        return []
