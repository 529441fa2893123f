"""A copy of a run to change: its choices are put into the form of the train page.

A card asks, the page fills its form at the start of the next script run: only then does the browser hear of it.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import NotFoundError
from core.methods.base import Method
from core.project import Project
from core.run import Run
from studio import session
from studio.i18n import _
from studio.widgets.base_picker import choose_base
from studio.widgets.device_picker import choose_device


def copy_button(run: Run) -> None:
    """Offer to put the choices of this run into the form."""
    if st.button(
        _("Edit a copy"),
        key=f"copy_{run.id}",
        icon=":material/content_copy:",
        type="tertiary",
        help=_("Puts the method, base model, version and options of this run into the form above."),
    ):
        st.session_state[session.TRAIN_COPY] = run.id
        st.rerun()


def fill_form(project: Project) -> None:
    """Put the choices of the run whose card asked for it into the form; to be called before the form is drawn."""
    asked = st.session_state.pop(session.TRAIN_COPY, None)
    if asked is None:
        return
    try:
        run = project.workspace.run(asked)
    except NotFoundError:  # deleted in another tab
        return
    st.session_state[session.TRAIN_VERSION] = str(run.version_id)
    st.session_state[session.TRAIN_METHOD] = run.method
    st.session_state[session.TRAIN_OPTIONS] = (run.method, run.options)
    st.session_state[session.TRAIN_RESET] = st.session_state.get(session.TRAIN_RESET, 0) + 1
    if run.base:
        choose_base(project, run.base)
    choose_device(run.config.device)
    st.toast(_("The form holds the choices of that run. Change what you like, then start."), icon=":material/edit:")


def copied_options(method: Method) -> dict[str, Any]:
    """Options that the form of this method begins with, by name; the defaults for the others."""
    copied, options = st.session_state.get(session.TRAIN_OPTIONS, ("", {}))
    return options if copied == method.name else {}


def forget_copy() -> None:
    """Begin with the defaults again."""
    st.session_state.pop(session.TRAIN_OPTIONS, None)
    st.session_state[session.TRAIN_RESET] = st.session_state.get(session.TRAIN_RESET, 0) + 1
