"""Download what the filter shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import streamlit as st

from core.project import Project
from core.records import ItemFilter
from studio.i18n import _, ngettext, number
from studio.uploads import scratch

FORMATS = {
    "csv": "CSV",
    "jsonl": "JSONL",
    "parquet": "Parquet",
    "datasets": "Hugging Face datasets (zip)",
    "conll": "CoNLL-U Plus",
}
SCHEMES = {"iob2": "IOB2", "bioes": "BIOES"}


def export_panel(project: Project, chosen: ItemFilter, total: int) -> None:
    """A popover with the format and one download button; the file is made when it is pressed."""
    with st.popover(_("Export"), icon=":material/download:", disabled=not total):
        kind = st.selectbox(
            _("Format"), project.export_formats, format_func=FORMATS.__getitem__, key=f"export_as_{project.id}"
        )
        scheme = "iob2"
        if kind == "conll":
            chosen_scheme = st.segmented_control(
                _("Tags"),
                list(SCHEMES),
                default=scheme,
                required=True,
                format_func=SCHEMES.__getitem__,
                key=f"export_tags_{project.id}",
                help=_("BIOES also marks the last word of a span, and spans of one word."),
            )
            scheme = chosen_scheme or scheme
        suffix = "zip" if kind == "datasets" else kind
        st.download_button(
            ngettext("Download {n} item", "Download {n} items", total).format(n=number(total)),
            data=_file(project, chosen, kind, scheme),
            file_name=f"whetstone-project-{project.id}.{suffix}",
            on_click="ignore",
            key=f"export_{project.id}",
        )
        if kind == "conll":
            st.caption(
                _("Words with their tags, of labelled texts only, and the spaces between: nothing else comes along.")
            )
            return
        st.caption(
            _("The label schema and the guidelines come along.")
            if kind in ("parquet", "datasets")
            else _(
                "Without colours, keys and descriptions of labels, and guidelines: only Parquet and datasets hold them."
            )
        )
        st.caption(_("With annotator and time. Cells that a spreadsheet would run as a formula are made harmless."))


def _file(project: Project, chosen: ItemFilter, kind: str, scheme: str) -> Callable[[], BytesIO]:
    def make() -> BytesIO:
        target = scratch(f".{kind}")
        try:
            project.export(target, format=kind, filter=chosen, scheme=scheme)
            if not target.is_dir():
                return BytesIO(target.read_bytes())
            packed = Path(shutil.make_archive(str(target.with_suffix(".pack")), "zip", target))
            try:
                return BytesIO(packed.read_bytes())
            finally:
                packed.unlink(missing_ok=True)
        finally:
            if target.is_dir():
                shutil.rmtree(target, ignore_errors=True)
            else:
                target.unlink(missing_ok=True)

    return make
