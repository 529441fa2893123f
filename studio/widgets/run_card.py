"""One training run: what, how far, how long, a stop; curves and log on demand; what went wrong and what to do."""

from __future__ import annotations

import streamlit as st

from core.methods import get_method
from core.run import Run
from studio.guard import guarded
from studio.i18n import N_, _, date_time, percent
from studio.navigation import open_page
from studio.text import escape
from studio.widgets.basics import progress_line

ACTIVE = ("queued", "running", "stalled")
STATES = {
    "queued": (N_("waiting"), "gray", ":material/schedule:"),
    "running": (N_("training"), "primary", ":material/play_arrow:"),
    "stalled": (N_("no sign of life"), "orange", ":material/hourglass_disabled:"),
    "finished": (N_("finished"), "green", ":material/check:"),
    "failed": (N_("failed"), "red", ":material/error:"),
    "stopped": (N_("stopped"), "gray", ":material/stop:"),
    "interrupted": (N_("interrupted"), "orange", ":material/power_off:"),
}
LOG_LINES = 40


def run_card(run: Run, version: str) -> None:
    """Draw one run. ``version`` names its dataset version in the reader's language."""
    words, colour, icon = STATES[run.state]
    with st.container(border=True, key=f"run_{run.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{_(get_method(run.method).title)}**", width="content")
            st.badge(_(words), icon=icon, color=colour)
            facts = [version, escape(run.base or ""), escape(date_time(run.created_at))]
            st.caption(" · ".join(fact for fact in facts if fact), width="stretch")
            _buttons(run)
        if run.state in ACTIVE:
            progress = run.progress
            progress_line(progress.done, progress.total, _(progress.message), run.eta_seconds)
        if run.error:
            st.error(escape(run.error) + (f"\n\n**{escape(run.hint)}**" if run.hint else ""), icon=":material/error:")
        _details(run)


def _buttons(run: Run) -> None:
    if run.state in ACTIVE:
        if st.button(
            _("Stop and save") if run.state != "queued" else _("Take out of the queue"),
            key=f"stop_{run.id}",
            icon=":material/stop:",
        ):
            run.stop()
            st.rerun(scope="fragment")
        return
    if run.state == "finished":
        st.caption(percent(run.metrics["accuracy"]) if "accuracy" in run.metrics else "")
        if st.button(_("Open the report"), key=f"report_{run.id}", icon=":material/query_stats:"):
            open_page("evaluate", model=run.id)
    elif st.button(_("Resume"), key=f"resume_{run.id}", icon=":material/play_arrow:"):
        run.resume()
        st.rerun(scope="fragment")
    if st.button(_("Delete"), key=f"delete_{run.id}", icon=":material/delete:", type="tertiary"):
        _confirm_delete(run)


def _confirm_delete(run: Run) -> None:
    @st.dialog(_("Delete this run"))
    @guarded
    def ask() -> None:
        st.markdown(_("Its checkpoints, its curves and the model it made are removed from disk. This cannot be undone."))
        if st.button(_("Delete"), type="primary", key=f"delete_confirmed_{run.id}"):
            run.delete()
            st.rerun()

    ask()


def _details(run: Run) -> None:
    """Curves and log; drawn only while open, because they are read from the run's folder."""
    with st.expander(
        _("Curves and log"), key=f"run_details_{run.id}", on_change="rerun", expanded=run.state == "running"
    ) as place:
        if not place.open:
            return
        from core import plots
        from studio.theme import palette

        if run.curves():
            st.plotly_chart(
                plots.training_curves({run.id: run.events()}, palette(), _),
                key=f"curves_{run.id}",
                alt=_("Loss and quality while training"),
            )
        else:
            st.caption(_("No curve yet."))
        lines = run.log_tail(LOG_LINES)
        if lines:
            st.code("\n".join(lines), language=None, height=200)
        if run.options:
            st.caption(_("Options") + ": " + escape(", ".join(f"{name} = {value}" for name, value in run.options.items())))
