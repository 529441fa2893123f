"""What stands beside every page, always in the same place: project, language, name of the annotator."""

from __future__ import annotations

import getpass

import streamlit as st

from core.settings import Settings
from studio import session
from studio.address import remember
from studio.i18n import LANGUAGES, _
from studio.services import get_workspace
from studio.text import line, told_apart

NAME_LENGTH = 40
SHORT = {"en": "EN", "zh_CN": "中文"}
"""Languages on their switch."""


def settle_language() -> None:
    """Choose the language before the first word is drawn: URL, then session, then browser, then setting."""
    wanted = st.context.locale or ""
    default = "zh_CN" if wanted.lower().startswith("zh") else Settings().language
    remember(session.LANGUAGE, default if default in LANGUAGES else "en", lambda code: code in LANGUAGES)


def draw_sidebar() -> None:
    """Project picker, annotator name and language switch."""
    projects = {str(project.id): line(project.name, 60) for project in get_workspace().projects()}
    with st.sidebar:
        if projects:
            remember(session.PROJECT, next(iter(projects)), lambda value: value in projects)
            st.selectbox(
                _("Project"),
                list(projects),
                format_func=told_apart(projects, projects.__getitem__),
                key=session.PROJECT,
            )
        remember(session.ANNOTATOR, default_annotator(), is_name)
        # In one row, so that all of it is in sight on a low screen too.
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
            st.text_input(
                _("Your name"),
                key=session.ANNOTATOR,
                max_chars=NAME_LENGTH,
                help=_("Labels are recorded under this name. Everyone who labels uses their own."),
            )
            st.segmented_control(
                _("Language"),
                list(LANGUAGES),
                format_func=SHORT.__getitem__,
                key=session.LANGUAGE,
                required=True,
                label_visibility="collapsed",
                width="content",
            )


def default_annotator() -> str:
    """The account name on this machine, until the person says otherwise."""
    try:
        return line(getpass.getuser(), NAME_LENGTH)
    except (OSError, KeyError):
        return "me"


def is_name(value: str) -> bool:
    """Whether someone may label under this name."""
    return bool(value.strip()) and len(value) <= NAME_LENGTH
