"""CSV and TSV through Python's strict parser: nothing is guessed inside a row, nothing is repaired in silence."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from core.data.encoding import Encoding, bad_bytes, detect_encoding, open_text
from core.data.names import visible
from core.data.table import BATCH_ROWS, PREVIEW_BYTES, Batch, check_columns
from core.errors import InputError
from core.records import RejectedRow

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_RUNAWAY = 32 * 1024 * 1024
"""Characters after which a cell is taken for a quote that was never closed."""
_SNIFF = 64 * 1024
_LINE_END = re.compile("\r\n|\r|\n")


@dataclass
class DelimitedTable:
    """One opened CSV or TSV file. Row numbers count data rows from 1; blank lines are no rows."""

    path: Path
    encoding: Encoding
    delimiter: str
    columns: list[str]
    format: str
    total: int
    header: bool = True
    """Whether the first line names the columns; without one it is the first row."""
    done: int = 0
    open_ended: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Name of the encoding."""
        return self.encoding.name

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield rows in file order. Raises InputError for bad bytes and for a quote that is never closed."""
        csv.field_size_limit(_RUNAWAY)
        with open_text(self.path, self.encoding) as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            number = 1
            try:
                while self.header and self._is_blank(reader):
                    pass
                while True:
                    batch = self._batch(reader, number, size)
                    if batch is None:
                        return
                    self.done = _position(file)
                    number += len(batch.rows) + len(batch.rejected)
                    yield batch
            except UnicodeDecodeError as error:
                raise bad_bytes(self.path, self.encoding) from error

    def _is_blank(self, reader: Any) -> bool:
        """Read a line in search of the header; False once it is read."""
        return not next(reader, ["end"])

    def _batch(self, reader: Any, number: int, size: int) -> Batch | None:
        """The next rows, or None at the end of the file."""
        first_line = reader.line_num + 1
        rows: list[list[str]] = []
        broken: dict[int, str] = {}
        while len(rows) < size:
            before = len(rows)
            try:
                rows.extend(islice(reader, size - len(rows)))
            except csv.Error as error:
                line = first_line + sum(map(_lines, rows))
                if reader.line_num > line or "field larger" in str(error) or "unexpected end" in str(error):
                    raise _never_closed(line) from error
                broken[len(rows)] = f"line {line}: a quote inside a quoted cell is not doubled"
                rows.append(["?"])
                continue
            if len(rows) == before:
                break
        if not rows:
            return None
        width = len(self.columns)
        if broken or set(map(len, rows)) != {width}:
            return self._sorted_out(rows, broken, number, first_line)
        return Batch(range(number, number + len(rows)), dict(zip(self.columns, zip(*rows, strict=True), strict=True)))

    def _sorted_out(self, rows: list[list[str]], broken: dict[int, str], number: int, line: int) -> Batch:
        """A batch without its blank lines, and with ragged and broken rows set aside."""
        width = len(self.columns)
        kept: list[list[str]] = []
        numbers: list[int] = []
        rejected: list[RejectedRow] = []
        for index, row in enumerate(rows):
            if row:
                reason = broken.get(index)
                if reason is None and len(row) != width:
                    reason = f"line {line}: {len(row)} cells where the header has {width}"
                if reason is None:
                    kept.append(row)
                    numbers.append(number)
                else:
                    shown = "" if index in broken else visible(self.delimiter.join(row))
                    rejected.append(RejectedRow(row=number, reason=reason, excerpt=shown))
                number += 1
            line += _lines(row)
        columns = zip(*kept, strict=True) if kept else ((),) * width
        return Batch(numbers, dict(zip(self.columns, columns, strict=True)), rejected)


def open_delimited(path: Path, format: str, preview: bool = False, header: bool = True) -> DelimitedTable:
    """Detect encoding, delimiter and header. Raises InputError for files without a usable header."""
    encoding = detect_encoding(path, PREVIEW_BYTES if preview else None)
    try:
        with open_text(path, encoding) as file:
            start = file.read(_SNIFF)
    except UnicodeDecodeError as error:
        raise bad_bytes(path, encoding) from error
    if not start.strip():
        raise InputError("The file holds only white space.", "Choose a file with a header line and rows.")
    delimiter = "\t" if format == "tsv" else _sniff(start)
    first = _first_row(start, delimiter)
    names = first if header else [""] * len(first)
    columns = check_columns(names)
    warnings = []
    if encoding.guessed:
        warnings.append(f"Read as {encoding.name.upper()}: look whether the texts below are readable.")
    if delimiter not in (",", "\t"):
        warnings.append(f"Cells are separated by {_DELIMITERS[delimiter]}.")
    if header and any(not name.strip() for name in names):
        warnings.append("A column without a name is called by its number.")
    if any(len(name) > 60 for name in names):
        warnings.append("The first line is used as column names but looks like a text. Is it the first row?")
    size = path.stat().st_size
    return DelimitedTable(path, encoding, delimiter, columns, format, size, header, warnings=warnings)


def _position(file: TextIO) -> int:
    """Bytes handed out so far; TextIOWrapper refuses tell() while it is iterated."""
    return file.buffer.tell()


def _lines(row: list[str]) -> int:
    """Lines that a parsed row took up in the file."""
    return 1 + sum(len(_LINE_END.findall(cell)) for cell in row if "\n" in cell or "\r" in cell)


def _never_closed(line: int) -> InputError:
    return InputError(
        f"A quote opened in the row that starts on line {line} is not closed properly.",
        'Close it, or write a quote inside a quoted cell twice ("").',
    )


def _first_row(text: str, delimiter: str) -> list[str]:
    """The first row that is not blank."""
    csv.field_size_limit(_RUNAWAY)
    try:
        return next(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
    except (csv.Error, StopIteration) as error:
        raise InputError("The header line cannot be read.", "Check the quotes in the first line.") from error


def _sniff(text: str) -> str:
    """The delimiter with which most rows have as many cells as the header; a comma when there is but one column."""
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if len(rows) > 2 and len(text) >= _SNIFF:
            rows.pop()  # cut in the middle
        width = len(rows[0])
        score = sum(len(row) == width for row in rows) / len(rows)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best
