"""Import of 1,000,000 CSV rows (80 characters and a label) as the page does it, in a process of its own; and what the
people who label meanwhile notice of it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from core.project import Project
from tests.bench.figures import Figure
from tests.bench.texts import write_csv

ROWS = 1_000_000
ROUNDS = 3
PEOPLE = ("another project", "the same project")
"""Where people label while the import runs."""


def measure() -> list[Figure]:
    """Rows a second of the whole path and of its reading part, and the most memory of the importing process."""
    command = [sys.executable, "-m", "tests.bench.importing"]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    whole, reading = (ROWS / statistics.median(seen[name]) for name in ("whole", "reading"))
    spread = f"rounds: {', '.join(f'{ROWS / seconds:,.0f}' for seconds in seen['whole'])}"
    return [
        Figure("import of 1,000,000 CSV rows", ">= 100,000 rows/s", whole, "rows/s", low=100_000, note=spread),
        Figure("of it: reading and checking", "", reading, "rows/s"),
        Figure("importing process: most memory", "<= 1.5 GB", seen["gigabytes"], "GB", high=1.5),
        *(_waiting(name, seen[name]) for name in PEOPLE),
        Figure("add one item, 1,000,000 in the project", "<= 20 ms", statistics.median(seen["added"]), "ms", high=20),
    ]


def _waiting(name: str, times: list[float]) -> Figure:
    times = sorted(times)
    p95 = times[int(len(times) * 0.95)]
    return Figure(f"save + next during the import, {name}: longest", "<= 500 ms", times[-1], "ms", high=500,
                  note=f"p95 {p95:.0f} ms, {len(times)} answers")  # fmt: skip


def _measure_here() -> dict[str, object]:
    """Import the file into ``ROUNDS`` new projects, while two people label."""
    from core.data.importing import stage
    from core.records import ColumnMapping
    from core.settings import Settings
    from core.workspace import Workspace

    whole, reading, added = list[float](), list[float](), list[float]()
    waits: dict[str, list[float]] = {name: [] for name in PEOPLE}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_csv(path, ROWS)
        few = Path(folder) / "few.csv"
        write_csv(few, 10_000, labelled=1_000, seed=1)
        with Workspace.open(Path(folder) / "home", Settings(offline=True)) as workspace, _Memory() as memory:
            other = workspace.create_project("other")
            other.import_file(few, label="label")
            for number in range(ROUNDS):
                project = workspace.create_project(f"round {number}")
                project.import_file(few, label="label")
                people = [_Person(p, waits[name]) for p, name in zip((other, project), PEOPLE, strict=True)]
                start = time.perf_counter()
                report = project.import_file(path, label="label")
                whole.append(time.perf_counter() - start)
                for person in people:
                    person.stop()
                if report.added + report.duplicates != ROWS:
                    raise RuntimeError(f"{report.added:,} rows were added")
                if number == ROUNDS - 1:
                    added = _add_one_by_one(project)
                workspace.delete_project(project.id)
        for _ in range(ROUNDS):
            with stage(path, ColumnMapping(label="label"), "classification", parent=Path(folder)) as staged:
                reading.append(staged.seconds)
    return {"whole": whole, "reading": reading, "gigabytes": memory.most / 1e9, "added": added, **waits}


def _add_one_by_one(project: Project) -> list[float]:
    """Milliseconds of single additions, as feedback makes them."""
    taken = []
    for number in range(30):
        start = time.perf_counter()
        project.add_items([{"text": f"that was wrong {number}"}], source="feedback: bench")
        taken.append((time.perf_counter() - start) * 1000)
    return taken


class _Person(threading.Thread):
    """Labels twenty items a second and notes how long each answer took, the next item in hand."""

    def __init__(self, project: Project, times: list[float]) -> None:
        super().__init__(daemon=True)
        self._project, self._times = project, times
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        label = self._project.labels[0].name
        item = self._project.next_item("ann")
        while item is not None and not self._ended.wait(0.05):
            start = time.perf_counter()
            self._project.label(item.id, label, user="ann")
            item = self._project.next_item("ann")
            self._times.append((time.perf_counter() - start) * 1000)

    def stop(self) -> None:
        """Finish the answer that is being given."""
        self._ended.set()
        self.join()


class _Memory(threading.Thread):
    """Watches the resident memory of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self._ended = threading.Event()

    def run(self) -> None:
        process = psutil.Process()
        while not self._ended.wait(0.02):
            self.most = max(self.most, process.memory_info().rss)

    def __enter__(self) -> _Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


if __name__ == "__main__":
    print(json.dumps(_measure_here()))
