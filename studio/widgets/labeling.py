"""The labeling desk: one text, its labels, one key for label + save + next.

Two rules keep a label off a text that nobody has read. The item id is part of every widget key and every callback
argument, so a late key press still names the text it was meant for. And a press for a text that has been answered
already is dropped and said so, instead of changing that answer.
"""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from core.project import Project
from core.records import Item
from core.tasks.generation import LONGEST_RESPONSE
from core.tasks.pair import Pair
from core.tasks.question_answering import QuestionAnswering
from core.tasks.tagging import Tagging
from studio import session
from studio.current import annotator
from studio.guard import guarded
from studio.i18n import _, number
from studio.keys import ACTIONS, assign_keys
from studio.text import escape, line, told_apart
from studio.values import value_text
from studio.widgets.answer_desk import draw_answer, draw_given
from studio.widgets.grade_desk import draw_grades, draw_kind, graded
from studio.widgets.labeling_actions import (
    Answer,
    asks,
    chosen,
    confirm,
    discard,
    give,
    give_again,
    give_found,
    give_response,
    hear_words,
    named,
    relate,
    shown_suggestion,
    skip,
    switch,
    toggle,
    undo,
    unflag,
)
from studio.widgets.relation_desk import draw_pair, waits
from studio.widgets.span_desk import draw_marks, draw_words
from studio.widgets.word_marker import begin

CALM_LENGTH = 600
"""Texts up to this many characters are set large; longer ones in the normal size."""
LARGE_FRAME, LONG_FRAME = 230, 420
"""Pixels: the frame of a text that is set large, and of a longer one."""
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


def draw_card(project: Project, item: Item, awaited: bool) -> None:
    """The text, the suggestion (``awaited`` while it is on its way), the labels and the actions of one item."""
    shown_id, _since = st.session_state.get(session.SHOWN) or (None, None)
    if shown_id != item.id:
        st.session_state[session.SHOWN] = (item.id, time.monotonic())
        st.session_state[session.CHOSEN] = (item.id, list(item.label or ()) if built(project) else [])
        begin(item.id)
    draw_state(item, _("A relation's key saves it, Enter goes on.") if waits(project, item) else habit(project))
    draw_reading(project, item)
    missing = _("Thinking of a suggestion …") if awaited else _("No suggestion")
    if waits(project, item):
        draw_finish(project.id, item.id)
    elif built(project):
        draw_confirm(project, item, missing)
    else:
        draw_suggestion(project.id, item.id, missing, accepts=project.task.needs_labels)
    if asks(project):
        draw_nothing(project, item, _("No answer"), _("The text does not answer the question. It is saved at once."))
    elif graded(project):
        draw_grades(project, item, give)
    elif project.task.needs_labels:
        draw_labels(project, item)
    else:
        draw_response(project.id, item)
    if isinstance(project.task, Pair):
        draw_kind(project, item)
    elif isinstance(project.task, Tagging):
        draw_marks(item, chosen(item.id), TEXT_WIDTH)
    elif asks(project):
        draw_given(item, chosen(item.id))
    draw_actions(project, item)


def draw_reading(project: Project, item: Item) -> None:
    """The text, with words to be marked where the task is about them."""
    large = not is_long(item)
    hear, height = partial(hear_words, project.id, item.id), LARGE_FRAME if large else LONG_FRAME
    if isinstance(project.task, Tagging):
        draw_words(project, item, chosen(item.id), hear, TEXT_WIDTH, height, large)
    elif asks(project):
        draw_answer(item, chosen(item.id), hear, TEXT_WIDTH, LONG_FRAME, large)
    elif waits(project, item):
        draw_pair(project, item, chosen(item.id), hear, TEXT_WIDTH, height, large)
    else:
        draw_text(item)


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


def is_long(item: Item) -> bool:
    """True for a text that is not set large."""
    return len(item.text) + len(item.text_b or "") > CALM_LENGTH


def draw_text(item: Item) -> None:
    """The text as it is: large and calm, never interpreted, in a frame whose height does not jump."""
    long = is_long(item)
    height = LONG_FRAME if long or item.text_b else LARGE_FRAME
    # The key of the item lets each text begin at its top, wherever the one before was left.
    with st.container(height=height, width=TEXT_WIDTH, border=True, key=f"text_{item.id}"):
        for place, part in enumerate((item.text, item.text_b)):
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


def draw_finish(project_id: int, item_id: int) -> None:
    """The Enter key of a plain text whose relations are marked one by one."""
    st.button(
        _("No more relations here: next text"),
        key=f"accept_{item_id}",
        shortcut=ACTIONS["accept"],
        on_click=confirm,
        args=(project_id, item_id),
        type="tertiary",
        icon=":material/check:",
    )


def draw_labels(project: Project, item: Item) -> None:
    """One button a label with its key; a search box where there are many."""
    labels, project_id, many_each = project.labels, project.id, built(project)
    keys = assign_keys(labels)
    press = relate if waits(project, item) else switch if many_each else give
    lit = named(chosen(item.id)) if many_each else [item.label]
    if len(labels) >= SEARCH_FROM:
        names = [label.name for label in labels]
        st.selectbox(
            _("Find a label"),
            names,
            index=None,
            format_func=told_apart(names, line),
            placeholder=_("Type to find one of {n} labels").format(n=len(names)),
            key=f"find_{item.id}",
            on_change=give_found,
            args=(project_id, item.id, press),
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
            args=(project.id, item.id),
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
            st.session_state[session.FINISHED] = None
            st.session_state[session.SAVED] = ":material/flag: " + _("Flagged.")
            st.rerun()
