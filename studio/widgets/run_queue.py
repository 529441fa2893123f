"""The runs of a project, newest first, kept up to date while one of them is at work."""

from __future__ import annotations

import streamlit as st

from core.project import Project
from core.run import Run
from studio.guard import guarded
from studio.i18n import _
from studio.widgets.run_card import run_card

SHOWN = 8
SECONDS = 2.0


def run_queue(project: Project, *, only: str | None = None, without: str | None = None) -> None:
    """Draw the queue; it refreshes itself every two seconds only while something is queued or running.

    The run just started is drawn where it was started (``only`` its id) and left out below (``without``).
    """
    busy = any(run.active for run in project.runs())
    st.fragment(_queue, run_every=SECONDS if busy else None)(project, busy, only, without)


@guarded
def _queue(project: Project, busy: bool, only: str | None, without: str | None) -> None:
    runs = project.runs()
    _draw([run for run in runs if (run.id == only if only else run.id != without)], project, headed=not only)
    # Last, because a button that was pressed in this very moment must have been heard before everything is redrawn.
    if busy and not any(run.active for run in runs):
        st.rerun()


def _draw(runs: list[Run], project: Project, headed: bool) -> None:
    if not runs:
        return
    if headed:
        st.subheader(_("Runs"), anchor=False)
    numbers = {version.id: version.number for version in project.versions()}
    shown = runs if st.session_state.get(f"all_runs_{project.id}") else runs[:SHOWN]
    for run in shown:
        known = numbers.get(run.version_id)
        run_card(run, _("version {n}").format(n=known) if known else "")
    if len(runs) > SHOWN:
        st.toggle(_("Show all runs"), key=f"all_runs_{project.id}")
