"""What is chosen lives in the URL, so that a link opens the same view and a reload loses nothing.

A parameter has the name of its session-state key. The URL wins when it changed from outside (a link, the back
button); the session wins after a widget changed, and when a page switch emptied the URL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import streamlit as st

from studio import session

LATE_SECONDS = 5.0
"""A browser that did not know our change yet may still ask with the old address for this long."""


def remember(name: str, default: str, valid: Callable[[str], bool]) -> str:
    """Settle the value of one parameter before its widget is drawn and return it.

    ``name`` is both the session-state key and the URL parameter; ``valid`` refuses values nobody may choose.
    """
    written: dict[str, str] = st.session_state.setdefault(session.ADDRESS, {})
    in_url = st.query_params.get(name)
    in_session = st.session_state.get(name)
    if in_url is not None and in_url != written.get(name) and valid(in_url) and not _late(name, in_url):
        value = in_url
    elif in_session is not None and valid(in_session):
        value = in_session
    else:
        value = default
    st.session_state[name] = value
    written[name] = value
    if in_url != value:
        _write(name, in_url, value)
    return value


def remember_several(name: str, default: Sequence[str], allowed: Collection[str]) -> list[str]:
    """``remember`` for a choice of several, ``?name=one,two``; values that nobody may choose are left out.

    For codes without commas, such as ids. An empty choice stays empty: it is ``?name=``.
    """
    written: dict[str, str] = st.session_state.setdefault(session.ADDRESS, {})
    in_url = st.query_params.get(name)
    if in_url is not None and in_url != written.get(name) and not _late(name, in_url):
        wanted: Sequence[str] = in_url.split(",")
    else:
        wanted = st.session_state.get(name, default)
    chosen = [one for one in wanted if one in allowed]
    st.session_state[name] = chosen
    written[name] = ",".join(chosen)
    if in_url != written[name]:
        _write(name, in_url, written[name])
    return chosen


def _write(name: str, before: str | None, value: str) -> None:
    if before is not None:
        st.session_state.setdefault(session.LEFT, {})[name] = (before, time.monotonic())
    st.query_params[name] = value


def _late(name: str, in_url: str) -> bool:
    """Whether this is the address of a moment ago: a timer or a widget asked before the browser had the new one."""
    left, at = st.session_state.get(session.LEFT, {}).get(name, (None, 0.0))
    return in_url == left and time.monotonic() - at < LATE_SECONDS
