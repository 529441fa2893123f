"""Items and events from files or programs: which column means what, checked row by row.

Files are read in the throw-away process of every import (core.data.importing). Rows that cannot be used are named
with their reason, the others come in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from core.data import importing
from core.data.names import visible
from core.errors import InputError
from core.records import ColumnMapping, Progressing, Record, RejectedRow
from core.scenarios.recommendation.catalog import SEPARATOR, split_categories
from core.settings import Settings
from core.storage.recommendation import EVENTS, ITEMS

LONGEST_KEY = 200
LONGEST_TITLE = 500
LONGEST_TEXT = 20_000
MOST_REJECTED = 1_000
FIRST_SECOND = 1e8
"""A number of a time column from here on is seconds since 1970, from 1e11 on milliseconds."""
LATEST = datetime(2200, 1, 1)
EARLIEST = datetime(1900, 1, 1)
Report = Callable[[Progressing], None]
Row = Mapping[str, Any]


class ItemMapping(Record):
    """Which column of a file of items means what."""

    id: str = Field(default="id", description="Your own id of the item; events name it.")
    title: str | None = Field(default="title", description="Name of the item; without one the id stands in.")
    description: str | None = Field(default=None, description="Text that a model reads.")
    category: str | None = Field(default=None, description="One category, several with | between them, or a list.")
    price: str | None = Field(default=None, description="A number, with or without a currency sign.")
    added_on: str | None = Field(default=None, description="First day in the catalogue.")


class EventMapping(Record):
    """Which column of a file of events means what."""

    person: str = Field(default="user", description="Who did it.")
    item: str = Field(default="item", description="Id of the item.")
    kind: str | None = Field(default=None, description="What was done: view, click, share, purchase ...")
    rating: str | None = Field(default=None, description="A number that somebody gave.")
    at: str | None = Field(default=None, description="When: a date, a time, or seconds since 1970.")


class DataReport(Record):
    """What an import of items or events did."""

    added: int = Field(description="Rows that came in.")
    replaced: int = Field(default=0, description="Items that were there already and have the new values now.")
    duplicates: int = Field(default=0, description="Rows that were there already, or earlier in the file.")
    rejected: list[RejectedRow] = Field(default_factory=list, description="Rows left out, with reasons.")
    warnings: list[str] = Field(default_factory=list)


_GUESSES: dict[str, tuple[str, ...]] = {
    "id": ("item_id", "id", "product_id", "sku", "movie_id", "asin", "item", "编号"),
    "title": ("title", "name", "product", "标题", "名称"),
    "description": ("description", "text", "plot", "summary", "overview", "details", "描述"),
    "category": ("category", "categories", "genres", "genre", "department", "类别"),
    "price": ("price", "amount", "cost", "价格"),
    "added_on": ("added_on", "added", "date", "created_at", "released", "published"),
    "person": ("user_id", "user", "person", "customer_id", "customer", "visitor", "uid", "用户"),
    "item": ("item_id", "item", "product_id", "sku", "movie_id", "asin"),
    "kind": ("kind", "event", "event_type", "action", "type"),
    "rating": ("rating", "score", "stars", "评分"),
    "at": ("at", "timestamp", "time", "datetime", "date", "happened_at", "created_at"),
}


def guess(columns: Iterable[str], record: type[ItemMapping] | type[EventMapping]) -> dict[str, str | None]:
    """The most likely column of each meaning; each column once."""
    by_name = {name.strip().lower(): name for name in columns}
    found: dict[str, str | None] = {}
    for meaning in record.model_fields:
        free = (by_name[name] for name in _GUESSES[meaning] if by_name.get(name, "") not in ("", *found.values()))
        found[meaning] = next(free, None)
    return found


def read_rows(
    path: Path,
    key: str,
    filename: str | None,
    settings: Settings,
    parent: Path,
    progress: Report | None = None,
) -> tuple[list[tuple[int, Row]], list[RejectedRow]]:
    """((row number, cells by column) of every row with a cell in the column ``key``, the other rows)."""
    staged = importing.stage(
        path, ColumnMapping(text=key), "classification", filename, settings=settings, progress=progress, parent=parent
    )
    with staged:
        table = pq.read_table(staged.parquet, columns=["row", "text", "meta"])
        refused = [
            row.model_copy(update={"reason": row.reason.replace("the text is empty", f"'{visible(key, 40)}' is empty")})
            for row in staged.rejected(MOST_REJECTED)
        ]
    rows: list[tuple[int, Row]] = [
        (row, {**(json.loads(meta) if meta else {}), key: text})
        for row, text, meta in zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    ]
    return rows, refused


def item_table(rows: Iterable[tuple[int, Row]], mapping: ItemMapping) -> tuple[pa.Table, int, list[RejectedRow]]:
    """(rows for storage, duplicates, rejected rows). The first row with an id counts."""
    seen: set[str] = set()
    return _table(rows, ITEMS, lambda row: _item(row, mapping), lambda cells: _is_new(cells["key"], seen))


def event_table(rows: Iterable[tuple[int, Row]], mapping: EventMapping) -> tuple[pa.Table, int, list[RejectedRow]]:
    """(rows for storage, duplicates, rejected rows)."""
    seen: set[Any] = set()
    return _table(rows, EVENTS, lambda row: _event(row, mapping), lambda cells: _is_new(tuple(cells.values()), seen))


def _is_new(key: Any, seen: set[Any]) -> bool:
    known = key in seen
    seen.add(key)
    return not known


def _table(
    rows: Iterable[tuple[int, Row]],
    schema: pa.Schema,
    convert: Callable[[Row], dict[str, Any]],
    is_new: Callable[[dict[str, Any]], bool],
) -> tuple[pa.Table, int, list[RejectedRow]]:
    kept: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    duplicates = 0
    for number, row in rows:
        try:
            cells = convert(row)
        except InputError as error:
            if len(rejected) < MOST_REJECTED:
                excerpt = visible(" ".join(str(cell) for cell in row.values() if cell is not None))
                rejected.append(RejectedRow(row=number, reason=error.message, excerpt=excerpt))
            continue
        if is_new(cells):
            kept.append(cells)
        else:
            duplicates += 1
    columns = {name: [cells[name] for cells in kept] for name in schema.names}
    return pa.table(columns, schema=schema), duplicates, rejected


def _item(row: Row, mapping: ItemMapping) -> dict[str, Any]:
    key = _key(row, mapping.id)
    title = _words(row, mapping.title, LONGEST_TITLE)
    return {
        "key": key,
        "title": title or key,
        "description": _words(row, mapping.description, LONGEST_TEXT),
        "category": SEPARATOR.join(split_categories(_cell(row, mapping.category))),
        "price": read_price(_cell(row, mapping.price)),
        "added_on": _day(_cell(row, mapping.added_on)),
    }


def _event(row: Row, mapping: EventMapping) -> dict[str, Any]:
    rating = _cell(row, mapping.rating)
    kind = " ".join(_cell(row, mapping.kind).split()).lower()[:50]
    return {
        "person": _key(row, mapping.person),
        "item": _key(row, mapping.item),
        "kind": kind or ("rating" if rating else "event"),
        "rating": _number(rating, "rating"),
        "happened_at": read_time(_cell(row, mapping.at)),
    }


def _cell(row: Row, column: str | None) -> str:
    value = row.get(column) if column is not None else None
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value).strip()


def _words(row: Row, column: str | None, limit: int) -> str:
    """One line of visible characters."""
    text = "".join(c if c.isprintable() else " " for c in _cell(row, column))
    return " ".join(text.split())[:limit]


def _key(row: Row, column: str) -> str:
    key = _words(row, column, LONGEST_KEY + 1)
    if not key:
        raise InputError(f"'{visible(column, 40)}' is empty")
    if len(key) > LONGEST_KEY:
        raise InputError(f"'{visible(column, 40)}' has more than {LONGEST_KEY} characters")
    return key


def read_price(cell: str) -> float | None:
    """A price: digits with . or , as decimal sign, other signs of thousands, and a currency around it.

    None for an empty cell. Raises InputError for anything else and for a negative price.
    """
    kept = "".join(c for c in cell if c.isdigit() or c in ".,-")
    letters = sum(c.isalpha() for c in cell)
    if not cell:
        return None
    if letters > 3 or not any(c.isdigit() for c in kept):
        raise InputError(f"the price '{visible(cell, 30)}' is not a number")
    decimal = max(kept.rfind("."), kept.rfind(","))
    # One sign with three digits behind it separates thousands, unless it is the only way to read a small number.
    thousands = kept.count(kept[decimal]) > 1 or (len(kept) - decimal == 4 and kept[decimal] == ",")
    if decimal >= 0 and not thousands:
        kept = kept[:decimal].replace(",", "").replace(".", "") + "." + kept[decimal + 1 :]
    else:
        kept = kept.replace(",", "").replace(".", "")
    value = _number(kept, "price")
    if value is not None and value < 0:
        raise InputError(f"the price '{visible(cell, 30)}' is below 0")
    return value


def _number(cell: str, what: str) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"the {what} '{visible(cell, 30)}' is not a number")
    return value


def read_time(cell: str) -> datetime | None:
    """A moment in UTC without a zone, from ISO 8601 or seconds or milliseconds since 1970; None for an empty cell.

    Raises InputError for anything else and for years outside 1900 to 2199.
    """
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return _iso(cell)
    if not FIRST_SECOND <= abs(value) < 1e14:
        raise InputError(f"the time '{visible(cell, 30)}' is not a date")
    return datetime(1970, 1, 1) + timedelta(seconds=value / 1000 if abs(value) >= 1e11 else value)


def _iso(cell: str) -> datetime:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise InputError(f"the time '{visible(cell, 30)}' is not a date") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if not EARLIEST <= moment < LATEST:
        raise InputError(f"the time '{visible(cell, 30)}' is not between 1900 and 2199")
    return moment


def _day(cell: str) -> date | None:
    moment = read_time(cell)
    return None if moment is None else moment.date()
