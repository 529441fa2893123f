"""The labels of a project: add, describe, rename, merge, remove; and the guidelines that stand beside the texts."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.project import Project
from core.records import Label, SchemaEvent
from studio.guard import guarded
from studio.i18n import _, date_time, number
from studio.text import escape, guidelines, line, told_apart

NAME_LENGTH = 100


def schema_editor(project: Project, user: str) -> None:
    """The list of labels; the selected one opens below it."""
    labels = project.labels
    counts = project.progress().per_label
    chosen = _table(project, labels, counts) if labels else None
    if not labels:
        st.caption(_("No labels yet. Add the first one here, or import a file that has them."))
    if chosen is None:
        _add(project, user)
    else:
        _edit(project, user, chosen, labels, counts.get(chosen.name, 0))
    _events(project)


def _table(project: Project, labels: list[Label], counts: dict[str, int]) -> Label | None:
    frame = pd.DataFrame(
        {
            "colour": [[label.key or " "] for label in labels],
            "name": [label.name for label in labels],
            "items": [counts.get(label.name, 0) for label in labels],
            "description": [label.description for label in labels],
            "example": [label.example for label in labels],
        }
    )
    event = st.dataframe(
        frame,
        key=f"labels_{project.id}_{len(labels)}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(labels), 500),
        column_config={
            "colour": st.column_config.MultiselectColumn(
                _("Key"),
                options=sorted({label.key or " " for label in labels}),
                color=[_colour(labels, key) for key in sorted({label.key or " " for label in labels})],
                width=60,
            ),
            "name": st.column_config.TextColumn(_("Label"), width=180),
            "items": st.column_config.NumberColumn(_("Items"), width=70, format="localized"),
            "description": st.column_config.TextColumn(_("When to use it"), width=260),
            "example": st.column_config.TextColumn(_("Example"), width=200),
        },
        alt=_("Labels of this project"),
    )
    rows = event.selection.rows
    if not rows:
        st.caption(_("Select a label to change, rename, merge or remove it."))
    return labels[rows[0]] if rows and rows[0] < len(labels) else None


def _colour(labels: list[Label], key: str) -> str:
    return next((label.colour for label in labels if (label.key or " ") == key and label.colour), "#6B6F76")


def _add(project: Project, user: str) -> None:
    with st.form(f"add_label_{project.id}", clear_on_submit=True):
        st.subheader(_("Add a label"), anchor=False)
        with st.grid(3, min_column_width=230):
            name = st.text_input(_("Name"), max_chars=NAME_LENGTH)
            description = st.text_input(_("When to use it"), max_chars=500)
            example = st.text_input(_("Example"), max_chars=500)
        if st.form_submit_button(_("Add"), icon=":material/add:"):
            project.add_label(name, description=description, example=example, user=user)
            st.rerun()


def _edit(project: Project, user: str, label: Label, labels: list[Label], used: int) -> None:
    with st.form(f"edit_label_{label.id}"):
        st.subheader(escape(label.name, 60), anchor=False)
        with st.grid(3, min_column_width=230):
            name = st.text_input(_("Name"), label.name, max_chars=NAME_LENGTH, key=f"label_name_{label.id}")
            description = st.text_input(
                _("When to use it"), label.description, max_chars=500, key=f"label_description_{label.id}"
            )
            example = st.text_input(_("Example"), label.example, max_chars=500, key=f"label_example_{label.id}")
        with st.container(horizontal=True):
            key = st.text_input(
                _("Key"), label.key, max_chars=1, key=f"label_key_{label.id}", help=_("One digit or letter."), width=90
            )
            colour = st.color_picker(_("Colour"), label.colour or "#6B6F76", key=f"label_colour_{label.id}")
        if st.form_submit_button(_("Save"), icon=":material/check:"):
            project.change_label(
                label.name,
                name,
                user=user,
                colour=colour,
                key=key.strip().lower(),
                description=description,
                example=example,
            )
            st.rerun()
    others = [other.name for other in labels if other.id != label.id]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        into = st.selectbox(
            _("Merge into"),
            others,
            index=None,
            format_func=told_apart(others, line),
            placeholder=_("another label"),
            key=f"merge_{label.id}",
            width=320,
        )
        if st.button(_("Merge"), disabled=into is None, key=f"merge_go_{label.id}"):
            _confirm_merge(project, user, label.name, into or "", used)
        if st.button(
            _("Remove"),
            disabled=used > 0,
            key=f"remove_{label.id}",
            help=_("Only a label that no item carries can be removed; merge it into another one instead.")
            if used
            else None,
        ):
            project.remove_label(label.name, user=user)
            st.rerun()


def _confirm_merge(project: Project, user: str, source: str, into: str, used: int) -> None:
    @st.dialog(_("Merge two labels"))
    @guarded
    def ask() -> None:
        st.markdown(
            _("{n} items labelled {source} will count as {into}, and {source} disappears.").format(
                n=number(used), source=f"**{escape(source)}**", into=f"**{escape(into)}**"
            )
        )
        if st.button(_("Merge"), type="primary", key="merge_confirmed"):
            project.merge_labels(source, into, user=user)
            st.rerun()

    ask()


def _events(project: Project) -> None:
    with st.expander(_("History of the labels"), key=f"schema_events_{project.id}", on_change="rerun") as place:
        if not place.open:
            return
        for event in project.schema_events()[:100]:
            st.text(f"{date_time(event.at)} · {event.user} · {_event_words(event)}")


def _event_words(event: SchemaEvent) -> str:
    """What was done to a label, as plain text."""
    about = {name: line(value, 60) for name, value in event.detail.items()}
    if event.kind == "rename":
        return _("renamed: {old} is now {new}").format(old=about.get("from"), new=about.get("to"))
    if event.kind == "merge":
        return _("merged: {old} counts as {new}").format(old=about.get("name"), new=about.get("into_name"))
    words = {"add": _("added"), "edit": _("changed"), "remove": _("removed")}.get(event.kind, event.kind)
    return f"{words}: {about.get('name', '')}"


def guidelines_editor(project: Project) -> None:
    """Markdown on the left, as people see it on the right."""
    write, read = st.columns(2, gap="large")
    with write:
        text = st.text_area(
            _("Guidelines (Markdown)"),
            project.info.guidelines,
            height=340,
            key=f"guidelines_{project.id}",
            help=_("Shown one key away from the text that is labelled."),
        )
        if st.button(_("Save guidelines"), key=f"guidelines_save_{project.id}", icon=":material/check:"):
            project.update(guidelines=text or "")
            st.toast(_("Saved."), icon=":material/check:")
    with read:
        st.caption(_("As annotators see it"))
        with st.container(border=True, height=380):
            st.markdown(guidelines(text or "") or _("Nothing written yet."))
