"""Annotate: what is this text? One key labels, saves and shows the next one."""

from __future__ import annotations

import streamlit as st

from core.project import Project
from core.records import ItemFilter
from studio import session
from studio.current import annotator, require_project
from studio.guard import guarded
from studio.i18n import _, ngettext, number
from studio.services import get_workspace
from studio.text import escape, guidelines
from studio.values import value_text
from studio.widgets.basics import empty_state
from studio.widgets.labeling import WAIT_SECONDS, draw_card
from studio.widgets.labeling_actions import go_to, save_confirmed, settle_suggestion, undo

EVERYTHING = ItemFilter(excluded=None)


@guarded
def desk(project_id: int, patient: bool) -> None:
    """The card and its edge; a key press reruns only this.

    The patient desk runs by itself until the first suggestion is there, then the page is drawn anew without that. (A
    smaller fragment for the suggestion alone would run between two runs of this one, and Streamlit would then keep
    the buttons of the text before.)
    """
    save_confirmed()
    project = get_workspace().project(project_id)
    card, edge = st.columns([5, 2], gap="medium")
    item = project.next_item(user=annotator())
    awaited = item is not None and settle_suggestion(project, item.id, patient)
    with card:
        if item is None:
            draw_end(project)
        else:
            draw_card(project, item, awaited)
            project.prepare_suggestions(annotator())
    with edge:
        if st.session_state.get(session.GUIDELINES):
            with st.container(border=True, height=460):
                st.markdown(guidelines(project.info.guidelines) or _("This project has no guidelines yet."))
        draw_edge(project)
    if patient and not awaited:
        st.rerun()


def draw_end(project: Project) -> None:
    """Everything is answered: say so and offer what follows."""
    empty_state(
        _("Every text has an answer. Freeze a dataset version next; a model is trained on it."),
        _("Freeze a version"),
        "data",
        view="versions",
    )
    skipped = project.progress(user=annotator()).skipped
    if skipped:
        st.button(
            ngettext("Look at the skipped text again", "Look at the {n} skipped texts again", skipped).format(
                n=skipped
            ),
            on_click=project.forget_skipped,
            args=(annotator(),),
        )
    st.button(_("Undo"), key="undo_end", shortcut="U", on_click=undo, args=(project.id,), type="tertiary")


def draw_edge(project: Project) -> None:
    """Small and at the side: progress, pace, counts, the last ten, go to."""
    progress = project.progress(user=annotator())
    st.progress(
        progress.labelled / progress.total if progress.total else 0.0,
        text=_("{done} of {total} labelled").format(done=number(progress.labelled), total=number(progress.total)),
    )
    if progress.per_minute is not None:
        st.caption(_("{n} a minute").format(n=number(progress.per_minute, 1)))
    recent = project.recent(user=annotator(), limit=10)
    if recent:
        with st.expander(_("Your last {n}").format(n=len(recent)), expanded=True), st.container(gap=None):
            for item in recent:
                label = (
                    escape(value_text(item.label, item.text, item.text_b), 24)
                    if item.label is not None
                    else _("no label")
                )
                st.button(
                    f"**{label}** {escape(item.text, 44)}",
                    key=f"back_{item.id}",
                    on_click=go_to,
                    args=(project.id, item.id),
                    type="tertiary",
                    wrap=False,
                    help=_("Show this text again to change its label."),
                )
    if progress.per_label:
        with st.expander(_("Labels so far")):
            for name, count in progress.per_label.items():
                st.caption(f"{escape(name, 40)}  **{number(count)}**")
    with st.popover(_("Go to a text"), type="tertiary", icon=":material/search:"):
        total = project.count(EVERYTHING)
        with st.form("go_to", border=False):
            st.number_input(
                _("Number of the text, 1 to {n}").format(n=number(total)),
                min_value=1,
                max_value=max(1, total),
                step=1,
                key=session.PLACE,
            )
            st.form_submit_button(_("Show it"), on_click=go_to_place, args=(project.id,))


@guarded
def go_to_place(project_id: int) -> None:
    """Show the text whose number was typed, counted from 1 in import order."""
    go_to(project_id, get_workspace().project(project_id).item_at(int(st.session_state[session.PLACE]) - 1).id)


project = require_project()
if (linked := st.query_params.pop("item", None)) and linked.isdecimal():
    go_to(project.id, int(linked))
if project.task.needs_labels and not project.labels:
    empty_state(
        _("**{name}** has no labels yet. Name the answers first, then every text gets one of them.").format(
            name=escape(project.name, 60)
        ),
        _("Define labels"),
        "data",
        view="labels",
    )
elif not project.count(EVERYTHING):
    empty_state(
        _("**{name}** has no texts yet. Import a file or paste some lines.").format(name=escape(project.name, 60)),
        _("Import texts"),
        "data",
        view="import",
    )
else:
    item = project.next_item(user=annotator())
    patient = item is not None and settle_suggestion(project, item.id, patient=True)
    st.fragment(desk, key="desk", run_every=WAIT_SECONDS if patient else None)(project.id, patient)
