"""A paged list of items with one of them open beside it. Never more than one page is read, however big the project."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.project import Project
from core.records import Item, ItemFilter
from studio import session
from studio.i18n import N_, _, date_time_column
from studio.navigation import open_page
from studio.text import escape
from studio.values import value_text

PAGE_SIZE = 50


def item_table(project: Project, chosen: ItemFilter, total: int, user: str) -> None:
    """One page of the items that ``chosen`` selects, and the details of the selected row."""
    if not total:
        st.caption(_("Nothing fits these filters."))
        return
    pages = -(-total // PAGE_SIZE)
    if (st.session_state.get(session.DATA_PAGE) or 1) > pages:
        st.session_state[session.DATA_PAGE] = pages
    place = st.container()
    page = st.pagination(pages, key=session.DATA_PAGE, bind="query-params") if pages > 1 else 1
    items = project.items(chosen, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    with place:
        event = st.dataframe(
            items_frame(items),
            key=f"items_{project.id}_{page}_{hash(chosen)}",
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            column_config=item_columns(),
            placeholder="",
            height=min(38 + 35 * len(items), 600),
            alt=_("Items of this project"),
        )
        rows = event.selection.rows
        if rows and rows[0] < len(items):
            item_details(project, items[rows[0]], user)
        else:
            st.caption(_("Select a row to read the whole text and its history."))


def items_frame(items: list[Item]) -> pd.DataFrame:
    """The items as one table row each; pair and metadata columns only where they are used."""
    frame = pd.DataFrame(
        {
            "id": [item.id for item in items],
            "text": [item.text for item in items],
            "text_b": [item.text_b for item in items],
            "label": [_cell(item.label, item.text, item.text_b) for item in items],
            "annotator": [item.annotator for item in items],
            "labelled_at": [item.labelled_at for item in items],
            "split": [item.split for item in items],
            "source": [item.source for item in items],
            "flag": [item.flag for item in items],
        }
    )
    unused = [name for name in ("text_b", "split", "flag", "annotator", "labelled_at") if frame[name].isna().all()]
    if frame["source"].nunique() < 2:
        unused.append("source")
    return frame.drop(columns=unused)


def item_columns() -> dict[str, Any]:
    """Column names and widths for ``items_frame``."""
    column = st.column_config
    return {
        "id": column.NumberColumn(_("Item"), width=60, format="%d"),
        "text": column.TextColumn(_("Text"), width=332),
        "text_b": column.TextColumn(_("Second text"), width="medium"),
        "label": column.TextColumn(_("Label"), width=140),
        "annotator": column.TextColumn(_("By"), width=72),
        "labelled_at": column.DatetimeColumn(_("When"), width=168, format=date_time_column()),
        "split": column.TextColumn(_("Split"), width=70),
        "source": column.TextColumn(_("Source"), width=140),
        "flag": column.TextColumn(_("Flag"), width=140),
    }


def item_details(project: Project, item: Item, user: str) -> None:
    """The whole text, what is known about the item and every label it ever had."""
    with st.container(border=True):
        st.text(item.text)
        if item.text_b is not None:
            st.text(item.text_b)
        known = {
            _("Label"): _cell(item.label, item.text, item.text_b),
            _("Note"): item.flag,
            _("Your id"): item.external_id,
            **item.meta,
        }
        facts = {
            escape(str(name)): escape(_cell(value) or "") for name, value in known.items() if value not in (None, "")
        }
        if facts:
            st.table(facts, border="horizontal", width="content")
        with st.container(horizontal=True):
            if st.button(_("Open in Annotate"), key=f"annotate_{item.id}", icon=":material/edit_note:"):
                project.go_to(item.id, user)
                open_page("annotate")
            if not item.excluded and st.button(_("Take out"), key=f"take_out_{item.id}", icon=":material/block:"):
                project.exclude([item.id], user=user)
                st.toast(_("Taken out. Clean has the undo."), icon=":material/check:")
                st.rerun()
        _history(project, item)


# Kind of a label event -> what the person did.
KINDS = {
    "label": N_("labelled"),
    "clear": N_("label taken off"),
    "skip": N_("skipped"),
    "flag": N_("flagged"),
    "unflag": N_("flag taken off"),
    "go_to": N_("opened"),
    "undo": N_("undone"),
}


def _history(project: Project, item: Item) -> None:
    """Who did what with this item, oldest first."""
    events = project.history(item.id)
    if not events:
        return
    names = {label.id: label.name for label in project.labels}
    column = st.column_config
    st.dataframe(
        pd.DataFrame(
            {
                "at": [event.at for event in events],
                "user": [event.user for event in events],
                "kind": [_(KINDS.get(event.kind, event.kind)) for event in events],
                "label": [" | ".join(names.get(i, f"#{i}") for i in event.label_ids) for event in events],
                "note": [event.note for event in events],
                "source": [event.source for event in events],
                "suggested": [event.suggested for event in events],
                "seconds": [None if event.elapsed_ms is None else event.elapsed_ms / 1000 for event in events],
            }
        ).dropna(axis=1, how="all"),
        hide_index=True,
        height="content",
        column_config={
            "at": column.DatetimeColumn(_("When"), format=date_time_column()),
            "user": column.TextColumn(_("By")),
            "kind": column.TextColumn(_("What")),
            "label": column.TextColumn(_("Label")),
            "note": column.TextColumn(_("Note")),
            "source": column.TextColumn(_("Through")),
            "suggested": column.TextColumn(_("Suggested")),
            "seconds": column.NumberColumn(_("Seconds"), format="%.1f"),
        },
        alt=_("History of this item"),
    )


def _cell(value: object, text: str = "", text_b: str | None = None) -> str | None:
    """A task's value as one cell of text."""
    return None if value is None else value_text(value, text, text_b)
