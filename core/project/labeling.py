"""Labeling: what comes next, what was answered, and who is how far. Every answer is on disk when the call returns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from core.errors import InputError, NotFoundError, RefusedError
from core.labeling.suggestions import FEWEST_LABELS, Suggester
from core.project.part import ProjectPart
from core.records import BulkStep, Item, ItemFilter, LabelSource, Progress, Suggestion
from core.storage import cleaning, label_events
from core.storage import items as item_store
from core.storage.label_events import LabelEvent
from core.tasks.base import Forming, Joining
from core.tasks.multilabel import as_cell

RECENT = 10
"""Items listed as labelled last."""
PACE_WINDOW = 20
"""Answers over which the pace is measured."""
PACE_PAUSE_SECONDS = 300.0
"""A longer gap between two answers is a break and does not count against the pace."""


class ProjectLabeling(ProjectPart):
    """The annotator's side of a project."""

    # ------------------------------------------------------------ the queue

    def next_item(self, user: str) -> Item | None:
        """The item to label now, claimed for ``user``; the same one until it is answered; None when nothing is left."""
        with self._held():
            self._sit_down(user)
            item_id = self._board().next_id(user)
        return None if item_id is None else self.item(item_id)

    def go_to(self, item_id: int, user: str) -> Item:
        """Show this item next, labelled or not. Raises NotFoundError, RefusedError when it is excluded."""
        item = self.item(item_id)
        if item.excluded:
            raise RefusedError(f"Item {item_id} was taken out by cleaning.", "Undo that step on the data page first.")
        with self._held():
            self._sit_down(user)
            label_events.append(self._database, self.id, item_id, "go_to", user)
            self._board().go_to(item_id, user)
        return item

    def item(self, item_id: int) -> Item:
        """One item with its current label. Raises NotFoundError."""
        stored = item_store.load_item(self._database, self.id, item_id)
        if stored is None:
            raise NotFoundError(f"There is no item {item_id} in '{self.name}'.", "Ids are shown on the data page.")
        return self._with_labels([stored])[0]

    def item_at(self, position: int) -> Item:
        """The item at a position, counted from 0 in import order. Raises NotFoundError."""
        with self._held():
            board = self._board()
            if not 0 <= position < len(board):
                raise NotFoundError(f"'{self.name}' has no item number {position + 1}.", f"It has {len(board)} items.")
            return self.item(int(board.ids[position]))

    def forget_skipped(self, user: str) -> None:
        """Put the items this user skipped back into their queue."""
        with self._held():
            self._sit_down(user)
            label_events.undo_skips(self._database, self.id, user)
            self._board().forget_skipped(user)

    def _sit_down(self, user: str) -> None:
        """Put a user who comes back to where their last event says that they stopped."""
        if not user.strip():
            raise InputError("Who is labeling?", "Type a name.")
        board = self._board()
        if board.has_seat(user):
            return
        last = next(iter(label_events.user_events(self._database, self.id, user, 1)), None)
        at = board.position(last.item_id) if last else None
        target = at if last and last.kind == "go_to" else None
        cursor = 0 if at is None else at + (target is None)
        board.seat(user, cursor, label_events.skipped_items(self._database, self.id, user), target)

    # ------------------------------------------------------------ answers

    def label(
        self,
        item_id: int,
        value: Any,
        user: str,
        suggestion: Suggestion | None = None,
        elapsed_ms: int | None = None,
        source: LabelSource = "human",
    ) -> LabelEvent:
        """Give an item a label; the newest label of an item is its current one.

        ``suggestion`` is what was on screen. Raises NotFoundError for an item and InputError for a label that the
        project does not have, or for an item that was taken out by cleaning.
        """
        with self._held():
            value = self._fitting(value, [item_id])
            payload, label_ids = self.task.encode(value, self._ids_by_name())
            self._check_open(item_id)
            self._sit_down(user)
            event = label_events.append(
                self._database,
                self.id,
                item_id,
                "label",
                user,
                label_ids=tuple(label_ids),
                payload=payload,
                source=source,
                suggested=_as_text(suggestion.label) if suggestion else None,
                suggested_score=suggestion.score if suggestion else None,
                suggested_by=suggestion.model if suggestion else None,
                accepted=_same(suggestion.label, value) if suggestion else None,
                elapsed_ms=elapsed_ms,
            )
            self._board().set_label(item_id, label_ids)
            self._board().answered(item_id, user)
            self._changed()
        return event

    def _fitting(self, value: Any, item_ids: Sequence[int]) -> Any:
        """The value as it is stored, where a task's values must fit the text. Raises InputError."""
        if isinstance(self.task, Forming):
            rows = item_store.load_items(self._database, self.id, item_ids)
            waiting = [row.id for row in rows if self.task.waits(row.text)]
            if waiting:
                raise InputError(
                    f"Item {waiting[0]} is a plain text: nothing says between which things the relation is.",
                    "Mark the two things at the labeling desk, or with project.mark_relation.",
                )
        if isinstance(self.task, Joining):
            for row in item_store.load_items(self._database, self.id, item_ids):
                value = self.task.fit(value, row.text, row.text_b)
        return value

    def skip(self, item_id: int, user: str) -> None:
        """Put an item aside for this user; others may still get it."""
        with self._held():
            self._check_item(item_id)
            self._sit_down(user)
            label_events.append(self._database, self.id, item_id, "skip", user)
            self._board().answered(item_id, user, skipped=True)

    def flag(self, item_id: int, note: str, user: str) -> None:
        """Mark an item for somebody to look at, with a note."""
        self._append_flag(item_id, "flag", user, note)

    def unflag(self, item_id: int, user: str) -> None:
        """Take the flag off an item."""
        self._append_flag(item_id, "unflag", user, None)

    def clear_label(self, item_id: int, user: str) -> None:
        """Take the label off an item; its history stays."""
        with self._held():
            self._check_item(item_id)
            label_events.append(self._database, self.id, item_id, "clear", user)
            self._board().set_label(item_id, None)
            self._changed()

    def bulk_label(self, item_ids: Sequence[int], value: Any, user: str) -> int:
        """Give many items the same label in one step; returns how many. ``bulk_steps`` has it, to undo it."""
        with self._held():
            value = self._fitting(value, item_ids)
            payload, label_ids = self.task.encode(value, self._ids_by_name())
            for item_id in item_ids:
                self._check_open(item_id)
            label_events.append_bulk(self._database, self.id, item_ids, label_ids, payload, user)
            for item_id in item_ids:
                self._board().set_label(item_id, label_ids)
            self._changed()
        return len(item_ids)

    def bulk_steps(self, limit: int = RECENT) -> list[BulkStep]:
        """What was labelled in bulk, newest first."""
        names = self._names_by_id()
        return [
            BulkStep(
                id=step_id,
                label=self.task.decode(payload, [i for i in label_ids if i in names], names),
                items=count,
                user=user,
                at=at,
                undone=undone,
            )
            for step_id, label_ids, payload, count, user, at, undone in label_events.bulk_steps(
                self._database, self.id, limit
            )
        ]

    def undo_bulk(self, step_id: int, user: str) -> int:
        """Take a bulk step back: its items carry again what they carried before; labels given since then stay.

        Returns how many items it concerned. Raises NotFoundError for a step that does not exist or is undone.
        """
        with self._held():
            item_ids = label_events.undo_bulk(self._database, self.id, step_id, user)
            if not item_ids:
                raise NotFoundError(f"There is no bulk step {step_id} to undo.", "It may have been undone already.")
            self._restore(item_ids, user)
            self._changed()
        return len(item_ids)

    def undo(self, user: str) -> Item | None:
        """Take back this user's newest answer (label, skip or flag) and show its item again; None when there is none.

        Can be repeated at least ten times. What was labelled in bulk or imported is not taken back this way.
        """
        with self._held():
            self._sit_down(user)
            event = next(iter(label_events.user_events(self._database, self.id, user, 1, undoable=True)), None)
            if event is None:
                return None
            label_events.append(self._database, self.id, event.item_id, "undo", user, undoes=event.id)
            self._restore([event.item_id], user)
            self._board().go_to(event.item_id, user)
            self._changed()
        return self.item(event.item_id)

    def _restore(self, item_ids: Sequence[int], user: str) -> None:
        """Bring the board in line with what the events now say about some items."""
        board, known = self._board(), set(self._names_by_id())
        current = label_events.current_of(self._database, self.id, item_ids)
        carried: dict[int, Any] = {i: tuple(event[1] or ()) for i, event in current.items() if event[0] == "label"}
        broken = {i: label_ids for i, label_ids in carried.items() if not set(label_ids) <= known}  # removed since
        for label_ids in sorted(set(broken.values())):
            kept = [label_id for label_id in label_ids if label_id in known]
            where = sorted(i for i, ids in broken.items() if ids == label_ids)
            kind = "label" if kept else "clear"  # of several labels the others stay
            label_events.append_bulk(self._database, self.id, where, kept, None, user, source="rule", kind=kind)
            carried |= dict.fromkeys(where, kept or None)
        for item_id in item_ids:
            board.set_label(item_id, carried.get(item_id))
        board.flags = label_events.current_flags(self._database, self.id)

    def _append_flag(self, item_id: int, kind: str, user: str, note: str | None) -> None:
        with self._held():
            self._check_item(item_id)
            label_events.append(self._database, self.id, item_id, kind, user, note=note)
            if kind == "flag":
                self._board().flags[item_id] = note or ""
            else:
                self._board().flags.pop(item_id, None)
            self._changed()

    def _check_item(self, item_id: int) -> None:
        if self._board().position(item_id) is None:
            raise NotFoundError(f"There is no item {item_id} in '{self.name}'.", "Ids are shown on the data page.")

    def _check_open(self, item_id: int) -> None:
        """Raise NotFoundError for an unknown item, InputError for one whose label would not count."""
        self._check_item(item_id)
        if self._board().is_excluded(item_id):
            kind = cleaning.excluded_by(self._database, self.id, item_id)
            why = f" ({kind.replace('_', ' ')})" if kind else ""
            raise InputError(
                f"Item {item_id} was taken out by cleaning{why}.", "Undo that step on the Clean tab first."
            )

    # ------------------------------------------------------------ what was done

    def recent(self, user: str, limit: int = RECENT) -> list[Item]:
        """Items this user labelled last, newest first, each once."""
        events = label_events.user_events(self._database, self.id, user, limit * 3)
        ids = list(dict.fromkeys(event.item_id for event in events if event.kind == "label"))[:limit]
        return self._with_labels(item_store.load_items(self._database, self.id, ids))

    def history(self, item_id: int) -> list[LabelEvent]:
        """Every event of an item, oldest first."""
        return label_events.item_history(self._database, self.id, item_id)

    def progress(self, user: str | None = None) -> Progress:
        """How far the labeling is; with ``user`` also their pace."""
        names = self._names_by_id()
        with self._held():
            board = self._board()
            if user:
                self._sit_down(user)
            per_label: dict[str, int] = {}
            for label_id, count in board.label_counts.most_common():
                if count > 0 and label_id in names:
                    per_label[names[label_id]] = per_label.get(names[label_id], 0) + count
            return Progress(
                total=board.total,
                labelled=board.labelled,
                flagged=len(board.flags),
                skipped=board.skipped(user) if user else 0,
                per_label=per_label,
                per_minute=self._pace(user) if user else None,
            )

    def annotators(self) -> dict[str, int]:
        """Current human labels by annotator, most first."""
        return label_events.human_counts(self._database, self.id)

    def suggestion_counts(self) -> dict[str, tuple[int, int]]:
        """How often suggestions were accepted, by model: (accepted, shown)."""
        return label_events.suggestion_counts(self._database, self.id)

    def _pace(self, user: str) -> float | None:
        events = label_events.user_events(self._database, self.id, user, PACE_WINDOW)
        times = [event.at for event in events if event.kind == "label"]
        gaps = [(a - b).total_seconds() for a, b in pairwise(times)]
        gaps = [gap for gap in gaps if gap <= PACE_PAUSE_SECONDS]
        if len(gaps) < 2 or (datetime.now() - times[0]).total_seconds() > PACE_PAUSE_SECONDS:
            return None
        return 60 * len(gaps) / max(sum(gaps), 0.001)

    # ------------------------------------------------------------ suggestions

    def suggest(self, item_ids: Sequence[int]) -> dict[int, list[Suggestion]]:
        """Suggestions for items, best first; an item that is not ready is left out. Never waits for a model."""
        return self._suggester().get(item_ids)

    def thinking(self, item_id: int) -> bool:
        """Whether a suggestion for this item is being worked out, so that it is worth asking again soon."""
        if not self._suggester().thinking(item_id):
            return False
        return self.progress().labelled >= FEWEST_LABELS or bool(self.workspace.models(self.id))

    def prepare_suggestions(self, user: str, count: int = 20) -> None:
        """Have suggestions worked out in the background for what this user will see next."""
        with self._held():
            self._sit_down(user)
            ids = self._board().upcoming(user, count)
        self._suggester().prepare(ids)

    def _suggester(self) -> Suggester:
        return self.workspace.suggester(self.id)

    # ------------------------------------------------------------ joining labels to items

    def _with_labels(self, stored: Sequence[item_store.StoredItem]) -> list[Item]:
        """Items as records, with label, annotator and flag."""
        with self._held():
            board = self._board()
            flags = {row.id: board.flags.get(row.id) for row in stored}
            labelled = [row.id for row in stored if board.is_labelled(row.id)]
        current = label_events.current_of(self._database, self.id, labelled)
        names = self._names_by_id()
        items = []
        for row in stored:
            kind, label_ids, payload, user, source, at = current.get(row.id, (None,) * 6)
            known = kind == "label"
            items.append(
                Item(
                    id=row.id,
                    position=row.position,
                    text=row.text,
                    text_b=row.text_b,
                    label=self.task.decode(payload, label_ids or (), names) if known else None,
                    annotator=user if known else None,
                    labelled_at=at if known else None,
                    label_source=source if known else None,
                    flag=flags[row.id],
                    excluded=row.excluded,
                    split=row.split,
                    source=row.source,
                    external_id=row.external_id,
                    meta=row.meta,
                )
            )
        return items

    def labelled_filter(self) -> ItemFilter:
        """The items a version is frozen from: labelled and not taken out by cleaning."""
        return ItemFilter(labelled=True, excluded=False)


def _as_text(label: Any) -> str:
    """A suggested value in one cell."""
    if isinstance(label, str):
        return label
    names = isinstance(label, list) and all(isinstance(part, str) for part in label)
    return as_cell(label) if names else json.dumps(label, ensure_ascii=False)


def _same(suggested: Any, given: Any) -> bool:
    """Whether two values say the same; the order of several labels does not count."""
    if isinstance(suggested, list) and isinstance(given, list):
        return all(one in given for one in suggested) and all(one in suggested for one in given)
    return bool(suggested == given)
