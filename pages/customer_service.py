"""Customer service: would I let this talk to my customers?"""

from __future__ import annotations

import streamlit as st

from core.errors import RefusedError
from core.scenarios import install_scenarios
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.setups import Setup
from studio import session
from studio.i18n import _
from studio.navigation import open_page
from studio.services import get_jobs, get_workspace
from studio.widgets.basics import inline_error, page_header
from studio.widgets.choice import url_choice
from studio.widgets.customer_service_chat import chat
from studio.widgets.customer_service_data import data_panel
from studio.widgets.customer_service_knowledge import knowledge_panel
from studio.widgets.customer_service_numbers import numbers_panel
from studio.widgets.job_line import show_job
from studio.widgets.scenario_setup import presenter_switch, presenting, setup_picker

NAME = CustomerService.name
LONG = 1_000  # texts; fewer are read in the time in which a first message is typed


def shown_setup(big: bool) -> Setup | None:
    """The chosen setup; a workspace of before this scenario gets its sample on a click."""
    setup = setup_picker(NAME, session.SERVICE_SETUP, hidden=big)
    if setup is None and st.button(_("Install the sample"), type="primary", key="service_install"):
        install_scenarios(get_workspace())
        st.rerun()
    return setup


def models_line(scenario: CustomerService) -> bool:
    """What is missing, and the button that leads there; False when nothing can be answered before it is mended."""
    try:
        model, project = scenario.intent_model(), scenario.intent_project()
        scenario.embedder()
    except RefusedError as error:
        inline_error(error)
        if st.button(_("Choose the models"), key="service_roles"):
            open_page("customer_service", **{session.SERVICE_PART: "data"})
        return False
    if model is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            if project is None:
                st.info(_("No model tells what customers want. Until then only the knowledge base answers."))
            elif any(run.active for run in project.runs()):
                st.info(_("The intent model is still being trained. Until then only the knowledge base answers."))
            else:
                st.info(_("The intent project has no model yet. Until then only the knowledge base answers."))
            if project is not None and st.button(_("Go to training"), key="service_train"):
                open_page("train", project=str(project.id))
            if project is None and st.button(_("Choose the models"), key="service_roles"):
                open_page("customer_service", **{session.SERVICE_PART: "data"})
    return True


def warm_up(scenario: CustomerService) -> None:
    """Load and index in the background, so that the first customer need not wait; shown only when it takes long."""
    key = f"service_warm_{scenario.setup.id}"
    job = get_jobs().get(key)
    if job is not None and job.state == "running":
        if (job.progress.total or 0) >= LONG:
            show_job(key)
    elif job is not None and job.state == "failed":
        job.result()
    elif not scenario.is_ready():
        get_jobs().start(key, _("Reading the knowledge base"), scenario.warm_up)


big = presenting()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    with st.container(width="content"):
        page_header(_("Customer service"), _("Would I let this talk to my customers?"))
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        setup = shown_setup(big)
        presenter_switch(big)
if setup is not None:
    scenario = CustomerService(get_workspace(), setup)
    parts = {"chat": _("Chat"), "numbers": _("Numbers"), "knowledge": _("Knowledge"), "data": _("Use my data")}
    part = "chat" if big else url_choice(_("Part"), parts, session.SERVICE_PART)
    playable = models_line(scenario)
    if part in ("chat", "numbers") and playable:
        warm_up(scenario)
    if part == "chat":
        chat(setup.id, big)
    elif part == "numbers":
        numbers_panel(scenario)
    elif part == "knowledge":
        knowledge_panel(scenario)
    else:
        data_panel(scenario)
