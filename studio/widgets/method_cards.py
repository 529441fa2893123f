"""One card a method in plain words, with what it would cost; one of them is chosen.

A method that cannot do it, for the task or with the chosen base model, is shown pale with the reason.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.methods import USUAL, all_methods, excuse, get_method
from core.methods.base import Estimate, Method
from studio import session
from studio.address import remember
from studio.guard import guard
from studio.i18n import _, duration, size
from studio.phrases import phrase
from studio.text import escape

Cost = Callable[[Method], Estimate | None]
Reason = Callable[[Method], str | None]


def method_cards(task: str, default: str, estimate: Cost, reason: Reason) -> Method:
    """Draw the methods that can do ``task``; return the chosen one, kept in the URL.

    ``reason`` says why a method does not fit the base model. Methods that say why they cannot do the task come too.
    """
    methods = all_methods(task)
    names = [method.name for method in methods]
    chosen = remember(session.TRAIN_METHOD, default if default in names else names[0], names.__contains__)
    shown = [method for method in methods if method.name in USUAL or method.name == chosen]
    _cards(shown, chosen, estimate, reason)
    if folded := [method for method in _with_excused(task) if method.name not in {one.name for one in shown}]:
        more = st.expander(_("More methods"), icon=":material/science:", key="train_more_methods", on_change="rerun")
        with more:
            st.caption(_("For few examples, small adapters, or to compare. LoRA is the usual choice of this kind."))
            if more.open:
                _cards(folded, chosen, estimate, reason)
    return get_method(chosen)


def _with_excused(task: str) -> list[Method]:
    """Methods that can do the task, and those that say why not."""
    return [method for method in all_methods() if task in method.tasks or excuse(method, task)]


def _cards(methods: list[Method], chosen: str, estimate: Cost, reason: Reason) -> None:
    with st.grid(3, min_column_width=250):
        for method in methods:
            _card(method, method.name == chosen, estimate, reason)


def _card(method: Method, chosen: bool, estimate: Cost, reason: Reason) -> None:
    with st.container(border=True, height="stretch", key=f"method_{method.name}"):
        st.subheader(_(method.title), anchor=False)
        st.caption(_(method.summary))
        st.space("stretch")
        why, cost = None, None
        with guard():
            why = reason(method)
            cost = None if why else estimate(method)
        if why:
            st.caption(f":material/block: {escape(phrase(why))}")
        with st.container(horizontal=True, vertical_alignment="center"):
            if chosen:
                st.badge(_("Chosen"), icon=":material/check:", color="primary")
            else:
                st.button(
                    _("Choose"),
                    key=f"choose_{method.name}",
                    on_click=_choose,
                    args=(method.name,),
                    disabled=why is not None,
                )
            if cost is not None:
                st.caption(f"{duration(cost.seconds)} · {size(cost.memory_bytes)}")


def _choose(name: str) -> None:
    st.session_state[session.TRAIN_METHOD] = name
