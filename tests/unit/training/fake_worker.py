"""A worker without a model: takes the run over as the real one does, then beats until it is told what to do.

The file ``order`` in the run folder says what: finish, fail, sleep (no heartbeat), vanish. SIGTERM stops it, unless the
file ``stubborn`` is there.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from core.training.run_folder import RunFolder, WorkerStatus


def main() -> int:
    line = sys.stdin.readline()
    if not line:
        return 0
    folder = RunFolder(Path(json.loads(line)["run"]))
    if (folder.path / "crash").exists():
        print("ModuleNotFoundError: no such thing")
        return 1
    stopped = []
    stubborn = (folder.path / "stubborn").exists()
    signal.signal(signal.SIGTERM, lambda *_: None if stubborn else stopped.append(1))
    folder.write_process(os.getpid(), psutil.Process().create_time())
    folder.write_status(WorkerStatus(message="faking"))
    folder.unqueue()
    with (folder.path / "starts").open("a") as file:
        file.write("x")
    while True:
        order = (folder.path / "order").read_text() if (folder.path / "order").exists() else ""
        if stopped:
            folder.write_status(WorkerStatus(state="stopped"))
            return 0
        if order == "finish":
            folder.write_result({"metrics": {"test": {"accuracy": 0.5}}})
            return 0
        if order == "fail":
            folder.write_status(WorkerStatus(state="failed", error="It broke.", hint="Mend it."))
            return 1
        if order != "silent":
            folder.write_status(WorkerStatus(done=3, total=10, message="faking"))
        time.sleep(0.05)


sys.exit(main())
