"""Knowledge, conversations and replays of customer service setups.

Entries and conversations are rows that are only ever added: the newest row of one counts, and its id is its revision.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from core.storage.database import Database

TABLES = ("service_entries", "service_conversations", "service_messages", "service_replays")
EntryRow = tuple[int, int, str, list[str], str, str, str, str, datetime]
"""Entry id, revision, title, questions, answer, intent, source, who changed it, when."""
ConversationRow = tuple[int, int, str, str, str, str, str, str, datetime, datetime]
"""Conversation id, revision, outside id, state, intent, resolution, source, user, when it began, when it changed."""
MessageRow = tuple[int, int, str, str, dict[str, Any] | None, datetime]
"""Message id, conversation id, role, text, trace, when."""

_ENTRIES = """
    SELECT entry_id, max(id), arg_max(title, id), arg_max(questions, id), arg_max(answer, id), arg_max(intent, id),
        arg_max(source, id), arg_max(username, id), max(happened_at)
    FROM service_entries WHERE setup_id = ? AND (entry_id = ? OR ? IS NULL)
    GROUP BY entry_id HAVING NOT arg_max(removed, id) ORDER BY entry_id"""
_CONVERSATIONS = """
    SELECT conversation_id, max(id), arg_max(external_id, id), arg_max(state, id), arg_max(intent, id),
        arg_max(resolution, id), arg_max(source, id), arg_max(username, id), min(happened_at), max(happened_at)
    FROM service_conversations WHERE setup_id = ? AND (conversation_id = ? OR ? IS NULL)
    GROUP BY conversation_id HAVING (arg_max(state, id) = ? OR ? IS NULL)
        AND (arg_max(source, id) IN (SELECT unnest(?::VARCHAR[])) OR ? IS NULL)
    ORDER BY conversation_id DESC LIMIT ?"""


def list_entries(database: Database, setup_id: int, entry_id: int | None = None) -> list[EntryRow]:
    """Entries as they are now, oldest first; one or none with ``entry_id``."""
    rows = database.read(_ENTRIES, [setup_id, entry_id, entry_id])
    return [(number, at, title, json.loads(asked), *rest) for number, at, title, asked, *rest in rows]


def write_entries(database: Database, setup_id: int, rows: Sequence[dict[str, Any]], user: str) -> list[int]:
    """Store entries as they are from now on, new ones without ``entry_id``; returns their numbers."""
    with database.transaction() as write:
        first = database.next_ids("service_entries", len(rows))
        now = datetime.now()
        values = [
            [
                first + place,
                setup_id,
                row.get("entry_id") or first + place,
                row["title"],
                json.dumps(row["questions"], ensure_ascii=False),
                row["answer"],
                row["intent"],
                row["source"],
                row.get("removed", False),
                user,
                now,
            ]
            for place, row in enumerate(rows)
        ]
        _insert(write, "service_entries", values)
    return [row[2] for row in values]


def list_conversations(
    database: Database,
    setup_id: int,
    conversation_id: int | None = None,
    state: str | None = None,
    sources: Sequence[str] | None = None,
    limit: int = 1_000_000,
) -> list[ConversationRow]:
    """Conversations as they are now, newest first."""
    kinds = list(sources) if sources else None
    values = [setup_id, conversation_id, conversation_id, state, state, kinds, kinds, limit]
    return [tuple(row) for row in database.read(_CONVERSATIONS, values)]


def write_conversations(database: Database, setup_id: int, rows: Sequence[dict[str, Any]], user: str) -> list[int]:
    """Store conversations as they are from now on, new ones without ``conversation_id``; returns their numbers."""
    with database.transaction() as write:
        first = database.next_ids("service_conversations", len(rows))
        now = datetime.now()
        values = [
            [
                first + place,
                setup_id,
                row.get("conversation_id") or first + place,
                row.get("external_id", ""),
                row["state"],
                row.get("intent", ""),
                row.get("resolution", ""),
                row["source"],
                user,
                row.get("at") or now,
            ]
            for place, row in enumerate(rows)
        ]
        _insert(write, "service_conversations", values)
    return [row[2] for row in values]


def list_messages(database: Database, setup_id: int, conversation_ids: Sequence[int]) -> list[MessageRow]:
    """Messages of some conversations in the order in which they were written."""
    rows = database.read(
        "SELECT id, conversation_id, role, text, trace, happened_at FROM service_messages "
        "WHERE setup_id = ? AND conversation_id IN (SELECT unnest(?::BIGINT[])) ORDER BY id",
        [setup_id, list(conversation_ids)],
    )
    return [(*head, json.loads(trace) if trace else None, at) for *head, trace, at in rows]


def first_words(database: Database, setup_id: int, limit: int) -> list[tuple[int, str]]:
    """(conversation id, first customer message, at most 100 characters) of live conversations, newest first."""
    rows = database.read(
        "SELECT c.conversation_id, coalesce(left(arg_min(m.text, m.id), 100), '') "
        "FROM (SELECT DISTINCT conversation_id FROM service_conversations WHERE setup_id = ? "
        "      AND source IN ('chat', 'api') ORDER BY conversation_id DESC LIMIT ?) c "
        "LEFT JOIN (SELECT * FROM service_messages WHERE setup_id = ? AND role = 'customer') m USING (conversation_id) "
        "GROUP BY c.conversation_id ORDER BY c.conversation_id DESC",
        [setup_id, limit, setup_id],
    )
    return [(number, words) for number, words in rows]


def write_messages(
    database: Database, setup_id: int, rows: Iterable[tuple[int, str, str, dict[str, Any] | None]]
) -> list[int]:
    """Add messages (conversation id, role, text, trace); returns their numbers."""
    with database.transaction() as write:
        kept = list(rows)
        first = database.next_ids("service_messages", len(kept))
        now = datetime.now()
        values: list[list[Any]] = [
            [first + place, setup_id, talk, role, text, None if trace is None else _dump(trace), now]
            for place, (talk, role, text, trace) in enumerate(kept)
        ]
        _insert(write, "service_messages", values)
    return [row[0] for row in values]


def list_replays(database: Database, setup_id: int) -> list[tuple[int, str, dict[str, Any], str, datetime]]:
    """Replays (number, name, summary of the result, user, when), newest first."""
    rows = database.read(
        "SELECT id, name, json_extract(result, '$.summary')::VARCHAR, username, happened_at FROM service_replays "
        "WHERE setup_id = ? ORDER BY id DESC",
        [setup_id],
    )
    return [(number, name, json.loads(summary), user, at) for number, name, summary, user, at in rows]


def read_replay(database: Database, setup_id: int, number: int) -> dict[str, Any] | None:
    """The whole result of a replay; None without such a one."""
    rows = database.read("SELECT result FROM service_replays WHERE setup_id = ? AND id = ?", [setup_id, number])
    return json.loads(rows[0][0]) if rows else None


def write_replay(database: Database, setup_id: int, name: str, result: dict[str, Any], user: str) -> int:
    """Keep the result of a replay; returns its number."""
    with database.transaction() as write:
        number = database.next_ids("service_replays")
        _insert(write, "service_replays", [[number, setup_id, name, _dump(result), user, datetime.now()]])
    return number


def changed(database: Database, setup_id: int) -> tuple[int, int]:
    """What tells whether the searchable texts changed: newest row of entries and of resolved conversations."""
    return database.read(
        "SELECT (SELECT coalesce(max(id), 0) FROM service_entries WHERE setup_id = ?), "
        "(SELECT coalesce(max(id), 0) FROM service_conversations WHERE setup_id = ? AND state = 'resolved')",
        [setup_id, setup_id],
    )[0]


def delete_setup(database: Database, setup_id: int) -> None:
    """Delete everything of a setup."""
    with database.transaction() as write:
        for table in TABLES:
            database.forget_highest(table)
            write.execute(f"DELETE FROM {table} WHERE setup_id = ?", [setup_id])


def _insert(write: Any, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Many rows in one statement: one a row takes a second for a thousand."""
    if rows:
        each = f"({', '.join('?' * len(rows[0]))})"
        for start in range(0, len(rows), 500):
            part = rows[start : start + 500]
            write.execute(
                f"INSERT INTO {table} VALUES {', '.join([each] * len(part))}", [v for row in part for v in row]
            )


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
