"""A list of recommendations as cards: what it is, what it costs, why it is here, and two buttons of feedback."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.evaluation.messages import Message
from core.scenarios.recommendation.catalog import Item
from core.scenarios.recommendation.config import FEATURES, Weights
from core.scenarios.recommendation.ranking import Recommendation
from studio.i18n import _, number
from studio.text import escape

Feedback = Callable[[Recommendation, bool], None]
LEAST_PART = 0.005
SHOWN_DESCRIPTION = 110
"""Characters."""


def cards(made: Sequence[Recommendation], currency: str, big: bool, on_feedback: Feedback | None, key: str) -> None:
    """Draw the list; ``on_feedback`` is called with an item and whether it was liked."""
    with st.grid(2 if big else 3, min_column_width=250 if big else 230):
        for place, one in enumerate(made, 1):
            with st.container(border=True, height="stretch", gap="xsmall", key=f"{key}_card_{place}"):
                _card(place, one, currency, big)
                if on_feedback is not None:
                    _buttons(one, on_feedback, key)


def _card(place: int, one: Recommendation, currency: str, big: bool) -> None:
    title = f"{place}. {escape(one.item.title, 120)}"
    if big:
        st.subheader(title, anchor=False)
        st.markdown(item_line(one.item, currency))
        st.markdown("  \n".join(sentence(reason) for reason in one.reasons[:1]))
        return
    st.markdown(f"**{title}**")
    st.caption(item_line(one.item, currency))
    if one.item.description:
        st.markdown(f":small[{escape(one.item.description, SHOWN_DESCRIPTION)}]")
    if one.reasons:
        st.markdown("  \n".join(f":small[:primary[{sentence(reason)}]]" for reason in one.reasons))


def _buttons(one: Recommendation, on_feedback: Feedback, key: str) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            _("Good"),
            key=f"{key}_good_{one.item.id}",
            icon=":material/thumb_up:",
            type="tertiary",
            on_click=on_feedback,
            args=(one, True),
        )
        st.button(
            _("Not for me"),
            key=f"{key}_bad_{one.item.id}",
            icon=":material/thumb_down:",
            type="tertiary",
            on_click=on_feedback,
            args=(one, False),
        )
        with st.popover(_("Score"), type="tertiary", key=f"{key}_score_{one.item.id}"):
            st.markdown("  \n".join(parts(one)))


def item_line(item: Item, currency: str) -> str:
    """Categories and price, escaped."""
    facts = [", ".join(item.categories)] if item.categories else []
    words = [escape(fact, 80) for fact in facts]
    if item.price is not None:
        words.append(f"{number(item.price, 2)} {escape(currency) if currency else ''}".strip())
    return " · ".join(words)


def sentence(reason: Message) -> str:
    """A reason in the reader's language; what it quotes is escaped."""
    return _(reason.key).format(**{name: escape(value, 60) for name, value in reason.values.items()})


def parts(one: Recommendation) -> list[str]:
    """What each feature adds to the score, the sum first."""
    lines = [f"**{number(one.score, 2)}**"]
    for name in FEATURES:
        if one.parts[name] >= LEAST_PART:
            lines.append(f"{number(one.parts[name], 2)} · {_(Weights.model_fields[name].title or name)}")
    return lines
