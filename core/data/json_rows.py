"""JSON and JSON lines: one object a row, every value as the text that stands in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from core.data.encoding import Encoding, bad_bytes, detect_encoding, open_text
from core.data.names import visible
from core.data.table import BATCH_ROWS, MOST_COLUMNS, PREVIEW_BYTES, Batch
from core.errors import InputError
from core.records import RejectedRow

_PEEK = 200
_BLANK = re.compile(r"[ \t\r\n]*")
Numbered = tuple[int, Any]
"""A row number and the parsed value, or the reason (ValueError) why there is none."""


class _Number(str):
    """A JSON number in its own digits, whatever their count."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a key twice: one of the values would vanish."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_object)


class _Objects:
    """Turns parsed objects into columns of texts."""

    def __init__(self) -> None:
        self._clean: dict[str, str] = {}

    def batch(self, chunk: Sequence[Numbered]) -> Batch:
        """Columns of texts; what is no row is rejected with its number. Raises InputError for too many keys."""
        rows: list[int] = []
        kept: list[dict[str, str | None]] = []
        rejected: list[RejectedRow] = []
        for number, value in chunk:
            try:
                kept.append(self._row(value))
                rows.append(number)
            except ValueError as error:
                rejected.append(RejectedRow(row=number, reason=str(error)))
        names = list(dict.fromkeys(name for row in kept for name in row))
        if len(names) > MOST_COLUMNS:
            raise InputError(f"The rows have more than {MOST_COLUMNS:,} different keys.", "Is this the right file?")
        return Batch(rows, {name: [row.get(name) for row in kept] for name in names}, rejected)

    def _row(self, value: Any) -> dict[str, str | None]:
        """One object as texts by key; a bare text is a row with one column ``text``. Raises ValueError."""
        if isinstance(value, ValueError):
            raise value
        if isinstance(value, str) and not isinstance(value, _Number):
            value = {"text": value}
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        row = {self._name(key): _text(cell) for key, cell in value.items()}
        for cell in row.values():
            if cell is not None and not cell.isascii():
                try:
                    cell.encode()
                except UnicodeEncodeError:
                    raise ValueError("holds half a character (a lone surrogate)") from None
        return row

    def _name(self, key: str) -> str:
        """The key without invisible characters."""
        if key not in self._clean:
            self._clean[key] = visible(key, 200).strip() or "column"
        return self._clean[key]


@dataclass
class RowsTable:
    """Rows that are in memory already, as a program hands them over; numbered from 1."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    columns: list[str]
    format: str = "rows"
    done: int = 0
    open_ended: bool = True
    encoding_name: str | None = None
    warnings: list[str] = field(default_factory=list)

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield the rows in order; values that are no JSON are refused. Raises InputError."""
        objects, numbered = _Objects(), enumerate(self.rows, 1)
        while chunk := list(islice(numbered, size)):
            yield objects.batch(chunk)
            self.done += len(chunk)


@dataclass
class JsonTable:
    """One opened JSON or JSON lines file. Row numbers are line numbers (JSON lines) or places in the list (JSON)."""

    path: Path
    encoding: Encoding
    format: str
    total: int
    done: int = 0
    open_ended: bool = True
    columns: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Name of the encoding."""
        return self.encoding.name

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield rows in file order; lines that cannot be read are rejected with their number. Raises InputError."""
        values = self._lines() if self.format == "jsonl" else self._elements()
        objects = _Objects()
        try:
            while chunk := list(islice(values, size)):
                yield objects.batch(chunk)
        except UnicodeDecodeError as error:
            raise bad_bytes(self.path, self.encoding) from error

    def _lines(self) -> Iterator[Numbered]:
        with open_text(self.path, self.encoding) as file:
            for number, line in enumerate(file, 1):
                self.done = file.buffer.tell()
                if not line.isspace():
                    yield number, _parse(line)

    def _elements(self) -> Iterator[Numbered]:
        """The elements of the one list in the file."""
        with open_text(self.path, self.encoding) as file:
            text = file.read()
        self.total = len(text)
        place = _skip(text, 0)
        if text[place : place + 1] != "[":
            raise InputError(
                "The JSON file is not a list of objects.", 'Write it as [{"text": ...}, ...] or one object a line.'
            )
        place = _skip(text, place + 1)
        number = 0
        while text[place : place + 1] != "]":
            number += 1
            try:
                value, place = DECODER.raw_decode(text, place)
                place = _skip(text, place)
                comma = text[place : place + 1]
                if comma not in (",", "]"):
                    raise json.JSONDecodeError("Expecting ',' or ']'", text, place)
            except (json.JSONDecodeError, RecursionError) as error:
                where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nesting"
                raise InputError(
                    f"Row {number} is not valid JSON ({where}).", "Repair it, or write one object a line."
                ) from error
            except ValueError as error:
                raise InputError(f"Row {number} is not valid JSON ({error}).", "Give every key once.") from error
            place = _skip(text, place + (comma == ","))
            self.done = place
            yield number, value


def open_rows(rows: Sequence[Mapping[str, Any]]) -> RowsTable:
    """Rows of a program as a table; its columns are their keys in order of appearance."""
    return RowsTable(rows, len(rows), list(dict.fromkeys(key for row in rows for key in row)))


def open_json(path: Path, format: str, preview: bool = False) -> JsonTable:
    """Detect encoding and form, and look at the first rows for their keys. Raises InputError."""
    encoding = detect_encoding(path, PREVIEW_BYTES if preview else None)
    try:
        with open_text(path, encoding) as file:
            start = file.read(65536)
    except UnicodeDecodeError as error:
        raise bad_bytes(path, encoding) from error
    from core.data.squad import SquadTable, looks_like_squad  # which builds on this module

    kind, form = (SquadTable, "squad") if looks_like_squad(start) else (JsonTable, _form(start, format))
    table = kind(path, encoding, form, path.stat().st_size)
    if encoding.guessed:
        table.warnings.append(f"Read as {encoding.name.upper()}: look whether the texts below are readable.")
    first = next(table.batches(_PEEK), None)
    table.columns = list(first.columns) if first else []
    table.done = 0
    return table


def _form(start: str, format: str) -> str:
    """Lines or one list: what the file holds counts more than its ending."""
    stripped = start.lstrip()
    if stripped.startswith("["):
        return "json"
    first_line = stripped.splitlines()[0] if stripped else ""
    if format == "json" and isinstance(_parse(first_line), dict):
        return "jsonl"
    return format


def _parse(line: str) -> Any:
    """The value of one line, or the ValueError that says why it has none."""
    try:
        return DECODER.decode(line)
    except json.JSONDecodeError as error:
        return ValueError(f"not valid JSON: {error.msg} at character {error.colno}")
    except RecursionError:
        return ValueError("not usable: nested too deeply")
    except ValueError as error:
        return ValueError(f"not usable: {error}")


def _skip(text: str, place: int) -> int:
    """The next place that is not white space."""
    match = _BLANK.match(text, place)
    return match.end() if match else place


def _text(value: Any) -> str | None:
    """A JSON value as text: strings and numbers as they are, lists and objects as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    return _render(value)


def _render(value: Any) -> str:
    """JSON text of a parsed value with its numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_render(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_render, value)) + "]"
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, RecursionError):
        raise ValueError(f"a {type(value).__name__} is no text, number, list or object") from None
