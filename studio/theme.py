"""Colours of the figures: the ones of .streamlit/config.toml, light or dark as the reader's browser is."""

from __future__ import annotations

import streamlit as st

from core.plots import DARK, LIGHT, Palette


def palette() -> Palette:
    """The palette of the theme on screen. Draw the figure with ``st.plotly_chart(figure, theme=None)``."""
    return DARK if st.context.theme.type == "dark" else LIGHT
