"""The queue of training runs: starts workers, watches them, stops them. Remembers nothing that is not in the folders.

A refresh, a second tab, a restart or a kill -9 of the app or of a worker changes no answer: every state is derived
from the run folder and from the process table.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from core.durable import clear_leftovers
from core.errors import NotFoundError, RefusedError, StorageError, StudioError
from core.settings import Settings
from core.training.placement import devices_for, may_begin
from core.training.processes import Worker, Workers, kill_group, live, send
from core.training.run_folder import RunConfig, RunFolder, RunStatus, WorkerStatus
from core.training.run_state import place_to_return, run_status
from core.training.submission import complete
from core.training.waiting_line import WaitingLine

TICK = 0.25
"""Seconds between two looks at the open runs."""
Events = list[dict[str, Any]]
Names = list[str]
Statuses = list[RunStatus]
Folders = list[RunFolder]
logger = logging.getLogger(__name__)


class Runner:
    """Runs one worker a device, in the order of the queue. Thread-safe. One runner for a folder of runs."""

    def __init__(
        self,
        runs: Path,
        settings: Settings | None = None,
        cache: Path | None = None,
        bases: Path | None = None,
        on_finished: Callable[[str], None] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "core.training.worker"),
    ) -> None:
        """Take over what is in ``runs``: adopt live workers, go on with the queue.

        ``on_finished`` is called from the runner's thread once for each finished run, again after a crash: it must be
        idempotent.
        """
        self.runs = runs
        self.runs.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self.runs)
        self.settings = settings or Settings()
        self.cache = cache or runs.parent / "cache"
        self.bases = bases or runs.parent / "bases"
        self.on_finished = on_finished
        self._line = WaitingLine(runs)
        self._workers = Workers(command)
        self._children: dict[str, Worker] = {}
        self._hindered: dict[str, str] = {}
        """Why runs could not be started at the last look, by id."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._clean_up()
        self._open = {folder.path.name for folder in self._folders() if not self._settled(folder)}
        self._thread = threading.Thread(target=self._drive, name="runner", daemon=True)
        self._thread.start()

    # -------------------------------------------------------------- what others call

    def submit(self, config: RunConfig, version_dir: Path) -> str:
        """Queue a run and return its id; the id of the active run when the same one is queued or running already."""
        config = complete(config, self.settings, cache=self.cache, bases=self.bases, runs=self.runs)
        with self._lock:
            for run_id in sorted(self._open):
                with suppress(StorageError):  # what is damaged there is nobody's twin
                    if self.state(run_id).active and config.same_work(self._folder(run_id).config()):
                        return run_id
            RunFolder.create(self.runs, config, version_dir)
            self._open.add(config.id)
        self._wake.set()
        return config.id

    def expect(self) -> None:
        """Have a worker ready: a run will be asked for soon."""
        with self._lock:
            self._workers.expect()

    def list(self) -> Statuses:
        """Every run, newest first; one whose folder is damaged is left out."""
        found = []
        for folder in self._folders():
            with suppress(StorageError, NotFoundError):
                found.append(self.state(folder.path.name))
        return sorted(found, key=lambda run: run.created_at, reverse=True)

    def config(self, run_id: str) -> RunConfig:
        """What the run was asked to do. Raises NotFoundError."""
        return self._folder(run_id).config()

    def folder(self, run_id: str) -> RunFolder:
        """The run's folder. Raises NotFoundError."""
        return self._folder(run_id)

    def state(self, run_id: str) -> RunStatus:
        """The truth about one run, derived from its folder. Raises NotFoundError."""
        folder = self._folder(run_id)
        process = self._process(folder)
        if process is None:
            status = run_status(folder, None, 0.0)
        else:
            status = run_status(folder, process.pid, self._silence(folder))
        waiting = self.queue() if status.state == "queued" else []
        if run_id not in waiting:
            return status
        return status.model_copy(update={"queue_position": waiting.index(run_id) + 1})

    def stop(self, run_id: str) -> None:
        """Ask the run to save and stop, which frees the device; after the grace time it is killed. Returns at once."""
        with self._lock:
            folder = self._folder(run_id)
            state = self.state(run_id).state
            if state == "queued":
                folder.ask_stop(time.time())
                folder.unqueue()
                self._settle(run_id)
            elif state in ("running", "stalled"):
                self._ask_stop(folder)
        self._wake.set()

    def _ask_stop(self, folder: RunFolder, back: float | None = None) -> None:
        folder.ask_stop(time.time(), back)
        folder.unqueue()  # a worker that dies of the signal before it has begun must not be started again
        if process := self._process(folder):
            send(process, "SIGTERM")
            send(process, "SIGCONT")  # a suspended worker saves too
        self._open.add(folder.path.name)

    def move(self, run_id: str, position: int = 1) -> None:
        """Give a waiting run another position in the queue; 1 is the next. Raises RefusedError unless it waits."""
        with self._lock:
            self._folder(run_id)
            self._line.move(self._waiting(), run_id, position)

    def run_now(self, run_id: str) -> None:
        """Let a waiting run begin as soon as whatever trains on its device has saved its work.

        Those go back into the queue, right behind it. Raises RefusedError when it does not wait or the queue is held.
        """
        with self._lock:
            folder = self._folder(run_id)
            if self._line.held:
                raise RefusedError("The queue is paused, so that nothing new begins.", "Continue the queue first.")
            self._line.move(self._waiting(), run_id, 1)
            behind = self._line.place_behind(self._waiting(), run_id)
            wanted = set(_devices(folder))
            for other in self._at_work():
                if not wanted.isdisjoint(_devices_in_use(other)):
                    self._ask_stop(other, back=behind)
        self._wake.set()

    @property
    def held(self) -> bool:
        """True while the queue is paused."""
        return self._line.held

    def hold(self) -> None:
        """Pause the queue: what trains goes on, nothing new begins until ``release``, also after a restart."""
        with self._lock:
            self._line.hold()

    def release(self) -> None:
        """Let the queue go on."""
        self._line.release()
        self._wake.set()

    def resume(self, run_id: str) -> None:
        """Queue a stopped, failed or interrupted run again; it goes on from its last whole checkpoint."""
        with self._lock:
            folder = self._folder(run_id)
            status = self.state(run_id)
            if status.active:
                return
            if not status.resumable:
                raise RefusedError(f"Run {run_id} is {status.state}; there is nothing to resume.", "Start a new run.")
            folder.queue(time.time())
            self._open.add(run_id)
        self._wake.set()

    def delete(self, run_id: str) -> None:
        """Remove a run with its checkpoints and model. Raises RefusedError while it is active."""
        with self._lock:
            folder = self._folder(run_id)
            try:
                state: str = self.state(run_id).state
            except StorageError:  # damaged: to delete it is the way out
                state = "running" if self._process(folder) is not None else "interrupted"
            if state in ("running", "stalled"):
                raise RefusedError(f"Run {run_id} is {state}.", "Stop it first, then delete it.")
            folder.unqueue()
            self._settle(run_id)
            folder.delete()

    def wait(self, run_id: str, timeout: float | None = None) -> RunStatus:
        """Block until the run is no longer active, at most ``timeout`` seconds, and return its state.

        Without a timeout it also returns while the run waits in a paused queue, from which nothing takes it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self.state(run_id)
            left = None if deadline is None else deadline - time.monotonic()
            with self._changed:
                settled = not status.active and run_id not in self._open
                stuck = left is None and status.state == "queued" and self._line.held
                if settled or stuck or (left is not None and left <= 0) or self._closing.is_set():
                    return status
                self._changed.wait(TICK if left is None else min(TICK, left))

    def events(self, run_id: str) -> Events:
        """Events of the run in order: ``step`` (step, loss, lr), ``epoch`` (step, epoch, dev metrics), ``note``."""
        return self._folder(run_id).events()

    def log_tail(self, run_id: str, lines: int = 40) -> Names:
        """The last lines of the worker's log."""
        return self._folder(run_id).log_tail(lines)

    def close(self) -> None:
        """Stop watching. Workers go on; the next runner adopts them."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=10)
        with self._lock:
            self._workers.close()

    # -------------------------------------------------------------- truth from folders

    def _clean_up(self) -> None:
        """Finish what an earlier process was removing from its runs; a run that waits may have a worker that starts."""
        for folder in self._folders():
            try:
                if self._process(folder) is None and folder.queued_at is None:
                    folder.finish_removal()
            except (StudioError, OSError):
                logger.exception("run %s cannot be cleaned up", folder.path.name)

    def _folders(self) -> Folders:
        return [
            RunFolder(path) for path in self.runs.iterdir() if (path / "config.json").is_file() and _is_id(path.name)
        ]

    def _folder(self, run_id: str) -> RunFolder:
        if not _is_id(run_id) or not (self.runs / run_id / "config.json").is_file():
            raise NotFoundError(f"There is no run '{run_id}'.", "It may have been deleted; look at the list of runs.")
        return RunFolder(self.runs / run_id)

    def _process(self, folder: RunFolder) -> psutil.Process | None:
        """The live worker of a run, told by pid and start time; None when it is gone."""
        known = folder.process()
        child = self._children.get(folder.path.name)
        if child is not None and child.poll() is not None:
            child = None
        if child is not None and (known is None or known[0] != child.pid):
            known = (child.pid, 0.0)  # started by us a moment ago, has not written its process.json yet
        return live(*known) if known else None

    def _silence(self, folder: RunFolder) -> float:
        """Seconds since a live worker gave a sign of life, if only that it began."""
        child = self._children.get(folder.path.name)
        started = child.given if child is not None else (folder.process() or (0, time.time()))[1]
        return time.time() - max(folder.heartbeat() or 0.0, started)

    def _settled(self, folder: RunFolder) -> bool:
        if folder.result() is not None:
            return (folder.path / "announced.json").exists()
        return self._process(folder) is None and folder.queued_at is None and place_to_return(folder) is None

    def queue(self) -> Names:
        """Ids of waiting runs, next one first."""
        with self._lock:
            return [folder.path.name for folder in self._waiting()]

    def _waiting(self) -> Folders:
        folders = [RunFolder(self.runs / run_id) for run_id in self._open]
        return self._line.order(folder for folder in folders if self._process(folder) is None)

    def _at_work(self) -> Folders:
        folders = [RunFolder(self.runs / run_id) for run_id in self._open]
        return [folder for folder in folders if self._process(folder) is not None]

    # -------------------------------------------------------------- the thread that drives the queue

    def _drive(self) -> None:
        while not self._closing.is_set():
            for run_id in sorted(self._open):
                try:
                    self._look_after(run_id)
                # The last guard of a thread that all other runs depend on: whatever one folder or the callback
                # does wrong is logged, and that run is left alone until it is touched again.
                except Exception:
                    logger.exception("run %s cannot be looked after", run_id)
                    self._settle(run_id)
            try:
                with self._lock:
                    self._start_next()
                    if not self._closing.is_set():
                        self._workers.tend(idle=not self._open)
            except (StudioError, OSError):
                logger.exception("the next run cannot be started now")
            self._wake.wait(TICK)
            self._wake.clear()

    def _look_after(self, run_id: str) -> None:
        """Kill a worker that outlived its grace, note the end of one, announce a finished run."""
        folder = RunFolder(self.runs / run_id)
        with self._lock:
            if run_id not in self._open:
                return
            process = self._process(folder)
            if process is not None:
                asked = folder.stop_at
                if asked is not None and time.time() - asked > self.settings.stop_grace_seconds:
                    kill_group(process)
                return
            finished = folder.result() is not None
            if not finished and folder.queued_at is None:
                self._take_back(run_id, folder)
            elif not finished and (child := self._children.pop(run_id, None)) is not None:
                self._never_began(run_id, folder, child)
        if finished:  # outside the lock: the callback may wait for other threads that want to know a state
            self._announce(run_id, folder)
            self._settle(run_id)

    def _take_back(self, run_id: str, folder: RunFolder) -> None:
        """The worker is gone: a run that only stepped aside waits again, unless it failed meanwhile."""
        self._children.pop(run_id, None)
        if (place := place_to_return(folder)) is not None:
            folder.queue(place)
        else:
            self._settle(run_id)

    def _announce(self, run_id: str, folder: RunFolder) -> None:
        mark = folder.path / "announced.json"
        if self.on_finished is not None and not mark.exists():
            self.on_finished(run_id)
            mark.write_text("{}")

    def _never_began(self, run_id: str, folder: RunFolder, child: Worker) -> None:
        """The worker ended before it took the run over: its last words are in the log."""
        last = next((line for line in reversed(folder.log_tail()) if line.strip()), f"exit code {child.returncode}")
        if folder.stop_at is not None:
            status = WorkerStatus(state="stopped")
        elif child.spare:  # it may have died of something that has nothing to do with this run: once more, from nothing
            self._workers.spares = False
            return
        else:
            hint = "Read the log of this run; a broken installation is repaired by 'make run'."
            status = WorkerStatus(state="failed", error=f"The worker could not start: {last}", hint=hint)
        self._give_up(run_id, folder, status)

    def _give_up(self, run_id: str, folder: RunFolder, status: WorkerStatus) -> None:
        folder.write_status(status.model_copy(update={"ended_at": datetime.now(UTC)}))
        folder.unqueue()
        self._settle(run_id)

    def _settle(self, run_id: str) -> None:
        with self._changed:
            self._open.discard(run_id)
            self._children.pop(run_id, None)
            self._hindered.pop(run_id, None)
            self._changed.notify_all()

    def _start_next(self) -> None:
        waiting = [] if self._line.held else self._waiting()
        if not waiting:
            return
        wanted: list[tuple[RunFolder, tuple[str, ...]]] = []
        for folder in waiting:
            try:
                wanted.append((folder, _devices(folder)))
            except StudioError as error:  # the device is gone since the run was submitted
                status = WorkerStatus(state="failed", error=error.message, hint=error.hint)
                with self._one_by_one(folder.path.name):
                    self._give_up(folder.path.name, folder, status)
        busy = {device for folder in self._at_work() for device in _devices_in_use(folder)}
        for place in may_begin([devices for _, devices in wanted], busy):
            if not self._closing.is_set():
                folder, devices = wanted[place]
                with self._one_by_one(folder.path.name):
                    self._launch(folder.path.name, folder, devices[0])

    @contextmanager
    def _one_by_one(self, run_id: str) -> Iterator[None]:
        """What fails here keeps no other run waiting; it is tried again at the next look, and logged once."""
        try:
            yield
        except (StudioError, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            if self._hindered.get(run_id) != reason:
                logger.exception("run %s cannot be started now", run_id)
            self._hindered[run_id] = reason
        else:
            self._hindered.pop(run_id, None)

    def _launch(self, run_id: str, folder: RunFolder, device: str) -> None:
        folder.place(self.cache, self.bases)
        child = self._children[run_id] = self._workers.start(folder, device)
        threading.Thread(target=self._await, args=(child,), name=f"await {run_id}", daemon=True).start()

    def _await(self, child: Worker) -> None:
        """Look at the runs as soon as a worker has ended, not at the next tick."""
        child.wait()
        self._wake.set()


def _devices(folder: RunFolder) -> tuple[str, ...]:
    """Where a run works, or will. Raises RefusedError where it cannot."""
    config = folder.config()
    return devices_for(config.device, config.options)


def _devices_in_use(folder: RunFolder) -> tuple[str, ...]:
    """What a run at work keeps busy; none where its device is gone, with which it will fail by itself."""
    try:
        return _devices(folder)
    except StudioError:
        return ()


def _is_id(name: str) -> bool:
    return bool(name) and not name.startswith(".") and name == Path(name).name and "\\" not in name and "\0" not in name
