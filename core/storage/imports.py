"""Imports: staged rows on their way into the database, and the record of what came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import duckdb

from core.storage.database import Database, quoted
from core.storage.label_events import IMPORTED, current_among

Keep = Literal["none", "repeated", "all"]
"""Which duplicates an import keeps: no, those of a text earlier in the file, also those of a text in the project."""


@dataclass(frozen=True)
class InsertCounts:
    """What the insertion of a staged import did."""

    added: int
    duplicates: int
    differing: int
    """Duplicates left out that carry a label or a split which no copy that stays has."""
    labelled: int
    flagged: int
    """Staged rows with a flag."""
    first_id: int
    """Id of the first added item; the others follow it without a gap."""


def staged_labels(database: Database, staged: Path) -> list[str]:
    """Distinct encoded values of a staged import, most used first."""
    rows = database.read(
        "SELECT label FROM read_parquet(?) WHERE label IS NOT NULL GROUP BY label ORDER BY count(*) DESC, label",
        [str(staged)],
    )
    return [label for (label,) in rows]


def insert_staged(
    database: Database,
    write: duckdb.DuckDBPyConnection,
    project_id: int,
    staged: Path,
    filename: str,
    rejected: int,
    user: str,
    keep: Keep,
    values: Mapping[str, tuple[str | None, list[int]]],
    merged: Mapping[int, int],
) -> InsertCounts:
    """Move a staged import into the project. Call inside a transaction, one import of a project at a time.

    ``values`` maps each encoded value of the file to its (payload, label ids), ``merged`` labels to the ones they
    were merged into. Duplicates are rows whose text is in the project or earlier in the file; ``keep`` says which.
    """
    # Which rows come in, and as which number, is settled once: four tables are filled from it and must agree.
    write.execute(
        f"CREATE OR REPLACE TEMP TABLE chosen AS WITH staged AS (SELECT row, first_row, text_hash, position FROM "
        f"read_parquet({quoted(staged)})), known AS (SELECT text_hash FROM items WHERE project_id = $project AND "
        "text_hash IN (SELECT text_hash FROM staged)) "
        "SELECT row, row_number() OVER (ORDER BY position NULLS LAST, row) - 1 AS n "
        "FROM staged WHERE ($repeated OR first_row = row) "
        "AND ($known OR text_hash NOT IN (SELECT text_hash FROM known))",
        {"project": project_id, "repeated": keep != "none", "known": keep == "all"},
    )
    total, flagged, added = database.read(
        "SELECT count(*), count(flag), (SELECT count(*) FROM chosen) FROM read_parquet(?)", [str(staged)]
    )[0]
    duplicates = total - added
    differing = 0
    if keep == "all":
        (duplicates,) = database.read(
            "SELECT count(*) FROM read_parquet(?) WHERE first_row <> row OR text_hash IN "
            "(SELECT text_hash FROM items WHERE project_id = ?)",
            [str(staged), project_id],
        )[0]
    elif duplicates:
        differing = _count_differing(database, project_id, staged, values, merged)
    import_id = database.next_ids("imports")
    write.execute(
        "INSERT INTO imports VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [import_id, project_id, filename, added, duplicates, rejected, user, datetime.now()],
    )
    first_id, labelled = database.next_ids("items", added), 0
    if added:
        (position,) = database.read(
            "SELECT coalesce(max(position) + 1, 0) FROM items WHERE project_id = ?", [project_id]
        )[0]
        source = f"(SELECT staged.*, chosen.n FROM read_parquet({quoted(staged)}) staged JOIN chosen USING (row))"
        write.execute(
            "INSERT INTO items SELECT ? + n, ?, ? + n, text_hash, length, split, coalesce(source, ?), external_id, ?, "
            f"coalesce(excluded, FALSE) FROM {source} ORDER BY n",
            [first_id, project_id, position, filename, import_id],
        )
        write.execute(
            f"INSERT INTO item_texts SELECT ? + n, ?, text, text_b, meta FROM {source} ORDER BY n",
            [first_id, project_id],
        )
        labelled = _insert_labels(database, write, project_id, source, first_id, values, user)
        if flagged:
            _insert_flags(database, write, project_id, source, first_id, user)
    write.execute("DROP TABLE chosen")
    return InsertCounts(added, duplicates, differing, labelled, flagged, first_id)


def _count_differing(
    database: Database,
    project_id: int,
    staged: Path,
    values: Mapping[str, tuple[str | None, list[int]]],
    merged: Mapping[int, int],
) -> int:
    """Rows left out whose label, or split, no copy of their text that stays has. Call before the others are stored.

    Rows are read as groups: there are few combinations of labels and splits, however many rows.
    """
    groups = database.read(
        "WITH staged AS (SELECT row, first_row, text_hash, label, split FROM read_parquet(?)), "
        "gone AS (SELECT * FROM staged WHERE row NOT IN (SELECT row FROM chosen) "
        "AND (label IS NOT NULL OR split IS NOT NULL)), "
        "there AS (SELECT id, text_hash, split FROM items WHERE project_id = ? "
        "AND text_hash IN (SELECT text_hash FROM gone)), "
        f"labels AS (SELECT * FROM ({current_among('SELECT id FROM there')}) WHERE latest.kind = 'label'), "
        "stays AS (SELECT t.text_hash, list_sort(list(DISTINCT {'label': NULL::VARCHAR, 'ids': l.latest.label_ids, "
        "'payload': l.latest.payload, 'split': t.split})) AS copies FROM there t "
        "LEFT JOIN labels l ON l.item_id = t.id GROUP BY t.text_hash) "
        "SELECT g.label, g.split, coalesce(s.copies, "
        "[{'label': f.label, 'ids': NULL::INTEGER[], 'payload': NULL::VARCHAR, 'split': f.split}]) AS copies, count(*) "
        "FROM gone g LEFT JOIN stays s ON s.text_hash = g.text_hash JOIN staged f ON f.row = g.first_row GROUP BY ALL",
        [str(staged), project_id, project_id],
    )

    def value(cell: str | None, label_ids: Sequence[int] | None, payload: str | None) -> object:
        if cell is not None:
            payload, label_ids = values[cell]
        return payload, tuple(merged.get(i, i) for i in label_ids or ())

    return sum(
        count
        for cell, split, copies, count in groups
        if not any(
            (cell is None or value(cell, None, None) == value(copy["label"], copy["ids"], copy["payload"]))
            and split in (None, copy["split"])
            for copy in copies
        )
    )


def _insert_labels(
    database: Database,
    write: duckdb.DuckDBPyConnection,
    project_id: int,
    source: str,
    first_id: int,
    values: Mapping[str, tuple[str | None, list[int]]],
    user: str,
) -> int:
    """Store the labels of a staged import; in a file that was exported here, with who gave them and when."""
    if not values:
        return 0
    mapping = [{"cell": cell, "payload": payload, "label_ids": ids} for cell, (payload, ids) in values.items()]
    write.execute(
        "CREATE OR REPLACE TEMP TABLE staged_values AS SELECT unnest("
        "?::STRUCT(cell VARCHAR, payload VARCHAR, label_ids INTEGER[])[], recursive := true)",
        [mapping],
    )
    labelled = database.read(f"SELECT count(*) FROM {source} s JOIN staged_values v ON s.label = v.cell")[0][0]
    first_event = database.next_ids("label_events", labelled)
    write.execute(
        "INSERT INTO label_events (id, project_id, item_id, kind, label_ids, payload, username, source, note, "
        "happened_at) SELECT ? + row_number() OVER (ORDER BY n) - 1, ?, ? + n, 'label', v.label_ids, v.payload, "
        "coalesce(s.annotator, ?), coalesce(s.label_source, 'import'), ?, "
        "coalesce(try_cast(s.labelled_at AS TIMESTAMP), ?) "
        f"FROM {source} s JOIN staged_values v ON s.label = v.cell ORDER BY n",
        [first_event, project_id, first_id, user, IMPORTED, datetime.now()],
    )
    write.execute("DROP TABLE staged_values")
    return labelled


def _insert_flags(
    database: Database, write: duckdb.DuckDBPyConnection, project_id: int, source: str, first_id: int, user: str
) -> None:
    """Store the open flags that a file exported here carries."""
    flagged = database.read(f"SELECT count(*) FROM {source} s WHERE s.flag IS NOT NULL")[0][0]
    first_event = database.next_ids("label_events", flagged)
    write.execute(
        "INSERT INTO label_events (id, project_id, item_id, kind, note, username, source, happened_at) "
        "SELECT ? + row_number() OVER (ORDER BY n) - 1, ?, ? + n, 'flag', s.flag, ?, 'import', ? "
        f"FROM {source} s WHERE s.flag IS NOT NULL ORDER BY n",
        [first_event, project_id, first_id, user, datetime.now()],
    )


def list_imports(database: Database, project_id: int) -> list[tuple[Any, ...]]:
    """(id, filename, added, duplicates, rejected, user, at) of every import, newest first."""
    return database.read(
        "SELECT id, filename, added, duplicates, rejected, username, happened_at FROM imports WHERE project_id = ? "
        "ORDER BY id DESC",
        [project_id],
    )
