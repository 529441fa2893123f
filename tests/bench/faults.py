"""kill -9 of the app at random moments while labels are written and a run trains; then the books are checked.

The victim is a real process that holds the workspace, labels as fast as it can and writes down each label that was
acknowledged. Every third round the training worker is killed too.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from core.project import Project
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure

ROUNDS = 50
VICTIM = """
import os, sys
from core.settings import Settings
from core.workspace import Workspace
workspace = Workspace.open(sys.argv[1], Settings(offline=True))
project = workspace.projects()[0]
names = [label.name for label in project.labels]
acknowledged = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for run in project.runs():
    if run.state in ("interrupted", "failed", "stopped"):
        run.resume()
while True:
    for item_id in project.item_ids():
        event = project.label(item_id, names[item_id % len(names)], user="victim")
        os.write(acknowledged, f"{event.id}\\n".encode())
"""


def measure(rounds: int = ROUNDS) -> list[Figure]:
    """Kill, reopen and check, ``rounds`` times; a ghost is a run that claims to work and has no process."""
    pick = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        home, book = Path(folder) / "home", Path(folder) / "acknowledged"
        _prepare(home)
        lost = ghosts = stuck = 0
        for number in range(rounds):
            _kill_while_working(home, book, pick, kill_worker=number % 3 == 2)
            with Workspace.open(home, Settings(offline=True)) as workspace:
                project = workspace.projects()[0]
                written = {int(line) for line in book.read_text().split()} if book.exists() else set()
                lost += len(written - _event_ids(project))
                for run in project.runs():
                    status = run.status
                    ghosts += status.state in ("running", "stalled") and not psutil.pid_exists(status.pid or -1)
                    stuck += not (status.active or status.resumable or status.state == "finished")
        with Workspace.open(home, Settings(offline=True)) as workspace:
            for run in workspace.runs():
                while run.state != "finished":
                    if run.status.resumable:
                        run.resume()
                    run.wait(600)
        return [
            Figure(f"kill -9, {rounds} times: acknowledged labels lost", "0", lost, high=0, note=f"of {len(written)}"),
            Figure("ghost runs", "0", ghosts, high=0),
            Figure("runs that were neither finished nor resumable", "0", stuck, high=0, note="all finished at the end"),
        ]


def _prepare(home: Path) -> None:
    from tests.bench.tiny import save_tiny_bert, toy_texts

    save_tiny_bert(home / "bases" / "tiny")
    with Workspace.open(home, Settings(offline=True)) as workspace:
        project = workspace.create_project("Victim")
        project.add_items([{"text": f"{text} {i}", "label": label} for i, (text, label) in enumerate(toy_texts(2000))])
        version = project.freeze()
        project.train(version, "full", base="local:tiny", epochs=60, checkpoint_seconds=1.0, patience=0)


def _kill_while_working(home: Path, book: Path, pick: random.Random, kill_worker: bool) -> None:
    before = book.stat().st_size if book.exists() else 0
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(home), str(book)])
    deadline = time.monotonic() + 60
    while (book.stat().st_size if book.exists() else 0) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(pick.uniform(0, 1.5))
    if kill_worker:
        for path in (home / "runs").glob("*/process.json"):
            with suppress(psutil.Error):
                worker = psutil.Process(json.loads(path.read_text())["pid"])
                if "core.training.worker" in " ".join(worker.cmdline()):
                    worker.kill()
    victim.kill()
    victim.wait()


def _event_ids(project: Project) -> set[int]:
    rows = project.workspace.database.read("SELECT id FROM label_events WHERE project_id = ?", [project.id])
    return {event_id for (event_id,) in rows}
