"""What an import did: counts, what was left out and why, and the way on."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from core.records import ImportReport, RejectedRow
from studio import session
from studio.guard import guard
from studio.i18n import _, duration, ngettext, number
from studio.jobs import Work
from studio.navigation import open_page
from studio.phrases import phrase
from studio.services import get_jobs
from studio.text import escape
from studio.widgets.basics import label_chips
from studio.widgets.job_line import show_job

SHOWN_REJECTED = 200


def import_result(report: ImportReport, key: str) -> None:
    """Counts first, then the rows left out with a download of all of them, and the way on."""
    import_counts(report, key)
    if report.added:
        unlabelled = report.added > report.labelled
        if st.button(_("Start labeling") if unlabelled else _("Freeze a version"), type="primary", key=f"{key}_next"):
            open_page("annotate") if unlabelled else open_page("data", view="versions")


def import_counts(report: ImportReport, key: str) -> None:
    """Counts first, then the rows left out with a download of all of them."""
    st.success(
        ngettext("{n} text added", "{n} texts added", report.added).format(n=number(report.added))
        + f" · {duration(report.seconds)}",
        icon=":material/check:",
    )
    with st.grid(4, min_column_width=150):
        st.metric(_("Added"), number(report.added))
        st.metric(_("Came with a label"), number(report.labelled))
        st.metric(
            _("There already"),
            number(report.duplicates),
            help=_("The same text was in the project or earlier in the file."),
        )
        st.metric(_("Rejected"), number(len(report.rejected)))
    for warning in report.warnings:
        st.warning(escape(phrase(warning)), icon=":material/info:")
    if report.new_labels:
        st.caption(_("New labels"))
        label_chips(report.new_labels)
    if report.rejected:
        rejected_rows(report.rejected, key)


def rejected_rows(rows: list[RejectedRow], key: str) -> None:
    """The first rows left out with their reasons, and a download of all of them."""
    st.subheader(_("Rows left out"), anchor=False)
    st.dataframe(
        pd.DataFrame([{**row.model_dump(), "reason": phrase(row.reason)} for row in rows[:SHOWN_REJECTED]]),
        hide_index=True,
        column_config={
            "row": st.column_config.NumberColumn(_("Row"), width=80, format="%d"),
            "reason": st.column_config.TextColumn(_("Why"), width="large"),
            "excerpt": st.column_config.TextColumn(_("Row begins with"), width="large"),
        },
        alt=_("Rows left out"),
    )
    st.download_button(
        _("Download all {n} with their reasons").format(n=number(len(rows))),
        data=lambda: rejected_csv(rows),
        file_name="rejected-rows.csv",
        mime="text/csv",
        on_click="ignore",
        key=f"{key}_rejected",
        icon=":material/download:",
    )


def rejected_csv(rows: list[RejectedRow]) -> str:
    """The rejected rows as CSV; cells that a spreadsheet would run as a formula get a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["row", "reason", "excerpt"])
    for row in rows:
        writer.writerow([row.row, _inert(row.reason), _inert(row.excerpt)])
    return out.getvalue()


def _inert(cell: str) -> str:
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def import_job(key: str, draw: Callable[[Any, str], None], stopped: str = "") -> bool:
    """The import of this key, running or over, with ``draw`` for what it brought; True while it runs.

    The form of the next one is drawn below in any case, with the keys of ``form_key``: Streamlit forgets a file that is
    given to an uploader in the very moment in which a run of the script leaves it out.
    """
    job = show_job(key)
    if job is None:
        return False
    if job.state == "running":
        st.caption(_("What you give below meanwhile is kept for when this is done."))
        return True
    with st.container(border=True):
        place = st.container()
        if st.button(_("Put this away"), icon=":material/close:", key=f"{key}_again", type="tertiary"):
            get_jobs().dismiss(key)
            st.rerun()
        with place, guard():  # after the way on, which nothing may take away
            if job.state == "stopped":
                st.info(stopped or _("The import was stopped. Nothing of it was stored."))
            else:
                draw(job.result(), key)
    return False


def form_key(key: str) -> str:
    """What the widget keys of an import's form begin with: new ones after each start, so that the form is empty."""
    started: dict[str, int] = st.session_state.get(session.IMPORTS) or {}
    return f"{key}_{started[key]}" if key in started else key


def start_import(key: str, title: str, work: Work) -> None:
    """Begin the job of this key and draw the page anew. Raises RefusedError while another one runs."""
    get_jobs().start(key, title, work)
    started: dict[str, int] = st.session_state.get(session.IMPORTS) or {}
    st.session_state[session.IMPORTS] = {**started, key: started.get(key, 0) + 1}
    st.rerun()
