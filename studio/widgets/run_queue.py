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
    shown = [run for run in runs if (run.id == only if only else run.id != without)]
    if not only:
        _headline(project, shown)
    _draw(shown, project)
    # Last, because a button that was pressed in this very moment must have been heard before everything is redrawn.
    if busy and not any(run.active for run in runs):
        st.rerun()


def _headline(project: Project, runs: list[Run]) -> None:
    """Title of the list, and the switch of the queue where there is something to hold back."""
    workspace = project.workspace
    held = workspace.queue_paused
    if not runs and not held:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(_("Runs"), anchor=False)
        st.space("stretch")
        if held and st.button(_("Continue the queue"), key="queue_continue", icon=":material/play_arrow:"):
            workspace.continue_queue()
            st.rerun()
        if not held and any(run.active for run in runs):
            help_text = _("What trains goes on; nothing new begins until you continue, in no project.")
            if st.button(_("Pause the queue"), key="queue_pause", icon=":material/pause:", help=help_text):
                workspace.pause_queue()
                st.rerun()
    if held:
        st.info(_("The queue is paused: no waiting run begins until you continue it."), icon=":material/pause:")


def _draw(runs: list[Run], project: Project) -> None:
    numbers = {version.id: version.number for version in project.versions()}
    shown = runs if st.session_state.get(f"all_runs_{project.id}") else runs[:SHOWN]
    for run in shown:
        known = numbers.get(run.version_id)
        run_card(run, _("version {n}").format(n=known) if known else "")
    if len(runs) > SHOWN:
        st.toggle(_("Show all runs"), key=f"all_runs_{project.id}")
