"""One choice out of a few whose code lives in the URL, so that a link opens the same view in every language."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from studio.address import remember


def url_choice(label: str, options: Mapping[str, str], name: str) -> str:
    """Show ``options`` (code -> words) as a row of buttons; return the chosen code, kept as ``?name=code``.

    Streamlit's own binding would put the translated words into the URL.
    """
    remember(name, next(iter(options)), options.__contains__)
    return st.segmented_control(
        label, list(options), format_func=options.__getitem__, key=name, required=True, label_visibility="collapsed"
    ) or next(iter(options))
