"""Items, events and figures of the recommendation scenario. Everything belongs to a setup."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from core.storage.database import Database

ITEMS = pa.schema(
    [
        ("key", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("category", pa.string()),
        ("price", pa.float64()),
        ("added_on", pa.date32()),
    ]
)
EVENTS = pa.schema(
    [
        ("person", pa.string()),
        ("item", pa.string()),
        ("kind", pa.string()),
        ("rating", pa.float64()),
        ("happened_at", pa.timestamp("us")),
    ]
)
TABLES = ("recommendation_items", "recommendation_events", "recommendation_reports")
_FIRST_DAY = date(1970, 1, 1)


def write_items(database: Database, setup_id: int, rows: pa.Table) -> int:
    """Store items, columns as in ``ITEMS``, every ``key`` once; an item that is there is replaced. Returns how many
    were."""
    with database.transaction() as write:
        write.register("incoming_items", _numbered(rows))
        try:
            known = "setup_id = ? AND key IN (SELECT key FROM incoming_items)"
            (replaced,) = database.read(f"SELECT count(*) FROM recommendation_items WHERE {known}", [setup_id])[0]
            if replaced:
                database.forget_highest("recommendation_items")
                write.execute(f"DELETE FROM recommendation_items WHERE {known}", [setup_id])
            first = database.next_ids("recommendation_items", rows.num_rows)
            write.execute(
                "INSERT INTO recommendation_items SELECT ? + place, ?, key, title, description, category, price, "
                "added_on FROM incoming_items ORDER BY place",
                [first, setup_id],
            )
        finally:
            write.unregister("incoming_items")
    return int(replaced)


def append_events(database: Database, setup_id: int, rows: pa.Table) -> int:
    """Store events, columns as in ``EVENTS``; one that is there already, to the microsecond, is left out.

    Returns how many were added.
    """
    with database.transaction() as write:
        write.register("incoming_events", _numbered(rows))
        try:
            write.execute(
                "CREATE OR REPLACE TEMP TABLE new_events AS SELECT person, item, kind, rating, happened_at, "
                "row_number() OVER (ORDER BY min(place)) - 1 AS n FROM incoming_events i WHERE NOT EXISTS (SELECT 1 "
                "FROM recommendation_events e WHERE e.setup_id = ? AND e.person = i.person AND e.item = i.item AND "
                "e.kind = i.kind AND e.rating IS NOT DISTINCT FROM i.rating AND "
                "e.happened_at IS NOT DISTINCT FROM i.happened_at) GROUP BY person, item, kind, rating, happened_at",
                [setup_id],
            )
            (added,) = database.read("SELECT count(*) FROM new_events")[0]
            first = database.next_ids("recommendation_events", added)
            write.execute(
                "INSERT INTO recommendation_events SELECT ? + n, ?, person, item, kind, rating, happened_at "
                "FROM new_events ORDER BY n",
                [first, setup_id],
            )
            write.execute("DROP TABLE new_events")
        finally:
            write.unregister("incoming_events")
    return int(added)


def read_items(database: Database, setup_id: int) -> dict[str, Any]:
    """Columns of all items in the order in which they came; ``price`` NaN and ``added_on`` NaN where unknown.

    ``added_on`` is in days since 1970-01-01.
    """
    return database.read_arrays(
        "SELECT key, title, description, category, coalesce(price, 'nan'::DOUBLE) AS price, "
        "coalesce(date_diff('day', ?::DATE, added_on)::DOUBLE, 'nan'::DOUBLE) AS added_on "
        "FROM recommendation_items WHERE setup_id = ? ORDER BY id",
        [_FIRST_DAY, setup_id],
    )


def read_events(database: Database, setup_id: int) -> dict[str, Any]:
    """Columns of all events by time, then in the order in which they came; ``at`` in days since 1970, NaN: unknown."""
    return database.read_arrays(
        "SELECT person, item, kind, coalesce(rating, 'nan'::DOUBLE) AS rating, "
        "coalesce(epoch_us(happened_at) / 86400e6, 'nan'::DOUBLE) AS at "
        "FROM recommendation_events WHERE setup_id = ? ORDER BY happened_at NULLS FIRST, id",
        [setup_id],
    )


def count_unknown(database: Database, setup_id: int) -> int:
    """Events whose item the catalogue does not have."""
    return int(
        database.read(
            "SELECT count(*) FROM recommendation_events WHERE setup_id = ? AND item NOT IN "
            "(SELECT key FROM recommendation_items WHERE setup_id = ?)",
            [setup_id, setup_id],
        )[0][0]
    )


def stamp(database: Database, setup_id: int) -> tuple[int, int, int, int]:
    """(items, newest item id, events, newest event id): changes with the data."""
    counts: list[int] = []
    for table in TABLES[:2]:
        row = database.read(f"SELECT count(*), coalesce(max(id), 0) FROM {table} WHERE setup_id = ?", [setup_id])[0]
        counts.extend(int(value) for value in row)
    return counts[0], counts[1], counts[2], counts[3]


def write_report(database: Database, setup_id: int, stamp_text: str, content: dict[str, Any]) -> None:
    """Keep the figures of an evaluation with what they were made from."""
    with database.transaction() as write:
        number = database.next_ids("recommendation_reports")
        write.execute(
            "INSERT INTO recommendation_reports VALUES (?, ?, ?, ?, ?)",
            [number, setup_id, stamp_text, json.dumps(content), datetime.now()],
        )


def newest_report(database: Database, setup_id: int) -> tuple[str, dict[str, Any], datetime] | None:
    """(stamp, content, when) of the last evaluation; None before the first."""
    rows = database.read(
        "SELECT stamp, content, happened_at FROM recommendation_reports WHERE setup_id = ? ORDER BY id DESC LIMIT 1",
        [setup_id],
    )
    return (rows[0][0], json.loads(rows[0][1]), rows[0][2]) if rows else None


def delete_data(database: Database, setup_id: int) -> None:
    """Remove everything that belongs to a setup."""
    with database.transaction() as write:
        for table in TABLES:
            database.forget_highest(table)
            write.execute(f"DELETE FROM {table} WHERE setup_id = ?", [setup_id])


def _numbered(rows: pa.Table) -> pa.Table:
    """The rows with their place, which a query would not keep by itself."""
    return rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
