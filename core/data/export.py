"""Items as CSV, JSON lines, Parquet or a Hugging Face folder; an export imports back to the same state.

Spans can be written as a column file too, which holds nothing but labelled texts with their tags.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.conll import write_conll
from core.data.exchange import escape_formula, ordered
from core.data.files import storage_errors, whole_file
from core.data.schema_file import CarriedSchema, write_metadata
from core.durable import new_folder
from core.errors import InputError, RefusedError
from core.records import Item

FORMATS = ("csv", "jsonl", "parquet", "datasets", "conll")
_PAGE = 2_000
_SPLIT_NAMES = {"train": "train", "dev": "validation", "test": "test"}
"""The names that `datasets.load_dataset` gives the parts; items without a split are ``unsplit``."""
_SPOOL = pa.schema(
    [
        *((name, pa.string()) for name in ("text", "text_b", "label", "split", "id", "annotator")),
        *((name, pa.string()) for name in ("labelled_at", "label_source", "source", "flag", "meta")),
        ("excluded", pa.bool_()),
        ("position", pa.int64()),
    ]
)
_TYPES = {"excluded": pa.bool_(), "position": pa.int64()}
"""Columns of a Parquet export that are no text."""


def export(
    items: Iterable[Item],
    path: Path,
    format: str = "csv",
    schema: CarriedSchema | None = None,
    scheme: str = "iob2",
) -> int:
    """Write items to a file (csv, jsonl, parquet, conll) or a folder (datasets; zipped when ``path`` ends in .zip).

    Columns: text, text_b (only with pairs), label, split, id, annotator, labelled_at, label_source, source, flag,
    excluded, then every metadata column. In CSV a cell that a spreadsheet would run as a formula gets a leading
    apostrophe, which the import takes away again. A dataset has its rows in one file a split, so it also says their
    ``position``. Parquet files and datasets carry ``schema`` along; the other formats have no place for it. Labels
    that are no names are written as JSON. A column file (conll) holds the texts that are labelled, whose labels must be
    spans, with their tags in the ``scheme`` iob2 or bioes. Items are taken one by one; the target appears whole or not
    at all. Returns the number of rows. Raises InputError for an unknown format, RefusedError when the folder exists,
    StorageError when the disk fails.
    """
    if format not in FORMATS:
        raise InputError(f"There is no export format '{format}'.", f"Formats: {', '.join(FORMATS)}.")
    if format == "datasets" and path.exists() and path.suffix != ".zip":
        raise RefusedError(f"The folder '{path.name}' exists already.", "Choose another name.")
    if format == "conll":
        spans = ((item.text, item.label) for item in items if item.label is not None)
        with storage_errors("the export was written"), whole_file(path) as temporary:
            return write_conll(spans, temporary, scheme)
    with (
        storage_errors("the export was written"),
        tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder,
    ):
        spool = _Spool(Path(folder) / "spool.parquet", items, schema, positions=format == "datasets")
        if format == "datasets":
            _write_datasets(spool, path)
        else:
            write: dict[str, Callable[[_Spool, Path], None]] = {
                "csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet
            }  # fmt: skip
            with whole_file(path) as temporary:
                write[format](spool, temporary)
        return spool.rows


class _Spool:
    """The items in a temporary file, read once from the source so that columns and rows agree."""

    def __init__(self, path: Path, items: Iterable[Item], schema: CarriedSchema | None, positions: bool) -> None:
        self.path, self.rows, self.pairs, self.schema = path, 0, False, schema
        keys: dict[str, None] = {}
        source = iter(items)
        with pq.ParquetWriter(path, _SPOOL) as writer:
            while page := list(islice(source, _PAGE)):
                self.rows += len(page)
                self.pairs = self.pairs or any(item.text_b is not None for item in page)
                for item in page:
                    keys.update(dict.fromkeys(item.meta))
                writer.write_batch(pa.RecordBatch.from_pylist(list(map(_row, page)), schema=_SPOOL))
        self.columns = ordered(keys, self.pairs, positions)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows by column name; missing metadata is None."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_PAGE, use_threads=False):
                for row in batch.to_pylist():
                    meta = json.loads(row["meta"])
                    yield {name: row[name] if key is None else meta.get(key) for name, key in self.columns}


def _row(item: Item) -> dict[str, Any]:
    label = (
        item.label if item.label is None or isinstance(item.label, str) else json.dumps(item.label, ensure_ascii=False)
    )
    return {
        "text": item.text,
        "text_b": item.text_b,
        "label": label,
        "split": item.split,
        "id": item.external_id,
        "annotator": item.annotator,
        "labelled_at": item.labelled_at.isoformat() if item.labelled_at else None,
        "label_source": item.label_source,
        "source": item.source or None,
        "flag": item.flag,
        "excluded": item.excluded,
        "position": item.position,
        "meta": json.dumps({key: _text(value) for key, value in item.meta.items()}, ensure_ascii=False),
    }


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return escape_formula(value) if value is not None else ""


def _write_csv(spool: _Spool, path: Path) -> None:
    """UTF-8 with a byte order mark: spreadsheets need it for anything but English."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([_cell(name) for name, _ in spool.columns])
        writer.writerows([_cell(value) for value in row.values()] for row in spool)


def _write_jsonl(spool: _Spool, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in spool:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_parquet(spool: _Spool, path: Path) -> None:
    _write_parts(spool, lambda row: path)


def _write_parts(spool: _Spool, place: Callable[[dict[str, Any]], Path]) -> None:
    """Write each row to the Parquet file that ``place`` names; an export without rows still gets one file."""
    types = [(name, _TYPES.get(name, pa.string())) for name, _ in spool.columns]
    schema = pa.schema(types, metadata=write_metadata(spool.schema))
    source = iter(spool)
    with ExitStack() as stack:
        writers: dict[Path, pq.ParquetWriter] = {}
        while True:
            page = list(islice(source, _PAGE))
            by_path: dict[Path, list[dict[str, Any]]] = {}
            for row in page:
                by_path.setdefault(place(row), []).append(row)
            if not page and not writers:
                by_path[place({"split": None})] = []
            for path, rows in by_path.items():
                if path not in writers:
                    writers[path] = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
                writers[path].write_table(pa.Table.from_pylist(rows, schema=schema))
            if not page:
                return


def _write_datasets(spool: _Spool, path: Path) -> None:
    """A folder in the layout of the Hub: ``datasets.load_dataset(folder)`` reads it, and it can be pushed as it is."""
    if path.suffix == ".zip":
        content = spool.path.with_name("content")
        content.mkdir()
        _write_hub_layout(spool, content)
        with whole_file(path) as temporary:
            Path(shutil.make_archive(str(content), "zip", content)).replace(temporary)
        return
    with new_folder(path) as folder_path:
        _write_hub_layout(spool, folder_path)


def _write_hub_layout(spool: _Spool, folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    _write_parts(spool, lambda row: data / f"{_SPLIT_NAMES.get(row['split'], 'unsplit')}.parquet")
    parts = sorted(part.stem for part in data.iterdir())
    files = "".join(f"  - split: {part}\n    path: data/{part}.parquet\n" for part in parts)
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\n"
        "Texts and labels exported from Whetstone.\n\n"
        '    from datasets import load_dataset\n    load_dataset("path/to/this/folder")\n',
        encoding="utf-8",
    )
