"""Marking relations in a plain text: its two things by the space bar, then the key of the relation; Enter when done."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from core.errors import InputError
from core.project import Project
from core.records import Item
from core.tasks.base import Forming
from core.tasks.spans import Span
from studio import session
from studio.current import annotator
from studio.guard import guarded
from studio.i18n import _
from studio.services import get_workspace
from studio.text import escape
from studio.widgets.word_marker import Kind, heard, remember, word_marker

FIRST, SECOND = "1", "2"
KINDS = (Kind(-1, FIRST, "#0072b2", " "), Kind(-2, SECOND, "#d55e00", " "))
"""The two things a relation is between; the same key marks what is still missing."""


def waits(project: Project, item: Item) -> bool:
    """True for a plain text whose relations are to be marked."""
    return isinstance(project.task, Forming) and project.task.waits(item.text)


def draw_pair(
    item: Item, spans: list[Span], on_stroke: Callable[[], None], width: int, height: int, large: bool
) -> None:
    """The text with the two things that are marked in it so far."""
    word_marker(
        item.id,
        item.text,
        spans,
        KINDS,
        hint=_(
            "← → go from word to word, with Shift they take more. Space marks the first thing, then the second; the "
            "key of a relation saves both. Backspace takes back."
        ),
        on_stroke=on_stroke,
        width=width,
        height=height,
        large=large,
        once=True,
    )


def paired(item: Item, spans: list[Span]) -> list[Span]:
    """The two things after what was done in the browser."""
    return heard(item.id, item.text, spans, KINDS, once=True)


def ask_relation(project_id: int, item_id: int, label: str) -> None:
    """Ask for a relation between the two marked things; it is made once every key press of this run was heard."""
    st.session_state[session.RELATED] = (project_id, item_id, label)


@guarded
def save_relation() -> None:
    """Make what was asked for: a new item with its label. The plain text stays on screen, for the next pair."""
    asked: tuple[int, int, str] | None = st.session_state.pop(session.RELATED, None)
    if asked is None:
        return
    project_id, item_id, label = asked
    held_id, spans = st.session_state.get(session.CHOSEN) or (None, [])
    shown_id, since = st.session_state.get(session.SHOWN) or (None, None)
    if not item_id == held_id == shown_id:
        return
    things = {name: (start, end) for start, end, name in spans}
    if len(things) < len(KINDS):
        st.session_state[session.SAVED] = _("Mark two things first: a relation is between them.")
        return
    project = get_workspace().project(project_id)
    took = None if since is None else round((time.monotonic() - since) * 1000)
    text = project.item(item_id).text
    try:
        project.mark_relation(item_id, things[FIRST], things[SECOND], label, user=annotator(), elapsed_ms=took)
    except InputError as error:
        st.session_state[session.SAVED] = escape(error.message)
        return
    remember(item_id, spans)
    st.session_state[session.CHOSEN] = (item_id, [])
    st.session_state[session.SHOWN] = (item_id, time.monotonic())
    first, second = (escape(text[slice(*things[name])], 40) for name in (FIRST, SECOND))
    st.session_state[session.SAVED] = ":material/check: " + _("Saved: {label}").format(
        label=f"{escape(label, 40)} ({first} → {second})"
    )


@guarded
def finish(project_id: int, item_id: int) -> None:
    """No more relations in this text: the next one, please."""
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id != item_id:
        return
    get_workspace().project(project_id).finish_marking(item_id, user=annotator())
    st.session_state[session.SHOWN] = None
    st.session_state[session.SAVED] = _("This text is done. The Clean tab of the data page brings it back.")
