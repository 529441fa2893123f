"""The labeling desk: one text, its labels, one key for label + save + next.

Two rules keep a label off a text that nobody has read. The item id is part of every widget key and every callback
argument, so a late key press still names the text it was meant for. And a press for a text that has been answered
already is dropped and said so, instead of changing that answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import StudioError
from core.project import Project
from core.records import Item, Suggestion
from core.tasks.generation import LONGEST_RESPONSE
from core.tasks.question_answering import QuestionAnswering
from core.tasks.tagging import Tagging
from studio import session
from studio.current import annotator
from studio.guard import guarded, show_error
from studio.i18n import _, number
from studio.keys import ACTIONS, assign_keys
from studio.services import get_workspace
from studio.text import escape, line
from studio.values import value_text
from studio.widgets.answer_desk import draw_answer
from studio.widgets.span_desk import draw_words, mark

CALM_LENGTH = 600
"""Texts up to this many characters are set large; longer ones in the normal size."""
TEXT_WIDTH = 760
"""Pixels: about 70 characters of the large size."""
SEARCH_FROM = 20
"""From this many labels on there is a search box as well."""
FRAME_FROM = 29
"""More labels than this outgrow the single keys; their buttons are wider, for 'Shift + A', and scroll."""
FRAME_HEIGHT = 244
"""Pixels; cuts a row of buttons, so that one sees there are more."""
WAIT_SECONDS = 0.8
"""Between two looks for a suggestion that is being worked out."""


@dataclass(frozen=True)
class Answer:
    """One answer as it was given; kept while it cannot be written."""

    project_id: int
    item_id: int
    label: Any
    """In the task's own form."""
    suggestion: Suggestion | None
    elapsed_ms: int | None


def draw_card(project: Project, item: Item, awaited: bool) -> None:
    """The text, the suggestion (``awaited`` while it is on its way), the labels and the actions of one item."""
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id != item.id:
        st.session_state[session.SHOWN] = (item.id, time.monotonic())
        st.session_state[session.CHOSEN] = (item.id, list(item.label or ()) if built(project) else [])
    draw_state(item, habit(project))
    draw_text(item, asks(project))
    if isinstance(project.task, Tagging):
        draw_words(item, chosen(item.id), TEXT_WIDTH)
    elif asks(project):
        draw_answer(item, chosen(item.id), TEXT_WIDTH)
    missing = _("Thinking of a suggestion …") if awaited else _("No suggestion")
    if built(project):
        draw_confirm(project, item, missing)
    else:
        draw_suggestion(project.id, item.id, missing, accepts=project.task.needs_labels)
    if asks(project):
        draw_nothing(project, item, _("No answer"), _("The text does not answer the question. It is saved at once."))
    elif project.task.needs_labels:
        draw_labels(project, item)
    else:
        draw_response(project.id, item)
    draw_actions(project, item)


def habit(project: Project) -> str:
    """What saves an answer here."""
    if not project.task.needs_labels:
        return _("The button below the response saves it.")
    if asks(project):
        return _("Choose the words of the answer, Enter saves it.")
    return _("Keys choose labels, Enter saves them.") if built(project) else _("Every key press is saved at once.")


def draw_state(item: Item, usual: str) -> None:
    """What the last key press did, always at the same place; loud when it failed."""
    failed: Answer | None = st.session_state.get(session.UNSAVED)
    if failed is not None:
        with st.container(border=True):
            st.error(
                _("Your answer '{label}' is kept here and was not written. Nothing else is lost.").format(
                    label=escape(value_text(failed.label), 60)
                ),
                title=_("Not saved"),
                icon=":material/error:",
            )
            with st.container(horizontal=True):
                st.button(_("Save again"), type="primary", key=f"again_{failed.item_id}", on_click=give_again)
                st.button(_("Discard the answer"), key=f"discard_{failed.item_id}", on_click=discard)
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", width=TEXT_WIDTH):
        st.caption(st.session_state.get(session.SAVED) or usual, width="content")
        st.caption(_("No. {n}").format(n=number(item.position + 1)), width="content")


def draw_text(item: Item, asked: bool = False) -> None:
    """The text as it is: large and calm, never interpreted, in a frame whose height does not jump.

    ``asked``: the second text is a question about it, which stands above.
    """
    long = len(item.text) + len(item.text_b or "") > CALM_LENGTH
    height = 420 if long or item.text_b else 230
    # The key of the item lets each text begin at its top, wherever the one before was left.
    with st.container(height=height, width=TEXT_WIDTH, border=True, key=f"text_{item.id}"):
        if asked:
            st.markdown(f"##### {escape(item.text_b or '')}", anchors=False)
            st.divider()
        for place, part in enumerate((item.text, None if asked else item.text_b)):
            if part is None:
                continue
            if place:
                st.divider()
            if long:
                st.text(part)
            else:
                for paragraph in part.splitlines():
                    if paragraph.strip():
                        st.markdown(f"##### {escape(paragraph)}", anchors=False)


def draw_suggestion(project_id: int, item_id: int, missing: str, accepts: bool = True) -> None:
    """The first choice, faint, under the Enter key. Always one line, so that the labels below stand still.

    Without ``accepts`` it stands in the field below, to be read and changed, and only its origin is told.
    """
    suggestion = shown_suggestion(item_id)
    if suggestion is None:
        st.button(missing, key=f"none_{item_id}", disabled=True, type="tertiary", icon=":material/lightbulb:")
        return
    if not accepts:
        said = _("The response below was written by {model}. Read it before you save.")
        st.button(
            said.format(model=escape(suggestion.model, 60)),
            key=f"written_{item_id}",
            disabled=True,
            type="tertiary",
            icon=":material/lightbulb:",
        )
        return
    st.button(
        _("Suggested: {label} · {percent} %").format(
            label=escape(value_text(suggestion.label), 60),
            percent=min(99, round(suggestion.score * 100)),  # a model is never certain
        ),
        key=f"accept_{item_id}",
        shortcut=ACTIONS["accept"],
        on_click=give,
        args=(project_id, item_id, suggestion.label),
        help=_("By {model}. Enter accepts it.").format(model=escape(suggestion.model, 60)),
        type="tertiary",
        icon=":material/lightbulb:",
    )


def built(project: Project) -> bool:
    """True where an answer is put together by several key presses and saved by Enter."""
    return project.task.many or isinstance(project.task, Tagging | QuestionAnswering)


def asks(project: Project) -> bool:
    """True where the second text is a question about the first."""
    return isinstance(project.task, QuestionAnswering)


def draw_confirm(project: Project, item: Item, missing: str) -> None:
    """The labels chosen so far, or the suggestion, under the Enter key.

    One widget whatever it says, and never disabled: Enter may follow a label's key faster than the card is drawn, and
    means what is chosen by then.
    """
    item_id = item.id
    names, suggestion = chosen(item_id), shown_suggestion(item_id)
    if names:
        words = _("Save: {labels}").format(labels=escape(value_text(names, item.text), 80))
    elif suggestion is not None:
        words = _("Suggested: {label} · {percent} %").format(
            label=escape(value_text(suggestion.label, item.text), 60), percent=min(99, round(suggestion.score * 100))
        )
    else:
        way = _("choose words, then Enter") if asks(project) else _("choose labels, then Enter")
        words = missing + " · " + way
    st.button(
        words,
        key=f"accept_{item_id}",
        shortcut=ACTIONS["accept"],
        on_click=confirm,
        args=(project.id, item_id),
        type="tertiary",
        icon=":material/check:" if names else ":material/lightbulb:",
    )


def draw_labels(project: Project, item: Item) -> None:
    """One button a label with its key; a search box where there are many."""
    labels, project_id, many_each = project.labels, project.id, built(project)
    keys = assign_keys(labels)
    press = switch if many_each else give
    lit = _named(chosen(item.id)) if many_each else [item.label]
    if len(labels) >= SEARCH_FROM:
        names = [label.name for label in labels]
        st.selectbox(
            _("Find a label"),
            names,
            index=None,
            format_func=line,
            placeholder=_("Type to find one of {n} labels").format(n=len(names)),
            key=f"find_{item.id}",
            on_change=give_found,
            args=(project_id, item.id, many_each),
            label_visibility="collapsed",
            width=TEXT_WIDTH,
        )
    # Many labels scroll in a frame of their own, so that the text and the actions stay in sight.
    many = len(labels) > FRAME_FROM
    with st.container(width=TEXT_WIDTH, height=FRAME_HEIGHT if many else "content", border=False):
        grid = st.grid("auto", min_column_width=230 if many else 170, gap="small")
    for label in labels:
        about = " ".join(part for part in (label.description, label.example and f"“{label.example}”") if part)
        grid.button(
            escape(label.name, 40),
            key=f"label_{item.id}_{label.id}",
            shortcut=keys.get(label.id),
            on_click=press,
            args=(project_id, item.id, label.name),
            help=escape(about) if about else None,
            type="primary" if label.name in lit else "secondary",
            width="stretch",
        )
    if many_each:
        draw_nothing(project, item, _("None of them"), _("No label applies to this text. It is saved at once."))


def draw_nothing(project: Project, item: Item, title: str, meaning: str) -> None:
    """The button, and key, that says that nothing applies."""
    st.button(
        title,
        key=f"nothing_{item.id}",
        shortcut=ACTIONS["nothing"],
        on_click=confirm,
        args=(project.id, item.id, True),
        help=meaning,
        type="primary" if item.label == [] and not chosen(item.id) else "tertiary",
    )


def draw_response(project_id: int, item: Item) -> None:
    """A field for the response, filled with the one it has or else with what is suggested; saved with one button.

    What is typed belongs to this item only: its id is part of the key. A late suggestion fills an untouched field only.
    """
    key = f"response_{item.id}"
    suggestion = shown_suggestion(item.id)
    first = item.label or (suggestion.label if suggestion else "")
    if first and not st.session_state.get(key) and st.session_state.get(session.FILLED) != item.id:
        st.session_state[key] = first
        st.session_state[session.FILLED] = item.id
    st.text_area(_("Response"), key=key, height=170, width=TEXT_WIDTH, max_chars=LONGEST_RESPONSE)
    st.button(
        _("Save and next"),
        key=f"save_{item.id}",
        type="primary",
        icon=":material/check:",
        on_click=give_response,
        args=(project_id, item.id),
    )


def draw_actions(project: Project, item: Item) -> None:
    """Undo, skip, flag, guidelines, suggestions: quiet, below the labels."""
    with st.container(horizontal=True, width=TEXT_WIDTH, gap="small"):
        st.button(
            _("Undo"),
            key=f"undo_{item.id}",
            shortcut=ACTIONS["undo"],
            on_click=undo,
            args=(project.id,),
            type="tertiary",
        )
        st.button(
            _("Skip"),
            key=f"skip_{item.id}",
            shortcut=ACTIONS["skip"],
            on_click=skip,
            args=(project.id, item.id),
            type="tertiary",
        )
        if st.button(_("Flag"), key=f"flag_{item.id}", shortcut=ACTIONS["flag"], type="tertiary"):
            st.dialog(_("Flag this text"))(flag_form)(project, item)
        st.button(
            _("Guidelines"),
            key=f"guidelines_{item.id}",
            shortcut=ACTIONS["guidelines"],
            on_click=toggle,
            args=(session.GUIDELINES, False),
            type="tertiary",
        )
        shown = st.session_state.get(session.SUGGESTIONS, True)
        st.button(
            _("Hide suggestions") if shown else _("Show suggestions"),
            key=f"suggestions_{item.id}",
            shortcut=ACTIONS["suggestions"],
            on_click=toggle,
            args=(session.SUGGESTIONS, True),
            type="tertiary",
        )
    if item.flag is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(":material/flag: " + escape(item.flag))
            st.button(_("Remove the flag"), key=f"unflag_{item.id}", on_click=unflag, args=(project.id, item.id))


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
    st.session_state[session.SUGGESTED] = (item_id, best[0] if best else None)
    return False


def shown_suggestion(item_id: int) -> Suggestion | None:
    """What is suggested on screen for this item."""
    held: tuple[int, Suggestion | None] | None = st.session_state.get(session.SUGGESTED)
    if not st.session_state.get(session.SUGGESTIONS, True) or held is None or held[0] != item_id:
        return None
    return held[1]


# ------------------------------------------------------------------------------------------------ callbacks


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


def _named(values: list[Any]) -> list[str]:
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


def confirm(project_id: int, item_id: int, nothing: bool = False) -> None:
    """Ask for the chosen labels to be saved, or that there are none.

    Presses of one run arrive in no certain order, so saving comes after all of them; beside Enter, none does not count.
    """
    if not (nothing and st.session_state.get(session.CONFIRMED)):
        st.session_state[session.CONFIRMED] = (project_id, item_id, nothing)


def save_confirmed() -> None:
    """Save what was confirmed: the labels chosen, else the suggestion on screen. Called before anything is drawn."""
    asked: tuple[int, int, bool] | None = st.session_state.pop(session.CONFIRMED, None)
    if asked is None:
        return
    project_id, item_id, nothing = asked
    names, suggestion = chosen(item_id), shown_suggestion(item_id)
    answered = asks(get_workspace().project(project_id))
    if names and nothing:
        st.session_state[session.SAVED] = (
            _("An answer is chosen. Enter saves it; take it back if there is none.")
            if answered
            else _("Labels are chosen. Enter saves them; take them back if none applies.")
        )
    elif names or nothing:
        give(project_id, item_id, names)
    elif suggestion is not None:
        give(project_id, item_id, suggestion.label)
    else:
        st.session_state[session.SAVED] = (
            _("Nothing is chosen yet: choose words of the text, or press the key for no answer.")
            if answered
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
    kept: Answer | None = st.session_state.get(session.UNSAVED)
    if kept is not None and (kept.project_id, kept.item_id) == (answer.project_id, answer.item_id):
        st.session_state[session.UNSAVED] = None
    st.session_state[session.SAVED] = ":material/check: " + _("Saved: {label}").format(
        label=escape(value_text(answer.label, text_b="" if asks(project) else None), 60)
    )


def give_response(project_id: int, item_id: int) -> None:
    """The response typed for one item; an empty one is no answer."""
    text = str(st.session_state.get(f"response_{item_id}") or "").strip()
    if not text:
        st.session_state[session.SAVED] = _("Write a response first, or skip this prompt.")
        return
    give(project_id, item_id, text)


def give_found(project_id: int, item_id: int, several: bool) -> None:
    """The label chosen in the search box; one of ``several`` is added, and the box is free for the next."""
    found = st.session_state.get(f"find_{item_id}")
    if found and several:
        switch(project_id, item_id, found)
        st.session_state[f"find_{item_id}"] = None
    elif found:
        give(project_id, item_id, found)


def give_again() -> None:
    """Write the kept answer once more."""
    failed: Answer | None = st.session_state.get(session.UNSAVED)
    if failed is not None:
        write(failed)


def discard() -> None:
    """Forget the kept answer; its text is shown again."""
    st.session_state[session.UNSAVED] = None


@guarded
def undo(project_id: int) -> None:
    """Take back this person's last answer and show its text again."""
    item = get_workspace().project(project_id).undo(user=annotator())
    st.session_state[session.SHOWN] = None
    st.session_state[session.SAVED] = _("Taken back.") if item else _("There is nothing to take back.")


@guarded
def skip(project_id: int, item_id: int) -> None:
    """Put the item aside and go on."""
    get_workspace().project(project_id).skip(item_id, user=annotator())
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


def toggle(key: str, default: bool) -> None:
    """Switch one on/off choice of this session."""
    st.session_state[key] = not st.session_state.get(key, default)
    if key == session.SUGGESTIONS:
        st.session_state[session.SUGGESTED] = None


@guarded
def flag_form(project: Project, item: Item) -> None:
    """Ask for the note of a flag."""
    with st.form(f"flag_form_{item.id}", border=False):
        note = st.text_input(
            _("What is wrong with it?"),
            value=item.flag or "",
            max_chars=500,
            placeholder=_("e.g. two questions in one"),
        )
        if st.form_submit_button(_("Save the flag"), type="primary"):
            project.flag(item.id, note.strip() or _("flagged"), user=annotator())
            st.session_state[session.SAVED] = ":material/flag: " + _("Flagged.")
            st.rerun()
