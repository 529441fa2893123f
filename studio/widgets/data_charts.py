"""How the texts are spread: over labels and over lengths."""

from __future__ import annotations

import streamlit as st

from core import plots
from core.project import Project
from core.records import ItemFilter
from studio.i18n import _
from studio.theme import palette
from studio.widgets.figure import show_figure

MOST_BARS = 40


def data_charts(project: Project, chosen: ItemFilter) -> None:
    """Class balance and lengths of what the filter shows; drawn only while open."""
    with st.expander(_("Charts"), icon=":material/bar_chart:", key=f"charts_{project.id}", on_change="rerun") as place:
        if not place.open:
            return
        grid = st.grid(2, min_column_width=440)
        counts = project.label_counts(chosen)
        with grid.cell():
            show_figure(plots.class_balance(dict(list(counts.items())[:MOST_BARS]), palette(), _), "class_balance")
            if len(counts) > MOST_BARS:
                st.caption(_("The {n} most frequent labels of {all}.").format(n=MOST_BARS, all=len(counts)))
        with grid.cell():
            show_figure(plots.length_histogram(project.length_histogram(chosen), palette(), _), "length_histogram")
