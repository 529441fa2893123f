"""Marking relations in a plain text: its two things by the space bar, then the key of the relation; Enter when done."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from core.errors import InputError, StorageError, StudioError
from core.project import Project
from core.records import Item
from core.tasks.base import Forming
from core.tasks.spans import Span
from studio import session
from studio.current import annotator
from studio.guard import guarded, show_error
from studio.i18n import _
from studio.phrases import phrase
from studio.services import get_workspace
from studio.text import escape
from studio.widgets.span_desk import kinds
from studio.widgets.word_marker import Kind, Relation, heard, word_marker

FIRST, SECOND = "1", "2"
KINDS = (Kind(-1, FIRST, "#0072b2", " "), Kind(-2, SECOND, "#d55e00", " "))
"""The two things a relation is between; the same key marks what is still missing."""


def waits(project: Project, item: Item) -> bool:
    """True for a plain text whose relations are to be marked."""
    return isinstance(project.task, Forming) and project.task.waits(item.text)


def draw_pair(
    project: Project,
    item: Item,
    spans: list[Span],
    on_stroke: Callable[[], None],
    width: int,
    height: int,
    large: bool,
) -> None:
    """The text with the two things that are marked in it so far."""
    word_marker(
        item.id,
        item.text,
        spans,
        KINDS,
        hint=_(
            "← → go from word to word, with Shift they take more. Space marks the first thing, then the second; the "
            "key of a relation saves both. Backspace takes back."
        ),
        on_stroke=on_stroke,
        width=width,
        height=height,
        large=large,
        relations=kinds(project),
        once=True,
    )


def paired(project: Project, item: Item, spans: list[Span]) -> list[Span]:
    """The things after what was done in the browser; the relations that were asked for are made by what follows."""
    relations = {label.id: Relation(project.id, item.id, label.name) for label in project.labels}
    return heard(item.id, item.text, spans, KINDS, relations=relations, once=True)


def save_relations() -> bool:
    """Make the relations that were asked for, each an item with its label; False where one could not be made.

    The plain text stays on screen, for its next pair.
    """
    queues = [held.asked for held in (st.session_state.get(session.MARKED) or {}).values() if held.asked]
    if not queues:
        return True
    workspace, user = get_workspace(), annotator()
    shown_id, since = st.session_state.get(session.SHOWN) or (None, None)
    # Of several in one run nobody knows which took longer.
    took = None if since is None else round((time.monotonic() - since) * 1000 / sum(map(len, queues)))
    made: list[str] = []
    refused: list[tuple[str, int, list[Span]]] = []
    for queue in queues:
        while queue:
            # Between this and the write nothing may touch the session: there, a newer run can end this one.
            relation, spans = queue.pop(0)
            try:
                made.append(_made(workspace.project(relation.project_id), relation, spans, user, took))
            except StorageError as error:  # nothing is wrong with the relation: the next run tries again
                queue.insert(0, (relation, spans))
                show_error(error)
                return False
            except StudioError as error:
                refused.append((error.message, relation.item_id, spans))
    for message, item_id, spans in refused:
        st.session_state[session.SAVED] = escape(phrase(message))
        if not (st.session_state.get(session.CHOSEN) or (item_id, []))[1]:
            st.session_state[session.CHOSEN] = (item_id, spans)
    if made:
        st.session_state[session.FINISHED] = None
        if shown_id is not None:
            st.session_state[session.SHOWN] = (shown_id, time.monotonic())
    if made and not refused:
        st.session_state[session.SAVED] = ":material/check: " + _("Saved: {label}").format(label=made[-1])
    return not refused


def _made(project: Project, relation: Relation, spans: list[Span], user: str, took: int | None) -> str:
    """Make one relation; what was made, in words. Raises InputError where two things are not marked."""
    things = {name: (start, end) for start, end, name in spans}
    if len(things) < len(KINDS):
        raise InputError(_("Mark two things first: a relation is between them."))
    item_id, label = relation.item_id, relation.label
    project.mark_relation(item_id, things[FIRST], things[SECOND], label, user=user, elapsed_ms=took)
    text = project.item(item_id).text
    first, second = (escape(text[slice(*things[name])], 40) for name in (FIRST, SECOND))
    return f"{escape(label, 40)} ({first} → {second})"


@guarded
def finish(project_id: int, item_id: int, pending: list[Span]) -> None:
    """No more relations in this text: the next one, please. Not while something is marked that would be lost."""
    if pending:
        st.session_state[session.SAVED] = _(
            "Something is marked here. Save it with the key of a relation, or take it back; then Enter goes on."
        )
        return
    project, user = get_workspace().project(project_id), annotator()
    project.finish_marking(item_id, user=user)
    mine = (step.id for step in project.cleaning_batches() if step.kind == "marked" and step.user == user)
    st.session_state[session.FINISHED] = (project_id, item_id, next(mine, None))
    st.session_state[session.SHOWN] = None
    st.session_state[session.SAVED] = _(
        "This text is done. U brings it back now, the Clean tab of the data page later."
    )


def bring_back(project_id: int) -> bool:
    """Put the text back that was finished, where nothing was answered since; False where there is none."""
    finished: tuple[int, int, int | None] | None = st.session_state.pop(session.FINISHED, None)
    if finished is None or finished[0] != project_id or finished[2] is None:
        return False
    project = get_workspace().project(project_id)
    project.undo_cleaning(finished[2])
    project.go_to(finished[1], user=annotator())
    return True
