"""An experiment: how far it is, what it found, what to take. Redrawn by itself while it is running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.evaluation.report import figure_titles
from core.experiments import Experiment, Trial
from core.experiments.standing import Contender, Standing
from core.plots.experiments import pareto, search_history, search_options
from core.plots.experiments import seeds as seeds_figure
from core.project import Project, Version
from core.run import Run
from studio import session
from studio.address import remember
from studio.guard import guarded
from studio.i18n import N_, _, date_time, duration, number, percent, translator
from studio.navigation import open_page
from studio.phrases import phrase
from studio.services import get_standing
from studio.text import escape, told_apart
from studio.theme import palette
from studio.widgets.basics import progress_line
from studio.widgets.choice import url_choice
from studio.widgets.curves_view import show_curves
from studio.widgets.experiment_form import MINUTES, known_method, method_words, option_words
from studio.widgets.figure import show_figure
from studio.widgets.run_card import STATES

ALL = "all"
SECONDS = 2.0
_COST_TITLES = (
    N_("Seconds of training"), N_("Milliseconds of an answer"), N_("Memory in training (GB)"), N_("Size on disk (MB)"),
    N_("Weights that learn"),
)  # fmt: skip
"""Titles of ``core.plots.experiments.COSTS``, for the catalogue."""


def experiment_view(project: Project, version: Version) -> None:
    """Choose an experiment, or all runs of the version, and draw it."""
    found = {one.id: one for one in project.experiments()}
    runs = _runs_of(project, version)
    if not found and not any(run.active or run.state == "finished" for run in runs):
        return
    choices = [*found, ALL]
    remember(session.EXPERIMENT, choices[0], choices.__contains__)
    st.subheader(_("Results"), anchor=False)
    chosen = st.selectbox(
        _("Experiment"),
        choices,
        format_func=told_apart(
            choices, lambda key: _("All runs of this version") if key == ALL else experiment_words(found[key])
        ),
        key=session.EXPERIMENT,
        width=520,
    )
    if chosen == ALL or chosen not in found:
        busy = any(run.active for run in runs)
        st.fragment(_all_runs, run_every=SECONDS if busy else None)(project, version, busy)
        return
    experiment = found[chosen]
    busy = experiment.state == "running"
    st.fragment(_experiment, run_every=SECONDS if busy else None)(experiment, busy)


def _runs_of(project: Project, version: Version) -> list[Run]:
    """Those of the version whose method is still known, newest first."""
    return [run for run in project.runs() if run.version_id == version.id and known_method(run.method)]


@guarded
def _all_runs(project: Project, version: Version, was_busy: bool) -> None:
    runs = _runs_of(project, version)
    busy = any(run.active for run in runs)
    _findings(get_standing(runs))
    show_curves([run for run in reversed(runs) if run.active or run.state == "finished"], busy)
    if was_busy and not busy:
        st.rerun()


def experiment_words(experiment: Experiment) -> str:
    """What it asks and when it began, one line."""
    plan, trials = experiment.plan, experiment.trials
    methods = list(dict.fromkeys(trial.method for trial in trials))
    if plan.kind == "search":
        name = _("Options of {method}").format(method=method_words(methods[0]))
    elif len(methods) > 1:
        name = _("{n} methods").format(n=number(len(methods)))
    else:
        name = _("{method} with {n} seeds").format(method=method_words(methods[0]), n=number(plan.seeds))
    return f"{name} · {date_time(plan.created_at)}"


@guarded
def _experiment(experiment: Experiment, was_busy: bool) -> None:
    progress, plan = experiment.progress, experiment.plan
    runs = experiment.runs()
    _head(experiment, runs)
    search = plan.kind == "search"
    if search:
        _search(progress.trials, list(plan.varied), experiment)
    else:
        _findings(get_standing(runs))
    show_curves(runs, progress.state == "running")
    _trials(progress.trials, experiment)
    if progress.state != "running":
        with st.popover(_("Forget this experiment"), icon=":material/delete:", type="tertiary"):
            st.markdown(_("The list of what belongs together is removed; its runs and models stay."))
            if st.button(_("Forget it"), key=f"forget_{experiment.id}"):
                experiment.delete()
                st.rerun()
    if was_busy and progress.state != "running":
        st.rerun()


def _head(experiment: Experiment, runs: Sequence[Run]) -> None:
    """How far, for how long, and the button that stops or goes on."""
    progress, plan = experiment.progress, experiment.plan
    done = sum(trial.ended for trial in progress.trials)
    total = plan.most_trials if plan.kind == "search" else len(progress.trials)
    with st.container(border=True, key=f"experiment_{experiment.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            words = {"running": _("running"), "stopped": _("stopped"), "finished": _("finished")}[progress.state]
            colours: dict[str, Any] = {"running": "primary", "stopped": "gray", "finished": "green"}
            st.badge(words, color=colours[progress.state])
            spent = _("{time} of training").format(time=duration(experiment.spent))
            limit = "" if plan.minutes is None else " " + _("of {limit}").format(limit=duration(plan.minutes * 60))
            st.caption(spent + limit)
            st.space("stretch")
            if progress.state == "running":
                if st.button(_("Stop and save"), icon=":material/stop:", key=f"stop_experiment_{experiment.id}"):
                    experiment.stop()
                    st.rerun()
            elif progress.state == "stopped" and st.button(
                _("Go on"), icon=":material/play_arrow:", key=f"resume_experiment_{experiment.id}"
            ):
                experiment.resume()
                st.rerun()
            if experiment.out_of_time:
                _more_time(experiment)
        if progress.state == "running":
            progress_line(done, total, "")
            for run in runs:
                if run.active:
                    status = run.status
                    progress_line(
                        status.done,
                        status.total or None,
                        f"{method_words(run.method)}: {phrase(status.message)}",
                        status.eta_seconds,
                    )


def _more_time(experiment: Experiment) -> None:
    """A popover: how many minutes more, and the start."""
    with st.popover(_("Give it more time"), icon=":material/more_time:"):
        st.markdown(_("Its time was used up before everything was tried. It goes on from there."))
        minutes = st.number_input(
            _("Minutes more"), min_value=1, max_value=10_000, value=MINUTES, key=f"more_{experiment.id}"
        )
        if st.button(_("Go on"), icon=":material/play_arrow:", type="primary", key=f"more_time_{experiment.id}"):
            experiment.resume(float(minutes))
            st.rerun()


def _findings(standing: Standing) -> None:
    """What to take, in words; the picture of score and cost; the table."""
    if not standing.contenders:
        return
    with st.container(border=True, key="experiment_advice"):
        for place, message in enumerate(standing.advice):
            method = message.values.get("method")
            values = message.values | ({"method": _(method)} if method else {})
            text = escape(_(message.key).format(**values))
            st.markdown(f"**{text}**" if place == 0 else text)
        best = standing.contenders[0]
        if st.button(_("Open the report"), icon=":material/query_stats:", key=f"best_{best.runs[0]}"):
            open_page("evaluate", model=best.runs[0])
    if len(standing.contenders) > 1:
        costs = {  # as in the head of the table: the titles of the axis are too long for one row of buttons
            "seconds": _("Seconds"),
            "latency_ms": _("One answer (ms)"),
            "peak_memory_bytes": _("Memory (GB)"),
            "size_bytes": _("On disk (MB)"),
            "trainable_weights": _("Weights that learn"),
        }
        cost = url_choice(_("Cost"), costs, session.EXPERIMENT_COST)
        show_figure(pareto(standing, cost, contender_words, palette(), _), f"pareto_{cost}")
    if any(len(one.by_seed) > 1 for one in standing.contenders):
        show_figure(seeds_figure(standing.contenders, contender_words, palette(), _), "seeds")
    _table(standing)
    figure = figure_titles(translator()).get(standing.contenders[0].figure, standing.contenders[0].figure)
    st.caption(_("Dev and test: {figure}, by which models of this task are judged.").format(figure=figure))


def contender_words(one: Contender) -> str:
    """Method and what is not as usual about it."""
    changed = ", ".join(f"{option_words(name)} {value}" for name, value in list(one.changed.items())[:2])
    return f"{method_words(one.method)} ({changed})" if changed else method_words(one.method)


def _table(standing: Standing) -> None:
    rows = [
        {
            "method": contender_words(one),
            "dev": None if one.dev is None else 100 * one.dev,
            "test": 100 * one.test,
            "interval": f"{percent(one.low)} – {percent(one.high)}",
            "spread": "" if one.spread is None else f"± {100 * one.spread:.1f} ({len(one.by_seed)})",
            "seconds": one.seconds,
            "memory": one.peak_memory_bytes / 1e9,
            "weights": one.trainable_weights,
            "size": one.size_bytes / 1e6,
            "latency": one.latency_ms,
        }
        for one in standing.contenders
    ]
    if all(one.spread is None for one in standing.contenders):
        for row in rows:
            del row["spread"]
    share, figure = st.column_config.NumberColumn, st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "method": st.column_config.TextColumn(_("Method"), width=210, pinned=True),
            "dev": share(_("Dev"), format="%.1f %%", help=_("The choice is made by this figure."), width=80),
            "test": share(_("Test"), format="%.1f %%", help=_("Looked at only in the end."), width=80),
            "interval": st.column_config.TextColumn(
                _("95 % interval"),
                help=_("Of the test figure, over the choice of texts; with several seeds, of their mean."),
                width=130,
            ),
            "spread": st.column_config.TextColumn(
                _("Seeds"), help=_("Standard deviation over seeds, and how many there are."), width=100
            ),
            "seconds": figure(_("Seconds"), format="%.0f", width=80),
            "memory": figure(_("Memory (GB)"), format="%.1f", width=100),
            "weights": figure(_("Weights that learn"), format="compact", width=120),
            "size": figure(_("On disk (MB)"), format="%.1f", width=100),
            "latency": figure(_("One answer (ms)"), format="%.1f", width=110),
        },
        alt=_("Methods side by side"),
    )


def _search(trials: Sequence[Trial], varied: list[str], experiment: Experiment) -> None:
    measured = [trial for trial in trials if trial.value is not None]
    if not measured:
        return
    show_figure(search_history(trials, palette(), _), f"history_{experiment.id}")
    show_figure(search_options(trials, varied, option_words, palette(), _), f"options_{experiment.id}")
    best = max(measured, key=lambda trial: trial.value or 0.0)
    run = experiment.run_of(best)
    if run is not None and st.button(
        _("Open the report of the best trial"), icon=":material/query_stats:", key=f"best_{run.id}"
    ):
        open_page("evaluate", model=run.id)


def _trials(trials: Sequence[Trial], experiment: Experiment) -> None:
    """Every trial with its state, and why one was left out."""
    with st.expander(_("Run by run"), icon=":material/list:"):
        for trial in trials:
            run = experiment.run_of(trial)
            words = [f"**{method_words(trial.method)}**", _("seed {n}").format(n=trial.options.get("seed", 0))]
            if run is not None or not trial.ended:
                words.append(_(STATES[run.state][0]) if run is not None else _("waiting"))
            if experiment.plan.kind == "search":
                tried = ", ".join(f"{option_words(name)} {trial.options[name]:.4g}" for name in experiment.plan.varied)
                words.insert(1, escape(tried))
            if trial.value is not None:
                words.append(percent(trial.value))
            if trial.reused:
                words.append(_("was there already"))
            if trial.left_out is not None:
                reason = trial.left_out.values.get("reason")
                words.append(escape(phrase(reason) if reason else trial.left_out.text(_)))
            if run is not None and run.error:
                words.append(escape(phrase(run.error)))
            st.markdown(" · ".join(words))
