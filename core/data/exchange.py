"""The columns of our own export files, and how one of them is recognised when it comes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import get_args

from core.data.names import visible
from core.errors import InputError
from core.records import LabelSource

FIXED = (
    "text",
    "text_b",
    "label",
    "split",
    "id",
    "annotator",
    "labelled_at",
    "label_source",
    "source",
    "flag",
    "excluded",
    "position",
)
"""Columns of an export, in order; ``text_b`` only when there are pairs, ``position`` only where the file has another
order than the project. Metadata columns follow."""
STATE = ("annotator", "labelled_at", "label_source", "source", "flag", "excluded")
"""Columns that say what happened to an item here."""
_PREFIX = "meta:"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def is_own_export(columns: Iterable[str]) -> bool:
    """True for the columns of a file that the export wrote."""
    return {"text", "label", "split", "id", *STATE} <= set(columns)


def escape_formula(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    return "'" + cell if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Undo ``escape_formula``."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def meta_column(key: str) -> str:
    """Name of the export column for a metadata key; prefixed when it would be taken for one of ours."""
    return _PREFIX + key if key in FIXED or key.startswith(_PREFIX) else key


def meta_key(column: str) -> str:
    """Undo ``meta_column``."""
    return column.removeprefix(_PREFIX)


def read_time(cell: str | None) -> str | None:
    """A time as the export writes it (ISO 8601). Raises InputError when it is something else."""
    if not cell:
        return None
    try:
        return datetime.fromisoformat(cell).isoformat()
    except ValueError:
        raise InputError(f"labelled_at '{visible(cell, 40)}' is not a date and time") from None


def read_source(cell: str | None) -> str | None:
    """Where a label came from. Raises InputError for anything but the known sources."""
    if cell and cell not in get_args(LabelSource):
        raise InputError(f"label_source '{visible(cell, 40)}' is not one of {', '.join(get_args(LabelSource))}")
    return cell or None


def read_flag(cell: str | None) -> bool:
    """``true`` or nothing. Raises InputError."""
    if cell in (None, "", "true", "false", "True", "False"):
        return cell in ("true", "True")
    raise InputError(f"excluded '{visible(cell or '', 40)}' is not true or false")


def read_position(cell: str | None) -> int | None:
    """Place of an item in its project, from 0. Raises InputError."""
    if not cell:
        return None
    if not cell.isascii() or not cell.isdigit() or len(cell) > 15:
        raise InputError(f"position '{visible(cell, 40)}' is not a whole number")
    return int(cell)


def ordered(keys: Iterable[str], pairs: bool, positions: bool = False) -> list[tuple[str, str | None]]:
    """(column, metadata key or None) of an export in order."""
    left_out = {name for name, wanted in (("text_b", pairs), ("position", positions)) if not wanted}
    fixed: Sequence[str] = [name for name in FIXED if name not in left_out]
    return [*((name, None) for name in fixed), *((meta_column(key), key) for key in keys)]
