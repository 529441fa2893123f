"""One label for everything that the filter shows, in one step that can be undone as a whole."""

from __future__ import annotations

import streamlit as st

from core.project import Project
from core.records import BulkStep, ItemFilter
from studio.i18n import _, date_time, ngettext, number
from studio.text import escape, line, told_apart
from studio.values import value_text

STEPS = 5
"""Steps listed with their undo."""


def bulk_label(project: Project, chosen: ItemFilter, total: int, user: str) -> None:
    """A popover with the label, the button that gives it to all items shown, and the steps before."""
    key = f"bulk_{project.id}"
    with st.popover(_("Label all"), icon=":material/label:", key=key, on_change="rerun") as place:
        if not getattr(place, "open", True):
            return
        names = [label.name for label in project.labels]
        label = _choose(project, names, f"{key}_label")
        st.caption(_("Every item that the filters show gets this label, also those that have one already."))
        title = ngettext("Label {n} item", "Label {n} items", total).format(n=number(total))
        # What cleaning took out takes no label, so there is nothing to do on that view.
        ready = label is not None and total > 0 and not chosen.excluded
        if st.button(title, type="primary", disabled=not ready, key=f"{key}_go"):
            project.bulk_label(project.item_ids(chosen), label, user=user)
            st.toast(_("Done. Label all has the undo."), icon=":material/check:")
            st.rerun()
        for step in project.bulk_steps(STEPS):
            _step(project, step, user)


def _choose(project: Project, names: list[str], key: str) -> str | list[str] | None:
    """One label, or several where a text may have them; None while nothing is chosen."""
    hint, words = _("Choose a label"), told_apart(names, line)
    if project.task.many:
        return st.multiselect(_("Label"), names, format_func=words, placeholder=hint, key=key) or None
    return st.selectbox(_("Label"), names, index=None, format_func=words, placeholder=hint, key=key)


def _step(project: Project, step: BulkStep, user: str) -> None:
    """What one step did, and its undo."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{escape(value_text('' if step.label is None else step.label), 40)} · "
            + ngettext("{n} item", "{n} items", step.items).format(n=number(step.items))
            + f" · {escape(step.user, 40)} · {date_time(step.at)}",
            width="stretch",
        )
        if step.undone:
            st.caption(_("undone"))
        elif st.button(_("Undo"), key=f"undo_bulk_{step.id}", icon=":material/undo:"):
            project.undo_bulk(step.id, user=user)
            st.rerun()
