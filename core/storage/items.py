"""Items and their texts: find, page, count. Text is only touched where text is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.records import ItemFilter
from core.storage.database import Database

FEEDBACK = "feedback:"
"""Sources that begin with it name where a person said that a model was wrong; such items are labelled first."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A row of items joined with its text; the label is added by the caller."""

    id: int
    position: int
    split: str | None
    source: str
    external_id: str | None
    excluded: bool
    text: str
    text_b: str | None
    meta: dict[str, Any]


_JOIN_LABELS = (
    " LEFT JOIN (SELECT * FROM current_labels WHERE kind = 'label') c "
    "ON c.item_id = i.id AND c.project_id = i.project_id"
)
_JOIN_FLAGS = (
    " LEFT JOIN (SELECT * FROM current_flags WHERE kind = 'flag') f ON f.item_id = i.id AND f.project_id = i.project_id"
)


def _conditions(project_id: int, where: ItemFilter, label_ids: Sequence[int]) -> tuple[str, str, list[Any]]:
    """(joins, condition, values) of a filter. Every value is bound; only our own words go into the SQL."""
    joins, conditions = "", ["i.project_id = ?"]
    values: list[Any] = [project_id]
    if where.text:
        joins += " JOIN item_texts t ON t.item_id = i.id AND t.project_id = i.project_id"
        conditions.append("contains(lower(t.text), lower(?))")
        values.append(where.text)
    if where.labels or where.labelled is not None or where.annotators:
        joins += _JOIN_LABELS
        if where.labelled is not None:
            conditions.append("c.item_id IS NOT NULL" if where.labelled else "c.item_id IS NULL")
        if where.labels:
            conditions.append("list_has_any(c.label_ids, ?::INTEGER[])")
            values.append(list(label_ids))
        if where.annotators:
            conditions.append("list_contains(?::VARCHAR[], c.username)")
            values.append(list(where.annotators))
    if where.flagged is not None:
        joins += _JOIN_FLAGS
        conditions.append("f.item_id IS NOT NULL" if where.flagged else "f.item_id IS NULL")
    for column, wanted in (("split", where.splits), ("source", where.sources)):
        if wanted:
            conditions.append(f"list_contains(?::VARCHAR[], i.{column})")
            values.append(list(wanted))
    if where.excluded is not None:
        conditions.append("i.excluded = ?")
        values.append(where.excluded)
    if where.ids is not None:
        conditions.append("i.id IN (SELECT unnest(?::BIGINT[]))")
        values.append(list(where.ids))
    return joins, " AND ".join(conditions), values


def count_items(database: Database, project_id: int, where: ItemFilter, label_ids: Sequence[int]) -> int:
    """Number of items the filter lets through."""
    joins, condition, values = _conditions(project_id, where, label_ids)
    return database.read(f"SELECT count(*) FROM items i{joins} WHERE {condition}", values)[0][0]


def find_ids(
    database: Database,
    project_id: int,
    where: ItemFilter,
    label_ids: Sequence[int],
    offset: int = 0,
    limit: int | None = None,
    newest_first: bool = False,
) -> list[int]:
    """Ids the filter lets through, in import order (or reversed), one page of them."""
    joins, condition, values = _conditions(project_id, where, label_ids)
    order = "DESC" if newest_first else "ASC"
    page = "" if limit is None else f" LIMIT {int(limit)} OFFSET {int(offset)}"
    rows = database.read(
        f"SELECT i.id FROM items i{joins} WHERE {condition} ORDER BY i.position {order}{page}",
        values,
    )
    return [item_id for (item_id,) in rows]


def _stored(row: Sequence[Any]) -> StoredItem:
    item_id, position, split, source, external_id, excluded, text, text_b, meta = row
    found = json.loads(meta) if meta else {}
    return StoredItem(item_id, position, split, source, external_id, excluded, text, text_b, found)


def load_items(database: Database, project_id: int, item_ids: Sequence[int]) -> list[StoredItem]:
    """Items with their texts in the order of ``item_ids``; unknown ids are left out."""
    if not item_ids:
        return []
    ids, low, high = list(item_ids), min(item_ids), max(item_ids)
    # The bounds let DuckDB skip every row group outside them; ids ascend with position.
    rows = database.read(
        "SELECT i.id, i.position, i.split, i.source, i.external_id, i.excluded, t.text, t.text_b, t.meta "
        "FROM items i JOIN item_texts t ON t.item_id = i.id "
        "WHERE i.project_id = ? AND i.id BETWEEN ? AND ? AND t.item_id BETWEEN ? AND ? "
        "AND i.id IN (SELECT unnest(?::BIGINT[])) AND t.item_id IN (SELECT unnest(?::BIGINT[]))",
        [project_id, low, high, low, high, ids, ids],
    )
    found = {row[0]: _stored(row) for row in rows}
    return [found[item_id] for item_id in ids if item_id in found]


def load_hashes(database: Database, project_id: int, item_ids: Sequence[int]) -> dict[int, int]:
    """Hash of the text of each item as it is now; unknown ids are left out."""
    return dict(
        database.read(
            "SELECT id, text_hash FROM items WHERE project_id = ? AND id IN (SELECT unnest(?::BIGINT[]))",
            [project_id, list(item_ids)],
        )
    )


def load_item(database: Database, project_id: int, item_id: int) -> StoredItem | None:
    """One item with its text; the hot path of labeling, so two look-ups by a single value."""
    rows = database.read(
        "SELECT id, position, split, source, external_id, excluded FROM items WHERE id = ? AND project_id = ?",
        [item_id, project_id],
    )
    if not rows:
        return None
    text, text_b, meta = database.read("SELECT text, text_b, meta FROM item_texts WHERE item_id = ?", [item_id])[0]
    return _stored((*rows[0], text, text_b, meta))


def find_text(database: Database, project_id: int, text_hash: int) -> int | None:
    """Id of the newest item with this hash of its text; None when there is none."""
    rows = database.read("SELECT max(id) FROM items WHERE project_id = ? AND text_hash = ?", [project_id, text_hash])
    found: int | None = rows[0][0]
    return found


def all_positions(database: Database, project_id: int, since: int = 0) -> dict[str, Any]:
    """Arrays (id, excluded, feedback) in position order, of a whole project or of its items from one id on."""
    return database.read_arrays(
        "SELECT id, excluded, starts_with(source, ?) AS feedback FROM items WHERE project_id = ? AND id >= ? "
        "ORDER BY position",
        [FEEDBACK, project_id, since],
    )


def load_texts(
    database: Database, project_id: int, where: ItemFilter, label_ids: Sequence[int]
) -> list[tuple[Any, ...]]:
    """(id, text, text_b, text_hash, split) of all items the filter lets through, in position order."""
    joins, condition, values = _conditions(project_id, where, label_ids)
    return database.read(
        "SELECT i.id, x.text, x.text_b, i.text_hash, i.split FROM items i "
        f"JOIN item_texts x ON x.item_id = i.id{joins} WHERE {condition} ORDER BY i.position",
        values,
    )


def label_counts(
    database: Database, project_id: int, where: ItemFilter, label_ids: Sequence[int]
) -> list[tuple[int, int]]:
    """(label id, items) of the current labels of what the filter lets through, most first."""
    joins, condition, values = _conditions(project_id, where, label_ids)
    if _JOIN_LABELS not in joins:
        joins += _JOIN_LABELS
    return database.read(
        f"SELECT label, count(*) FROM (SELECT unnest(c.label_ids) AS label FROM items i{joins} WHERE {condition}) "
        "GROUP BY label ORDER BY count(*) DESC, label",
        values,
    )


def list_sources(database: Database, project_id: int) -> list[str]:
    """Where items came from, by name."""
    rows = database.read("SELECT DISTINCT source FROM items WHERE project_id = ? ORDER BY source", [project_id])
    return [source for (source,) in rows]


def split_counts(database: Database, project_id: int) -> dict[str, int]:
    """Items by imported split; items without one are left out."""
    return dict(
        database.read(
            "SELECT split, count(*) FROM items WHERE project_id = ? AND split IS NOT NULL AND NOT excluded "
            "GROUP BY split ORDER BY split",
            [project_id],
        )
    )


def length_counts(
    database: Database, project_id: int, where: ItemFilter, label_ids: Sequence[int], bins: int = 30
) -> list[tuple[int, int]]:
    """Histogram of text lengths: (upper edge in characters, items), ``bins`` equal steps up to the 99th percentile."""
    joins, condition, values = _conditions(project_id, where, label_ids)
    rows = database.read(
        f"WITH l AS (SELECT i.length FROM items i{joins} WHERE {condition}), "
        "top AS (SELECT greatest(quantile_disc(length, 0.99), 1) AS high FROM l) "
        f"SELECT least(floor(length * {bins} / (high + 1)), {bins - 1})::INTEGER AS bin, any_value(high), count(*) "
        "FROM l, top GROUP BY bin ORDER BY bin",
        values,
    )
    return [(round((number + 1) * (high + 1) / bins), count) for number, high, count in rows]
