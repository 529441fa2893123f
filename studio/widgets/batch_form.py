"""A whole file through a model, in the background, with progress and a stop."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.inference.batch import PredictedFile
from core.model import Model
from core.project import Project
from studio.i18n import _, ngettext, number
from studio.jobs import Report
from studio.services import get_model
from studio.text import escape
from studio.uploads import keep_upload, preview_once, scratch, upload_label
from studio.widgets.column_names import column_names
from studio.widgets.import_result import form_key, import_job, rejected_rows, start_import


def batch_form(project: Project, model: Model) -> None:
    """Choose a file and its text column, run, download."""
    key = f"batch_{model.id}"
    busy = import_job(key, _result, _("Stopped. Nothing was written."))
    upload = st.file_uploader(
        upload_label(_("A file with texts: CSV, JSONL, Parquet, Excel or plain lines")), key=f"{form_key(key)}_upload"
    )
    if upload is None:
        return
    path = keep_upload(upload)
    preview = preview_once((upload.file_id, True), lambda: project.preview_file(path, filename=upload.name))
    columns = preview.columns
    with st.container(horizontal=True, vertical_alignment="bottom"):
        column = st.selectbox(
            _("Text column"),
            columns,
            index=columns.index(preview.guess.text) if preview.guess.text in columns else 0,
            format_func=column_names(columns),
            key=f"{key}_column",
            width=320,
        )
        column_b = (
            st.selectbox(
                _("Second text column"),
                columns,
                index=columns.index(preview.guess.text_b) if preview.guess.text_b in columns else None,
                format_func=column_names(columns),
                key=f"{key}_column_b",
                width=320,
            )
            if project.task.paired
            else None
        )
        kind = st.segmented_control(_("Write as"), ["csv", "jsonl"], default="csv", required=True, key=f"{key}_kind")
        ready = not busy and (not project.task.paired or column_b is not None)
        if st.button(_("Predict"), icon=":material/bolt:", key=f"{key}_go", disabled=not ready):
            out = scratch(f".{kind}")
            name = upload.name

            def work(report: Report) -> tuple[PredictedFile, Path, str]:
                done = get_model(model.id).predict_file(
                    path, out, text=column, text_b=column_b, filename=name, progress=report
                )
                return done, out, name

            start_import(key, _("Predicting {name}").format(name=name), work)


def _result(result: tuple[PredictedFile, Path, str], key: str) -> None:
    done, out, name = result
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            ngettext("{n} text of {name} is done.", "{n} texts of {name} are done.", done.rows).format(
                n=number(done.rows), name=escape(name)
            )
        )
        st.download_button(
            _("Download the answers"),
            data=out.read_bytes,
            file_name=f"predictions{out.suffix}",
            on_click="ignore",
            key=f"{key}_download",
            icon=":material/download:",
        )
    if done.rejected:
        rejected_rows(done.rejected, key)
