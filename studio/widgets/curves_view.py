"""Curves of several runs in one picture, drawn anew while one of them learns."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import plots
from core.project import Project, Version
from core.run import Run
from studio.guard import guarded
from studio.i18n import _, date_time
from studio.theme import palette
from studio.widgets.experiment_form import known_method, method_words
from studio.widgets.figure import show_figure
from studio.widgets.run_card import dev_metric

SECONDS = 2.0
MOST_CURVES = 8
TOGETHER = 2
"""Runs from which on a picture of all of them says more than that of each."""


def curves_together(project: Project, version: Version) -> None:
    """Runs of a version that train or wait, in one picture, with those that ended meanwhile; nothing for only one."""
    if len(_at_work(project, version)) >= TOGETHER:
        st.fragment(_live, run_every=SECONDS)(project, version)


@guarded
def _live(project: Project, version: Version) -> None:
    runs = _at_work(project, version)
    show_curves(runs, True)
    if not any(run.active for run in runs):
        st.rerun()


def _at_work(project: Project, version: Version) -> list[Run]:
    """Active runs of the version, and what was finished since the oldest of them was asked for; oldest first."""
    runs = [run for run in project.runs() if run.version_id == version.id and known_method(run.method)]
    since = min((run.created_at for run in runs if run.active), default=None)
    return [
        run
        for run in reversed(runs)
        if run.active or (run.state == "finished" and since is not None and run.created_at >= since)
    ]


def show_curves(runs: Sequence[Run], live: bool) -> None:
    """Loss and dev figure of the runs that have any, oldest first; which ones are drawn can be chosen.

    Open while one of them is at work (``live``), else on demand.
    """
    events = {run.id: run.events() for run in runs[-4 * MOST_CURVES :]}
    learning = {run.id: run for run in runs if any("loss" in one and "step" in one for one in events.get(run.id, []))}
    if not learning:
        return
    with st.expander(_("Curves"), icon=":material/show_chart:", expanded=live):
        chosen = list(learning)[-MOST_CURVES:]
        if len(learning) > 1:
            chosen = st.multiselect(
                _("Runs to draw"),
                list(learning),
                default=chosen,
                format_func=lambda run_id: _words(learning[run_id]),
                max_selections=MOST_CURVES,
                # With the newest in the key a run that begins to learn is drawn without being asked for.
                key=f"curves_of_{list(learning)[-1]}",
            )
        shown = {_words(learning[run_id]): events[run_id] for run_id in chosen}
        if shown:
            metric = dev_metric(next(iter(shown.values())))
            show_figure(plots.training_curves(shown, palette(), _, metric=metric), "curves_together")


def _words(run: Run) -> str:
    """Method, seed where it is not the usual one, time, and the end of the id: no two runs are called alike."""
    seed = run.options.get("seed", 0)
    parts = [method_words(run.method), _("seed {n}").format(n=seed) if seed else "", date_time(run.created_at)]
    return " · ".join([part for part in parts if part] + [run.id[-4:]])
