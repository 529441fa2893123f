"""How the columns of a file read in a widget that picks one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from studio.i18n import _
from studio.text import line, told_apart

LONGEST = 60
"""Characters of a name that are shown."""


def column_names(columns: Iterable[str | None]) -> Callable[[str | None], str]:
    """Words for each of the columns, all different; an empty one is none of them."""
    return told_apart(columns, lambda column: line(column, LONGEST) if column else _("none"))
