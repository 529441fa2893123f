"""Worker processes: started apart from the app, told by pid and start time, ended. Knows nothing of queues."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from core.training.hardware import threads_for_training
from core.training.run_folder import RunFolder

SPARE_AFTER = 2.0
"""Seconds after a run, or after one became likely, until a spare worker is started: the pages go first."""
SPARE_SECONDS = 900.0
"""Seconds until it is ended again when no run came: to label a hundred texts takes a person some minutes."""
SPARE_MEMORY = 2 * 2**30
"""Free bytes below which there is none. It holds 180 MB, 80 of them library pages that the app may share."""


class Worker(subprocess.Popen[bytes]):
    """A worker process; it reads from its standard input which run to train."""

    spare = False
    """True when it was started before there was a run for it."""
    given = 0.0
    """When it was told its run, in seconds of the epoch."""

    def take(self, folder: RunFolder, device: str) -> bool:
        """Tell it its run; False when it is gone."""
        self.given = time.time()
        order = json.dumps({"run": str(folder.path), "device": device}) + "\n"
        try:
            if self.stdin is not None:
                with self.stdin:
                    self.stdin.write(order.encode())
        except OSError:  # nobody reads any more
            return False
        return self.poll() is None

    def discard(self) -> None:
        """End it at once; for one that has no run."""
        self.kill()
        self.wait()
        if self.stdin is not None:
            self.stdin.close()


class Workers:
    """Starts workers, and keeps a spare one ready for a while after a run and where one is expected.

    The spare has loaded the libraries of the linear models, which is most of the time that such a run takes on a
    thousand texts. It is there only while nothing trains, and ends with the app, whose end closes its input. Not
    thread-safe.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = tuple(command)
        self.spares = True
        """False when one ended of its own accord: until the app starts again, every worker starts from nothing."""
        self._spare: Worker | None = None
        self._busy_at = -math.inf

    def start(self, folder: RunFolder, device: str) -> Worker:
        """A worker on this run, in a session of its own, so that it outlives the app; its words go to train.log."""
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.take(folder, device):
                return spare
            self.spares = False
            spare.discard()
        with folder.log.open("ab") as log:
            worker = self._new(log.fileno())
        worker.take(folder, device)  # when it is gone already, the runner finds its last words in the log
        return worker

    def expect(self) -> None:
        """A run will be asked for soon."""
        self._busy_at = time.monotonic()

    def tend(self, idle: bool) -> None:
        """Start the spare worker when it is time, and end it when it has waited in vain; to be called now and then."""
        if not idle:
            self.expect()
        waited = time.monotonic() - self._busy_at
        if self._spare is not None:
            if self._spare.poll() is not None:
                self.spares = False
            if not self.spares or waited > SPARE_SECONDS:
                self.close()
        elif idle and self.spares and SPARE_AFTER < waited <= SPARE_SECONDS and _memory_is_free():
            self._spare = self._new(subprocess.DEVNULL, "--spare")
            self._spare.spare = True

    def close(self) -> None:
        """End the spare worker."""
        if self._spare is not None:
            self._spare.discard()
            self._spare = None

    def _new(self, output: int, *arguments: str) -> Worker:
        return Worker(
            [*self.command, *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=worker_environment(),
        )


def _memory_is_free() -> bool:
    return bool(psutil.virtual_memory().available > SPARE_MEMORY)


def live(pid: int, started: float) -> psutil.Process | None:
    """The process with this number and start time (0: any), unless it has ended."""
    try:
        process = psutil.Process(pid)
        # Start times are rounded and move with clock corrections; two seconds cannot hold a reuse of the number.
        same = started == 0.0 or abs(process.create_time() - started) < 2
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def worker_environment() -> dict[str, str]:
    """Environment variables of a worker."""
    threads = str(threads_for_training())
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # Threads that sleep instead of spinning while they wait: on a machine that does other things as well (a
        # person labels) training is two to four times faster, and on an idle one as fast.
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the driver's order, in which the queue counts GPUs; not the fastest first
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::FutureWarning",
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
