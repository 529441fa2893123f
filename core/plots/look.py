"""The look that all figures share: colours, the literal reading of names, bars, title and margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

LABEL_LENGTH = 28


@dataclass(frozen=True)
class Palette:
    """Colours of the figures, as #rrggbb."""

    paper: str
    panel: str
    ink: str
    muted: str
    line: str
    accent: str
    amber: str
    series: tuple[str, ...]
    """Told apart by colour-blind people too; repeated when there are more series."""


LIGHT = Palette(
    paper="#FBFAF8",
    panel="#F1EFEA",
    ink="#1F2328",
    muted="#6B6F76",
    line="#DEDAD2",
    accent="#0F766E",
    amber="#B45309",
    series=("#0F766E", "#B45309", "#2B6CB0", "#A23B72", "#6B6F76", "#7A8B2C", "#7A4FA3", "#C2703D"),
)
DARK = Palette(
    paper="#14171A",
    panel="#1D2125",
    ink="#E6E4DF",
    muted="#9BA1A8",
    line="#343A40",
    accent="#2DD4BF",
    amber="#F5A524",
    series=("#2DD4BF", "#F5A524", "#6CB2F2", "#E58AB8", "#9BA1A8", "#B9C75C", "#BC9AE0", "#F0A878"),
)

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "%": "&#37;", "\n": " ", "\r": " "})


def plain(text: str, limit: int = LABEL_LENGTH) -> str:
    """``text`` as Plotly shows it literally, cut to ``limit`` characters: no markup, formula or template."""
    visible = "".join(c if c.isprintable() or c in "\n\r" else "�" for c in text)
    return (visible if len(visible) <= limit else visible[: limit - 1] + "…").translate(_ENTITIES)


def bars(labels: Sequence[str], values: Sequence[float], texts: Sequence[str], colours: Sequence[str]) -> go.Bar:
    """Horizontal bars by position, named on the axis, each with its number beside it."""
    return go.Bar(
        x=list(values),
        y=list(range(len(labels))),
        orientation="h",
        text=list(texts),
        textposition="outside",
        cliponaxis=False,
        marker={"color": list(colours)},
        customdata=[[label] for label in labels],
        hovertext=[f"{plain(label, 100)}: {text}" for label, text in zip(labels, texts, strict=True)],
        hoverinfo="text",
        showlegend=False,
    )


def finish_bars(figure: go.Figure, labels: Sequence[str], title: str, palette: Palette, **axis: Any) -> go.Figure:
    """Name the bars on the axis and give each enough height to be read."""
    figure.update_xaxes(showgrid=False, zeroline=False, showticklabels=False, **axis)
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=[plain(label) for label in labels], showgrid=False, zeroline=False
    )
    return finish(figure, title, palette, height=110 + 24 * max(3, len(labels)))


def finish(figure: go.Figure, title: str, palette: Palette, height: int) -> go.Figure:
    """The look that all figures share."""
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 16, "color": palette.ink}},
        paper_bgcolor=palette.paper,
        plot_bgcolor=palette.paper,
        font={"color": palette.ink, "size": 13},
        margin={"l": 8, "r": 16, "t": 64, "b": 8},
        height=height,
        hoverlabel={"bgcolor": palette.panel, "font": {"color": palette.ink}},
        legend={"orientation": "h", "y": -0.25},
        bargap=0.3,
    )
    figure.update_xaxes(automargin=True, linecolor=palette.line)
    figure.update_yaxes(automargin=True, linecolor=palette.line)
    return figure
