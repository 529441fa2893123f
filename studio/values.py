"""A task's values in words: one name, several of them, none of them, spans, a number."""

from __future__ import annotations

from typing import Any

from studio.i18n import _


def value_text(value: Any, text: str = "") -> str:
    """A value as plain text on one line; the caller escapes it. Spans are read out of their ``text``."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        return " · ".join(f"{name}: {text[start:end] or f'{start}-{end}'}" for start, end, name in value)
    if isinstance(value, list | tuple):
        return " | ".join(str(part) for part in value) or _("none of them")
    return str(value)
