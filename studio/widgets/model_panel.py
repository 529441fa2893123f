"""One registered model: promote it, take it along, read its card, call it from a program."""

from __future__ import annotations

import json
from io import BytesIO

import streamlit as st

from core.methods import get_method
from core.model import Model
from core.project import Project
from studio.headline import headline
from studio.i18n import _, date_time, percent, size
from studio.navigation import open_page
from studio.text import escape
from studio.uploads import scratch
from studio.widgets.base_picker import base_words


def model_header(project: Project, model: Model, numbers: dict[int, int], user: str) -> None:
    """What it is, whether it is live, and what can be done with it."""
    info = model.info
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(_(get_method(info.method).title), anchor=False, width="content")
            if info.champion:
                st.badge(_("live"), icon=":material/star:", color="green")
        figures = {"accuracy": _("Accuracy"), "macro_f1": _("Macro F1"), "weighted_f1": _("Weighted F1")}
        facts = [escape(base_words(info.base))] if info.base else []
        if info.version_id in numbers:
            facts.append(_("version {n}").format(n=numbers[info.version_id]))
        if next(iter(info.metrics), "accuracy") != "accuracy":
            facts.append(headline(info.metrics))
        else:
            facts += [
                f"{words} {percent(info.metrics[name])}" for name, words in figures.items() if name in info.metrics
            ]
        st.caption(" · ".join([*facts, size(info.size_bytes), date_time(info.created_at)]))
        with st.container(horizontal=True):
            if not info.champion and st.button(_("Make it live"), key=f"promote_{model.id}", icon=":material/star:"):
                project.promote(model.id, user=user)
                st.toast(_("This model is live now."), icon=":material/star:")
                st.rerun()
            if st.button(_("Open the report"), key=f"to_report_{model.id}", icon=":material/query_stats:"):
                open_page("evaluate", model=model.id)
            st.download_button(
                _("Download (zip)"),
                data=lambda: _zip(model),
                file_name=f"whetstone-model-{model.id}.zip",
                on_click="ignore",
                key=f"zip_{model.id}",
                icon=":material/download:",
            )
            if not info.champion:
                _delete(model)


def _delete(model: Model) -> None:
    with st.popover(_("Delete"), icon=":material/delete:", type="tertiary"):
        st.markdown(_("The model and its report are removed from disk. This cannot be undone."))
        if st.button(_("Delete this model"), type="primary", key=f"delete_model_{model.id}"):
            model.delete()
            st.rerun()


def _zip(model: Model) -> BytesIO:
    target = scratch(".zip")
    try:
        return BytesIO(model.archive(target).read_bytes())
    finally:
        target.unlink(missing_ok=True)


def model_card(model: Model) -> None:
    """The card that travels with the model."""
    st.markdown(model.card())


def api_snippet(model: Model) -> None:
    """The same question from a program, ready to copy."""
    url = (st.context.url or "http://127.0.0.1:8501").split("/", 3)
    address = "/".join(url[:3])
    body = json.dumps({"texts": [_("Where is my parcel?")]}, ensure_ascii=False)
    st.code(
        f"curl -X POST {address}/api/v1/models/{model.id}/predict \\\n"
        f'  -H "Authorization: Bearer $WHETSTONE_TOKEN" \\\n'
        f'  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'",
        language="bash",
    )
    st.code(
        "from core.workspace import Workspace\n\n"
        "with Workspace.open() as ws:\n"
        f"    print(ws.model({model.id!r}).predict([{_('Where is my parcel?')!r}]))",
        language="python",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_("The token is made on the Settings page; the address answers while the studio runs."))
        if st.button(_("Make a token"), key="to_tokens", type="tertiary"):
            open_page("settings")
