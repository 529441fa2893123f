from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.training import processes
from core.training.processes import Workers
from core.training.run_folder import RunFolder

FAKE = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
REAL = (sys.executable, "-m", "core.training.worker")
PARENT = """
import json, sys, time
from pathlib import Path
from core.training import processes
from core.training.run_folder import RunFolder
processes.SPARE_AFTER = 0.0
workers = processes.Workers(json.loads(sys.argv[1]))
workers.tend(idle=False)
workers.tend(idle=True)
print(workers._spare.pid, flush=True)
if len(sys.argv) > 2:
    workers.start(RunFolder(Path(sys.argv[2])), "cpu")
    print("handed over", flush=True)
time.sleep(60)
"""


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.setattr(processes, "SPARE_AFTER", 0.0)
    made = Workers(FAKE)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    (path / "order").write_text("finish")
    return RunFolder(path)


def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ready(workers: Workers) -> int:
    """After a run: the number of the spare worker."""
    workers.tend(idle=False)
    workers.tend(idle=True)
    assert workers._spare is not None
    return workers._spare.pid


def test_there_is_no_spare_before_the_first_run_nor_while_one_trains(workers):
    workers.tend(idle=True)
    assert workers._spare is None
    workers.tend(idle=False)
    assert workers._spare is None
    workers.tend(idle=True)
    assert workers._spare is not None and workers._spare.spare


def test_there_is_a_spare_where_a_run_is_expected(workers):
    workers.expect()
    workers.tend(idle=True)
    assert workers._spare is not None


def test_a_spare_gets_the_next_run_and_the_one_after_starts_from_nothing(workers, folder):
    pid = ready(workers)
    first = workers.start(folder, "cpu")
    assert first.pid == pid and first.spare and first.wait(15) == 0
    assert folder.process()[0] == pid and folder.result()
    second = workers.start(folder, "cpu")
    assert not second.spare and second.pid != pid and second.wait(15) == 0


def test_a_spare_that_waited_in_vain_is_ended(workers, monkeypatch):
    pid = ready(workers)
    workers.tend(idle=True)
    assert not gone(pid)
    monkeypatch.setattr(processes, "SPARE_SECONDS", 0.01)
    time.sleep(0.02)
    workers.tend(idle=True)
    assert gone(pid) and workers._spare is None
    workers.tend(idle=True)
    assert workers._spare is None


def test_there_is_no_spare_when_memory_is_short(workers, monkeypatch):
    monkeypatch.setattr(processes, "SPARE_MEMORY", 2**60)
    workers.tend(idle=False)
    workers.tend(idle=True)
    assert workers._spare is None


def test_close_ends_the_spare_but_no_run(workers, folder):
    (folder.path / "order").unlink()
    ready(workers)
    worker = workers.start(folder, "cpu")
    pid = ready(workers)
    workers.close()
    assert gone(pid) and worker.poll() is None
    (folder.path / "order").write_text("finish")
    assert worker.wait(15) == 0


def test_a_run_is_started_from_nothing_when_the_spare_has_died(workers, folder):
    pid = ready(workers)
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))
    worker = workers.start(folder, "cpu")
    assert not worker.spare and worker.wait(15) == 0 and folder.result()


def test_a_spare_that_died_of_its_own_accord_is_not_replaced(workers):
    pid = ready(workers)
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))
    for _ in range(3):
        workers.tend(idle=True)
    assert workers._spare is None and not workers.spares


def test_a_worker_has_a_session_of_its_own_and_speaks_into_the_log(folder):
    worker = Workers((sys.executable, "-c", "print('hello'); input(); raise SystemExit('no luck')")).start(folder, "")
    assert os.getsid(worker.pid) == worker.pid
    assert worker.wait(15) == 1 and folder.log_tail() == ["hello", "no luck"]


@pytest.fixture
def parent() -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts an app that keeps a spare worker; (app, number of the spare)."""
    made = []

    def start(command: tuple[str, ...], *run: str) -> tuple[subprocess.Popen[str], int]:
        arguments = [sys.executable, "-c", PARENT, json.dumps(command), *run]
        app = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        made.append(app)
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        if run:
            app.stdout.readline()
        return app, pid

    yield start
    for app in made:
        app.kill()
        app.communicate()


@pytest.mark.parametrize("moment", [0.0, 2.5], ids=["while it loads", "while it waits"])
def test_the_spare_does_not_outlive_a_killed_app(parent, moment):
    app, pid = parent(REAL)
    time.sleep(moment)
    assert not gone(pid)
    app.kill()
    app.wait()
    until(lambda: gone(pid))


def test_a_run_that_a_spare_took_over_outlives_a_killed_app(parent, folder):
    (folder.path / "order").unlink()
    app, pid = parent(FAKE, str(folder.path))
    until(folder.process)
    app.kill()
    app.wait()
    time.sleep(0.3)
    assert folder.process()[0] == pid and not gone(pid)
    (folder.path / "order").write_text("finish")
    until(folder.result)
    until(lambda: gone(pid))
