"""Which key gives which label on the Annotate page."""

from __future__ import annotations

from collections.abc import Sequence

from core.records import Label

ACTIONS = {
    "accept": "Enter",
    "nothing": "Backspace",
    "undo": "U",
    "skip": "S",
    "flag": "F",
    "guidelines": "G",
    "suggestions": "H",
}
"""Keys of the page itself. No label takes them."""
TAKEN_BY_STREAMLIT = "CR"
_LETTERS = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in TAKEN_BY_STREAMLIT]
_FREE = [c for c in _LETTERS if c not in ACTIONS.values()]
KEYS = [*"1234567890", *_FREE, *(f"Shift+{c}" for c in _LETTERS)]
"""In the order in which labels get them: digits, letters, letters with Shift."""


def assign_keys(labels: Sequence[Label]) -> dict[int, str]:
    """Label id -> key. A label keeps the key its schema names when that key is free and usable; the others take the
    next free ones. Labels beyond the last key get none and are chosen by search or click.
    """
    keys: dict[int, str] = {}
    for label in labels:
        wanted = label.key.strip().upper()
        if wanted in KEYS and wanted not in keys.values():
            keys[label.id] = wanted
    free = iter([key for key in KEYS if key not in keys.values()])
    for label in labels:
        if label.id not in keys and (key := next(free, None)):
            keys[label.id] = key
    return keys
