"""Problems that cleaning found: each a list to read, then taken out or repaired on purpose, and undone as a whole."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import streamlit as st

from core.project import Project
from core.records import CleaningBatch, Finding, ItemFilter
from studio.guard import guard
from studio.i18n import N_, _, date_time, ngettext, number
from studio.navigation import open_page
from studio.services import get_jobs
from studio.text import escape
from studio.values import value_text
from studio.widgets.job_line import show_job

SHOWN = 100
"""Items of a finding that are drawn; the action takes all of them or the selected ones."""

# kind -> (title, what it means)
KINDS = {
    "marked": (N_("Relations marked"), N_("Plain texts whose relations are marked in texts of their own.")),
    "exact_duplicate": (N_("Exact duplicates"), N_("The same text more than once. The first one of each stays.")),
    "near_duplicate": (N_("Near duplicates"), N_("Almost the same text. The first one of each group stays.")),
    "empty": (N_("Empty texts"), N_("Nothing but white space.")),
    "too_short": (N_("Very short texts"), N_("Too little to judge, for people and models alike.")),
    "too_long": (N_("Very long texts"), N_("Models read only the beginning of these.")),
    "mojibake": (N_("Broken characters"), N_("Read in the wrong encoding once; shown as it would be repaired.")),
    "control_characters": (N_("Control characters"), N_("Invisible characters that came in by accident.")),
    "wrong_language": (N_("Another language"), N_("Clearly not in the language of this project.")),
    "leakage": (
        N_("Same text in two splits"),
        N_("A model that saw it in training looks better in the test than it is."),
    ),
    "by_hand": (N_("Taken out by hand"), ""),
    "conflicting_labels": (
        N_("Conflicting labels"),
        N_("The same text with different labels. Decide which one is right."),
    ),
}


def cleaning_review(project: Project, user: str) -> None:
    """Look for problems, review them one kind at a time, and undo what was done."""
    key = f"clean_{project.id}"
    job = show_job(key)
    if job is None or job.state != "running":
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                _("Look for problems") if job is None else _("Look again"),
                type="primary" if job is None else "secondary",
                icon=":material/search:",
                key=f"{key}_look",
            ):
                get_jobs().start(key, _("Looking for problems"), lambda report: project.find_problems(progress=report))
                st.rerun()
            st.caption(_("Nothing is changed by looking. Every change can be undone."))
    if job is not None and job.state == "done":
        _findings(project, user, job.result())
    elif job is not None and job.state == "failed":
        with guard():
            job.result()
    _batches(project)


def _findings(project: Project, user: str, findings: list[Finding]) -> None:
    findings = [finding for finding in findings if finding.count or finding.groups]
    if not findings:
        st.success(_("Nothing to clean: none of the known problems was found."), icon=":material/check:")
    for finding in findings:
        title, meaning = KINDS.get(finding.kind, (finding.kind, ""))
        with st.expander(
            f"{_(title)} · {number(finding.count)}", key=f"finding_{project.id}_{finding.kind}", on_change="rerun"
        ) as place:
            if place.open:
                st.caption(_(meaning))
                _finding(project, user, finding)


def _finding(project: Project, user: str, finding: Finding) -> None:
    """The items of one finding and the action on them."""
    groups = {item_id: n for n, group in enumerate(finding.groups, start=1) for item_id in group}
    ids = list(groups)[:SHOWN] if groups else finding.item_ids[:SHOWN]
    items = {item.id: item for item in project.items(ItemFilter(ids=tuple(ids), excluded=None), limit=len(ids))}
    ids = [item_id for item_id in ids if item_id in items]
    concerned = set(finding.item_ids)
    frame = pd.DataFrame(
        {
            "group": [groups.get(item_id) for item_id in ids],
            "text": [items[item_id].text for item_id in ids],
            "seen": [finding.details.get(item_id, "") for item_id in ids],
            "label": [None if items[i].label is None else value_text(items[i].label, items[i].text) for i in ids],
            "fate": [_fate(finding.action) if item_id in concerned else _("stays") for item_id in ids],
        }
    )
    event = st.dataframe(
        frame.drop(columns=[] if groups else ["group"]),
        key=f"finding_{project.id}_{finding.kind}_{finding.count}",
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        height=min(38 + 35 * max(len(ids), 1), 420),
        column_config={
            "group": st.column_config.NumberColumn(_("Group"), width=70),
            "text": st.column_config.TextColumn(_("Text"), width="large"),
            "seen": st.column_config.TextColumn(_("What was seen"), width="medium"),
            "label": st.column_config.TextColumn(_("Label"), width=140),
            "fate": st.column_config.TextColumn(_("What would happen"), width=140),
        },
        alt=_("Items with this problem"),
    )
    if len(groups or finding.item_ids) > SHOWN:
        st.caption(_("The first {n} are shown; without a selection the button takes all.").format(n=SHOWN))
    selected = [ids[row] for row in event.selection.rows if row < len(ids) and ids[row] in concerned]
    if finding.action == "review":
        _conflicts(project, user, finding, selected)
        return
    _apply(project, user, finding, selected or finding.item_ids)


def _conflicts(project: Project, user: str, finding: Finding, selected: list[int]) -> None:
    """Three ways out of different labels for one text: keep the most frequent, keep none, or decide one by one."""
    st.caption(_("Without a selection the buttons take all texts, else the texts of the selected rows."))
    keeps: tuple[tuple[Literal["majority", "none"], str], ...] = (
        ("majority", _("Keep the most frequent label")),
        ("none", _("Take all of them out")),
    )
    with st.container(horizontal=True):
        for keep, title in keeps:
            if st.button(
                title,
                key=f"settle_{keep}_{project.id}",
                help=_("Copies with another label are taken out; texts without a most frequent label stay as they are.")
                if keep == "majority"
                else None,
            ):
                _finish(project, project.settle_conflicts(finding, keep, selected or None, user=user))
        if st.button(
            _("Open in Annotate"),
            key=f"settle_open_{project.id}",
            icon=":material/edit_note:",
            disabled=not selected,
            help=_("Select a row first."),
        ):
            project.go_to(selected[0], user)
            open_page("annotate")


def _finish(project: Project, batch: CleaningBatch) -> None:
    """Say what was done; the findings are of before and go."""
    get_jobs().dismiss(f"clean_{project.id}")
    st.toast(_("Done. You can undo it below."), icon=":material/check:")
    if batch.left:
        st.toast(
            ngettext("{n} item was left as it is.", "{n} items were left as they are.", batch.left).format(
                n=number(batch.left)
            ),
            icon=":material/info:",
        )
    st.rerun()


def _apply(project: Project, user: str, finding: Finding, ids: list[int]) -> None:
    if finding.action == "replace_text":
        label = ngettext("Repair {n} text", "Repair {n} texts", len(ids))
    else:
        label = ngettext("Take out {n} item", "Take out {n} items", len(ids))
    if st.button(label.format(n=number(len(ids))), key=f"apply_{project.id}_{finding.kind}", disabled=not ids):
        _finish(project, project.apply_finding(finding, ids, user=user))


def _fate(action: str) -> str:
    return {"exclude": _("is taken out"), "replace_text": _("is repaired")}.get(action, _("needs a look"))


def _batches(project: Project) -> None:
    """What was done, newest first, each with its undo."""
    batches = project.cleaning_batches()
    if not batches:
        return
    st.subheader(_("What was done"), anchor=False)
    for batch in batches[:20]:
        title = _(KINDS.get(batch.kind, (batch.kind, ""))[0])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{escape(title)} · "
                + ngettext("{n} item", "{n} items", batch.items).format(n=number(batch.items))
                + f" · {escape(batch.user)} · {date_time(batch.at)}",
                width="stretch",
            )
            if batch.undone:
                st.caption(_("undone"))
            elif st.button(_("Undo"), key=f"undo_cleaning_{batch.id}", icon=":material/undo:"):
                project.undo_cleaning(batch.id)
                st.rerun()
