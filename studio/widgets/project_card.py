"""A project on the home page: its five steps, the one thing to do next, and its menu."""

from __future__ import annotations

import streamlit as st

from core.errors import StudioError
from core.project import Project
from core.tasks import all_tasks
from studio import session
from studio.current import annotator
from studio.guard import guarded, show_error
from studio.i18n import N_, _
from studio.i18n import language as language_of_pages
from studio.navigation import open_page
from studio.services import get_workspace
from studio.steps import standing
from studio.text import escape

TEXT_LANGUAGES = {
    "en": N_("English"),
    "zh": N_("Chinese"),
    "de": N_("German"),
    "fr": N_("French"),
    "es": N_("Spanish"),
    "it": N_("Italian"),
    "pt": N_("Portuguese"),
    "nl": N_("Dutch"),
    "pl": N_("Polish"),
    "ru": N_("Russian"),
    "tr": N_("Turkish"),
    "ar": N_("Arabic"),
    "hi": N_("Hindi"),
    "ja": N_("Japanese"),
    "ko": N_("Korean"),
    "vi": N_("Vietnamese"),
}
"""ISO 639-1 code -> name, for the language of the texts."""


def project_card(project: Project, chosen: bool) -> None:
    """Draw the card; the chosen project's button is the primary one."""
    where = standing(project)
    with st.container(border=True, height="stretch", gap="small", key=f"project_{project.id}"):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.subheader(escape(project.name, 60), anchor=False)
            menu = {"rename": _("Rename"), "delete": _("Delete")}
            action = st.menu_button(
                _("More"), list(menu), format_func=menu.__getitem__, key=f"menu_{project.id}", type="tertiary"
            )
        steps = []
        for step in where.steps:
            icon = ":primary[:material/check_circle:]" if step.done else ":gray[:material/radio_button_unchecked:]"
            steps.append(f"{icon} **{step.title}** · {step.state}")
        st.markdown("  \n".join(steps))
        if st.button(
            where.next.words,
            type="primary" if chosen else "secondary",
            icon=":material/arrow_forward:",
            key=f"next_{project.id}",
        ):
            open_page(where.next.page, **{session.PROJECT: str(project.id)}, **where.next.parameters)
    if action == "rename":
        st.dialog(_("Rename the project"))(rename_form)(project)
    elif action == "delete":
        st.dialog(_("Delete the project"))(delete_form)(project)


@guarded
def new_project_form() -> None:
    """Dialog: everything a project needs to begin."""
    tasks = all_tasks()
    with st.form("new_project", border=False):
        name = st.text_input(_("Name"), max_chars=100, placeholder=_("e.g. Support intents"))
        task = st.selectbox(
            _("What is predicted"),
            [task.name for task in tasks],
            format_func=lambda key: next(_(task.title) for task in tasks if task.name == key),
            help="  \n".join(f"**{_(task.title)}**: {_(task.help)}" for task in tasks),
        )
        language = st.selectbox(
            _("Language of the texts"),
            list(TEXT_LANGUAGES),
            index=list(TEXT_LANGUAGES).index(language_of_pages().split("_")[0]),
            format_func=lambda code: f"{_(TEXT_LANGUAGES[code])} ({code})",
            accept_new_options=True,
            help=_("Pick one, or type another ISO 639-1 code."),
        )
        labels = st.text_area(
            _("Labels, one a line"),
            placeholder=_("refund\ndelivery\ncancel order"),
            help=_("Leave it empty when your file brings them; you can change them at any time."),
        )
        if not st.form_submit_button(_("Create"), type="primary"):
            return
        names = list(dict.fromkeys(entry.strip() for entry in labels.splitlines() if entry.strip()))
        project = get_workspace().create_project(
            name, task=task, labels=names, language=(language or "en").strip().lower()[:8], user=annotator()
        )
    open_page("data", **{session.PROJECT: str(project.id), session.DATA_VIEW: "import"})


@guarded
def rename_form(project: Project) -> None:
    """Dialog: another name."""
    with st.form(f"rename_{project.id}", border=False):
        name = st.text_input(_("Name"), value=project.name, max_chars=100)
        if st.form_submit_button(_("Save"), type="primary"):
            project.update(name=name)
            st.rerun()


def delete_form(project: Project) -> None:
    """Dialog: deleting is final, so the name is typed once more."""
    st.markdown(
        _("This deletes **{name}** with its texts, labels, versions, runs and models. It cannot be undone.").format(
            name=escape(project.name, 60)
        )
    )
    with st.form(f"delete_{project.id}", border=False):
        typed = st.text_input(_("Type the name of the project to confirm"))
        if not st.form_submit_button(_("Delete for good"), type="primary"):
            return
    if typed.strip() != project.name:
        st.warning(_("This is not the name of the project."))
        return
    try:
        project.delete()
    except StudioError as error:
        show_error(error)
        return
    st.rerun()
