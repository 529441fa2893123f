"""The knowledge base: find, add, edit, import. What is saved is found by the next message."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import RefusedError
from core.scenarios.customer_service.knowledge import (
    DOCUMENTS,
    Draft,
    Entry,
    Knowledge,
    KnowledgeMapping,
    KnowledgeReport,
)
from core.scenarios.customer_service.scenario import CustomerService
from studio import session
from studio.current import annotator
from studio.guard import guard
from studio.i18n import _, date_time, ngettext, number
from studio.phrases import phrase
from studio.text import escape, line
from studio.uploads import keep_upload
from studio.widgets.basics import inline_error
from studio.widgets.column_names import column_names
from studio.widgets.import_result import form_key, import_job, start_import

SHOWN = 500
"""Entries listed at once; more are found by searching."""


def knowledge_panel(scenario: CustomerService) -> None:
    """List on the left, the chosen entry on the right, the import below."""
    knowledge, key = scenario.knowledge, f"service_entries_{scenario.setup.id}"
    words = st.text_input(
        _("Search the entries"), key=f"{key}_words", placeholder=_("Words in title, questions or answer")
    )
    entries = knowledge.entries(words or "")
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.caption(ngettext("{n} entry", "{n} entries", len(entries)).format(n=number(len(entries))))
        chosen = _table(entries[:SHOWN], key) if entries else None
    with right:
        _editor(knowledge, chosen, key)
    with st.expander(_("Import a file"), icon=":material/upload_file:"):
        _import(knowledge, key)


def _table(entries: list[Entry], key: str) -> Entry | None:
    rows = pd.DataFrame(
        {
            "title": [line(entry.title, 80) for entry in entries],
            "questions": [len(entry.questions) for entry in entries],
        }
    )
    event = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"{key}_table",
        height=min(38 + 35 * len(rows), 460),
        column_config={
            "title": st.column_config.TextColumn(_("Title")),
            "questions": st.column_config.NumberColumn(_("Questions"), width=90),
        },
        alt=_("Entries of the knowledge base"),
    )
    picked = event.selection.rows
    return entries[picked[0]] if picked and picked[0] < len(entries) else None


def _editor(knowledge: Knowledge, chosen: Entry | None, key: str) -> None:
    """Form of the chosen entry, or of a new one. It keeps the state that was opened until it is saved or left."""
    opened: dict[int, Entry] = st.session_state.setdefault(session.SERVICE_EDITED, {})
    if chosen is not None:
        base: Entry | None = opened.setdefault(chosen.id, chosen)
        for other in [number for number in opened if number != chosen.id]:
            del opened[other]
    else:
        opened.clear()
        base = None
    if chosen is not None and base is not None and base.revision != chosen.revision:
        st.info(
            _("{user} changed this entry meanwhile. Load it to see it as it is now.").format(
                user=escape(chosen.user, 40)
            )
        )
        if st.button(_("Load it"), icon=":material/refresh:", key=f"{key}_reload"):
            opened[chosen.id] = chosen
            st.rerun()
    st.subheader(_("Edit the entry") if base else _("New entry"), anchor=False)
    form = f"{key}_{base.id}_{base.revision}" if base else f"{key}_new"
    with st.form(form, border=False, clear_on_submit=base is None):
        title = st.text_input(_("Title"), value=base.title if base else "", max_chars=200)
        asked = st.text_area(_("Ways to ask, one a line"), value="\n".join(base.questions) if base else "", height=110)
        answer = st.text_area(_("Answer"), value=base.answer if base else "", height=160)
        intent = st.text_input(_("Intent (optional)"), value=base.intent if base else "", max_chars=100)
        with st.container(horizontal=True):
            saved = st.form_submit_button(_("Save"), type="primary", icon=":material/save:")
            removed = st.form_submit_button(_("Remove"), icon=":material/delete:", disabled=base is None)
    if base is not None:
        st.caption(
            _("From {source}, changed by {user} on {time}.").format(
                source=escape(base.source, 60), user=escape(base.user, 40), time=date_time(base.changed_at)
            )
        )
    draft = Draft(title=title or "", questions=(asked or "").splitlines(), answer=answer or "", intent=intent or "")
    if saved or removed:
        _store(knowledge, base, draft, removed, opened)


def _store(knowledge: Knowledge, base: Entry | None, draft: Draft, removed: bool, opened: dict[int, Entry]) -> None:
    try:
        if removed and base is not None:
            knowledge.remove(base, annotator())
        elif base is not None:
            opened[base.id] = knowledge.edit(base, draft, annotator())
        else:
            with guard():
                knowledge.add(draft, annotator())
                st.toast(_("Saved. The next message finds it."), icon=":material/check:")
            return
    except RefusedError as error:
        inline_error(error)
        return
    st.toast(_("Saved. The next message finds it."), icon=":material/check:")
    st.rerun()


# ---------------------------------------------------------------- import


def _import(knowledge: Knowledge, key: str) -> None:
    job_key = f"{key}_import"
    busy = import_job(job_key, _result)
    upload = st.file_uploader(
        _("A table (CSV, JSONL, Excel), or a document (Markdown, HTML) whose headings become entries"),
        key=f"{form_key(job_key)}_file",
    )
    if upload is None:
        return
    path, name = keep_upload(upload), upload.name
    mapping = None if name.lower().endswith(DOCUMENTS) else _mapping(knowledge, path, name, job_key)
    if st.button(_("Import"), type="primary", disabled=busy, key=f"{job_key}_go"):
        user = annotator()
        start_import(
            job_key,
            line(name, 60),
            lambda report: knowledge.import_file(path, name, mapping, user=user, progress=report),
        )


def _mapping(knowledge: Knowledge, path: Path, name: str, key: str) -> KnowledgeMapping:
    columns = knowledge.preview(path, name).columns
    chosen: dict[str, str | None] = {}
    wanted = {"answer": _("Answer"), "question": _("Question"), "title": _("Title"), "intent": _("Intent")}
    guesses = {"answer": ("answer", "response"), "question": ("question", "text"), "title": ("title", "label"),
               "intent": ("intent", "label")}  # fmt: skip
    with st.grid(4, min_column_width=160):
        for part, label in wanted.items():
            options = columns if part == "answer" else ["", *columns]
            guess = next((name for name in guesses[part] if name in columns), options[0])
            chosen[part] = (
                st.selectbox(
                    label,
                    options,
                    index=options.index(guess),
                    format_func=column_names(options),
                    key=f"{key}_{part}",
                )
                or None
            )
    return KnowledgeMapping.model_validate(chosen)


def _result(report: KnowledgeReport, key: str) -> None:
    with st.grid(3, min_column_width=120):
        st.metric(_("Added"), number(report.added))
        st.metric(_("Replaced"), number(report.changed))
        st.metric(_("Left out"), number(len(report.rejected)))
    for row in report.rejected[:10]:
        reason = escape(phrase(row.reason), 160)
        st.caption(_("Row {row}: {reason}").format(row=number(row.row), reason=reason))
