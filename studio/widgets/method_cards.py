"""One card a method in plain words, with what it would cost; one of them is chosen."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.methods import USUAL, all_methods, get_method
from core.methods.base import Estimate, Method
from studio import session
from studio.address import remember
from studio.guard import guard
from studio.i18n import _, duration, size


def method_cards(task: str, default: str, estimate: Callable[[Method], Estimate | None]) -> Method:
    """Draw the methods that can do ``task``; return the chosen one, kept in the URL."""
    methods = [method for method in all_methods() if task in method.tasks]
    names = [method.name for method in methods]
    chosen = remember(session.TRAIN_METHOD, default if default in names else names[0], names.__contains__)
    shown = [method for method in methods if method.name in USUAL or method.name == chosen]
    _cards(shown, chosen, estimate)
    if folded := [method for method in methods if method not in shown]:
        more = st.expander(_("More methods"), icon=":material/science:", key="train_more_methods", on_change="rerun")
        with more:
            st.caption(_("For few examples, small adapters, or to compare. LoRA is the usual choice of this kind."))
            if more.open:
                _cards(folded, chosen, estimate)
    return get_method(chosen)


def _cards(methods: list[Method], chosen: str, estimate: Callable[[Method], Estimate | None]) -> None:
    with st.grid(3, min_column_width=250):
        for method in methods:
            _card(method, method.name == chosen, estimate)


def _card(method: Method, chosen: bool, estimate: Callable[[Method], Estimate | None]) -> None:
    with st.container(border=True, height="stretch", key=f"method_{method.name}"):
        st.subheader(_(method.title), anchor=False)
        st.caption(_(method.summary))
        st.space("stretch")
        cost = None
        with guard():
            cost = estimate(method)
        with st.container(horizontal=True, vertical_alignment="center"):
            if chosen:
                st.badge(_("Chosen"), icon=":material/check:", color="primary")
            else:
                st.button(_("Choose"), key=f"choose_{method.name}", on_click=_choose, args=(method.name,))
            if cost is not None:
                st.caption(f"{duration(cost.seconds)} · {size(cost.memory_bytes)}")


def _choose(name: str) -> None:
    st.session_state[session.TRAIN_METHOD] = name
