"""Grades of pairs at the labeling desk: a key a step, from nothing in common to the same, as in the STS benchmark.

A grade is stored as 0 to 1, like those of an import.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.project import Project
from core.records import Item, ItemFilter, Suggestion
from core.tasks.pair import GRADE_STEPS, MATCH, Pair, is_graded
from studio import session
from studio.i18n import _

LOOKED_AT = 20
"""Labelled pairs that say whether a project has grades."""


def graded(project: Project) -> bool:
    """True where this session gives grades: as chosen at the desk, else as the labelled pairs have them."""
    if not isinstance(project.task, Pair):
        return False
    kinds: dict[int, bool] = st.session_state.setdefault(session.GRADES, {})
    if project.id not in kinds:
        labelled = project.items(ItemFilter(labelled=True), limit=LOOKED_AT)
        kinds[project.id] = is_graded([item.label for item in labelled])
    return kinds[project.id]


def draw_grades(project: Project, item: Item, give: Callable[[int, int, float], None]) -> None:
    """One button a step, under the digit that names it."""
    ends = {0: _("0 · unrelated"), GRADE_STEPS: _("{n} · the same").format(n=GRADE_STEPS)}
    grid = st.grid("auto", min_column_width=170, gap="small")
    for step in range(GRADE_STEPS + 1):
        grade = step / GRADE_STEPS
        grid.button(
            ends.get(step, str(step)),
            key=f"grade_{item.id}_{step}",
            shortcut=str(step),
            on_click=give,
            args=(project.id, item.id, grade),
            type="primary" if item.label == grade else "secondary",
            width="stretch",
        )


def draw_kind(project: Project, item: Item) -> None:
    """The way to the other kind of answer."""
    st.button(
        _("Match or no match instead of grades") if graded(project) else _("Grades instead of match or no match"),
        key=f"kind_{item.id}",
        on_click=_switch,
        args=(project,),
        type="tertiary",
    )


def _switch(project: Project) -> None:
    st.session_state[session.GRADES] = {**st.session_state[session.GRADES], project.id: not graded(project)}
    st.session_state[session.SUGGESTED] = None


def as_grade(suggestion: Suggestion) -> Suggestion:
    """A suggestion as a step: how probable a match is, is how much the two have in common."""
    if suggestion.label not in Pair.fixed_labels:
        return suggestion
    match = suggestion.score if suggestion.label == MATCH else 1 - suggestion.score
    return suggestion.model_copy(update={"label": round(match * GRADE_STEPS) / GRADE_STEPS})
