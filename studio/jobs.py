"""Work that outlives one script run: an import, a search for problems, a batch of predictions.

A job runs in a thread of this process under a key. Its page may be refreshed, left or opened twice meanwhile; whoever
looks finds the same job by its key. Training does not run here: a run is a process of its own (core.training).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from core.data.files import storage_errors
from core.errors import RefusedError, StudioError
from core.records import Progressing

logger = logging.getLogger("whetstone")
Report = Callable[[Progressing], None]
Work = Callable[[Report], Any]


class Cancelled(Exception):
    """Raised inside the work, at its next progress report, after someone asked it to stop."""


@dataclass
class Job:
    """One piece of work and what is known about it."""

    key: str
    title: str
    """What it does, as the page shows it beside the bar."""
    progress: Progressing = field(default_factory=lambda: Progressing(done=0))
    _stop: threading.Event = field(default_factory=threading.Event)
    _future: Future[Any] = field(default_factory=Future)

    @property
    def state(self) -> Literal["running", "stopped", "failed", "done"]:
        """Where the job stands now."""
        if not self._future.done():
            return "running"
        error = self._future.exception()
        if error is None:
            return "done"
        return "stopped" if isinstance(error, Cancelled) else "failed"

    @property
    def stopping(self) -> bool:
        """True between a stop and the moment the work notices it."""
        return self._stop.is_set() and not self._future.done()

    def stop(self) -> None:
        """Ask the work to stop at its next progress report."""
        self._stop.set()

    def result(self) -> Any:
        """What the work returned; raises the StudioError it raised, or one that stands for an error nobody expected."""
        error = self._future.exception()
        if error is None or isinstance(error, StudioError | Cancelled):
            return self._future.result()
        raise StudioError(
            f"'{self.title}' ended with an error that nobody expected ({type(error).__name__}).",
            "Try again; if it happens again, the server's log has the details.",
        ) from error

    def run(self, work: Work) -> Any:
        """Do the work in the thread that the job was given; a full disk is said, what nobody expected is logged."""
        try:
            with storage_errors("this was done in the background"):
                return work(self.report)
        except BaseException as error:
            if not isinstance(error, StudioError | Cancelled):
                logger.error("'%s' failed", self.title, exc_info=error)
            raise

    def report(self, progress: Progressing) -> None:
        """Called by the work; raises Cancelled once a stop was asked for."""
        self.progress = progress
        if self._stop.is_set():
            raise Cancelled


class Jobs:
    """All jobs of this process by key; at most one a key."""

    def __init__(self, workers: int = 4) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="job")

    def start(self, key: str, title: str, work: Work) -> Job:
        """Start ``work``; raises RefusedError while a job of the same key runs."""
        with self._lock:
            current = self._jobs.get(key)
            if current is not None and current.state == "running":
                raise RefusedError(f"'{current.title}' is still running.", "Wait until it is done, or stop it first.")
            job = Job(key, title)
            self._jobs[key] = job
            job._future = self._pool.submit(job.run, work)
            return job

    def get(self, key: str) -> Job | None:
        """The running or last job of this key."""
        return self._jobs.get(key)

    def dismiss(self, key: str) -> None:
        """Forget a finished job; a running one stays."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.state != "running":
                del self._jobs[key]

    def close(self) -> None:
        """Ask every job to stop and wait for none."""
        for job in list(self._jobs.values()):
            job.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
