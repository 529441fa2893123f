"""The curves of a run in the formats of experiment trackers: ``python -m core.training.trackers``. An export, no more.

Nothing is sent anywhere and no account is needed: every adapter writes files into a folder. It works in a process of
its own, whose environment holds no address or key of a tracker; tracker libraries are never loaded into the app.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.errors import NotFoundError, RefusedError, StorageError
from core.training.run_folder import RunFolder

SECONDS = 180.0
"""Longest time for one export; MLflow takes ten seconds to make its database."""
MOST_AT_ONCE = 1000
"""Figures in one call of MLflow, its own limit."""
LONGEST_FACT = 500
"""Characters of an option in MLflow, its own limit before release 2.9."""


@dataclass(frozen=True)
class Point:
    """Figures of one step."""

    step: int
    at: float
    """Seconds of the epoch."""
    values: dict[str, float]
    """By name, such as train/loss, dev/accuracy, test/macro_f1."""


@dataclass(frozen=True)
class Curves:
    """What a tracker is told of a run."""

    run: str
    project: str
    facts: dict[str, str | int | float | bool]
    """Method, base model, version and options."""
    points: list[Point]
    """In the order of their steps."""


@dataclass(frozen=True)
class Tracker:
    """One tracker: the package that writes its format, and how the written folder is looked at."""

    name: str
    title: str
    package: str
    """Name to import, and to install."""
    look: str
    """The command that shows the folder, with {folder} in it."""
    write: Callable[[Curves, Path], None]


def curves(folder: RunFolder, project: str) -> Curves:
    """Every figure that a run has written so far. Raises RefusedError when there is none yet."""
    config = folder.config()
    found: dict[int, Point] = {}
    step = 0
    for event in folder.events():
        step = int(event.get("step", step))
        if values := dict(_figures(event)):
            before = found[step].values if step in found else {}
            found[step] = Point(step, float(event["t"]), before | values)
    result = folder.result() or {}
    test = {f"test/{name}": value for name, value in _numbers(result.get("metrics", {}).get("test", {}))}
    if test:
        status = folder.status()
        ended = status.ended_at if status is not None else None
        known = found.get(step, Point(step, (ended or config.created_at).timestamp(), {}))
        found[step] = Point(step, known.at, known.values | test)
    if not found:
        raise RefusedError(f"Run {config.id} has no figures yet.", "Export them once it has begun to train.")
    named = {"task": config.task, "method": config.method, "base": config.base, "version": config.version_hash}
    facts = {name: value for name, value in {**named, **config.options}.items() if isinstance(value, str | int | float)}
    return Curves(config.id, project, facts, [found[step] for step in sorted(found)])


def _figures(event: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """(name, value) of the figures of one event."""
    if event.get("kind") in ("step", "epoch", "speed"):
        plain = {name: value for name, value in event.items() if name not in ("t", "step")}
        yield from ((f"train/{name}", value) for name, value in _numbers(plain))
        yield from ((f"dev/{name}", value) for name, value in _numbers(event.get("dev") or {}))


def _numbers(values: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)


# ---------------------------------------------------------------- formats


def _tensorboard(told: Curves, target: Path) -> None:
    sys.modules["torch"] = None  # type: ignore[assignment]  # it would load three seconds of torch for nothing
    from tensorboardX import SummaryWriter

    folder = target / told.run
    shutil.rmtree(folder, ignore_errors=True)  # two event files of one run would be drawn over each other
    with SummaryWriter(str(folder)) as writer:
        writer.add_text("options", "\n\n".join(f"{name}: {value}" for name, value in told.facts.items()))
        for point in told.points:
            for name, value in point.values.items():
                writer.add_scalar(name, value, point.step, walltime=point.at)


def _wandb(told: Curves, target: Path) -> None:
    import wandb

    for old in (target / "wandb").glob(f"offline-run-*-{told.run}"):
        shutil.rmtree(old)
    with wandb.init(
        project=re.sub(r"[/\\#?%:]", "-", told.project),
        name=told.run,
        id=told.run,
        config=dict(told.facts),
        dir=str(target),
        mode="offline",
    ) as run:
        for point in told.points:
            run.log(point.values, step=point.step)


def _mlflow(told: Curves, target: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=f"sqlite:///{(target / 'mlflow.db').as_posix()}")
    known = client.get_experiment_by_name(told.project)
    experiment = known.experiment_id if known else client.create_experiment(told.project, (target / "files").as_uri())
    for old in client.search_runs([experiment], f"attributes.run_name = '{told.run}'"):
        client.delete_run(old.info.run_id)
    begun, ended = (round(point.at * 1000) for point in (told.points[0], told.points[-1]))
    run = client.create_run(experiment, start_time=begun, run_name=told.run).info.run_id
    metrics = [
        Metric(name, value, round(point.at * 1000), point.step)
        for point in told.points
        for name, value in point.values.items()
    ]
    client.log_batch(run, params=[Param(name, str(value)[:LONGEST_FACT]) for name, value in told.facts.items()])
    for first in range(0, len(metrics), MOST_AT_ONCE):
        client.log_batch(run, metrics=metrics[first : first + MOST_AT_ONCE])
    client.set_terminated(run, end_time=ended)


def _trackio(told: Curves, target: Path) -> None:
    import trackio

    if any(target.glob("*.db")):
        for old in [run for run in trackio.Api().runs(told.project) if run.name == told.run]:
            old.delete()
    run = trackio.init(project=told.project, name=told.run, config=dict(told.facts), embed=False)
    for point in told.points:
        run.log(point.values, step=point.step)
    trackio.finish()


_ALL = (
    Tracker("tensorboard", "TensorBoard", "tensorboardX", "tensorboard --logdir {folder}", _tensorboard),
    Tracker("wandb", "Weights & Biases", "wandb", "wandb sync {folder}/wandb/offline-run-*", _wandb),
    Tracker("mlflow", "MLflow", "mlflow", "mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db", _mlflow),
    Tracker("trackio", "Trackio", "trackio", "TRACKIO_DIR={folder} trackio show", _trackio),
)
TRACKERS = {tracker.name: tracker for tracker in _ALL}


# ---------------------------------------------------------------- from the app


def installed(tracker: Tracker) -> bool:
    """Whether the package that writes its format is there; looks without importing it."""
    spec = find_spec(tracker.package)
    return spec is not None and spec.origin is not None  # a folder of that name is no package


def get_tracker(name: str) -> Tracker:
    """A tracker that can be written. Raises NotFoundError, and RefusedError for one that is not installed."""
    if name not in TRACKERS:
        raise NotFoundError(f"There is no tracker '{name}'.", f"Choose one of {', '.join(TRACKERS)}.")
    tracker = TRACKERS[name]
    if not installed(tracker):
        raise RefusedError(
            f"{tracker.title} is not installed beside the studio.", f"Install it with: pip install {tracker.package}"
        )
    return tracker


def export(folder: RunFolder, project: str, name: str, target: Path) -> Path:
    """Write the curves of a run into ``target`` in the format of a tracker; returns ``target``.

    Other runs in there stay; the same one is replaced. Raises NotFoundError or RefusedError for a tracker that cannot
    be written or a run without figures, StorageError when the tracker's library fails.
    """
    tracker = get_tracker(name)
    told = curves(folder, project)
    target.mkdir(parents=True, exist_ok=True)
    order = json.dumps({"tracker": name, "target": str(target.resolve()), "curves": asdict(told)})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "core.training.trackers"],
            input=order, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=SECONDS,
            env=_environment(target), check=False,
        )  # fmt: skip
        failed, said = done.returncode != 0, done.stderr
    except subprocess.TimeoutExpired:
        failed, said = True, f"no answer in {SECONDS:g} seconds"
    if failed:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
        raise StorageError(
            f"{tracker.title} could not write the curves: {last[:300]}", "Export them to TensorBoard instead."
        )
    return target


def _environment(target: Path) -> dict[str, str]:
    """Variables of the process that writes: nothing of a tracker's account or server, and its own folders in ours."""
    ours = ("WANDB_", "MLFLOW_", "TRACKIO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_DISABLE_CODE": "true",
        "WANDB_X_DISABLE_STATS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TRACKIO_DIR": str(target.resolve()),
        "DO_NOT_TRACK": "true",
        "PYTHONUTF8": "1",
    }


def main() -> None:
    """Write what standard input tells."""
    order = json.load(sys.stdin)
    told = order["curves"]
    points = [Point(**point) for point in told.pop("points")]
    TRACKERS[order["tracker"]].write(Curves(**told, points=points), Path(order["target"]))


if __name__ == "__main__":
    main()
