"""Marking spans at the labeling desk: choose words, press a label; Enter saves what is marked and goes on."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.project import Project
from core.records import Item
from core.tasks.spans import Span
from studio import session
from studio.i18n import _
from studio.keys import assign_keys
from studio.text import escape
from studio.widgets.word_marker import Kind, chosen_words, heard, remember, with_span, word_marker


def draw_words(
    project: Project, item: Item, spans: list[Span], on_stroke: Callable[[], None], width: int, height: int, large: bool
) -> None:
    """The text with what is marked in it so far."""
    word_marker(
        item.id,
        item.text,
        spans,
        kinds(project),
        hint=_(
            "← → go from word to word, with Shift they take more. The key of a label marks, Backspace takes back, "
            "Ctrl+Z undoes."
        ),
        on_stroke=on_stroke,
        width=width,
        height=height,
        large=large,
    )


def draw_marks(item: Item, spans: list[Span], width: int) -> None:
    """Each mark with a way to take it back; below the labels, which stand still."""
    if spans:
        with st.container(horizontal=True, gap="xsmall", width=width):
            for start, end, name in spans:
                st.button(
                    f"{escape(item.text[start:end], 60)} · {escape(name, 40)}",
                    key=f"span_{item.id}_{start}_{end}",
                    icon=":material/close:",
                    help=_("Take it back"),
                    on_click=unmark,
                    args=(item.id, start),
                )


def kinds(project: Project) -> list[Kind]:
    """The labels of a project with their keys."""
    keys = assign_keys(project.labels)
    return [Kind(label.id, label.name, label.colour, keys.get(label.id)) for label in project.labels]


def marked(project: Project, item: Item, spans: list[Span]) -> list[Span]:
    """The spans after what was done in the browser."""
    return heard(item.id, item.text, spans, kinds(project))


def mark(item: Item, name: str, spans: list[Span]) -> list[Span]:
    """The spans with the words that are chosen now added as ``name``; as they are where none is chosen."""
    chosen = chosen_words(item.id, item.text)
    if chosen is None:
        said = _("Choose words of the text first, then {label}.")
        st.session_state[session.SAVED] = said.format(label=escape(name, 40))
        return spans
    remember(item.id, spans)
    return with_span(spans, (*chosen, name))


def unmark(item_id: int, start: int) -> None:
    """Before the script runs: take a span of this item back."""
    held_id, spans = st.session_state.get(session.CHOSEN) or (None, [])
    if held_id == item_id:
        remember(item_id, spans)
        st.session_state[session.CHOSEN] = (item_id, [span for span in spans if span[0] != start])
