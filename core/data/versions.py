"""A frozen dataset version on disk: Parquet files, a record, and a hash over what was frozen.

    versions/7/train.parquet dev.parquet test.parquet [unlabelled.parquet] version.json

Columns: item_id int64, text, text_b (NULL unless the task has pairs), value (JSON of the task's value, null where there
is none). Rows are in the order of their ids, so that equal content gives equal files. Texts without a label are there
for methods that learn from them too; a version that froze none has no such file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.text import NORMALISATION
from core.durable import new_folder, write_json
from core.errors import NotFoundError, RefusedError, StorageError
from core.records import LabelHelp
from core.tasks import get_task

SPLITS = ("train", "dev", "test")
UNLABELLED = "unlabelled"
SCHEMA = pa.schema([("item_id", pa.int64()), ("text", pa.string()), ("text_b", pa.string()), ("value", pa.string())])


@dataclass(frozen=True)
class SplitRows:
    """One split of a version, in the order of item ids."""

    ids: list[int]
    texts: list[str]
    values: list[Any]
    """Gold values in the task's own form."""
    texts_b: list[str] | None = None

    def __len__(self) -> int:
        return len(self.texts)


def write_version(
    folder: Path,
    item_ids: Sequence[int],
    texts: Sequence[str],
    values: Sequence[Any],
    splits: Sequence[str],
    labels: Sequence[str],
    task: str,
    texts_b: Sequence[str | None] | None = None,
    options: dict[str, Any] | None = None,
    label_help: Mapping[str, LabelHelp] | None = None,
    unlabelled: Sequence[tuple[int, str]] = (),
) -> tuple[str, dict[str, dict[str, int]]]:
    """Freeze rows into a new folder; all sequences have one entry a row. The folder appears whole or not at all.

    ``label_help`` is what the schema says about labels, by name; ``unlabelled`` are ids and texts without a label.
    Returns the sha256 over ids, texts, values, splits, labels with their help, and task, and the rows by split, then by
    label.
    Raises RefusedError when the folder exists, StorageError when the disk fails.
    """
    if folder.exists():
        raise RefusedError(f"The version folder '{folder.name}' exists already.", "A version is frozen only once.")
    names = get_task(task).names
    order = sorted(range(len(item_ids)), key=item_ids.__getitem__)
    columns: dict[str, dict[str, list[Any]]] = {name: {field.name: [] for field in SCHEMA} for name in SPLITS}
    counts: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
    for row in order:
        part = str(splits[row])
        columns[part]["item_id"].append(int(item_ids[row]))
        columns[part]["text"].append(texts[row])
        columns[part]["text_b"].append(texts_b[row] if texts_b is not None else None)
        columns[part]["value"].append(json.dumps(values[row], ensure_ascii=False))
        counts[part].update(names(values[row]))
    tables = {name: pa.table(columns[name], schema=SCHEMA) for name in SPLITS}
    if unlabelled:
        ids, others = zip(*sorted(unlabelled), strict=True)
        nothing = [None] * len(ids)
        tables[UNLABELLED] = pa.table([ids, others, nothing, ["null"] * len(ids)], schema=SCHEMA)
    said = {name: one.model_dump() for name, one in (label_help or {}).items()}
    digest = _digest(tables, task, labels, said)
    by_split = {name: dict(sorted(counts[name].items())) for name in SPLITS}
    record = {
        "format": 1,
        "hash": digest,
        "task": task,
        "labels": list(labels),
        "label_help": said,
        "counts": by_split,
        "rows": {name: table.num_rows for name, table in tables.items()},
        "options": options or {},
        "normalisation": NORMALISATION,
    }
    try:
        with new_folder(folder) as temporary:
            for name, table in tables.items():
                pq.write_table(table, temporary / f"{name}.parquet", compression="zstd")
            write_json(temporary / "version.json", record)
    except OSError as error:
        raise StorageError(
            f"The version could not be written: {error.strerror or error}.", "Check the disk, then freeze again."
        ) from error
    return digest, by_split


def read_version(folder: Path) -> dict[str, Any]:
    """The record in version.json: hash, task, labels, counts, rows, options. Raises NotFoundError, StorageError."""
    try:
        record: dict[str, Any] = json.loads((folder / "version.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"There is no dataset version in '{folder.name}'.", "Freeze the version again.") from None
    except ValueError as error:
        raise _damaged(folder, "version.json") from error
    return record


def read_split(folder: Path, split: str) -> SplitRows:
    """The rows of ``train``, ``dev``, ``test`` or ``unlabelled``; there, the values are None.

    Raises NotFoundError, StorageError for a damaged file.
    """
    columns = _table(folder, split).to_pydict()
    texts_b = columns["text_b"]
    return SplitRows(
        ids=columns["item_id"],
        texts=columns["text"],
        values=[json.loads(value) for value in columns["value"]],
        texts_b=None if all(text is None for text in texts_b) else [text or "" for text in texts_b],
    )


def files_of(folder: Path) -> list[str]:
    """Names of the splits that have a file in a version or in the folder of a run: the three, and what else there is.

    Raises NotFoundError when one of the three is missing.
    """
    missing = [name for name in SPLITS if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise NotFoundError(f"The dataset version has no {', '.join(missing)} file.", "Freeze a new version.")
    return [*SPLITS, *([UNLABELLED] if (folder / f"{UNLABELLED}.parquet").is_file() else [])]


def read_label_help(folder: Path) -> dict[str, LabelHelp]:
    """What the schema of a version says about its labels, by name; only labels with a description or an example."""
    said = read_version(folder).get("label_help", {})
    return {name: LabelHelp.model_validate(one) for name, one in said.items()}


def verify(folder: Path) -> dict[str, Any]:
    """Recompute the hash from the Parquet files and return the record; raises StorageError when they differ."""
    record = read_version(folder)
    tables = {name: _table(folder, name) for name in record["rows"]}
    if _digest(tables, record["task"], record["labels"], record.get("label_help", {})) != record["hash"]:
        raise StorageError(
            f"The files of dataset version '{folder.name}' are not the ones that were frozen.",
            "Restore them from a backup, or freeze a new version.",
        )
    return record


def _table(folder: Path, split: str) -> pa.Table:
    if split not in (*SPLITS, UNLABELLED):
        raise NotFoundError(f"There is no split '{split}'.", f"Splits: {', '.join(SPLITS)}.")
    path = folder / f"{split}.parquet"
    if not path.is_file():
        raise NotFoundError(f"'{path.name}' is missing in '{folder.name}'.", "Freeze the version again.")
    try:
        with pq.ParquetFile(path) as file:  # read_table would load pyarrow.dataset and pandas, half a second
            return file.read().cast(SCHEMA)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _damaged(folder, path.name) from error


def _damaged(folder: Path, name: str) -> StorageError:
    return StorageError(f"'{name}' of dataset version '{folder.name}' is damaged.", "Restore it from a backup.")


def _digest(tables: dict[str, pa.Table], task: str, labels: Sequence[str], said: Mapping[str, Any]) -> str:
    """sha256 over a canonical form, independent of the Parquet writer. ``said``: help on labels, left out if empty."""
    schema = [task, list(labels), *([said] if said else [])]
    digest = hashlib.sha256(json.dumps(schema, ensure_ascii=False).encode())
    for name, table in tables.items():
        for line in _lines(name, table):
            digest.update(line)
    return digest.hexdigest()


def _lines(split: str, table: pa.Table) -> Iterator[bytes]:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for batch in table.to_batches(max_chunksize=10_000):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield encode([split, *row]).encode() + b"\n"
