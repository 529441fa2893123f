"""The map of the studio: which page stands in which section."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from studio import session
from studio.i18n import N_, _

PAGES = Path(__file__).parent.parent / "pages"

# Section -> (file name without .py, title, icon, the one question it answers)
SECTIONS: dict[str, list[tuple[str, str, str, str]]] = {
    N_("Workspace"): [
        ("home", N_("Home"), ":material/home:", N_("What should I do next?")),
        ("data", N_("Data"), ":material/table_rows:", N_("What do I have, and is it clean?")),
        ("annotate", N_("Annotate"), ":material/edit_note:", N_("What is this text?")),
    ],
    N_("Models"): [
        ("train", N_("Train"), ":material/model_training:", N_("Which model should I make, and what will it cost?")),
        ("evaluate", N_("Evaluate"), ":material/query_stats:", N_("Is it good enough, and where is it wrong?")),
        ("models", N_("Models"), ":material/deployed_code:", N_("Which model is live, and can I try it?")),
    ],
    N_("Scenarios"): [
        (
            "customer_service",
            N_("Customer service"),
            ":material/support_agent:",
            N_("Would I let this talk to my customers?"),
        ),
        (
            "finance_sentiment",
            N_("Finance sentiment"),
            ":material/candlestick_chart:",
            N_("What is turning bad, and why?"),
        ),
        (
            "recommendation",
            N_("Recommendation"),
            ":material/recommend:",
            N_("Would these people want these things?"),
        ),
    ],
    N_("Setup"): [
        ("settings", N_("Settings"), ":material/settings:", N_("How is this machine set up?")),
    ],
}


def page_path(name: str) -> Path:
    """File of a page, for ``st.switch_page`` and ``st.page_link``."""
    return PAGES / f"{name}.py"


def navigate() -> StreamlitPage:
    """Register every page and return the one the address asks for."""
    return st.navigation(
        {
            _(section): [
                st.Page(page_path(name), title=_(title), icon=icon, help=_(question), default=name == "home")
                for name, title, icon, question in pages
            ]
            for section, pages in SECTIONS.items()
        },
        expanded=True,
    )


def open_page(name: str, **parameters: str) -> None:
    """Go to a page with URL parameters, e.g. ``open_page("evaluate", run=run.id)``. Ends this script run.

    The next run does it (``follow``): a tick of a self-refreshing fragment that waits behind this run would be played
    after the switch, and the browser would clear the new page for it. A whole run takes such ticks out of the queue.
    """
    st.session_state[session.GOING] = (name, parameters)
    st.rerun()


def follow() -> None:
    """Switch to the page that ``open_page`` asked for; called on every run once the pages are known."""
    if going := st.session_state.pop(session.GOING, None):
        name, parameters = going
        st.switch_page(page_path(name), query_params=parameters or None)
