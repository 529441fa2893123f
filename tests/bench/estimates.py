"""Estimates beside what runs took: a fresh workspace, some tasks and methods, each trained twice.

The first run of a kind is estimated from what can be counted, the second from what the first one taught. Other work on
the machine moves the figures: measure on an idle one.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.project import Project, Version
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure

TOLERATED = 25.0
"""Per cent."""
WORDS = (
    "the a my your order parcel money card account app letter box office help late early wrong broken new old blue red "
    "please thanks when where how why is was has can will not yet again always never refund return change cancel send "
    "find open close pay charge twice today week month street house phone mail number name price size colour"
)
TASKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "classification": [
        ("baseline", {}),
        ("features", {}),
        ("hybrid", {}),
        ("full", {"epochs": 3}),
        ("lora", {"epochs": 3}),
        ("full", {"epochs": 2, "processes": 2}),
        ("few_shot", {"pairs": 1}),
        ("ensemble", {}),
    ],
    "tagging": [("baseline", {}), ("features", {}), ("full", {"epochs": 2})],
    "pair": [("features", {}), ("bi_encoder", {"epochs": 2}), ("cross_encoder", {"epochs": 1})],
    "question_answering": [("full", {"epochs": 1})],
}


def measure() -> Iterator[Figure]:
    """Per cent by which each estimate was off, as its run ends."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with Workspace.open(home, Settings(home=home, offline=True, device="cpu")) as workspace:
            for task, methods in TASKS.items():
                project, version = made(workspace, task)
                for method, options in methods:
                    for seed, word in enumerate(("first run", "second run")):
                        yield from compared(project, version, method, {**options, "seed": seed}, word)


def compared(project: Project, version: Version, method: str, options: dict[str, Any], word: str) -> Iterator[Figure]:
    """Time and memory of one run beside what was told before."""
    if "epochs" in options:
        options["patience"] = 0
    told = project.estimate(version, method, **options)
    run = project.train(version, method, **options).wait()
    result = run.result
    if told is None or result is None:
        raise SystemExit(f"{method} for {project.task.name}: {run.state}: {run.error}")
    name = f"{method} for {project.task.name}, {options.get('processes', 1)} process(es), {word}"
    for what, expected, got, unit in (
        ("time", told.seconds, result["seconds"], "s"),
        ("memory", told.memory_bytes / 2**30, result["peak_memory_bytes"] / 2**30, "GiB"),
    ):
        off = 100 * (expected / got - 1)
        note = f"told {expected:.3g}, was {got:.3g} {unit}"
        yield Figure(
            f"estimated {what}, {name}",
            f"within {TOLERATED:.0f} %",
            off,
            "%",
            low=-TOLERATED,
            high=TOLERATED,
            note=note,
        )


def made(workspace: Workspace, task: str) -> tuple[Project, Version]:
    """A project with texts made of words, the same every time, and a version of it."""
    pick = random.Random(7)

    def text(shortest: int, longest: int) -> str:
        return " ".join(pick.choices(WORDS.split(), k=pick.randint(shortest, longest)))

    labels = ["refund", "delivery", "card", "account"] if task in ("classification", "tagging") else []
    project = workspace.create_project(task, task=task, labels=labels)
    if task == "classification":
        rows = [{"text": one, "label": labels[len(one) % 4]} for one in (text(5, 25) for _ in range(1500))]
    elif task == "tagging":  # some are longer than a window
        rows = [{"text": one, "label": _span(one, labels[len(one) % 4])} for one in (text(20, 300) for _ in range(250))]
    elif task == "pair":
        rows = [{"text": text(6, 20), "text_b": text(6, 20), "label": "match"} for _ in range(600)]
    else:
        texts = [text(60, 500) for _ in range(120)]
        rows = [{"text": one, "text_b": f"what is {one.split()[3]}?", "label": one.split()[3]} for one in texts]
    project.add_items(rows)
    return project, project.freeze(test=0.2, dev=0.15, seed=0)


def _span(text: str, label: str) -> str:
    """The fourth word."""
    start = len(" ".join(text.split()[:3])) + 1
    return json.dumps([[start, start + len(text.split()[3]), label]])
