"""One training run: what, how far, how long, a pause; curves and log on demand; what went wrong and what to do."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from core import plots
from core.methods import get_method
from core.methods.base import options_for
from core.run import Run
from core.training.run_folder import RunStatus
from studio.guard import guarded
from studio.headline import headline
from studio.i18n import N_, _, date_time
from studio.navigation import open_page
from studio.phrases import phrase
from studio.text import escape
from studio.theme import palette
from studio.widgets.base_picker import base_words
from studio.widgets.basics import progress_line
from studio.widgets.curve_export import curve_export
from studio.widgets.figure import show_figure
from studio.widgets.run_copy import copy_button

Colour = Literal["gray", "primary", "orange", "green", "red"]
STATES: dict[str, tuple[str, Colour, str]] = {
    "queued": (N_("waiting"), "gray", ":material/schedule:"),
    "running": (N_("training"), "primary", ":material/play_arrow:"),
    "stalled": (N_("no sign of life"), "orange", ":material/hourglass_disabled:"),
    "finished": (N_("finished"), "green", ":material/check:"),
    "failed": (N_("failed"), "red", ":material/error:"),
    "stopped": (N_("stopped"), "gray", ":material/stop:"),
    "paused": (N_("paused"), "gray", ":material/pause:"),
    "interrupted": (N_("interrupted"), "orange", ":material/power_off:"),
}
LOG_LINES = 40
SAID = (N_("starting"),)
"""Single words of a worker, which are no sentences that the catalogue finds by itself."""


def run_card(run: Run, version: str) -> None:
    """Draw one run. ``version`` names its dataset version in the reader's language."""
    status = run.status
    words, colour, icon = STATES["paused" if _is_paused(run, status) else status.state]
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
            _place_in_queue(run, status.queue_position)
        if status.error:
            hint = f"\n\n**{escape(phrase(status.hint))}**" if status.hint else ""
            st.error(escape(phrase(status.error)) + hint, icon=":material/error:")
        if not run.has_weights:
            st.caption(":material/folder_off: " + _("Its weights were removed to save space; a copy trains it again."))
        _details(run, status)


def dev_metric(events: list[dict[str, Any]]) -> str:
    """Name of the figure by which the epoch was chosen."""
    measured: dict[str, float] = next((event["dev"] for event in events if event.get("dev")), {})
    return next(iter(measured), "accuracy")


def _is_paused(run: Run, status: RunStatus) -> bool:
    """Whether it was stopped on the way, with its work saved; one that was taken out of the queue never began."""
    return status.state == "stopped" and status.started_at is not None and get_method(run.method).resumable


def _buttons(run: Run, status: RunStatus) -> None:
    copy_button(run)
    if status.state == "queued":
        _waiting_buttons(run, status)
    elif status.active:
        _pause_button(run, status)
    elif status.state == "finished":
        if st.button(_("Open the report"), key=f"report_{run.id}", icon=":material/query_stats:"):
            open_page("evaluate", model=run.id)
    elif status.resumable and st.button(
        _("Resume"),
        key=f"resume_{run.id}",
        icon=":material/play_arrow:",
        help=_("Puts it back into the queue; it goes on with the work that was saved."),
    ):
        run.resume()
        st.rerun()


def _waiting_buttons(run: Run, status: RunStatus) -> None:
    if status.queue_position != 1 and st.button(
        _("Next in line"), key=f"next_{run.id}", icon=":material/vertical_align_top:"
    ):
        run.move(1)
        st.rerun()
    if not run.workspace.queue_paused and st.button(
        _("Run now"),
        key=f"now_{run.id}",
        icon=":material/bolt:",
        help=_(
            "What trains now saves its work, lets this run go first and goes on afterwards. A method that cannot be "
            "resumed begins again."
        ),
    ):
        run.run_now()
        st.rerun()
    if st.button(_("Take out of the queue"), key=f"stop_{run.id}", icon=":material/stop:"):
        run.stop()
        st.rerun()


def _place_in_queue(run: Run, place: int) -> None:
    """Where it stands among the waiting runs of all projects, and ways to another place."""
    waiting = len(run.workspace.queue())
    if waiting < 2:
        st.caption(_("Number {n} in the queue").format(n=place))
        return
    key = f"place_{run.id}_{place}_{waiting}"  # a choice for a queue that is another by now is not heard
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.selectbox(
            _("Place in the queue"),
            range(1, max(waiting, place) + 1),
            index=place - 1,
            format_func=lambda n: _("Number {n} in the queue").format(n=n),
            key=key,
            on_change=_move,
            args=(run, key),
            label_visibility="collapsed",
            width=240,
        )
        for name, icon, to, words in (
            ("up", ":material/arrow_upward:", place - 1, _("Sooner")),
            ("down", ":material/arrow_downward:", place + 1, _("Later")),
        ):
            held = not 1 <= to <= waiting
            if st.button(words, icon=icon, type="tertiary", disabled=held, key=f"{name}_{run.id}"):
                run.move(to)
                st.rerun()


@guarded
def _move(run: Run, key: str) -> None:
    """Before the script runs: to the place that was chosen."""
    run.move(st.session_state[key])


def _pause_button(run: Run, status: RunStatus) -> None:
    """One button for pause and stop, because they are the same: the work is saved and the machine is free."""
    resumable = get_method(run.method).resumable
    if st.button(
        _("Pause") if resumable else _("Stop"),
        key=f"stop_{run.id}",
        icon=":material/pause:" if resumable else ":material/stop:",
        disabled=status.stopping,
        help=_("Saves its work and stops, so that the machine is free for the next run. Resume it whenever you like.")
        if resumable
        else _("This method saves nothing on the way: it begins again when it is resumed."),
    ):
        run.stop()
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
        changed = {name: value for name, value in run.options.items() if value != defaults.get(name, value)}
        if changed:
            options = ", ".join(f"{name} = {value}" for name, value in changed.items())
            st.caption(_("Changed: {options}").format(options=escape(options)))
        with st.container(horizontal=True):
            if events or status.state == "finished":
                curve_export(run)
            if not status.active:
                _delete(run)
