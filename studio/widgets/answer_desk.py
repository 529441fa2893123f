"""Marking the answer to a question at the labeling desk: its words, then Enter; or that there is none."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.records import Item
from core.tasks.answers import Answer, answer_at
from core.tasks.spans import Span
from studio import session
from studio.i18n import _
from studio.text import escape
from studio.widgets.word_marker import Kind, heard, remember, word_marker

KINDS = (Kind(0, ""),)


def draw_answer(
    item: Item, answers: list[Answer], on_stroke: Callable[[], None], width: int, height: int, large: bool
) -> None:
    """The question, and the text with the answer marked in it."""
    st.markdown(f"##### {escape(item.text_b or '')}", anchors=False, width=width)
    word_marker(
        item.id,
        item.text,
        _spans(answers),
        KINDS,
        hint=_("← → go from word to word, with Shift they take more: that is the answer. Backspace takes it back."),
        on_stroke=on_stroke,
        width=width,
        height=height,
        large=large,
        lone=True,
    )


def draw_given(item: Item, answers: list[Answer]) -> None:
    """The answer with a way to take it back."""
    for answer in answers:
        st.button(
            escape(answer["text"], 120),
            key=f"answer_{item.id}_{answer['start']}_{answer['end']}",
            icon=":material/close:",
            help=_("Take it back"),
            on_click=take_back,
            args=(item.id,),
        )


def answered(item: Item, answers: list[Answer]) -> list[Answer]:
    """The answers after what was done in the browser; those that were there stay until something else is chosen."""
    spans = _spans(answers)
    after = heard(item.id, item.text, spans, KINDS, lone=True)
    return answers if after == spans else [answer_at(item.text, start, end) for start, end, _name in after]


def take_back(item_id: int) -> None:
    """Before the script runs: nothing is chosen any more."""
    held_id, answers = st.session_state.get(session.CHOSEN) or (None, [])
    if held_id == item_id:
        remember(item_id, _spans(answers))
        st.session_state[session.CHOSEN] = (item_id, [])


def _spans(answers: list[Answer]) -> list[Span]:
    return [(answer["start"], answer["end"], "") for answer in answers]
