"""Which colours figures take: those of the theme that the reader sees."""

from __future__ import annotations

import streamlit as st

from core.plots import DARK, LIGHT, Palette


def palette() -> Palette:
    """Colours for the current theme; they equal those in ``.streamlit/config.toml`` (a test compares them)."""
    return DARK if st.context.theme.type == "dark" else LIGHT
