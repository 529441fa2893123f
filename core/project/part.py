"""What every part of a project shares."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from core.errors import InputError, NotFoundError
from core.labeling.board import Board
from core.records import ItemFilter, Label, ProjectInfo
from core.storage import items as item_store
from core.storage import label_events, projects
from core.tasks import get_task
from core.tasks.base import Task

if TYPE_CHECKING:
    from core.workspace import Workspace


class ProjectState:
    """The live state of one project, one object per workspace whatever the number of ``Project`` handles."""

    def __init__(self) -> None:
        self.adding = threading.RLock()
        """Held while items are added or the schema changes. Taken before ``lock``, which labeling needs."""
        self.freezing = threading.Lock()
        """Held while a version is written. Taken before ``lock`` too."""
        self.lock = threading.RLock()
        self.board: Board | None = None
        self.revision = 0
        """Counts changes of items, labels or schema; caches compare it."""
        self.deleted = False
        """Whether the project is gone while somebody still holds a ``Project``."""


class ProjectPart:
    """Base of the parts: where the project is stored and how label ids read."""

    def __init__(self, workspace: Workspace, info: ProjectInfo, state: ProjectState) -> None:
        self.workspace = workspace
        self.info = info
        self._state = state
        self._database = workspace.database

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep everybody else from changing this project. Raises NotFoundError when it has been deleted.

        This lock comes before the database's write lock, never after it.
        """
        with self._state.lock:
            if self._state.deleted:
                raise NotFoundError(f"There is no project {self.id}.", "Choose one from the list on the home page.")
            yield

    @contextmanager
    def _schema_held(self) -> Iterator[None]:
        """``_held`` for a change that must not meet an import, whose labels are settled before its rows are seen."""
        with self._state.adding, self._held():
            yield

    @property
    def id(self) -> int:
        """Number of the project."""
        return self.info.id

    @property
    def name(self) -> str:
        """Name of the project."""
        return self.info.name

    @property
    def language(self) -> str:
        """Language of the texts, an ISO 639-1 code."""
        return self.info.language

    @property
    def task(self) -> Task:
        """What is predicted."""
        return get_task(self.info.task)

    @property
    def revision(self) -> int:
        """Grows with every change of items, labels or schema; for caches of derived figures."""
        return self._state.revision

    @property
    def labels(self) -> list[Label]:
        """The label schema in its order."""
        return projects.list_labels(self._database, self.id)

    def _ids_by_name(self) -> dict[str, int]:
        return {label.name: label.id for label in self.labels}

    def _names_by_id(self) -> dict[int, str]:
        """Label names by id; a merged label reads as the one it was merged into."""
        names = {label.id: label.name for label in self.labels}
        merged = projects.merged_labels(self._database, self.id)
        return names | {old: names[new] for old, new in merged.items() if new in names}

    def _filter_ids(self, where: ItemFilter) -> list[int]:
        """Label ids a filter means, with those merged into them. Raises InputError for an unknown label."""
        if not where.labels:
            return []
        names = self._names_by_id()
        unknown = set(where.labels) - set(names.values())
        if unknown:
            raise InputError(f"There is no label '{sorted(unknown)[0]}' in this project.", "Clear the label filter.")
        return [label_id for label_id, name in names.items() if name in where.labels]

    def _board(self) -> Board:
        """The in-memory board, built on first use. Call with the state's lock held."""
        if self._state.board is None:
            self._state.board = self._read_board()
        return self._state.board

    def _read_board(self, since: int = 0, bare: bool = False) -> Board:
        """A board of all items, or of those from one id on, as this thread sees them; ``bare``: none has a label."""
        positions = item_store.all_positions(self._database, self.id, since)
        excluded, feedback = positions["excluded"], positions["feedback"]
        if bare:
            nothing = np.empty(0, dtype=np.int64)
            return Board(positions["id"], excluded, nothing, nothing, {}, {}, feedback)
        arrays, meaning = label_events.current_codes(self._database, self.id, since)
        flags = label_events.current_flags(self._database, self.id, since)
        return Board(positions["id"], excluded, arrays["item_id"], arrays["code"], meaning, flags, feedback)

    def _changed(self, items: bool = False) -> None:
        """Note a change; ``items``: the board must be rebuilt."""
        self._state.revision += 1
        if items:
            self._state.board = None
