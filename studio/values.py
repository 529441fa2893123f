"""A task's values in words: one name, several of them, none of them, a number."""

from __future__ import annotations

from typing import Any

from studio.i18n import _


def value_text(value: Any) -> str:
    """A value as plain text on one line; the caller escapes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return " | ".join(str(part) for part in value) or _("none of them")
    return str(value)
