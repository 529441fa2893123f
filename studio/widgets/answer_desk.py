"""Marking the answer to a question at the labeling desk: its first and last word, then Enter; or that there is none."""

from __future__ import annotations

import streamlit as st

from core.records import Item
from core.tasks.answers import Answer, answer_at
from core.tasks.spans import words
from studio import session
from studio.i18n import _
from studio.text import escape

MOST_WORDS = 400
"""Buttons on one card; answers further down in a longer text are copied into a field."""


def draw_answer(item: Item, answers: list[Answer], width: int) -> None:
    """The words of the text as things to choose, and the answer so far with a way to take it back."""
    pieces = words(item.text)
    with st.container(width=width, gap="small"):
        st.pills(
            _("Choose the first and the last word of the answer"),
            list(range(min(MOST_WORDS, len(pieces)))),
            selection_mode="multi",
            format_func=lambda place: escape(item.text[slice(*pieces[place])], 60),
            key=_key(item.id),
            on_change=pick,
            args=(item.id, item.text),
        )
        if len(pieces) > MOST_WORDS:
            st.text_input(
                _("Or copy the answer out of the text"),
                key=f"copied_{_key(item.id)}",
                on_change=copy,
                args=(item.id, item.text),
            )
        for answer in answers:
            st.button(
                escape(answer["text"], 120),
                key=f"answer_{item.id}_{answer['start']}_{answer['end']}",
                icon=":material/close:",
                help=_("Take it back"),
                on_click=take_back,
                args=(item.id,),
            )


def _key(item_id: int) -> str:
    rounds: dict[int, int] = st.session_state.get(session.MARKED) or {}
    return f"words_{item_id}_{rounds.get(item_id, 0)}"


def pick(item_id: int, text: str) -> None:
    """Before the script runs: the answer reaches from the first to the last chosen word."""
    places = st.session_state.get(_key(item_id)) or []
    pieces = words(text)
    _choose(item_id, [answer_at(text, pieces[min(places)][0], pieces[max(places)][1])] if places else [])


def copy(item_id: int, text: str) -> None:
    """Before the script runs: the answer is where the copied words first stand."""
    wanted = str(st.session_state.get(f"copied_{_key(item_id)}") or "").strip()
    start = text.find(wanted)
    if start < 0:
        st.session_state[session.SAVED] = _("These words are not in the text like this.")
    elif wanted:
        _choose(item_id, [answer_at(text, start, start + len(wanted))])


def take_back(item_id: int) -> None:
    """Before the script runs: nothing is chosen any more."""
    rounds: dict[int, int] = st.session_state.get(session.MARKED) or {}
    st.session_state[session.MARKED] = {item_id: rounds.get(item_id, 0) + 1}
    _choose(item_id, [])


def _choose(item_id: int, answers: list[Answer]) -> None:
    held_id, _answers = st.session_state.get(session.CHOSEN) or (None, [])
    if held_id == item_id:
        st.session_state[session.CHOSEN] = (item_id, answers)
