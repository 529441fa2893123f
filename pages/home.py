"""Home: what should I do next?"""

from __future__ import annotations

import streamlit as st

from core.methods import get_method
from studio.current import current_project
from studio.guard import guarded
from studio.i18n import _, size
from studio.navigation import open_page
from studio.phrases import phrase
from studio.services import get_workspace
from studio.text import escape
from studio.widgets.basics import page_header, progress_line
from studio.widgets.project_card import new_project_form, project_card

# Between two looks at what trains, while something does and while nothing does.
SECONDS, IDLE_SECONDS = 3.0, 15.0


@guarded
def running_jobs(busy: bool) -> None:
    """What trains now, followed live; nothing is drawn while nothing trains. A beginning or an end redraws the page."""
    workspace = get_workspace()
    names = {project.id: project.name for project in workspace.projects()}
    active = [run for run in workspace.runs() if run.active]
    if bool(active) != busy:
        st.rerun()
    if not active:
        return
    st.subheader(_("In training"), anchor=False)
    for run in sorted(active, key=lambda run: run.created_at):
        status = run.status
        about = f"{escape(names.get(run.project_id, ''), 40)} · {_(get_method(run.method).title)}"
        if status.state == "queued":
            st.caption(f":material/schedule: {about} · {_('waiting')}")
        else:
            st.caption(about)
            progress_line(status.done, status.total or None, status.message, status.eta_seconds)
    if st.button(_("Open the queue"), type="tertiary", icon=":material/arrow_forward:"):
        open_page("train")


workspace = get_workspace()
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    with st.container(width="stretch"):
        page_header(_("Home"), _("Where each project stands, and the one thing to do next."))
    new = st.button(_("New project"), icon=":material/add:", type="secondary" if workspace.projects() else "primary")
if new:
    st.dialog(_("New project"), width="medium")(new_project_form)()
chosen = current_project()
if chosen is None:
    st.info(_("A project holds the texts, the labels and the models of one question. Create the first one."))
if troubles := workspace.warnings:
    st.warning("\n\n".join(escape(phrase(trouble)) for trouble in troubles[:5]), icon=":material/warning:")
grid = st.grid("auto", min_column_width=330, gap="medium")
for project in workspace.projects():
    with grid.cell():
        project_card(project, chosen is not None and project.id == chosen.id)
busy = any(run.active for run in workspace.runs())
st.fragment(running_jobs, run_every=SECONDS if busy else IDLE_SECONDS)(busy)
hardware = workspace.hardware()
parts = [hardware.cpu, _("{n} cores").format(n=hardware.cores), size(hardware.memory_bytes)]
parts += [f"{gpu.name} ({size(gpu.memory_bytes)})" for gpu in hardware.gpus] or [_("no GPU")]
st.caption(":material/memory: " + escape(" · ".join(parts)))
