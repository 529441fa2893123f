"""Scores with the default options, through the workspace as a user trains: three seeds, mean and spread.

Hours in all: ``WHETSTONE_BENCH_DATA=... python -m tests.bench scores``, or piece by piece, ``python -m
tests.bench.scores --only banking77 --seeds 0``. Every finished run is one line of a file (``--results``, by default
bench-results/scores.jsonl); what is in it already is not trained again, so that it can be stopped and taken up at any
time. ``--table`` only prints what is known. Figures are of the test split; twitter_financial_news has none, there
dev.jsonl serves as test and a tenth of train as dev. What a language model learns is measured with the base in
``WHETSTONE_BENCH_WRITER``, a folder with a chat template.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.samples import FOLDER as SAMPLES
from core.project import Project, Version
from core.run import Run
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure
from tests.bench.sooner import DATA

RESULTS = Path("bench-results") / "scores.jsonl"
SEEDS = (0, 1, 2)
Rows = list[dict[str, Any]]
OWN = "instructions.csv"
"""The sample instructions of this project, split by the seed; the base is the folder that ``WRITER`` names."""
WRITER = "WHETSTONE_BENCH_WRITER"


@dataclass(frozen=True)
class Goal:
    """One line of the table."""

    name: str
    """What ``--only`` names: a data set, or this name."""
    data: str
    method: str
    reach: dict[str, float]
    """Lowest value by figure, in percent; of the mean over the seeds."""
    task: str = "classification"
    per_class: int | None = None
    """Training rows a class, drawn by the seed; None takes all."""
    rest: bool = False
    """The rows that were not drawn are imported as well, without their labels."""
    options: dict[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    """Methods that are trained before, for an ensemble."""

    @property
    def key(self) -> str:
        """What a line of the results file belongs to."""
        return f"{self.name} {self.method}"


GOALS = (
    # First what trains others on its way: they are known then.
    Goal("banking77", "banking77", "ensemble", {"accuracy": 94.3}, members=("baseline", "features", "hybrid", "full")),
    Goal("banking77", "banking77", "full", {"accuracy": 93.0}),
    Goal("banking77", "banking77", "lora", {"accuracy": 92.0}),
    Goal("banking77", "banking77", "hybrid", {"accuracy": 93.5}),
    Goal("banking77-few-rest", "banking77", "few_shot", {"accuracy": 88.0}, per_class=10, rest=True),
    Goal("banking77-few", "banking77", "few_shot", {"accuracy": 88.0}, per_class=10),
    Goal("banking77-few", "banking77", "features", {"accuracy": 88.0}, per_class=10),
    Goal("clinc150", "clinc150", "full", {"accuracy": 95.5}),
    Goal("twitter", "twitter_financial_news", "full", {"accuracy": 86.0, "macro_f1": 82.0}),
    Goal("wnut17", "wnut17", "full", {"entity_f1": 40.0}, task="tagging"),
    Goal("snips-slots", "snips", "full", {"entity_f1": 93.0}, task="tagging"),
    Goal("snips-intents", "snips", "full", {"accuracy": 98.0}),
    Goal("instructions", OWN, "lora", {"perplexity_drop": 30.0}, task="generation"),
)


def measure(
    only: Sequence[str] = (), seeds: Sequence[int] = SEEDS, results: Path = RESULTS, rows: int | None = None
) -> Iterator[Figure]:
    """Train what is missing and give a figure for each goal; without data a message. ``rows`` cuts every split."""
    folder = Path(os.environ.get(DATA, ""))
    for goal in GOALS:
        if only and not {goal.name, goal.data, goal.method} & set(only):
            continue
        if goal.data == OWN:
            if not os.environ.get(WRITER):
                print(f"{goal.key}: skipped, {WRITER} names no folder of a causal language model")
                continue
        elif not os.environ.get(DATA) or not (folder / goal.data / "train.jsonl").is_file():
            print(f"{goal.key}: skipped, {DATA} names no folder with {goal.data}")
            continue
        for seed in seeds:
            if not is_known(goal, seed, results):
                for found in train(goal, folder / goal.data, seed, rows):
                    keep(results, found)
        yield from figures(goal, known(results))


def is_known(goal: Goal, seed: int, results: Path) -> bool:
    """Whether this was measured so far."""
    return any((one["key"], one["seed"]) == (goal.key, seed) for one in known(results))


def known(results: Path) -> Rows:
    """What was measured so far, the newest of each goal and seed."""
    if not results.is_file():
        return []
    found = [json.loads(line) for line in results.read_text(encoding="utf-8").split("\n") if line.strip()]
    return list({(one["key"], one["seed"]): one for one in found}.values())


def keep(results: Path, found: dict[str, Any]) -> None:
    """Add one line, at once on the disk."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
        file.flush()
        os.fsync(file.fileno())


def figures(goal: Goal, measured: Rows) -> Iterator[Figure]:
    """Mean and spread over the seeds that are there."""
    own = [one for one in measured if one["key"] == goal.key]
    for name, low in goal.reach.items():
        values = [100 * one["figures"][name] for one in own]
        if not values:
            continue
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        said = ", ".join(f"{value:.2f} (seed {one['seed']})" for value, one in zip(values, own, strict=True))
        seconds = statistics.mean(one["seconds"] for one in own)
        note = f"± {spread:.2f} over {len(values)}: {said}; {seconds:.0f} s a run"
        yield Figure(f"{goal.key}, {name}", f">= {low:g} %", statistics.mean(values), "%", low=low, note=note)


def train(goal: Goal, folder: Path, seed: int, rows: int | None = None) -> Iterator[dict[str, Any]]:
    """One run as a user starts it, from the file to the report; a line of the results file.

    Members of an ensemble that are goals themselves give a line each: nobody trains them twice.
    """
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        with Workspace.open(home, Settings(home=home, device="cpu", offline=True)) as workspace:
            project = workspace.create_project(goal.name, task=goal.task)
            base = None
            if goal.data == OWN:
                project.import_file(SAMPLES / OWN, text="prompt", label="response")
                (home / "bases").mkdir(exist_ok=True)
                (home / "bases" / "writer").symlink_to(Path(os.environ[WRITER]).resolve())
                base = "local:writer"
                version = project.freeze(test=0.2, dev=0.1, seed=seed)
            else:
                bring(project, goal, splits(goal, folder, seed, rows), Path(temporary) / "rows.jsonl")
                # Whoever has ten texts a class has none to hold back.
                version = project.freeze(split="imported", dev=0.0 if goal.per_class else 0.1, seed=0)
            runs = []
            for name in (*goal.members, goal.method):
                own = goal if name == goal.method else next((one for one in GOALS if _member(one, name, goal)), None)
                run = project.train(version, method=name, base=base, seed=seed, **(own.options if own else {})).wait()
                if run.model is None:
                    raise SystemExit(f"{goal.key}, seed {seed}: {name} {run.state}: {run.error}")
                if own is not None:
                    yield _line(own, seed, run, version)
                runs.append(run.id)
            for other in project.runs():  # its baseline and the base before tuning are nobody's business here
                if other.id not in runs:
                    other.stop()
                    other.wait()


def _member(goal: Goal, method: str, of: Goal) -> bool:
    """Whether this is the goal of a member of an ensemble."""
    return (goal.name, goal.method) == (of.name, method)


def _line(goal: Goal, seed: int, run: Run, version: Version) -> dict[str, Any]:
    """What was reached, as the results file keeps it."""
    assert run.model is not None and run.result is not None
    report = run.model.evaluate(beside=goal.task == "generation")
    return {
        "key": goal.key,
        "seed": seed,
        "figures": {name: figure(report, name) for name in goal.reach},
        "seconds": run.result["seconds"],
        "rows": {split: version.rows(split) for split in ("train", "dev", "test")},
        "options": run.options,
        "at": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }


def figure(report: Any, name: str) -> float:
    """One figure of a report by its name, 0 to 1."""
    if name == "perplexity_drop":  # against the same base before tuning
        return 1 - float(report.wording.perplexity) / float(report.before.wording.perplexity)
    return float(getattr(report, name) if hasattr(report, name) else report.figures[name])


def splits(goal: Goal, folder: Path, seed: int, rows: int | None) -> Rows:
    """All rows of a data set with their split in the column ``part``."""
    names = {"train": "train", "dev": "dev", "test": "test"}
    if not (folder / "test.jsonl").is_file():
        names = {"train": "train", "dev": "test"}
    found: Rows = []
    for name, part in names.items():
        path = folder / f"{name}.jsonl"
        if path.is_file():
            some = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()][:rows]
            if part == "train" and goal.per_class is not None:
                some = drawn(some, goal.per_class, seed, goal.rest)
            found += [{**row, "part": part} for row in some]
    return found


def drawn(rows: Rows, count: int, seed: int, rest: bool = False) -> Rows:
    """``count`` rows of each label, and those that remain without one if ``rest``."""
    by_label: dict[str, Rows] = {}
    for row in random.Random(seed).sample(rows, len(rows)):
        by_label.setdefault(row["label"], []).append(row)
    kept = [row for own in by_label.values() for row in own[:count]]
    return kept + [{**row, "label": None} for own in by_label.values() for row in own[count:] if rest]


def bring(project: Project, goal: Goal, rows: Rows, path: Path) -> None:
    """Import the rows from a file."""
    wanted = ("tokens", "tags", "part") if goal.task == "tagging" else ("text", "label", "part")
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({name: row[name] for name in wanted}, ensure_ascii=False) + "\n")
    if goal.task == "tagging":
        project.import_file(path, text="tokens", label="tags", split="part", on_duplicate="keep")
    else:
        project.import_file(path, text="text", label="label", split="part", on_duplicate="keep")


def main(words: list[str]) -> int:
    """Train what is asked for, or only print the table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--only", nargs="*", default=[])
    asked.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    asked.add_argument("--results", type=Path, default=RESULTS)
    asked.add_argument("--rows", type=int)
    asked.add_argument("--table", action="store_true")
    settings = asked.parse_args(words)
    if settings.table:
        for goal in GOALS:
            for row in figures(goal, known(settings.results)):
                print(row.row())
        return 0
    for row in measure(settings.only, settings.seeds, settings.results, settings.rows):
        print(row.row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
