"""The filter row above a list of items; what it shows is what is counted, charted and exported."""

from __future__ import annotations

import streamlit as st

from core.project import Project
from core.records import ItemFilter
from studio import session
from studio.address import remember
from studio.i18n import _


def item_filter(project: Project) -> ItemFilter:
    """Show search, state, label and origin filters, all kept in the URL; return them as one record."""
    names = [label.name for label in project.labels]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            _("Search"),
            type="search",
            key=session.DATA_SEARCH,
            bind="query-params",
            placeholder=_("Words in the text"),
            on_change=_first_page,
            width=240,
        )
        labels = st.multiselect(
            _("Label"),
            names,
            key=session.DATA_LABELS,
            bind="query-params",
            placeholder=_("Any label"),
            on_change=_first_page,
            width=200,
        )
        states = _states()
        remember(session.DATA_STATE, "all", states.__contains__)
        state = st.selectbox(
            _("Which"),
            list(states),
            format_func=states.__getitem__,
            key=session.DATA_STATE,
            on_change=_first_page,
            width=180,
        )
        more = st.popover(_("More filters"), icon=":material/filter_list:", key=session.DATA_MORE, on_change="rerun")
    splits, annotators, sources = _origin(project, more)
    return ItemFilter(
        text=(text or "").strip(),
        labels=tuple(labels),
        labelled={"labelled": True, "unlabelled": False}.get(state),
        flagged=True if state == "flagged" else None,
        excluded=state == "excluded",
        splits=tuple(splits),
        annotators=tuple(annotators),
        sources=tuple(sources),
    )


def _states() -> dict[str, str]:
    return {
        "all": _("All items"),
        "labelled": _("Labelled"),
        "unlabelled": _("Not labelled yet"),
        "flagged": _("Flagged"),
        "excluded": _("Taken out by cleaning"),
    }


def _origin(project: Project, place: st.delta_generator.DeltaGenerator) -> tuple[list[str], list[str], list[str]]:
    """Split, annotator and source; asked of the database only while the popover is open or one of them is set."""
    chosen = [
        st.session_state.get(key) or [] for key in (session.DATA_SPLITS, session.DATA_PEOPLE, session.DATA_SOURCES)
    ]
    if not getattr(place, "open", True):
        return chosen[0], chosen[1], chosen[2]
    with place:
        splits = _several(_("Split"), ["train", "dev", "test"], session.DATA_SPLITS)
        people = _several(_("Annotator"), project.usernames(), session.DATA_PEOPLE)
        sources = _several(_("Source"), project.sources(), session.DATA_SOURCES)
    return splits, people, sources


def _several(label: str, options: list[str], key: str) -> list[str]:
    return st.multiselect(label, options, key=key, persist_state="page", placeholder=_("Any"), on_change=_first_page)


def _first_page() -> None:
    """A changed filter starts at page one again."""
    st.session_state[session.DATA_PAGE] = 1
