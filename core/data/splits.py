"""Names of splits as files spell them."""

from __future__ import annotations

from core.data.names import visible
from core.errors import InputError

_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "testing": "test",
}


def split_name(cell: str | None) -> str | None:
    """The split a cell names: train, dev or test; None for an empty cell. Raises InputError."""
    name = (cell or "").strip().lower()
    if not name:
        return None
    try:
        return _SPLITS[name]
    except KeyError:
        raise InputError(f"the split '{visible(name, 40)}' is not train, dev or test") from None
