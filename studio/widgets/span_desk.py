"""Marking spans at the labeling desk: choose words, press a label; Enter saves what is marked and goes on."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from core.records import Item
from core.tasks.spans import Span, words
from studio import session
from studio.i18n import _
from studio.text import escape

MOST_WORDS = 400
"""Buttons on one card; what follows in a longer text is marked through the API or an import."""


def draw_words(item: Item, spans: list[Span], width: int) -> None:
    """The words of a text as things to choose, and what is marked so far, each with a way to take it back."""
    pieces = words(item.text)[:MOST_WORDS]
    with st.container(width=width, gap="small"):
        st.pills(
            _("Choose the words of a span, then press its label"),
            list(range(len(pieces))),
            selection_mode="multi",
            format_func=lambda place: escape(item.text[slice(*pieces[place])], 60),
            key=_key(item.id),
        )
        if spans:
            with st.container(horizontal=True, gap="xsmall"):
                for start, end, name in spans:
                    st.button(
                        f"{escape(item.text[start:end], 60)} · {escape(name, 40)}",
                        key=f"span_{item.id}_{start}_{end}",
                        icon=":material/close:",
                        help=_("Take it back"),
                        on_click=unmark,
                        args=(item.id, start),
                    )


def _key(item_id: int) -> str:
    rounds: dict[int, int] = st.session_state.get(session.MARKED) or {}
    return f"words_{item_id}_{rounds.get(item_id, 0)}"


def mark(item: Item, name: str, spans: list[Span]) -> list[Span]:
    """The spans with the chosen words added as ``name``: words that stand side by side are one span."""
    chosen = sorted(st.session_state.get(_key(item.id)) or [])
    pieces = words(item.text)
    new: list[Span] = []
    for _run, places in groupby(enumerate(chosen), lambda pair: pair[1] - pair[0]):
        run = [place for _, place in places]
        new.append((pieces[run[0]][0], pieces[run[-1]][1], name))
    kept = [span for span in spans if not any(span[0] < end and start < span[1] for start, end, _name in new)]
    rounds: dict[int, int] = st.session_state.get(session.MARKED) or {}
    st.session_state[session.MARKED] = {item.id: rounds.get(item.id, 0) + 1}  # the words are free for the next span
    return sorted([*kept, *new])


def unmark(item_id: int, start: int) -> None:
    """Before the script runs: take a span of this item back."""
    held_id, spans = st.session_state.get(session.CHOSEN) or (None, [])
    if held_id == item_id:
        st.session_state[session.CHOSEN] = (item_id, [span for span in spans if span[0] != start])
