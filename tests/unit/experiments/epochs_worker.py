"""A worker that learns nothing: three epochs with a dev figure, then its result. From the sixth run on the figure is
hopeless, and the run goes on until it is stopped."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from core.training.run_folder import RunFolder, WorkerStatus

GOOD = 5


def main() -> int:
    line = sys.stdin.readline()
    if not line:
        return 0
    folder = RunFolder(Path(json.loads(line)["run"]))
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    folder.write_process(os.getpid(), psutil.Process().create_time())
    folder.write_status(WorkerStatus(message="learning", seconds=1.0))
    folder.unqueue()
    good = len(list(folder.path.parent.glob("*/config.json"))) <= GOOD
    folder.mend_events()
    for epoch in (1, 2, 3):
        folder.append_event({"kind": "epoch", "epoch": epoch, "step": epoch, "dev": {"accuracy": 0.8 if good else 0.1}})
    while not good:
        folder.write_status(WorkerStatus(state="stopped") if stopped else WorkerStatus(done=3, total=9))
        if stopped:
            return 0
        time.sleep(0.05)
    folder.write_result({"metrics": {"dev": {"accuracy": 0.8}, "test": {"accuracy": 0.8}}, "seconds": 1.0})
    return 0


sys.exit(main())
