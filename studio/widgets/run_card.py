"""One training run: what, how far, how long, a stop; curves and log on demand; what went wrong and what to do."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from core import plots
from core.methods import get_method
from core.methods.base import options_for
from core.run import Run
from core.training.run_folder import RunStatus
from studio.headline import headline
from studio.i18n import N_, _, date_time
from studio.navigation import open_page
from studio.phrases import phrase
from studio.text import escape
from studio.theme import palette
from studio.widgets.base_picker import base_words
from studio.widgets.basics import progress_line
from studio.widgets.figure import show_figure

Colour = Literal["gray", "primary", "orange", "green", "red"]
STATES: dict[str, tuple[str, Colour, str]] = {
    "queued": (N_("waiting"), "gray", ":material/schedule:"),
    "running": (N_("training"), "primary", ":material/play_arrow:"),
    "stalled": (N_("no sign of life"), "orange", ":material/hourglass_disabled:"),
    "finished": (N_("finished"), "green", ":material/check:"),
    "failed": (N_("failed"), "red", ":material/error:"),
    "stopped": (N_("stopped"), "gray", ":material/stop:"),
    "interrupted": (N_("interrupted"), "orange", ":material/power_off:"),
}
LOG_LINES = 40
SAID = (N_("starting"),)
"""Single words of a worker, which are no sentences that the catalogue finds by itself."""


def run_card(run: Run, version: str) -> None:
    """Draw one run. ``version`` names its dataset version in the reader's language."""
    status = run.status
    words, colour, icon = STATES[status.state]
    with st.container(border=True, key=f"run_{run.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{_(get_method(run.method).title)}**", width="content")
            st.badge(_(words), icon=icon, color=colour)
            st.space("stretch")
            _buttons(run, status)
        facts = [version, escape(base_words(run.base)) if run.base else "", date_time(run.created_at)]
        facts.append(headline(status.metrics))
        st.caption(" · ".join(fact for fact in facts if fact))
        if status.state in ("running", "stalled"):
            progress_line(status.done, status.total or None, phrase(status.message), status.eta_seconds)
        elif status.queue_position is not None:
            st.caption(_("Number {n} in the queue").format(n=status.queue_position))
        if status.error:
            hint = f"\n\n**{escape(phrase(status.hint))}**" if status.hint else ""
            st.error(escape(phrase(status.error)) + hint, icon=":material/error:")
        _details(run, status)


def dev_metric(events: list[dict[str, Any]]) -> str:
    """Name of the figure by which the epoch was chosen."""
    measured: dict[str, float] = next((event["dev"] for event in events if event.get("dev")), {})
    return "accuracy" if "accuracy" in measured else next(iter(measured), "accuracy")


def _buttons(run: Run, status: RunStatus) -> None:
    if status.active:
        if st.button(
            _("Stop and save") if status.state != "queued" else _("Take out of the queue"),
            key=f"stop_{run.id}",
            icon=":material/stop:",
        ):
            run.stop()
            st.rerun()
        return
    if status.state == "finished":
        if st.button(_("Open the report"), key=f"report_{run.id}", icon=":material/query_stats:"):
            open_page("evaluate", model=run.id)
    elif status.resumable and st.button(_("Resume"), key=f"resume_{run.id}", icon=":material/play_arrow:"):
        run.resume()
        st.rerun()


def _delete(run: Run) -> None:
    """A popover, not a dialog: it survives the refresh of the queue around it."""
    with st.popover(_("Delete"), icon=":material/delete:", type="tertiary"):
        st.markdown(
            _("Its checkpoints, its curves and the model it made are removed from disk. This cannot be undone.")
        )
        if st.button(_("Delete this run"), type="primary", key=f"delete_{run.id}"):
            run.delete()
            st.rerun()


def _details(run: Run, status: RunStatus) -> None:
    """Curves and log; drawn only while open, because they are read from the run's folder."""
    with st.expander(
        _("Curves, log, options"), key=f"run_details_{run.id}", on_change="rerun", expanded=status.state == "running"
    ) as place:
        if not place.open:
            return
        events = run.events()
        if any("loss" in event for event in events):
            show_figure(
                plots.training_curves({run.id: events}, palette(), _, metric=dev_metric(events)), f"curves_{run.id}"
            )
        elif status.active and get_method(run.method).resumable:
            st.caption(_("No curve yet."))
        for note in dict.fromkeys(event["message"] for event in events if event.get("kind") == "note"):
            st.caption(f":material/info: {escape(phrase(note))}")
        lines = run.log_tail(LOG_LINES)
        if lines:
            st.code("\n".join(lines), language=None, height=200)
        defaults = options_for(get_method(run.method), run.config.task)().model_dump(mode="json")
        changed = {name: value for name, value in run.options.items() if value != defaults.get(name)}
        if changed:
            options = ", ".join(f"{name} = {value}" for name, value in changed.items())
            st.caption(_("Changed: {options}").format(options=escape(options)))
        if not status.active:
            _delete(run)
