"""Finance sentiment: what is turning bad, and why?"""

from __future__ import annotations

import streamlit as st

from core.scenarios import install_scenarios
from core.scenarios.finance_sentiment import plots, series
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from core.scenarios.setups import Setup
from core.storage.finance_sentiment import FeedFilter
from studio import session
from studio.i18n import _, ngettext, number, translator
from studio.navigation import open_page
from studio.services import get_jobs, get_workspace
from studio.theme import palette
from studio.widgets.basics import inline_error, page_header
from studio.widgets.choice import url_choice
from studio.widgets.figure import show_figure
from studio.widgets.finance_charts import (
    alerts_panel,
    charts,
    chosen_filter,
    current_replay,
    replay_controls,
    replay_view,
    take_next,
)
from studio.widgets.finance_data import data_panel, report_button
from studio.widgets.finance_items import items_panel
from studio.widgets.finance_numbers import numbers_panel
from studio.widgets.job_line import show_job
from studio.widgets.scenario_setup import presenter_switch, presenting, setup_picker

AT_ONCE = 5_000  # so many unscored items are scored without being asked; more wait for a click


def models_line(scenario: FinanceSentiment) -> None:
    """What is missing, and the button that leads there; scores what nobody has scored yet."""
    for role, problem in scenario.problems.items():
        project = scenario.project_of(role)
        training = project is not None and any(run.active for run in project.runs())
        with st.container(horizontal=True, vertical_alignment="center"):
            if training:
                st.info(_("The model for a part is being trained. Until then the curves show how much, not how bad."))
            else:
                inline_error(problem)
            if project is not None and st.button(_("Go to training"), key=f"train_{role}"):
                open_page("train", project=str(project.id))
    key = f"finance_update_{scenario.setup.id}"
    job = show_job(key)
    waiting = sum(scenario.waiting().values())
    if not waiting or (job is not None and job.state == "running"):
        return
    untouched = job is None or job.state == "done"
    if job is not None and job.state == "failed":
        job.result()
    words = ngettext("Score {n} item", "Score {n} items", waiting).format(n=number(waiting))
    if (waiting <= AT_ONCE and untouched) or st.button(words, icon=":material/bolt:", key=f"{key}_go"):
        get_jobs().start(key, _("Scoring the feed"), scenario.update)
        st.rerun()


def without_dates(scenario: FinanceSentiment, where: FeedFilter) -> None:
    """What a feed without dates can show."""
    st.info(
        _("This feed has no dates, so there are no curves, no alerts and no weekly report. Import a file with a date "
          "column to get them."), icon=":material/event_busy:",
    )  # fmt: skip
    counts = scenario.counts(where)
    for by in ("topic", "company"):
        found = series.breakdown(counts, by)
        if found.names:
            title = _("Items by topic") if by == "topic" else _("Items by company")
            figure = plots.breakdown_bars(found, scenario.config.is_negative, title, palette(), translator())
            show_figure(figure, key=f"finance_by_{by}")


def live(scenario: FinanceSentiment, big: bool) -> None:
    """Alerts first, then what moved."""
    facts = scenario.facts
    if not facts.items:
        st.info(_("This feed is empty. Add news under 'Use my data'."), icon=":material/rss_feed:")
        return
    take_next()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        replay_controls(scenario)
        if not big:
            report_button(scenario)
    if current_replay(scenario) is not None:
        replay_view(scenario, chosen_filter(scenario, widgets=False), big)
        return
    alerts = alerts_panel(scenario, big) if facts.dated else []
    where = chosen_filter(scenario, widgets=not big)
    if facts.dated:
        charts(scenario, where, alerts, big)
    else:
        without_dates(scenario, where)
    if not big:
        items_panel(scenario, where)


def risk(scenario: FinanceSentiment) -> None:
    """Risk by company, and the riskiest texts."""
    if "risk" not in scenario.models:
        st.info(_("No model judges risks in this setup. Choose one under 'Use my data'."))
        return
    where = chosen_filter(scenario)
    found = series.breakdown(scenario.counts(where), "risk")
    if found.names:
        figure = plots.breakdown_bars(
            found, scenario.config.is_high_risk, _("Risk"), palette(), translator(), graded=True
        )
        show_figure(figure, key="finance_risk")
    labels = tuple(label for label in scenario.models["risk"].info.labels if scenario.config.is_high_risk(label))
    items_panel(scenario, FeedFilter(**{**vars(where), "risks": labels}), ("risk",))


def shown_setup(big: bool) -> Setup | None:
    """The chosen setup; a workspace of before this scenario gets its sample on a click."""
    setup = setup_picker(NAME, session.FINANCE_SETUP, hidden=big)
    if setup is None and st.button(_("Install the sample"), type="primary", key="finance_install"):
        install_scenarios(get_workspace())
        st.rerun()
    return setup


big = presenting()
if big:
    st.set_page_config(initial_sidebar_state="collapsed")
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    with st.container():
        page_header(_("Finance sentiment"), _("What is turning bad, and why?"))
    presenter_switch(big)
setup = shown_setup(big)
if setup is not None:
    scenario = FinanceSentiment(get_workspace(), setup)
    models_line(scenario)
    if big:
        live(scenario, big)
    else:
        parts = {"live": _("Live"), "risk": _("Risk"), "numbers": _("Numbers"), "data": _("Use my data")}
        part = url_choice(_("Part"), parts, session.FINANCE_PART)
        if part == "live":
            live(scenario, big)
        elif part == "risk":
            risk(scenario)
        elif part == "numbers":
            numbers_panel(scenario)
        else:
            data_panel(scenario)
