"""Import of 1,000,000 CSV rows (80 characters and a label) as the page does it, in a process of its own."""

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

from tests.bench.figures import Figure
from tests.bench.texts import write_csv

ROWS = 1_000_000
ROUNDS = 3


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
    ]


def _measure_here() -> dict[str, object]:
    """Import the file into ``ROUNDS`` new projects."""
    from core.data.importing import stage
    from core.records import ColumnMapping
    from core.settings import Settings
    from core.workspace import Workspace

    whole, reading = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_csv(path, ROWS)
        with Workspace.open(Path(folder) / "home", Settings(offline=True)) as workspace, _Memory() as memory:
            for number in range(ROUNDS):
                project = workspace.create_project(f"round {number}")
                start = time.perf_counter()
                report = project.import_file(path, label="label")
                whole.append(time.perf_counter() - start)
                if report.added + report.duplicates != ROWS:
                    raise RuntimeError(f"{report.added:,} rows were added")
                workspace.delete_project(project.id)
        for _ in range(ROUNDS):
            with stage(path, ColumnMapping(label="label"), "classification", parent=Path(folder)) as staged:
                reading.append(staged.seconds)
    return {"whole": whole, "reading": reading, "gigabytes": memory.most / 1e9}


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
