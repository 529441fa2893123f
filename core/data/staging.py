"""From an opened table to staged rows: checked, hashed, written as Parquet. Runs inside the import process."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from operator import ne
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.exchange import (
    FIXED,
    STATE,
    is_own_export,
    meta_key,
    read_flag,
    read_position,
    read_source,
    read_time,
    unescape_formula,
)
from core.data.names import check_label_name, visible
from core.data.splits import split_name
from core.data.table import MOST_ROWS, Batch, Table
from core.data.text import hash_normalised, join_pair, normalise
from core.errors import InputError
from core.records import ColumnMapping, RejectedRow
from core.tasks.base import Forming, Joining, Task

LONGEST_CELL = 1_000_000
"""Characters of one cell."""
_GROUP_ROWS = 100_000
_GROUP_BYTES = 64 * 1024 * 1024

STAGED_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("text", pa.string()),
        ("text_b", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("external_id", pa.string()),
        ("meta", pa.string()),
        ("text_hash", pa.uint64()),
        ("length", pa.int32()),
        ("first_row", pa.int64()),
        ("annotator", pa.string()),
        ("labelled_at", pa.string()),
        ("label_source", pa.string()),
        ("source", pa.string()),
        ("flag", pa.string()),
        ("excluded", pa.bool_()),
        ("position", pa.int64()),
    ]
)
"""Columns of staged.parquet. ``label`` is the JSON of the task's value, ``meta`` a JSON object or NULL, ``first_row``
the number of the first row with the same text (its own number when it is the first). The columns from ``annotator``
on are filled only when the file is an export of this program; ``labelled_at`` is ISO 8601 with its offset, ``position``
the order of the rows where it is not the one of the file."""


class Staging:
    """Turns batches of a table into staged rows and keeps the counts of the report."""

    def __init__(self, table: Table, mapping: ColumnMapping, task: Task, folder: Path, strict: bool = False) -> None:
        """``strict`` refuses texts that wait for the form that the task gives them."""
        self.strict = strict
        self.table, self.mapping, self.task, self.folder = table, mapping, task, folder
        self.used = self._mapped_columns()
        self.own = is_own_export(table.columns)
        self.seen: dict[int, int] = {}
        self.names: dict[str, None] = {}
        self.found: set[str] = set()
        self.rows = self.rejected = self.labelled = self.duplicates = 0
        self._named: dict[str | None, list[str]] = {}

    def run(self, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
        """Write staged.parquet and rejected.jsonl; return the counts of the report. Raises InputError."""
        with (
            pq.ParquetWriter(self.folder / "staged.parquet", STAGED_SCHEMA, compression="zstd") as writer,
            (self.folder / "rejected.jsonl").open("w", encoding="utf-8") as rejected,
        ):
            for group in self._groups(rejected, progress):
                writer.write_table(group)
        # A column that only refused rows have is there; and where every row was refused, that says more.
        known = self.found.union(self.table.columns)
        missing = [name for name in self.used if name not in known] if self.found else []
        if self.rows + self.rejected == 0:
            raise InputError("The file has a header but no rows.", "Add rows below the column names.")
        if missing:
            raise self._no_column(missing[0])
        carried = getattr(self.table, "carried", None) if self.own else None
        return {
            "rows": self.rows,
            "rejected": self.rejected,
            "labelled": self.labelled,
            "duplicates": self.duplicates,
            "labels": list(self.names),
            "own": self.own,
            "carried": None if carried is None or self.mapping.label != "label" else carried.model_dump(),
        }

    def _mapped_columns(self) -> list[str]:
        """The columns the mapping names; each must exist and mean one thing."""
        given = self.mapping.model_dump()
        used = [name for name in given.values() if name is not None]
        for name in used:
            if used.count(name) > 1:
                raise InputError(f"The column '{name}' is chosen twice.", "Choose a column for one meaning only.")
            if name not in self.table.columns and not self.table.open_ended:
                raise self._no_column(name)
        return used

    def _no_column(self, name: str) -> InputError:
        have = ", ".join(f"'{visible(column, 40)}'" for column in self.table.columns[:20])
        return InputError(f"There is no column '{visible(name, 40)}'.", f"The file has: {have}.")

    def _groups(self, rejected: Any, progress: Callable[[int, int, str], None]) -> Iterator[pa.Table]:
        """Staged rows gathered into row groups of bounded size."""
        held: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in self.table.batches():
            staged, refused = self._stage(batch)
            for row in sorted([*batch.rejected, *refused], key=lambda row: row.row):
                rejected.write(row.model_dump_json() + "\n")
                self.rejected += 1
            if staged is not None:
                held.append(staged)
                self.rows += staged.num_rows
                rows += staged.num_rows
                size += staged.nbytes
            if self.rows + self.rejected > MOST_ROWS:
                raise InputError(f"The file has more than {MOST_ROWS:,} rows.", "Import it in parts.")
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield pa.Table.from_batches(held)
                held, rows, size = [], 0, 0
            progress(self.table.done, self.table.total, f"{self.rows:,} rows read")
        if held:
            yield pa.Table.from_batches(held)

    def _stage(self, batch: Batch) -> tuple[pa.RecordBatch | None, list[RejectedRow]]:
        """One batch as staged rows, and the rows that are refused with reasons."""
        self._named = {}
        self.found.update(batch.columns)
        columns = self._own_columns(batch.columns) if self.own else dict(batch.columns)
        count = len(batch.rows)
        empty: Sequence[str | None] = (None,) * count
        texts = columns.get(self.mapping.text, empty)
        refused: dict[int, str] = {}
        for name, cells in columns.items():
            _check_cells(name, cells, refused)
        named = columns.get(self.mapping.label or "", empty)
        if isinstance(self.task, Forming):
            texts = self._formed(self.task, texts, named, columns, refused)
        if isinstance(self.task, Joining):
            second = columns.get(self.mapping.text_b or "", empty)
            beside = [columns.get(name, empty) for name in self.task.beside]
            texts, named = self._joined(self.task, texts, second, named, beside, refused)
        pure = [normalise(text) if text else "" for text in texts]
        if not all(pure):
            for index in compress(range(count), (not text for text in pure)):
                refused.setdefault(index, "the text is empty")
        texts_b = columns.get(self.mapping.text_b, empty) if self.mapping.text_b else None
        if texts_b is not None:
            pure_b = [normalise(text) if text else "" for text in texts_b]
            for index in compress(range(count), (not text for text in pure_b)):
                refused.setdefault(index, "the second text is empty")
            pure = list(map(join_pair, pure, pure_b))
        labels = self._labels(named, refused)
        splits = self._each(columns.get(self.mapping.split or "", empty), split_name, refused)
        staged: dict[str, Sequence[Any] | None] = {
            "row": batch.rows,
            "text": texts,
            "text_b": texts_b,
            "label": labels,
            "split": splits,
            "external_id": [cell or None for cell in columns.get(self.mapping.id or "", empty)],
            "meta": self._meta(columns, count),
        }
        if self.own:
            staged |= self._state(columns, refused)
        rows = list(batch.rows)
        rejected = [
            RejectedRow(row=rows[index], reason=reason, excerpt=visible(texts[index] or ""))
            for index, reason in refused.items()
        ]
        if refused:
            keep = [index not in refused for index in range(count)]
            staged = {name: cells and list(compress(cells, keep)) for name, cells in staged.items()}
            pure = list(compress(pure, keep))
        if not pure:
            return None, rejected
        return self._finish(staged, pure), rejected

    def _joined(
        self,
        task: Joining,
        texts: Sequence[str | None],
        texts_b: Sequence[str | None],
        cells: Sequence[str | None],
        beside: Sequence[Sequence[str | None]],
        refused: dict[int, str],
    ) -> tuple[list[str | None], list[str | None]]:
        """Text and label cell of each row, read together; what does not fit refuses its row."""
        read: list[tuple[str | None, str | None]] = []
        for index, (text, second, cell, *others) in enumerate(zip(texts, texts_b, cells, *beside, strict=True)):
            try:
                read.append(task.join(text, second, cell, *others) if text and index not in refused else (text, None))
            except InputError as error:
                refused.setdefault(index, error.message)
                read.append((text, None))
        return [text for text, _ in read], [cell for _, cell in read]

    def _formed(
        self,
        task: Forming,
        texts: Sequence[str | None],
        labels: Sequence[str | None],
        columns: Mapping[str, Sequence[str | None]],
        refused: dict[int, str],
    ) -> list[str | None]:
        """The texts in the form that the task wants; what it cannot read refuses its row.

        A text that waits for its form is stored as it is, unless it has a label already.
        """
        empty: Sequence[str | None] = (None,) * len(texts)
        beside = [columns.get(name, empty) for name in task.beside]
        found: list[str | None] = list(texts)
        for index, (text, label, *others) in enumerate(zip(texts, labels, *beside, strict=True)):
            later = not (self.strict or (label or "").strip() or any(others))
            if text and index not in refused and not (later and task.waits(text)):
                try:
                    found[index] = task.form(text, *others)
                except InputError as error:
                    refused[index] = error.message
        return found

    def _own_columns(self, columns: Mapping[str, Sequence[str | None]]) -> dict[str, Sequence[str | None]]:
        """The cells of an export as they were before it protected spreadsheets from formulas."""
        if self.table.format not in ("csv", "tsv"):
            return dict(columns)
        return {
            unescape_formula(name): [cell and unescape_formula(cell) for cell in cells]
            for name, cells in columns.items()
        }

    def _state(self, columns: dict[str, Sequence[str | None]], refused: dict[int, str]) -> dict[str, Sequence[Any]]:
        """What an export says about each item; who labelled only counts when the label is imported too."""
        convert: dict[str, Callable[[str | None], Any]] = {
            "labelled_at": read_time,
            "label_source": read_source,
            "excluded": read_flag,
            "position": read_position,
        }
        wanted = (*(STATE if self.mapping.label == "label" else ("source", "flag", "excluded")), "position")
        empty: Sequence[str | None] = (None,) * len(next(iter(columns.values())))
        return {
            name: self._each(columns.get(name, empty), convert.get(name, lambda cell: cell or None), refused)
            for name in wanted
        }

    def _finish(self, staged: dict[str, Any], pure: list[str]) -> pa.RecordBatch:
        """Add hashes, lengths and first rows; count."""
        hashes = hash_normalised(pure)
        first = list(map(self.seen.setdefault, hashes, staged["row"]))
        self.duplicates += sum(map(ne, first, staged["row"]))
        self.labelled += len(pure) - staged["label"].count(None)
        for label in dict.fromkeys(staged["label"]):
            self.names.update(dict.fromkeys(self._named.get(label, ())))
        staged |= {"text_hash": hashes, "length": list(map(len, staged["text"])), "first_row": first}
        arrays = [
            pa.nulls(len(pure), kind.type)
            if staged.get(kind.name) is None
            else pa.array(staged[kind.name], type=kind.type)
            for kind in STAGED_SCHEMA
        ]
        return pa.record_batch(arrays, schema=STAGED_SCHEMA)

    def _each(
        self, cells: Sequence[str | None], convert: Callable[[str | None], Any], refused: dict[int, str]
    ) -> list[Any]:
        """Convert cells, each different one once; a cell that cannot be converted refuses its rows."""
        values: dict[str | None, Any] = {}
        for cell in set(cells):
            try:
                values[cell] = convert(cell)
            except InputError as error:
                values[cell] = None
                for index, other in enumerate(cells):
                    if other == cell:
                        refused.setdefault(index, error.message)
        return list(map(values.__getitem__, cells))

    def _labels(self, cells: Sequence[str | None], refused: dict[int, str]) -> list[Any]:
        """JSON of the value of each row; where there is no label column, of what the task takes it to mean."""
        if self.mapping.label is not None or self.task.implied is None:
            return self._each(cells, self._label, refused)
        encoded = json.dumps(self.task.implied, ensure_ascii=False)
        self._named[encoded] = list(self.task.names(self.task.implied))
        return [encoded] * len(cells)

    def _label(self, cell: str | None) -> str | None:
        """JSON of the task's value for a label cell; notes the names it mentions."""
        value = self.task.parse(unicodedata.normalize("NFC", cell) if cell else None)
        if value is None:
            return None
        encoded = json.dumps(value, ensure_ascii=False)
        self._named[encoded] = [check_label_name(name) for name in self.task.names(value)]
        return encoded

    def _meta(self, columns: dict[str, Sequence[str | None]], count: int) -> list[str | None] | None:
        """JSON objects of the columns that the mapping does not use, without empty cells."""
        read = self.task.beside if isinstance(self.task, Joining) else ()
        names = [name for name in columns if name not in (*self.used, *read) and not (self.own and name in FIXED)]
        if not names:
            return None
        keys = [meta_key(name) if self.own else name for name in names]
        encode = json.JSONEncoder(ensure_ascii=False).encode
        objects = (
            {name: cell for name, cell in zip(keys, row, strict=True) if cell}
            for row in zip(*(columns[name] for name in names), strict=True)
        )
        return [encode(kept) if kept else None for kept in objects]


def _check_cells(name: str, cells: Sequence[str | None], refused: dict[int, str]) -> None:
    """Refuse rows with a cell that is too long or holds a NUL character."""
    texts = [cell or "" for cell in cells]
    if any("\0" in text for text in texts):
        for index in compress(range(len(texts)), ("\0" in text for text in texts)):
            refused.setdefault(index, f"'{visible(name, 40)}' holds a NUL character")
    if max(map(len, texts), default=0) > LONGEST_CELL:
        for index, cell in enumerate(texts):
            if len(cell) > LONGEST_CELL:
                refused.setdefault(
                    index, f"'{visible(name, 40)}' has {len(cell):,} characters; at most {LONGEST_CELL:,} are read"
                )
