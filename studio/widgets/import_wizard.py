"""Import in three steps: choose, look and map, result. Nothing is stored before the last button."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.data.exchange import is_own_export
from core.data.mapping import guess_turns
from core.data.readers import WITH_HEADER
from core.data.samples import sample_file
from core.project import Project
from core.project.data import OnDuplicate
from core.records import ColumnMapping, ImportPreview, ImportReport
from core.tasks.base import Task
from core.tasks.question_answering import QuestionAnswering
from studio import session
from studio.i18n import _, ngettext, number
from studio.jobs import Report
from studio.phrases import phrase
from studio.text import escape, line
from studio.uploads import keep_upload, preview_once, upload_label
from studio.widgets.column_names import column_names
from studio.widgets.import_result import form_key, import_job, import_result, start_import

Store = Callable[[ColumnMapping, OnDuplicate | None, Report], ImportReport]


def import_wizard(project: Project, user: str) -> None:
    """Show the step at which the import of this project is."""
    key = f"import_{project.id}"
    busy = import_job(key, import_result)
    sources = {"file": _("A file"), "paste": _("Pasted text"), "hub": _("A Hugging Face dataset")}
    if project.task.paired:  # a line is one text
        del sources["paste"]
    source = st.segmented_control(
        _("Where from"),
        list(sources),
        format_func=sources.__getitem__,
        default="file",
        required=True,
        key=f"{key}_from",
        label_visibility="collapsed",
    )
    {"file": _from_file, "paste": _from_paste, "hub": _from_hub}[source or "file"](project, user, key, busy)


def _from_file(project: Project, user: str, key: str, busy: bool) -> None:
    upload = st.file_uploader(
        upload_label(_("Drop a file here: CSV, TSV, JSON, JSONL, Parquet, Excel, plain lines, or a zipped dataset")),
        key=f"{form_key(key)}_upload",
    )
    if upload is None:
        st.caption(_("You see the first rows and say which column means what before anything is stored."))
        _offer_sample(project, user, key, busy)
        return
    path = keep_upload(upload)
    place = st.container()
    header = not st.session_state.get(f"{key}_bare_{upload.file_id}")
    preview = preview_once(
        (upload.file_id, header), lambda: project.preview_file(path, filename=upload.name, header=header)
    )
    if preview.format in WITH_HEADER:
        place.checkbox(_("The first line is a row, not the names of the columns"), key=f"{key}_bare_{upload.file_id}")

    def store(columns: ColumnMapping, duplicates: OnDuplicate | None, report: Report) -> ImportReport:
        return project.import_file(
            path,
            **columns.model_dump(),
            on_duplicate=duplicates,
            filename=upload.name,
            user=user,
            progress=report,
            header=header,
        )

    _map_and_store(preview, line(upload.name, 60), key, project.task, store, busy)


def _offer_sample(project: Project, user: str, key: str, busy: bool) -> None:
    """For a project without texts: a file that we wrote for its task."""
    sample = sample_file(project.task.name)
    if busy or sample is None or project.count():
        return
    path, columns = sample
    about = _("Texts of an invented company, written for trying things out. Delete the project when you are done.")
    if st.button(_("No file at hand? Take our sample"), icon=":material/science:", help=about, key=f"{key}_sample"):
        mapping = ColumnMapping.model_validate(columns).model_dump()
        _start(key, path.name, lambda report: project.import_file(path, **mapping, user=user, progress=report))


def _from_paste(project: Project, user: str, key: str, busy: bool) -> None:
    text = st.text_area(
        _("One text a line"),
        height=220,
        key=f"{form_key(key)}_text",
        placeholder=_("Paste from a spreadsheet, a mail, a document"),
    )
    lines = [row for row in (text or "").splitlines() if row.strip()]
    duplicates = _duplicates(key)
    label = (
        ngettext("Import {n} text", "Import {n} texts", len(lines)).format(n=number(len(lines)))
        if lines
        else _("Import")
    )
    # A second press may arrive when the form is empty and the button disabled: Streamlit tells of it all the same.
    if st.button(label, type="primary", disabled=busy or not lines, key=f"{key}_go") and lines and not busy:
        _start(
            key,
            _("Pasted text"),
            lambda report: project.import_text(text or "", on_duplicate=duplicates, user=user),
        )


def _from_hub(project: Project, user: str, key: str, busy: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = (
            st.text_input(_("Name on the Hub"), key=f"{form_key(key)}_hub", placeholder="mteb/banking77") or ""
        ).strip()
        part = st.text_input(_("Configuration, if it has several"), key=f"{form_key(key)}_config")
        asked = st.button(_("Show the first rows"), disabled=not name, key=f"{key}_look")
    st.caption(_("All its splits are fetched; this needs the internet once."))
    config = (part or "").strip() or None
    source = ("hub", name, config)
    seen = st.session_state.get(session.PREVIEWS)
    if not name or not (asked or (seen is not None and seen[0] == source)):
        return
    preview = preview_once(source, lambda: project.preview_dataset(name, config))

    def store(columns: ColumnMapping, duplicates: OnDuplicate | None, report: Report) -> ImportReport:
        return project.import_dataset(
            name, config=config, **columns.model_dump(), on_duplicate=duplicates, user=user, progress=report
        )

    _map_and_store(preview, line(name, 60), key, project.task, store, busy)


def _map_and_store(preview: ImportPreview, name: str, key: str, task: Task, store: Store, busy: bool) -> None:
    """The first rows, the meaning of the columns, and the button that stores."""
    how = preview.format.upper() + (f" · {preview.encoding}" if preview.encoding else "")
    st.caption(
        _("{name}: {format}. The first {n} rows as they will be read:").format(
            name=escape(name), format=escape(how), n=number(len(preview.rows))
        )
    )
    st.dataframe(
        pd.DataFrame(preview.rows, columns=preview.columns),
        hide_index=True,
        height=250,
        alt=_("First rows of the file"),
    )
    for warning in preview.warnings:
        st.caption(f":material/info: {escape(phrase(warning))}")
    columns = _columns(preview, key, task)
    duplicates = _duplicates(key, is_own_export(preview.columns))
    held = busy or (task.paired and columns.text_b is None)
    if st.button(_("Import"), type="primary", icon=":material/download:", disabled=held, key=f"{key}_go"):
        _start(key, name, lambda report: store(columns, duplicates, report))


def _columns(preview: ImportPreview, key: str, task: Task) -> ColumnMapping:
    """One picker a meaning, set to our guess; the second text only where the task has one."""
    writes, asks = not task.needs_labels, isinstance(task, QuestionAnswering)
    meanings = {
        "text": _("Prompt") if writes else _("Text"),
        **({"text_b": _("Question") if asks else _("Second text")} if task.paired else {}),
        "label": _("Response") if writes else _("Answer") if asks else _("Label"),
        "split": _("Split (train, dev, test)"),
        "id": _("Your own id"),
    }
    guessed = guess_turns(preview.columns, preview.guess) if writes else preview.guess
    chosen: dict[str, str | None] = {}
    with st.grid(len(meanings), min_column_width=180):
        for meaning, title in meanings.items():
            options: list[str | None] = list(preview.columns) if meaning == "text" else [None, *preview.columns]
            guess = getattr(guessed, meaning)
            chosen[meaning] = st.selectbox(
                title,
                options,
                index=options.index(guess) if guess in options else 0,
                format_func=column_names(options),
                key=f"{key}_column_{meaning}_{'|'.join(preview.columns)[:80]}",
            )
    rest = [column for column in preview.columns if column not in chosen.values()]
    if rest:
        st.caption(_("Kept beside each text: {columns}").format(columns=escape(", ".join(rest), 200)))
    return ColumnMapping(**{name: column for name, column in chosen.items() if column is not None})


def _duplicates(key: str, own: bool = False) -> OnDuplicate | None:
    keep = st.checkbox(
        _("Keep texts that are there already"),
        key=f"{form_key(key)}_keep",
        help=_("Off: a text that is in the project, or earlier in the file, is left out and counted."),
    )
    if own and not keep:
        st.caption(_("An export of Whetstone: texts that it holds more than once were kept on purpose and come back."))
    return "keep" if keep else None


def _start(key: str, name: str, work: Callable[[Report], ImportReport]) -> None:
    start_import(key, _("Importing {name}").format(name=name), work)
