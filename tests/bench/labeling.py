"""Save a label and fetch the next item: 1,000,000 items with 100,000 labels beside 10,000 items with 1,000."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from core.project import Project
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure
from tests.bench.texts import write_csv

SIZES = (10_000, 1_000_000)
ROUNDS = 6
PRESSES = 50


def measure() -> list[Figure]:
    """Rounds of key presses on the small and the large project in turn."""
    with tempfile.TemporaryDirectory() as folder, Workspace.open(Path(folder) / "home", Settings()) as workspace:
        projects = [_project(workspace, size, Path(folder)) for size in SIZES]
        times: dict[int, list[float]] = {size: [] for size in SIZES}
        ratios = []
        for _ in range(ROUNDS):
            medians = []
            for size, project in zip(SIZES, projects, strict=True):
                pressed = _press(project, PRESSES)
                times[size] += pressed
                medians.append(statistics.median(pressed))
            ratios.append(medians[1] / medians[0])
    large = sorted(times[SIZES[1]])
    return [
        Figure("save + next, 1,000,000 items: median", "<= 15 ms", statistics.median(large), "ms", high=15),
        Figure("save + next, 1,000,000 items: p95", "<= 40 ms", large[int(len(large) * 0.95)], "ms", high=40),
        Figure("save + next, 1,000,000 over 10,000 items", "<= 1.5 x", statistics.median(ratios), "x", high=1.5),
    ]


def _project(workspace: Workspace, size: int, folder: Path) -> Project:
    project = workspace.create_project(f"{size} items")
    path = folder / f"{size}.csv"
    write_csv(path, size, labelled=size // 10)
    project.import_file(path, label="label")
    project.next_item("ann")
    return project


def _press(project: Project, presses: int) -> list[float]:
    """Milliseconds from the press to the next item in hand."""
    label = project.labels[0].name
    item = project.next_item("ann")
    taken = []
    for _ in range(presses):
        if item is None:
            break
        start = time.perf_counter()
        project.label(item.id, label, user="ann")
        item = project.next_item("ann")
        taken.append((time.perf_counter() - start) * 1000)
    return taken
