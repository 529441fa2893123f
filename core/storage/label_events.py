"""Label events: append-only, the truth about who labelled what, when, and what was suggested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.storage.database import Database


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """One event. Everything about labels is derived from these."""

    id: int
    item_id: int
    kind: str
    """label, clear, skip, flag, unflag, go_to or undo."""
    user: str
    at: datetime
    label_ids: tuple[int, ...] = ()
    payload: str | None = None
    """The value beyond its label ids (spans, free text), encoded by the task."""
    source: str = "human"
    suggested: str | None = None
    """Label that was shown as a suggestion, by name at that time."""
    suggested_score: float | None = None
    suggested_by: str | None = None
    accepted: bool | None = None
    """Whether the suggested label was taken; None when nothing was shown."""
    elapsed_ms: int | None = None
    """Milliseconds the item was on screen before the answer."""
    note: str | None = None
    """Note of a flag; ``IMPORTED`` on a label that came with its annotator from a file."""
    undoes: int | None = None


IMPORTED = "imported"
_UNDONE = "(SELECT undoes FROM label_events WHERE undoes IS NOT NULL)"
_COLUMNS = (
    "id, item_id, kind, username, happened_at, label_ids, payload, source, suggested, suggested_score, suggested_by, "
    "accepted, elapsed_ms, note, undoes"
)


def _event(row: tuple[Any, ...]) -> LabelEvent:
    event_id, item_id, kind, user, at, label_ids, *rest = row
    return LabelEvent(event_id, item_id, kind, user, at, tuple(label_ids or ()), *rest)


def append(database: Database, project_id: int, item_id: int, kind: str, user: str, **fields: Any) -> LabelEvent:
    """Store one event; it is on disk when this returns."""
    with database.transaction() as write:
        event = LabelEvent(database.next_ids("label_events"), item_id, kind, user, datetime.now(), **fields)
        write.execute(
            f"INSERT INTO label_events (project_id, {_COLUMNS}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                project_id,
                event.id,
                item_id,
                kind,
                user,
                event.at,
                list(event.label_ids),
                event.payload,
                event.source,
                event.suggested,
                event.suggested_score,
                event.suggested_by,
                event.accepted,
                event.elapsed_ms,
                event.note,
                event.undoes,
            ],
        )
    return event


def append_bulk(
    database: Database,
    project_id: int,
    item_ids: Sequence[int],
    label_ids: Sequence[int],
    payload: str | None,
    user: str,
    source: str = "bulk",
    kind: str = "label",
) -> None:
    """Give many items the same value in one transaction; one moment, by which the step is known."""
    with database.transaction() as write:
        first = database.next_ids("label_events", len(item_ids))
        write.execute(
            "INSERT INTO label_events (id, project_id, item_id, kind, label_ids, payload, username, source, "
            "happened_at) SELECT ? + generate_subscripts(ids, 1) - 1, ?, unnest(ids), ?, ?, ?, ?, ?, ? "
            "FROM (SELECT ?::BIGINT[] AS ids)",
            [first, project_id, kind, list(label_ids), payload, user, source, datetime.now(), list(item_ids)],
        )


_STEP = "project_id = ? AND kind = 'label' AND source = 'bulk' AND note IS NULL"


def bulk_steps(database: Database, project_id: int, limit: int) -> list[tuple[Any, ...]]:
    """(id, label_ids, payload, items, user, at, undone) of what was labelled in bulk, newest first.

    A step is known by its first event; undone is one of which no event stands any more.
    """
    return database.read(
        "SELECT min(id), any_value(label_ids), any_value(payload), count(*), username, happened_at, "
        f"count(*) FILTER (id NOT IN {_UNDONE}) = 0 FROM label_events WHERE {_STEP} "
        "GROUP BY username, happened_at ORDER BY min(id) DESC LIMIT ?",
        [project_id, limit],
    )


def undo_bulk(database: Database, project_id: int, step_id: int, user: str) -> list[int]:
    """Take back every event of a bulk step that still stands; returns the items. Labels given later stay."""
    with database.transaction() as write:
        rows = database.read(
            f"SELECT id, item_id FROM label_events WHERE {_STEP} AND id NOT IN {_UNDONE} AND (username, happened_at) = "
            f"(SELECT (username, happened_at) FROM label_events WHERE {_STEP} AND id = ?) ORDER BY id",
            [project_id, project_id, step_id],
        )
        write.execute(
            "INSERT INTO label_events (id, project_id, item_id, kind, username, source, undoes, happened_at) "
            "SELECT ? + generate_subscripts(ids, 1) - 1, ?, unnest(items), 'undo', ?, 'bulk', unnest(ids), ? "
            "FROM (SELECT ?::BIGINT[] AS ids, ?::BIGINT[] AS items)",
            [
                database.next_ids("label_events", len(rows)),
                project_id,
                user,
                datetime.now(),
                [event_id for event_id, _ in rows],
                [item_id for _, item_id in rows],
            ],
        )
    return [item_id for _, item_id in rows]


def item_history(database: Database, project_id: int, item_id: int) -> list[LabelEvent]:
    """Events of one item, oldest first."""
    rows = database.read(
        f"SELECT {_COLUMNS} FROM label_events WHERE project_id = ? AND item_id = ? ORDER BY id",
        [project_id, item_id],
    )
    return [_event(row) for row in rows]


def user_events(database: Database, project_id: int, user: str, limit: int, undoable: bool = False) -> list[LabelEvent]:
    """The newest events by one user that are not undone, newest first; undo events themselves are left out.

    ``undoable`` leaves only answers the user gave one by one. What a file said about this user is none of them.
    """
    answers = "kind IN ('label', 'clear', 'skip', 'flag', 'unflag') AND source NOT IN ('bulk', 'rule')"
    wanted = answers if undoable else "kind <> 'undo'"
    rows = database.read(
        f"SELECT {_COLUMNS} FROM label_events "
        "WHERE project_id = ? AND username = ? AND source <> 'import' AND (kind <> 'label' OR note IS NULL) "
        f"AND {wanted} AND id NOT IN {_UNDONE} ORDER BY id DESC LIMIT ?",
        [project_id, user, limit],
    )
    return [_event(row) for row in rows]


def skipped_items(database: Database, project_id: int, user: str) -> list[int]:
    """Items this user put aside and has not come back to."""
    return [
        item_id
        for (item_id,) in database.read(
            "SELECT item_id FROM label_events WHERE project_id = ? AND username = ? "
            f"AND kind IN ('skip', 'label', 'go_to') AND id NOT IN {_UNDONE} "
            "GROUP BY item_id HAVING arg_max(kind, id) = 'skip'",
            [project_id, user],
        )
    ]


def undo_skips(database: Database, project_id: int, user: str) -> None:
    """Take back everything this user put aside."""
    with database.transaction() as write:
        skips = database.read(
            "SELECT id FROM label_events WHERE project_id = ? AND username = ? AND kind = 'skip' "
            f"AND id NOT IN {_UNDONE}",
            [project_id, user],
        )
        write.execute(
            "INSERT INTO label_events (id, project_id, item_id, kind, username, source, undoes, happened_at) "
            "SELECT ? + row_number() OVER (ORDER BY id) - 1, project_id, item_id, 'undo', username, 'human', id, ? "
            "FROM label_events WHERE id IN (SELECT unnest(?::BIGINT[]))",
            [database.next_ids("label_events", len(skips)), datetime.now(), [skip for (skip,) in skips]],
        )


def current_codes(
    database: Database, project_id: int, since: int = 0
) -> tuple[dict[str, Any], dict[int, tuple[int, ...]]]:
    """Current labels of a project, or of its items from one id on: arrays (item_id, code) and what each code means.

    Code 0 is never used, so that it can mean unlabelled.
    """
    values = database.read(
        "SELECT label_ids, payload IS NOT NULL, row_number() OVER () FROM current_labels "
        "WHERE project_id = ? AND item_id >= ? AND kind = 'label' GROUP BY label_ids, payload IS NOT NULL",
        [project_id, since],
    )
    codes: dict[int, tuple[int, ...]] = {code: tuple(ids or ()) for ids, _, code in values}
    lookup = {(ids, has): code for (ids, has, code) in ((tuple(i or ()), h, c) for i, h, c in values)}
    arrays = database.read_arrays(
        "WITH mine AS (SELECT item_id, label_ids, payload IS NOT NULL AS has FROM current_labels "
        "WHERE project_id = ? AND item_id >= ? AND kind = 'label'), "
        "codes AS (SELECT unnest(?::STRUCT(label_ids INTEGER[], has BOOLEAN, code INTEGER)[], recursive := true)) "
        "SELECT mine.item_id, codes.code FROM mine JOIN codes "
        "ON mine.label_ids IS NOT DISTINCT FROM codes.label_ids AND mine.has = codes.has",
        [project_id, since, [{"label_ids": list(i), "has": has, "code": code} for (i, has), code in lookup.items()]],
    )
    return arrays, codes


def current_of(database: Database, project_id: int, item_ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """Current (kind, label_ids, payload, user, source, at) of some items; items never labelled are left out.

    The same as the view ``current_labels``, with the items narrowed down before the grouping.
    """
    if not item_ids:
        return {}
    rows = database.read(
        "SELECT item_id, kind, label_ids, payload, username, source, happened_at FROM label_events "
        "WHERE project_id = ? AND item_id BETWEEN ? AND ? AND item_id IN (SELECT unnest(?::BIGINT[])) "
        "AND kind IN ('label', 'clear') "
        f"AND id NOT IN {_UNDONE} ORDER BY id",
        [project_id, min(item_ids), max(item_ids), list(item_ids)],
    )
    return {row[0]: row[1:] for row in rows}


def current_among(items: str) -> str:
    """A query like the view ``current_labels`` with the items narrowed down, before the grouping, to those of a query.

    Columns: item_id and latest, a struct of kind, label_ids and payload. Binds the project's id.
    """
    return (
        "SELECT item_id, arg_max({'kind': kind, 'label_ids': label_ids, 'payload': payload}, id) AS latest "
        "FROM label_events WHERE project_id = ? AND kind IN ('label', 'clear') "
        f"AND item_id IN ({items}) AND id NOT IN {_UNDONE} GROUP BY item_id"
    )


def current_flags(database: Database, project_id: int, since: int = 0) -> dict[int, str]:
    """Open flags of a project, or of its items from one id on: item id -> note."""
    rows = database.read(
        "SELECT item_id, note FROM current_flags WHERE project_id = ? AND item_id >= ? AND kind = 'flag'",
        [project_id, since],
    )
    return {item_id: note or "" for item_id, note in rows}


def usernames(database: Database, project_id: int) -> list[str]:
    """Everybody who gave a current label, by name."""
    rows = database.read(
        "SELECT DISTINCT username FROM current_labels WHERE project_id = ? AND kind = 'label' ORDER BY username",
        [project_id],
    )
    return [user for (user,) in rows]


def human_counts(database: Database, project_id: int) -> dict[str, int]:
    """Current human labels by annotator, most first."""
    rows = database.read(
        "SELECT username, count(*) FROM current_labels WHERE project_id = ? AND kind = 'label' AND source = 'human' "
        "GROUP BY username ORDER BY count(*) DESC, username",
        [project_id],
    )
    return dict(rows)


def suggestion_counts(database: Database, project_id: int) -> dict[str, tuple[int, int]]:
    """By suggesting model: (accepted, shown) over labels that are not undone."""
    rows = database.read(
        "SELECT suggested_by, count(*) FILTER (accepted), count(*) FROM label_events WHERE project_id = ? "
        f"AND suggested_by IS NOT NULL AND id NOT IN {_UNDONE} "
        "GROUP BY suggested_by",
        [project_id],
    )
    return {by: (accepted, shown) for by, accepted, shown in rows}
