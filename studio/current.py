"""Who looks at what: the chosen project and the name under which this browser labels."""

from __future__ import annotations

import streamlit as st

from core.project import Project
from studio import session
from studio.i18n import _
from studio.services import get_workspace
from studio.widgets.basics import empty_state


def current_project() -> Project | None:
    """The project chosen in the sidebar; None while there is none."""
    chosen = st.session_state.get(session.PROJECT)
    return get_workspace().project(int(chosen)) if chosen else None


def require_project() -> Project:
    """The chosen project; without one, shows the way to make one and ends the script run."""
    project = current_project()
    if project is None:
        empty_state(
            _("There is no project yet. A project holds the texts, the labels and the models of one question."),
            _("Create a project"),
            "home",
        )
        st.stop()
    return project


def annotator() -> str:
    """Name under which labels, imports and changes of this session are recorded."""
    return str(st.session_state.get(session.ANNOTATOR) or "me").strip()
