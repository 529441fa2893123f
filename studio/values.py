"""A task's values in words: one name, several of them, none of them, spans, answers, a number."""

from __future__ import annotations

from typing import Any

from studio.i18n import _


def value_text(value: Any, text: str = "", text_b: str | None = None) -> str:
    """A value as plain text on one line; the caller escapes it. Spans are read out of their ``text``.

    Of two texts (``text_b``) an empty list says that the one does not answer the other.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and (text_b is not None if not value else isinstance(value[0], dict)):
        return " / ".join(dict.fromkeys(part["text"] for part in value)) or _("no answer")
    if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        return " · ".join(f"{name}: {text[start:end] or f'{start}-{end}'}" for start, end, name in value)
    if isinstance(value, list | tuple):
        return " | ".join(str(part) for part in value) or _("none of them")
    return str(value)
