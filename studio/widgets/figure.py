"""A Plotly figure in the colours of the page.

Its title stands above it as text of the page, because Plotly cuts a title on a narrow screen instead of wrapping it;
it is also the name that a screen reader says.
"""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from studio.text import escape

CONFIG = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False}


def show_figure(figure: go.Figure, key: str) -> None:
    """Draw a figure of ``core.plots``."""
    name = _head(figure)
    st.plotly_chart(figure, theme=None, key=key, config=CONFIG, alt=name)


def show_clickable(figure: go.Figure, key: str) -> list[Any] | None:
    """Draw a figure whose points can be clicked; return the ``customdata`` of the clicked one."""
    name = _head(figure)
    event = st.plotly_chart(
        figure, theme=None, key=key, config=CONFIG, alt=name, on_select="rerun", selection_mode="points"
    )
    points = event.selection.points
    return list(points[0]["customdata"]) if points and points[0].get("customdata") else None


def _head(figure: go.Figure) -> str | None:
    """Move the title out of the figure and onto the page; core.plots writes names of people's labels as entities."""
    name = html.unescape(figure.layout.title.text or "") or None
    if name:
        st.markdown(escape(name))
        figure.update_layout(title=None, margin_t=36 if figure.layout.annotations else 16)  # titles of parts stay
    return name
