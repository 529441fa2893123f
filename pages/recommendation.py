"""Recommendation: would these people want these things?"""

from __future__ import annotations

import streamlit as st

from core.scenarios import install_scenarios
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import Setup
from studio import session
from studio.guard import guard
from studio.i18n import _, ngettext, number
from studio.navigation import open_page
from studio.services import get_jobs, get_workspace
from studio.widgets.basics import inline_error, page_header
from studio.widgets.choice import url_choice
from studio.widgets.job_line import show_job
from studio.widgets.recommendation_data import data_panel
from studio.widgets.recommendation_live import live_panel
from studio.widgets.recommendation_numbers import numbers_panel
from studio.widgets.scenario_setup import presenter_switch, presenting, setup_picker

AT_ONCE = 2_000  # so many texts are read without being asked; more wait for a click


def shown_setup() -> Setup | None:
    """The chosen setup; a workspace of before this scenario gets its sample on a click."""
    setup = setup_picker(Recommendation.name, session.SHOP)
    if setup is None and st.button(_("Install the sample"), type="primary", key="shop_install"):
        install_scenarios(get_workspace())
        st.rerun()
    return setup


def model_line(scenario: Recommendation) -> None:
    """What is wrong with the chosen model, or that it is being trained; the texts are read in the background."""
    if scenario.problem is not None:
        inline_error(scenario.problem)
    elif scenario.model() is None and (project := scenario.project()) is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(_("No tuned model yet: the built-in one reads the texts until it is trained."))
            if st.button(_("Go to training"), key="shop_go_train"):
                open_page("train", project=str(project.id))
    shop = scenario.shop()
    if shop.reads or not len(shop.catalog):
        return
    key = f"shop_read_{scenario.setup.id}_{shop.model.id if shop.model else 'base'}"
    job = show_job(key)
    if job is not None and job.state == "running":
        return
    if job is not None and job.state == "failed":
        with guard():
            job.result()
    untouched = job is None or job.state == "done"
    words = ngettext("Read {n} text", "Read {n} texts", len(shop.catalog)).format(n=number(len(shop.catalog)))
    if (len(shop.catalog) <= AT_ONCE and untouched) or st.button(words, icon=":material/menu_book:", key=f"{key}_go"):
        get_jobs().start(key, _("Reading the texts of the items"), scenario.read_texts)
        st.rerun()


def live(scenario: Recommendation, big: bool) -> None:
    """The list, once there is something to list."""
    if not len(scenario.shop().catalog):
        st.info(_("This setup has no items yet. Add some under 'Use my data'."), icon=":material/storefront:")
        return
    live_panel(scenario, big)


big = presenting()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    with st.container(width="content"):
        page_header(_("Recommendation"), _("Would these people want these things?"))
    presenter_switch(big)
setup = shown_setup()
if setup is not None:
    scenario = Recommendation(get_workspace(), setup)
    model_line(scenario)
    parts = {"live": _("Live"), "numbers": _("Numbers"), "data": _("Use my data")}
    part = "live" if big else url_choice(_("Part"), parts, session.SHOP_PART)
    if part == "live":
        live(scenario, big)
    elif part == "numbers":
        numbers_panel(scenario)
    else:
        data_panel(scenario)
