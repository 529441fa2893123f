"""Worker processes: started apart from the app, told by pid and start time, ended. Knows nothing of queues."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import psutil

from core.training.hardware import threads_for_training
from core.training.run_folder import RunFolder


def launch(command: Sequence[str], folder: RunFolder, device: str) -> subprocess.Popen[bytes]:
    """Start a worker on a run in a session of its own, so that it outlives the app; its words go to train.log."""
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            [*command, str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=worker_environment(device),
        )


def live(pid: int, started: float) -> psutil.Process | None:
    """The process with this number and start time (0: any), unless it has ended."""
    try:
        process = psutil.Process(pid)
        # Start times are rounded and move with clock corrections; two seconds cannot hold a reuse of the number.
        same = started == 0.0 or abs(process.create_time() - started) < 2
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def worker_environment(device: str) -> dict[str, str]:
    """Environment variables of a worker for ``device``."""
    threads = str(threads_for_training())
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # Threads that sleep instead of spinning while they wait: on a machine that does other things as well (a
        # person labels) training is two to four times faster, and on an idle one as fast.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "WHETSTONE_RUN_DEVICE": device,
    }


def send(process: psutil.Process, name: str) -> None:
    """Send a signal by name where the system has it; the stop mark in the folder serves where it does not."""
    if hasattr(signal, name):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(getattr(signal, name))


def kill_group(process: psutil.Process) -> None:
    """End the worker and everything it started, at once."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
        if hasattr(os, "killpg") and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
