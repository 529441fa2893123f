"""The runs that wait, in their order, and whether the queue is held. Both are files: they survive any end of the app.

Knows nothing of workers and devices. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.durable import read_json, write_json
from core.errors import RefusedError
from core.training.run_folder import RunFolder

HELD = "held.json"
BEHIND_ALL = 1.0
"""How far behind the last run a place is, in the seconds that places are counted in."""


class WaitingLine:
    """The waiting line of a folder of runs. A run's place is a number in its own ``queued.json``; lower goes first."""

    def __init__(self, runs: Path) -> None:
        self._mark = runs / HELD

    @property
    def held(self) -> bool:
        """True while no run may begin."""
        return read_json(self._mark) is not None

    def hold(self) -> None:
        """Let no further run begin."""
        write_json(self._mark, {"held": True})

    def release(self) -> None:
        """Let runs begin again."""
        self._mark.unlink(missing_ok=True)

    def order(self, folders: Iterable[RunFolder]) -> list[RunFolder]:
        """Those of the runs that wait, next one first."""
        placed = [(at, folder.path.name, folder) for folder in folders if (at := folder.queued_at) is not None]
        return [folder for _, _, folder in sorted(placed, key=lambda one: one[:2])]

    def move(self, waiting: list[RunFolder], run_id: str, position: int) -> None:
        """Put one of the waiting runs at a position, 1 for the next; past the end is the end. Raises RefusedError."""
        moved = next((folder for folder in waiting if folder.path.name == run_id), None)
        if moved is None:
            raise RefusedError(f"Run {run_id} does not wait in the queue.", "Resume it first, if it was stopped.")
        others = [folder for folder in waiting if folder is not moved]
        wanted = [*others[: position - 1], moved, *others[position - 1 :]]
        # The places stay the same and change hands, so that a kill between two writes loses nobody's.
        places = [folder.queued_at for folder in waiting]
        for folder, place in zip(wanted, places, strict=True):
            if place is not None and folder.queued_at != place:
                folder.queue(place)

    def place_behind(self, waiting: list[RunFolder], run_id: str) -> float:
        """The place right behind a waiting run."""
        at = next(i for i, folder in enumerate(waiting) if folder.path.name == run_id)
        own = waiting[at].queued_at or 0.0
        after = waiting[at + 1].queued_at if at + 1 < len(waiting) else None
        return own + BEHIND_ALL if after is None else (own + after) / 2
