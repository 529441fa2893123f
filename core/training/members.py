"""The other processes of a training that several share: started by the worker, watched by it, gone with it.

The worker is the first of them and the only one that writes into the run folder. Each of the others is ``python -m
core.training.members RUN_DIR RANK SIZE DEVICE MEETING``: it does what the worker does up to the end of the loop, and
leaves. It ends when its standard input does, which the system closes with the worker, also on kill -9. torchrun would
load torch in one process more, and answers SIGTERM, which here means "save and stop", by ending everyone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import StudioError, TrainingError
from core.methods import get_method
from core.methods.base import Stopped
from core.training.hardware import threads_for_training
from core.training.run_folder import RunConfig, RunFolder

GRACE = 10.0
"""Seconds in which the worker should notice by itself that one of the others is gone; then it is told."""


class Members:
    """The other processes of one run."""

    COMMAND = (sys.executable, "-m", "core.training.members")

    def __init__(self, folder: RunFolder, devices: Sequence[str]) -> None:
        self.size = size = len(devices)
        self.closing = False
        self.meeting = folder.path / f".team-{os.getpid()}.tmp"
        self.meeting.unlink(missing_ok=True)
        threads = str(max(1, threads_for_training() // size))
        self.children = [
            subprocess.Popen(
                [*self.COMMAND, str(folder.path), str(rank), str(size), devices[rank], str(self.meeting)],
                stdin=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            )
            for rank in range(1, size)
        ]  # fmt: skip

    def lost(self, wait: float = 0.0) -> TrainingError | None:
        """What to say about the first that ended too early; None while all are there after ``wait`` seconds."""
        deadline = time.monotonic() + wait
        while True:
            for number, child in enumerate(self.children, 2):
                if child.poll():
                    return TrainingError(
                        f"Process {number} of {self.size} that trained together ended early (exit code "
                        f"{child.returncode}).",
                        "Resume the run: it goes on from the last saved checkpoint. If it ends again, look into the "
                        "log, or start a new run with processes 1.",
                    )
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)

    def watch(self, failed: Any) -> None:
        """End this process through ``failed(error)`` when one of the others is gone and nobody noticed.

        Without it a worker would wait for hours: only some kinds of connection tell that their other end is closed.
        """
        while not self.closing:
            time.sleep(0.2)
            error = self.lost()
            if error is None:
                continue
            time.sleep(GRACE)
            if not self.closing:
                failed(error)
                os._exit(1)

    def close(self) -> None:
        """See them off; those that still work are ended."""
        self.closing = True
        for child in self.children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(2)
            child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
        self.meeting.unlink(missing_ok=True)


@contextmanager
def together(folder: RunFolder, devices: Sequence[str], failed: Any) -> Iterator[None]:
    """Train with a process on each of the ``devices`` inside this block; the worker is the first of them.

    ``failed(error)`` is called from another thread, right before this process ends, when one of them was lost without
    the training noticing. Raises TrainingError when one of them was lost.
    """
    size = len(devices)
    if size == 1:
        yield
        return
    members = Members(folder, devices)
    import torch

    from core.training.team import join, leave

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads_for_training() // size))
    threading.Thread(target=members.watch, args=(failed,), name="members", daemon=True).start()
    try:
        join(members.meeting, 0, size, devices[0])
        yield
    except RuntimeError as error:  # what connections say when their other end is gone
        lost = members.lost(wait=2.0)
        if lost is None:
            raise
        raise lost from error
    finally:
        members.close()
        leave()
        torch.set_num_threads(threads)


class _Silent:
    """What a run is to a process that only helps with it: it listens to nobody and writes nothing."""

    def __init__(self, folder: RunFolder, config: RunConfig, device: str) -> None:
        self.directory = folder.path
        self.cache = Path(config.cache or folder.path / "cache")
        self.device = device

    def report(self, kind: str, **values: Any) -> None:
        """The first process tells."""

    def progress(self, done: int, total: int, message: str = "") -> None:
        """The first process tells."""

    def should_stop(self) -> bool:
        """The first process is asked."""
        return False


def _help(path: str, rank: str, size: str, device: str, meeting: str) -> int:
    """Take part in a training to its end; returns the exit code."""
    threading.Thread(target=_end_with_the_worker, name="worker's end", daemon=True).start()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    from core.base_models import resolve
    from core.training.team import join

    folder = RunFolder(Path(path))
    config = folder.config()
    method = get_method(config.method)
    bases = Path(config.bases) if config.bases else None
    try:
        base = resolve(config.base, offline=True, bases=bases, runs=folder.path.parent) if config.base else None
        join(Path(meeting), int(rank), int(size), device)
        context = _Silent(folder, config, device)
        method.fit(folder.data(), method.Options.model_validate(config.options), base, context)
    except Stopped:
        return 0
    except StudioError as error:  # the first process met it as well, and tells it
        print(f"process {int(rank) + 1}: {error}", flush=True)
        return 1
    except Exception:  # the same guard as the worker's: the log has the words
        traceback.print_exc()
        return 1
    return 0


def _end_with_the_worker() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    code = _help(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
