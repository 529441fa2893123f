"""What a key or button of the labeling desk does: answer, save, undo, skip, go to. The callbacks of ``labeling``.

Each carries the id of the item it was pressed for; a press for a text that has been answered already is dropped and
said so, instead of changing that answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import StudioError
from core.project import Project
from core.records import Suggestion
from core.tasks.question_answering import QuestionAnswering
from core.tasks.tagging import Tagging
from studio import session
from studio.current import annotator
from studio.guard import guarded, show_error
from studio.i18n import _
from studio.services import get_workspace
from studio.text import escape
from studio.values import value_text
from studio.widgets.answer_desk import answered
from studio.widgets.grade_desk import as_grade, graded
from studio.widgets.relation_desk import bring_back, finish, paired, save_relations, waits
from studio.widgets.span_desk import mark, marked
from studio.widgets.word_marker import Relation, ask, remember, unheard


@dataclass(frozen=True)
class Answer:
    """One answer as it was given; kept while it cannot be written."""

    project_id: int
    item_id: int
    label: Any
    """In the task's own form."""
    suggestion: Suggestion | None
    elapsed_ms: int | None


def settle_suggestion(project: Project, item_id: int, patient: bool) -> bool:
    """Decide what is suggested for an item; True while that is still open and the ``patient`` desk looks again.

    Once there is a suggestion, or none will come, what is shown stays: a better one that arrives while the person
    reads would move under the Enter key.
    """
    held: tuple[int, Suggestion | None] | None = st.session_state.get(session.SUGGESTED)
    if not st.session_state.get(session.SUGGESTIONS, True) or (held is not None and held[0] == item_id):
        return False
    best = project.suggest([item_id]).get(item_id) or []
    if not best and patient and project.thinking(item_id):
        return True
    first = best[0] if best else None
    if first is not None and graded(project):
        first = as_grade(first)
    st.session_state[session.SUGGESTED] = (item_id, first)
    return False


def shown_suggestion(item_id: int) -> Suggestion | None:
    """What is suggested on screen for this item."""
    held: tuple[int, Suggestion | None] | None = st.session_state.get(session.SUGGESTED)
    if not st.session_state.get(session.SUGGESTIONS, True) or held is None or held[0] != item_id:
        return None
    return held[1]


def give(project_id: int, item_id: int, label: Any) -> None:
    """Book one answer on the item whose button was pressed, if that item is still the one on screen."""
    shown_id, since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id != item_id:
        say_late()
        return
    elapsed_ms = round((time.monotonic() - since) * 1000) if since is not None else None
    # Emptied before the write: a second press that is already on its way finds nothing to answer.
    st.session_state[session.SHOWN] = None
    write(Answer(project_id, item_id, label, shown_suggestion(item_id), elapsed_ms))


def say_late() -> None:
    """A key was pressed for a text that is answered already."""
    st.session_state[session.SAVED] = _("That key came before the next text was on screen; it was not used.")


def chosen(item_id: int) -> list[Any]:
    """Labels chosen, or spans marked, so far for this item, where a text may have several."""
    held_id, names = st.session_state.get(session.CHOSEN) or (None, [])
    return names if held_id == item_id else []


def named(values: list[Any]) -> list[str]:
    """Label names of what is chosen: names themselves, or those of spans."""
    return [value if isinstance(value, str) else value[2] for value in values]


def switch(project_id: int, item_id: int, label: str) -> None:
    """Choose one of several labels, or take it back; nothing is saved yet."""
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id != item_id:
        say_late()
        return
    names = chosen(item_id)
    project = get_workspace().project(project_id)
    if isinstance(project.task, Tagging):
        names = mark(project.item(item_id), label, names)
    else:
        names = [name for name in names if name != label] if label in names else [*names, label]
    st.session_state[session.CHOSEN] = (item_id, names)


def relate(project_id: int, item_id: int, label: str) -> None:
    """A relation was found in the search box, or pressed where the browser did not make a stroke of it."""
    hear_words(project_id, item_id)
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id == item_id:
        remember(item_id, chosen(item_id))
        ask(Relation(project_id, item_id, label), chosen(item_id))
        st.session_state[session.CHOSEN] = (item_id, [])


@guarded
def hear_words(project_id: int, item_id: int) -> None:
    """Words were marked, or a mark was taken back; nothing is saved yet.

    Heard once however often it is called: what else is pressed in the same run may call it, to come after the strokes.
    """
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id != item_id:
        if unheard(item_id):
            say_late()
        return
    project, marks = get_workspace().project(project_id), chosen(item_id)
    item = project.item(item_id)
    if asks(project):
        after: list[Any] = answered(item, marks)
    else:
        after = (paired if waits(project, item) else marked)(project, item, marks)
    st.session_state[session.CHOSEN] = (item_id, after)


def confirm(project_id: int, item_id: int, nothing: bool = False) -> None:
    """Ask for the chosen labels to be saved, or that there are none.

    Presses of one run arrive in no certain order, so saving comes after all of them; beside Enter, none does not count.
    """
    if not (nothing and st.session_state.get(session.CONFIRMED)):
        st.session_state[session.CONFIRMED] = (project_id, item_id, nothing)


def save_confirmed() -> None:
    """Save what was confirmed: the labels chosen, else the suggestion on screen. Called before anything is drawn."""
    asked: tuple[int, int, bool] | None = st.session_state.get(session.CONFIRMED)
    if asked is not None and unheard(asked[1]):  # a newer run, or a disk that was full, came in between
        hear_words(*asked[:2])
    related = save_relations()
    st.session_state[session.CONFIRMED] = None
    if asked is None or unheard(asked[1]):  # else what is on screen would be saved without its last mark
        return
    project_id, item_id, nothing = asked
    names, suggestion = chosen(item_id), shown_suggestion(item_id)
    project = get_workspace().project(project_id)
    reading = asks(project)
    if waits(project, project.item(item_id)):
        shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
        if shown_id != item_id:
            say_late()
        elif related:  # else it is said what could not be made
            finish(project_id, item_id, names)
    elif names and nothing:
        st.session_state[session.SAVED] = (
            _("An answer is chosen. Enter saves it; take it back if there is none.")
            if reading
            else _("Labels are chosen. Enter saves them; take them back if none applies.")
        )
    elif names or nothing:
        give(project_id, item_id, names)
    elif suggestion is not None:
        give(project_id, item_id, suggestion.label)
    else:
        st.session_state[session.SAVED] = (
            _("Nothing is chosen yet: choose words of the text, or press the key for no answer.")
            if reading
            else _("Nothing is chosen yet: press the key of a label, or that of none.")
        )


def write(answer: Answer) -> None:
    """Store one answer; keep it in the session when that fails."""
    project = get_workspace().project(answer.project_id)
    try:
        project.label(
            answer.item_id,
            answer.label,
            user=annotator(),
            suggestion=answer.suggestion,
            elapsed_ms=answer.elapsed_ms,
        )
    except StudioError as error:
        st.session_state[session.UNSAVED] = answer
        show_error(error)
        return
    st.session_state[session.FINISHED] = None
    kept: Answer | None = st.session_state.get(session.UNSAVED)
    if kept is not None and (kept.project_id, kept.item_id) == (answer.project_id, answer.item_id):
        st.session_state[session.UNSAVED] = None
    text = project.item(answer.item_id).text if isinstance(project.task, Tagging) else ""
    st.session_state[session.SAVED] = ":material/check: " + _("Saved: {label}").format(
        label=escape(value_text(answer.label, text, text_b="" if asks(project) else None), 60)
    )


def give_response(project_id: int, item_id: int) -> None:
    """The response typed for one item; an empty one is no answer."""
    text = str(st.session_state.get(f"response_{item_id}") or "").strip()
    if not text:
        st.session_state[session.SAVED] = _("Write a response first, or skip this prompt.")
        return
    give(project_id, item_id, text)


def give_found(project_id: int, item_id: int, press: Callable[[int, int, str], None]) -> None:
    """The label chosen in the search box is pressed; where the text stays the box is free for the next."""
    found = st.session_state.get(f"find_{item_id}")
    if found:
        press(project_id, item_id, found)
    if found and press is not give:
        st.session_state[f"find_{item_id}"] = None


def give_again() -> None:
    """Write the kept answer once more."""
    failed: Answer | None = st.session_state.get(session.UNSAVED)
    if failed is not None:
        write(failed)


def discard() -> None:
    """Forget the kept answer; its text is shown again."""
    st.session_state[session.UNSAVED] = None


@guarded
def undo(project_id: int, item_id: int | None = None) -> None:
    """Take back this person's last answer, or that a text is done, and show that text again."""
    if item_id is not None and not relate_first(project_id, item_id):
        return
    taken = bring_back(project_id) or get_workspace().project(project_id).undo(user=annotator()) is not None
    st.session_state[session.SHOWN] = None
    st.session_state[session.SAVED] = _("Taken back.") if taken else _("There is nothing to take back.")


@guarded
def skip(project_id: int, item_id: int) -> None:
    """Put the item aside and go on."""
    if not relate_first(project_id, item_id):
        return
    get_workspace().project(project_id).skip(item_id, user=annotator())
    st.session_state[session.FINISHED] = None
    st.session_state[session.SHOWN] = None
    st.session_state[session.SAVED] = _("Skipped.")


@guarded
def unflag(project_id: int, item_id: int) -> None:
    """Close the flag of an item."""
    get_workspace().project(project_id).unflag(item_id, user=annotator())


@guarded
def go_to(project_id: int, item_id: int) -> None:
    """Show an item chosen by the person."""
    get_workspace().project(project_id).go_to(item_id, user=annotator())
    st.session_state[session.SHOWN] = None


def relate_first(project_id: int, item_id: int) -> bool:
    """Make the relations whose keys were pressed in this run, before another key leads away from the text; False where
    one could not be made, which is said then, and the text stays."""
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    project = get_workspace().project(project_id)
    if shown_id == item_id and waits(project, project.item(item_id)):
        hear_words(project_id, item_id)
    return save_relations()


def toggle(key: str, default: bool) -> None:
    """Switch one on/off choice of this session."""
    st.session_state[key] = not st.session_state.get(key, default)
    if key == session.SUGGESTIONS:
        st.session_state[session.SUGGESTED] = None


def asks(project: Project) -> bool:
    """True where the second text is a question about the first."""
    return isinstance(project.task, QuestionAnswering)
