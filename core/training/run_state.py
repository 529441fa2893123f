"""What became of a run, told from its folder and from whether its worker lives: nobody remembers it."""

from __future__ import annotations

from core.records import RunState
from core.training.run_folder import RunConfig, RunFolder, RunStatus, WorkerStatus

STALLED_AFTER = 10.0
"""Seconds without a heartbeat (the worker beats once a second) after which a live worker counts as stalled."""


def run_status(folder: RunFolder, pid: int | None, silence: float) -> RunStatus:
    """The truth about a run whose live worker is the process ``pid``, and has been silent for so many seconds.

    Its place in the queue is not known here.
    """
    config, status, result = folder.config(), folder.status() or WorkerStatus(), folder.result()
    state = _derive(folder, result is not None, pid is not None, silence)
    stopping = pid is not None and folder.stop_at is not None
    error, hint = _explained(state, config, status, silence)
    return RunStatus(
        **status.model_dump(exclude={"state", "message", "error", "hint"}),
        id=folder.path.name,
        state=state,
        message=_farewell(folder) if stopping else status.message,
        stopping=stopping,
        error=error,
        hint=hint,
        resumable=state in ("failed", "stopped", "interrupted"),
        pid=pid,
        created_at=config.created_at,
        metrics=(result or {}).get("metrics", {}).get("test", {}),
    )


def place_to_return(folder: RunFolder) -> float | None:
    """Where a run that stepped aside goes on waiting; None for one that failed meanwhile."""
    status = folder.status()
    return None if status is not None and status.state == "failed" else folder.returns_to


def _derive(folder: RunFolder, finished: bool, alive: bool, silence: float) -> RunState:
    if finished:
        return "finished"
    if alive:
        return "stalled" if silence > STALLED_AFTER else "running"
    if folder.queued_at is not None or place_to_return(folder) is not None:
        return "queued"
    status = folder.status()
    if status is not None and status.state in ("failed", "stopped"):
        return status.state
    return "stopped" if folder.stop_at is not None else "interrupted"


def _explained(state: RunState, config: RunConfig, status: WorkerStatus, silence: float) -> tuple[str, str]:
    """(what happened, what to do); empty where nothing is wrong."""
    if state in ("finished", "running", "queued"):
        return "", ""
    if state == "stalled":
        return (
            f"The worker has given no sign of life for {silence:.0f} seconds: its process is suspended, or the machine "
            "sleeps or is overloaded.",
            "It goes on by itself when the process does. Otherwise stop the run, then resume it: it goes on from the "
            "last saved checkpoint.",
        )
    if state != "interrupted" or status.error:
        return status.error, status.hint
    hint = "Resume the run: it goes on from the last saved checkpoint."
    size = config.options.get("batch_size", 1)
    if size > 1:
        hint += f" If it ends again, memory is short: start a new one with batch size {size // 2}."
    return "The worker process ended without saying why (killed, out of memory, or the machine was shut down).", hint


def _farewell(folder: RunFolder) -> str:
    if folder.returns_to is None:
        return "Saving its work, then it stops."
    return "Saving its work, to let another run go first."
