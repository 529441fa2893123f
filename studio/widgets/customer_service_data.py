"""Use my data: a setup of one's own, its models, thresholds, templates, who writes answers, past conversations."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import StudioError
from core.scenarios.customer_service.config import CustomerServiceConfig, Generator, Template
from core.scenarios.customer_service.sample import make_template
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.roles import sample_roles
from core.scenarios.setups import checked, save_setup
from studio import session
from studio.current import annotator
from studio.guard import guard
from studio.i18n import N_, _, ngettext, number
from studio.services import get_workspace
from studio.text import line, told_apart
from studio.uploads import keep_upload
from studio.widgets.basics import inline_error
from studio.widgets.customer_service_words import KINDS
from studio.widgets.import_result import form_key, import_job, start_import
from studio.widgets.scenario_setup import delete_setup, new_setup, setup_file, setup_form

OWN_FORMS = ("templates", "generator")
COLUMNS = ("intent", "name", "needs", "ask", "text")
KINDS_OF_GENERATOR = {
    "none": N_("Nobody: the passage itself is the answer"),
    "folder": N_("A language model in a folder of this workspace"),
    "endpoint": N_("A service that speaks the OpenAI protocol"),
}


def data_panel(scenario: CustomerService) -> None:
    """One part below the other, in the order in which a founder needs them."""
    with st.container(horizontal=True):
        new_setup(CustomerService.name, session.SERVICE_SETUP, _fresh)
        setup_file(scenario.setup)
        delete_setup(scenario, scenario.setup)
    st.caption(_("A setup of your own begins empty. Import entries under Knowledge, templates and conversations here."))
    st.subheader(_("Models and thresholds"), anchor=False)
    setup_form(scenario.setup, CustomerService.roles, without=OWN_FORMS)
    st.subheader(_("Templates"), anchor=False)
    _templates(scenario)
    st.subheader(_("Who writes answers from passages"), anchor=False)
    _generator(scenario)
    st.subheader(_("Resolved conversations"), anchor=False)
    _conversations(scenario)


def _fresh() -> CustomerServiceConfig:
    return CustomerServiceConfig(roles=sample_roles(get_workspace(), CustomerService.roles))


def _save(scenario: CustomerService, **changes: object) -> None:
    """Store some changed settings of the setup as it was drawn. Shows why when that is refused."""
    try:
        values = scenario.config.model_dump() | changes
        made = checked(CustomerServiceConfig, values)
        saved = save_setup(get_workspace(), scenario.setup, made, user=annotator())
    except StudioError as error:
        inline_error(error)
        return
    st.session_state.get(session.EDITED_SETUPS, {}).pop(saved.id, None)
    st.toast(_("Saved."), icon=":material/check:")
    st.rerun()


# ---------------------------------------------------------------- templates


def _templates(scenario: CustomerService) -> None:
    key = f"service_templates_{scenario.setup.id}_{scenario.setup.revision}"
    templates = scenario.config.templates
    _unknown(scenario, templates)
    rows = [
        {"intent": t.intent, "name": t.name, "needs": "|".join(t.needs), "ask": t.ask, "text": t.text}
        for t in templates
    ]
    column = st.column_config
    edited = st.data_editor(
        pd.DataFrame(rows, columns=list(COLUMNS), dtype="object"),
        num_rows="dynamic",
        hide_index=True,
        key=f"{key}_table",
        column_config={
            "intent": column.TextColumn(_("Intent"), required=True),
            "name": column.TextColumn(_("Name"), required=True),
            "needs": column.TextColumn(_("Needs"), help=_("order_number, date, amount, email; several with | between")),
            "ask": column.TextColumn(_("Asks"), width="medium"),
            "text": column.TextColumn(_("Answer"), width="large", required=True),
        },
    )
    with st.container(horizontal=True):
        if st.button(_("Save the templates"), icon=":material/save:", key=f"{key}_save"):
            with guard():
                made = [
                    make_template(
                        {str(name): value if isinstance(value, str) else "" for name, value in row.items()}, place
                    )
                    for place, row in enumerate(edited.to_dict("records"), start=1)
                ]
                _save(scenario, templates=made)
        with st.popover(_("From a file"), icon=":material/upload_file:"):
            st.caption(_("Columns: intent, name, needs, ask, text. They replace the templates above."))
            upload = st.file_uploader(_("CSV, JSONL or Excel"), key=f"{key}_file")
            if upload is not None and st.button(_("Replace"), type="primary", key=f"{key}_replace"):
                with guard():
                    _save(scenario, templates=scenario.read_templates(keep_upload(upload), upload.name))
    kinds = ", ".join(f"{{{kind}}} ({_(words)})" for kind, words in KINDS.items())
    st.caption(_("Places that are filled: {kinds}.").format(kinds=kinds.replace("_", "\\_")))


def _unknown(scenario: CustomerService, templates: list[Template]) -> None:
    """Labels that templates name and the model does not have, and the other way round."""
    with guard():
        model = scenario.intent_model()
        if model is None:
            return
        labels = set(model.info.labels) - {scenario.config.out_of_scope}
        named = {template.intent for template in templates}
        for words, missing in (
            (N_("No such label in the intent model, so these never answer: {names}"), named - labels),
            (N_("No template for these intents, so the knowledge base answers: {names}"), labels - named),
        ):
            if missing:
                names = ", ".join(line(name, 40) for name in sorted(missing)[:10])
                st.text(_(words).format(names=names))


# ---------------------------------------------------------------- generator


def _generator(scenario: CustomerService) -> None:
    now = scenario.config.generator
    key = f"service_generator_{scenario.setup.id}_{scenario.setup.revision}"
    kind = st.radio(
        _("Written by"),
        list(KINDS_OF_GENERATOR),
        index=list(KINDS_OF_GENERATOR).index(now.kind),
        format_func=lambda value: _(KINDS_OF_GENERATOR[value]),
        key=f"{key}_kind",
        label_visibility="collapsed",
    )
    fields = Generator.model_fields
    values: dict[str, object] = {"kind": kind}
    if kind == "folder":
        bases = get_workspace().runner.bases
        folders = sorted(path.name for path in bases.iterdir() if path.is_dir()) if bases.is_dir() else []
        if not folders:
            st.info(_("There is no model folder in the workspace's folder 'bases' yet."))
            return
        values["model"] = st.selectbox(
            _("Folder"),
            folders,
            index=folders.index(now.model) if now.model in folders else 0,
            format_func=told_apart(folders, lambda name: line(name, 60)),
            key=f"{key}_folder",
        )
    elif kind == "endpoint":
        with st.grid(2, min_column_width=280):
            values["url"] = st.text_input(
                _("Address"), value=now.url, max_chars=500, help=_(fields["url"].description or ""), key=f"{key}_url"
            )
            values["model"] = st.text_input(_("Model"), value=now.model, max_chars=200, key=f"{key}_model")
        st.caption(_("Messages and passages are sent there. On this machine nothing else ever leaves."))
    if kind != "none":
        with st.grid(2, min_column_width=280):
            for name, words in (("most_tokens", _("Longest answer, in tokens")), ("seconds", _("Longest wait"))):
                values[name] = st.number_input(
                    words, value=getattr(now, name), help=_(fields[name].description or ""), key=f"{key}_{name}"
                )
    if st.button(_("Save"), icon=":material/save:", key=f"{key}_save"):
        _save(scenario, generator=values)


# ---------------------------------------------------------------- conversations


def _conversations(scenario: CustomerService) -> None:
    key = f"service_past_{scenario.setup.id}"
    busy = import_job(key, _came)
    st.caption(
        _("One a row: id, turns (a list of role and text), resolution, and intent if known. Only the resolution is "
          "ever shown to another customer, without order numbers and addresses.")
    )  # fmt: skip
    upload = st.file_uploader(_("JSONL, CSV or Excel"), key=f"{form_key(key)}_file")
    if upload is not None and st.button(_("Import"), disabled=busy, key=f"{key}_go"):
        path, name, user = keep_upload(upload), upload.name, annotator()
        start_import(key, line(name, 60), lambda report: scenario.import_conversations(path, name, user, report))


def _came(count: int, key: str) -> None:
    st.success(ngettext("{n} conversation came.", "{n} conversations came.", count).format(n=number(count)))
