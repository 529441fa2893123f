"""Parquet files and Arrow data as texts, with a guard against files that unpack to gigabytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.files import readable_size
from core.data.schema_file import CarriedSchema, read_metadata
from core.data.table import BATCH_ROWS, MOST_ROWS, Batch, check_columns
from core.errors import InputError

BOMB_BYTES = 1024**3
"""Up to here any ratio of packed to unpacked is fine."""
BOMB_RATIO = 100
"""Text packs 3 to 20 times; files beyond this and ``BOMB_BYTES`` are made to hurt."""


@dataclass
class ParquetTable:
    """One or several Parquet files with the same columns, read as one table."""

    paths: list[Path]
    columns: list[str]
    total: int
    class_names: dict[str, list[str]]
    """By column: names of the classes whose numbers the column holds (Hugging Face ClassLabel)."""
    carried: CarriedSchema | None = None
    """Label schema that an export of ours took along."""
    format: str = "parquet"
    done: int = 0
    open_ended: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Parquet is binary."""
        return None

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield rows in file order. Raises InputError for damaged files and for bombs."""
        allowed = max(BOMB_BYTES, BOMB_RATIO * sum(path.stat().st_size for path in self.paths))
        for path in self.paths:
            try:
                with pq.ParquetFile(path, pre_buffer=False) as file:
                    for batch in file.iter_batches(batch_size=size, use_threads=False):
                        allowed -= batch.nbytes
                        if allowed < 0:
                            raise _bomb(path, None)
                        rows = range(self.done + 1, self.done + batch.num_rows + 1)
                        self.done += batch.num_rows
                        yield Batch(rows, text_columns(batch, self.columns, self.class_names))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
                raise _damaged(path, error) from error


def open_parquet(path: Path) -> ParquetTable:
    """Check the footer of a Parquet file, or of the files of an exported folder. Raises InputError."""
    paths = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise InputError(f"The folder '{path.name}' holds no Parquet files.", "Choose a folder made by the export.")
    rows = 0
    schema: pa.Schema | None = None
    for part in paths:
        try:
            with pq.ParquetFile(part) as file:
                meta = file.metadata
                unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
                rows += meta.num_rows
                if schema is not None and schema.names != file.schema_arrow.names:
                    raise InputError(
                        f"'{part.name}' has other columns than '{paths[0].name}'.", "Import them one by one."
                    )
                schema = schema or file.schema_arrow
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
            raise _damaged(part, error) from error
        if unpacked > max(BOMB_BYTES, BOMB_RATIO * part.stat().st_size):
            raise _bomb(part, unpacked)
    if rows > MOST_ROWS:
        raise InputError(f"The file has {rows:,} rows; at most {MOST_ROWS:,} are read.", "Import it in parts.")
    if not rows or schema is None:
        raise InputError("The Parquet file has columns but no rows.", "Choose a file with at least one row.")
    return ParquetTable(paths, check_columns(schema.names), rows, _class_names(schema), read_metadata(schema.metadata))


def text_columns(
    batch: pa.RecordBatch | pa.Table, names: Sequence[str], class_names: Mapping[str, Sequence[str]]
) -> dict[str, list[str | None]]:
    """The columns of Arrow data as texts: numbers in their shortest exact form, lists and structs as JSON."""
    return {
        name: _texts(column, name, class_names.get(name)) for name, column in zip(names, batch.columns, strict=True)
    }


def _texts(column: pa.Array | pa.ChunkedArray, name: str, classes: Sequence[str] | None) -> list[str | None]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if classes is not None and pa.types.is_integer(kind):
        return [_class(number, classes, name) for number in column.to_pylist()]
    if pa.types.is_nested(kind):
        return [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in column.to_pylist()
        ]
    if not pa.types.is_string(kind):
        try:
            column = column.cast(pa.large_string())
        except pa.ArrowInvalid as error:
            raise InputError(f"The column '{name}' holds bytes that are not text.", "Leave this column out.") from error
        except pa.ArrowNotImplementedError:
            return [None if value is None else str(value) for value in column.to_pylist()]
    texts: list[str | None] = column.to_pylist()
    return texts


def _class(number: int | None, classes: Sequence[str], name: str) -> str | None:
    """The name of a class number; -1 means unlabelled."""
    if number is None or number == -1:
        return None
    if not 0 <= number < len(classes):
        raise InputError(f"The column '{name}' has the class number {number}, but only {len(classes)} names.")
    return classes[number]


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Class names that `datasets` keeps in the schema, so that labels are names and not numbers."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        return {
            name: [str(label) for label in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The Parquet file cannot be read: {str(error).splitlines()[0][:160] or path.name}.",
        "It may be cut off or damaged. Export or download it once more.",
    )


def _bomb(path: Path, unpacked: int | None) -> InputError:
    size = readable_size(path.stat().st_size)
    shown = readable_size(unpacked) if unpacked else f"more than {BOMB_RATIO} times as much"
    return InputError(
        f"The Parquet file has {size} but unpacks to {shown}.", "Nothing was read. Split the file if you trust it."
    )
