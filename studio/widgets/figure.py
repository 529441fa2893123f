"""A Plotly figure in the colours of the page, with its title as the name that a screen reader says."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
import streamlit as st

CONFIG = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False}


def show_figure(figure: go.Figure, key: str) -> None:
    """Draw a figure of ``core.plots``."""
    st.plotly_chart(figure, theme=None, key=key, config=CONFIG, alt=_name(figure))


def show_clickable(figure: go.Figure, key: str) -> list[Any] | None:
    """Draw a figure whose points can be clicked; return the ``customdata`` of the clicked one."""
    event = st.plotly_chart(
        figure, theme=None, key=key, config=CONFIG, alt=_name(figure), on_select="rerun", selection_mode="points"
    )
    points = event.selection.points
    return list(points[0]["customdata"]) if points and points[0].get("customdata") else None


def _name(figure: go.Figure) -> str | None:
    """The title as plain text: core.plots writes names of people's labels as entities."""
    return html.unescape(figure.layout.title.text or "") or None
