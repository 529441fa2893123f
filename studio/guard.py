"""One way to show what went wrong: title, what happened, what to do next. Never a traceback.

Fragments and dialogs run without the page around them, so they carry the guard themselves::

    @st.fragment
    @guarded
    def queue() -> None: ...
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import streamlit as st

from core.errors import StudioError
from studio.i18n import _
from studio.phrases import phrase
from studio.text import escape

logger = logging.getLogger("whetstone")
P = ParamSpec("P")
R = TypeVar("R")


def show_error(error: StudioError) -> None:
    """Draw the error where the script stands."""
    logger.warning("%s: %s", error.title, error)
    body = escape(phrase(error.message))
    if error.hint:
        body += "\n\n" + escape(phrase(error.hint))
    st.error(body, title=_(error.title), icon=":material/error:")


@contextmanager
def guard() -> Iterator[None]:
    """Show a StudioError raised inside and go on after the block."""
    try:
        yield
    except StudioError as error:
        show_error(error)


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """The same as ``guard`` for a function: returns None where an error was shown."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R | None:
        with guard():
            return function(*args, **kwargs)
        return None

    return wrapper


def on_script_error(error: Exception) -> bool:
    """Last resort for an error nobody expected: log it in full, show a calm line. Returns True: it is handled."""
    logger.error("unexpected error on a page", exc_info=error)
    st.error(
        _("Your work up to here is saved. Reload the page; if it happens again, the server's log has the details."),
        title=_("Something went wrong"),
        icon=":material/error:",
    )
    return True
