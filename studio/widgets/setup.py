"""Panels of the settings page."""

from __future__ import annotations

from datetime import datetime
from importlib import metadata
from pathlib import Path

import streamlit as st

from core.settings import Settings
from studio import session
from studio.guard import guarded
from studio.i18n import LANGUAGES, _, date_time, size
from studio.services import get_workspace
from studio.text import escape, line

LIBRARIES = ("streamlit", "duckdb", "transformers", "peft", "torch", "scikit-learn", "datasets")


def hardware_panel() -> None:
    """Processor, memory and every accelerator with what it was measured to do."""
    hardware = get_workspace().hardware()
    grid = st.grid(3, gap="medium")
    grid.metric(_("Processor cores"), hardware.cores, help=escape(hardware.cpu))
    grid.metric(_("Memory"), size(hardware.memory_bytes))
    grid.metric(_("Free memory"), size(hardware.available_bytes))
    st.caption(escape(hardware.cpu))
    if hardware.gpus:
        st.dataframe(
            [
                {
                    "name": line(gpu.name),
                    "memory": size(gpu.memory_bytes),
                    "driver": line(gpu.driver),
                    "half": yes_no(gpu.bf16),
                    "fp16": yes_no(gpu.fp16),
                }
                for gpu in hardware.gpus
            ],
            column_config={
                "name": _("GPU"),
                "memory": _("Memory"),
                "driver": _("Driver"),
                "half": _("bf16 pays off"),
                "fp16": _("fp16 pays off"),
            },
            alt=_("GPUs of this machine"),
        )
    else:
        st.info(
            _(
                "No GPU was found. The baseline and the methods on a frozen encoder train in seconds to minutes on "
                "this processor; fine-tuning takes longer."
            ),
            icon=":material/memory:",
        )
    if hardware.mps:
        st.caption(_("Apple's GPU (MPS) is available."))
    if hardware.speeds:
        st.subheader(_("Measured speed"), anchor=False)
        st.dataframe(
            [
                {"device": device, "type": kind, "speed": speed}
                for device, speeds in hardware.speeds.items()
                for kind, speed in speeds.items()
            ],
            column_config={
                "device": _("Device"),
                "type": _("Number type"),
                "speed": st.column_config.NumberColumn(_("Billion operations a second"), format="%.1f"),
            },
            hide_index=True,
            width=560,
            alt=_("Measured speed"),
        )
    if st.button(
        _("Measure this machine"),
        icon=":material/speed:",
        help=_("A matrix product on each device; up to two minutes."),
    ):
        with st.spinner(_("Measuring…"), show_time=True):
            get_workspace().measure_hardware()
        st.rerun()


def yes_no(measured: bool | None) -> str:
    """A probe's outcome in words."""
    return _("not measured") if measured is None else _("yes") if measured else _("no")


def storage_panel() -> None:
    """Where everything is; backup and restore."""
    workspace = get_workspace()
    st.markdown(_("Folder of this workspace"))
    st.code(str(workspace.path), language=None, wrap_lines=True)
    st.caption(
        _("Texts, labels, versions, runs and models are in this folder and nowhere else. Nothing leaves this machine.")
    )
    st.subheader(_("Backup"), anchor=False)
    if st.button(_("Back up now"), type="primary", icon=":material/save:"):
        path = workspace.backup()
        st.success(_("Written to {path}").format(path=escape(path)), icon=":material/check:")
    backups = workspace.backups()
    if not backups:
        st.caption(
            _("There is no backup yet. A backup holds projects, texts and labels; models stay in their folders.")
        )
        return
    st.dataframe(
        [
            {"name": line(path.name), "size": size(path.stat().st_size), "at": date_time(modified(path))}
            for path in backups
        ],
        column_config={"name": _("Backup"), "size": _("Size"), "at": _("Time")},
        hide_index=True,
        alt=_("Backups"),
    )
    st.subheader(_("Restore"), anchor=False)
    if kept := st.session_state.pop(session.RESTORED, None):
        st.success(
            _("Restored. What was replaced is kept as {path}").format(path=escape(kept)), icon=":material/check:"
        )
    with st.form("restore", border=True):
        names = {path.name: path for path in backups}
        chosen = st.selectbox(_("Backup"), list(names), format_func=line)
        sure = st.checkbox(_("Replace the projects, texts and labels of now by those of this backup"))
        if st.form_submit_button(_("Restore")):
            if not sure:
                st.warning(_("Tick the box first: what was labelled after the backup is put aside."))
            else:
                kept = workspace.restore(names[chosen])
                st.session_state[session.RESTORED] = str(kept)
                st.rerun()


def modified(path: Path) -> datetime:
    """When the file was written."""
    return datetime.fromtimestamp(path.stat().st_mtime).astimezone()


def tokens_panel() -> None:
    """Create tokens for the REST API, shown once; revoke them."""
    workspace = get_workspace()
    st.caption(
        _("Programs call this studio under {address} with a token. The description of every call is at {docs}.").format(
            address="`/api/v1`", docs="[/api/docs](/api/docs)"
        )
    )
    secret = st.session_state.get(session.SHOWN_ONCE)
    if secret:
        with st.container(border=True):
            st.warning(
                _("Copy this token now. It is stored as a hash and cannot be shown again."), icon=":material/key:"
            )
            st.code(secret, language=None)
            st.button(
                _("I have copied it"), type="primary", on_click=st.session_state.pop, args=(session.SHOWN_ONCE, None)
            )
        return
    with st.form("new_token", border=True):
        name = st.text_input(_("What will use the token?"), max_chars=100, placeholder=_("e.g. help desk server"))
        if st.form_submit_button(_("Create a token"), type="primary"):
            st.session_state[session.SHOWN_ONCE] = workspace.create_token(name)
            st.rerun()
    tokens = workspace.tokens()
    if not tokens:
        st.caption(_("There is no token yet; the API answers nobody."))
    for token in tokens:
        with st.container(horizontal=True, vertical_alignment="center"):
            facts = [_("created {time}").format(time=date_time(token.created_at))]
            if token.last_used_at:
                facts.append(_("last used {time}").format(time=date_time(token.last_used_at)))
            if token.revoked_at:
                facts.append(_("revoked {time}").format(time=date_time(token.revoked_at)))
            st.markdown(f"**{escape(token.name)}** · {' · '.join(facts)}", width="stretch")
            if token.revoked_at is None:
                st.button(_("Revoke"), key=f"revoke_{token.id}", on_click=revoke, args=(token.id,))


@guarded
def revoke(token_id: int) -> None:
    """Make a token useless from now on."""
    get_workspace().revoke_token(token_id)


def setting_words(value: object, secret: bool) -> str:
    """The value of a setting for a page that others may see over the shoulder: of a secret only whether it is there."""
    if secret:
        return _("set") if value else _("not set")
    if value is None or value == "":
        return _("not set")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return escape(f"{value:g}" if isinstance(value, float) else value)


def about() -> None:
    """Version, licence, settings and the libraries underneath."""
    st.markdown(
        _(
            "**Whetstone {version}** turns a pre-trained language model into a working product on your own machine."
        ).format(version=escape(metadata.version("whetstone")))
    )
    st.caption(_("Free software under the Apache License 2.0."))
    st.caption(
        _("Pages speak {languages}; the switch is in the sidebar.").format(languages=", ".join(LANGUAGES.values()))
    )
    st.subheader(_("Settings of this installation"), anchor=False)
    settings = get_workspace().settings
    with st.grid("auto", min_column_width=330, gap="small"):
        for name, field in Settings.model_fields.items():
            secret = not field.repr or "Secret" in str(field.annotation)
            with st.container(gap=None):
                st.markdown(f"`WHETSTONE_{name.upper()}` = {setting_words(getattr(settings, name), secret)}")
                st.caption(_(field.description or ""))
    st.subheader(_("Libraries"), anchor=False)
    st.caption(" · ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES))
