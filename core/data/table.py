"""What every reader hands over: named columns of texts, batch by batch, and the rows it had to set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.data.names import visible
from core.errors import InputError
from core.records import RejectedRow

BATCH_ROWS = 2_000
MOST_ROWS = 20_000_000
PREVIEW_BYTES = 8 * 1024 * 1024
"""Bytes that a preview looks at to find the encoding; the import itself looks at all."""
MOST_COLUMNS = 2_000


@dataclass
class Batch:
    """Some rows: ``columns[name][i]`` is the cell of row number ``rows[i]``; None where the row has no such cell."""

    rows: Sequence[int]
    columns: Mapping[str, Sequence[str | None]]
    rejected: list[RejectedRow] = field(default_factory=list)


class Table(Protocol):
    """One opened source. Every value is text exactly as it is written in the file."""

    format: str
    columns: list[str]
    warnings: list[str]
    open_ended: bool
    """True when rows may bring columns that ``columns`` does not name (JSON)."""
    total: int
    """Size of the work, in bytes or rows."""
    done: int
    """How much of ``total`` is behind us."""

    @property
    def encoding_name(self) -> str | None:
        """Text encoding of the file; None for binary formats."""

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield the rows in order. Raises InputError."""


def check_columns(names: Sequence[str]) -> list[str]:
    """Column names without white space at their ends; unnamed ones become ``column 3``. Raises InputError."""
    if len(names) > MOST_COLUMNS:
        raise InputError(f"The file has {len(names):,} columns; at most {MOST_COLUMNS:,} are read.", "Leave some out.")
    clean = [visible(name.strip(), 200).strip() or f"column {place}" for place, name in enumerate(names, 1)]
    first: dict[str, int] = {}
    for place, name in enumerate(clean, 1):
        if name in first:
            raise InputError(
                f"Two columns are called '{name}': column {first[name]} and column {place}.",
                "Rename one of them in the header line.",
            )
        first[name] = place
    return clean
