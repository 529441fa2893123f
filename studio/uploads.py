"""Uploaded files on their way into the workspace: written to disk once, under a name of our own, and swept later."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.data.files import storage_errors
from core.errors import StorageError
from core.records import ImportPreview
from studio import session
from studio.i18n import _, language, size
from studio.services import get_workspace

KEEP_SECONDS = 24 * 3600
"""After this long an upload nobody imported is removed."""


def upload_label(what: str) -> str:
    """Label of an uploader. Streamlit's own words inside it are English, so other languages read them here."""
    if language() == "en":
        return what
    largest = size(st.get_option("server.maxUploadSize") * 1_000_000)
    return _("{what} (press Upload or drop it below, at most {size} a file)").format(what=what, size=largest)


def keep_upload(upload: UploadedFile) -> Path:
    """Path of the uploaded file on disk; the same one while this session shows the same upload.

    The user's file name is never used as a path. Raises StorageError, and then keeps nothing.
    """
    kept: dict[str, str] = st.session_state.setdefault(session.UPLOADS, {})
    known = kept.get(upload.file_id)
    if known and Path(known).exists():
        return Path(known)
    path = scratch(".upload")
    try:
        with storage_errors("an upload was kept"), path.open("wb") as file:
            source: BinaryIO = upload
            source.seek(0)
            shutil.copyfileobj(source, file)
    except StorageError:
        path.unlink(missing_ok=True)
        raise
    kept[upload.file_id] = str(path)
    return path


def preview_once(source: object, read: Callable[[], ImportPreview]) -> ImportPreview:
    """The preview of a source, read once while a session looks at it: reading takes a process of its own."""
    known = st.session_state.get(session.PREVIEWS)
    if known is None or known[0] != source:
        with st.spinner(_("Reading the first rows")):
            known = (source, read())
        st.session_state[session.PREVIEWS] = known
    preview: ImportPreview = known[1]
    return preview


def scratch(suffix: str) -> Path:
    """A new, not yet existing path in the workspace's folder for short-lived files; sweeps old ones."""
    folder = get_workspace().path / "uploads"
    with storage_errors("room for a file was made"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.is_file() and time.time() - old.stat().st_mtime > KEEP_SECONDS:
                old.unlink(missing_ok=True)
    return folder / (secrets.token_hex(8) + suffix)
