"""Search with a model of pairs: one text against many, the best of them as a ranked list."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import streamlit as st

from core.inference.search import reads
from core.methods.matching import RERANK
from core.model import Model
from core.records import Found
from studio import session
from studio.i18n import _, ngettext, number
from studio.services import get_model, get_workspace
from studio.text import line
from studio.widgets.model_picker import model_name

MOST_CANDIDATES = 10_000
LONGEST_LIST = 100
PERCENT: dict[str, Any] = {"format": "%.1f %%", "min_value": 0, "max_value": 100}


def search_form(model: Model) -> None:
    """A text, what to search in and who re-ranks; then the list."""
    own = st.segmented_control(
        _("Search in"),
        [True, False],
        format_func={True: _("Second texts of the version"), False: _("Lines that you paste")}.__getitem__,
        default=True,
        required=True,
        key=f"search_in_{model.id}",
    )
    rerankers = _rerankers(model)
    with st.form(f"search_{model.id}", border=False):
        query = st.text_area(
            _("A text to search for"), key=f"search_text_{model.id}", height=80, placeholder=_("Type a first text")
        )
        pasted = None
        if not own:
            pasted = st.text_area(_("Texts to search in, one a line"), key=f"search_lines_{model.id}", height=160)
        with st.container(horizontal=True):
            top = st.number_input(_("Longest list"), 1, LONGEST_LIST, 10, key=f"search_top_{model.id}", width=140)
            again = st.selectbox(
                _("Re-rank with"),
                ["", *rerankers],
                format_func=lambda name: rerankers.get(name) or _("not at all"),
                key=f"search_again_{model.id}",
                help=_(
                    "A model that reads both texts together puts the best ones, at least as many as the list is long, "
                    "into its own order: slower and often better. Cross-encoders and other tuned encoders of pairs of "
                    "this workspace are listed."
                ),
                width=400,
            )
        asked = st.form_submit_button(_("Search"), type="primary", icon=":material/search:")
    if reads(model.info.task, model.info.method):
        st.caption(
            _(
                "This model reads both texts together: it ranks the {n} candidates with the most words in common."
            ).format(n=number(model.info.options.get("rerank", RERANK)))
        )
    if asked:
        _search(model, (query or "").strip(), pasted, int(top), again)
    last = st.session_state.get(session.FOUND)
    if last is not None and last[0] == model.id:
        _list(*last[1:])


def _search(model: Model, query: str, pasted: str | None, top: int, again: str | None) -> None:
    """Ask the model and keep what it found."""
    with st.spinner(_("Searching"), show_time=True):
        loaded = get_model(model.id)
        candidates = None
        if pasted is not None:
            candidates = list(dict.fromkeys(row.strip() for row in pasted.splitlines() if row.strip()))
        if not query or candidates == []:
            st.warning(_("Give a text to search for, and texts to search in."))
            return
        if candidates is not None and len(candidates) > MOST_CANDIDATES:
            st.caption(_("The first {n} lines; a program can search in parts.").format(n=number(MOST_CANDIDATES)))
            candidates = candidates[:MOST_CANDIDATES]
        many = len(loaded.second_texts() if candidates is None else candidates)
        started = time.perf_counter()
        (found,) = loaded.search([query], candidates, top, get_model(again) if again else None)
        took = (time.perf_counter() - started) * 1000
    st.session_state[session.FOUND] = (model.id, found, many, took)


def _rerankers(model: Model) -> dict[str, str]:
    """Models of the workspace that read two texts together, by id; those of the same project first."""
    workspace = get_workspace()
    projects = {project.id: project.name for project in workspace.projects()}
    others = [
        other
        for other in workspace.models()
        if other.id != model.id and other.info.project_id in projects and reads(other.info.task, other.info.method)
    ]
    others.sort(key=lambda other: other.info.project_id != model.info.project_id)
    return {
        other.id: line(
            model_name(other.info, {})
            if other.info.project_id == model.info.project_id
            else f"{projects[other.info.project_id]} · {model_name(other.info, {})}",
            100,
        )
        for other in others
    }


def _list(found: list[Found], candidates: int, milliseconds: float) -> None:
    """The ranked list with a bar a text, and how long it took."""
    st.caption(
        ngettext("{n} text searched in {ms} ms", "{n} texts searched in {ms} ms", candidates).format(
            n=number(candidates), ms=number(milliseconds)
        )
        + " · "
        + _("what was read once is not read again, so the next search is quicker")
    )
    column = st.column_config
    st.dataframe(
        found_frame(found),
        hide_index=True,
        column_config={
            "rank": column.NumberColumn(_("Rank"), width=60),
            "score": column.ProgressColumn(_("Probability of a match"), width=170, **PERCENT),
            "text": column.TextColumn(_("Text"), width="large"),
            "before": column.NumberColumn(_("Rank before reading"), width=150),
        },
        alt=_("What was found"),
    )


def found_frame(found: list[Found]) -> pd.DataFrame:
    """One row a text in the order of the list: rank, text, probability in percent, and its rank before a model read."""
    rows = [
        {"rank": rank, "text": one.text, "score": 100 * one.score, "before": one.rank_before}
        for rank, one in enumerate(found, start=1)
    ]
    frame = pd.DataFrame(rows, columns=["rank", "score", "text", "before"])
    return frame.drop(columns="before") if frame["before"].isna().all() else frame
