"""How a run goes: loss and the dev metric by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluation.messages import Translate, identity, percent
from core.evaluation.report import figure_titles
from core.plots.look import LIGHT, Palette, finish, plain


def training_curves(
    runs: Mapping[str, Iterable[Mapping[str, Any]]],
    palette: Palette = LIGHT,
    translate: Translate = identity,
    metric: str = "accuracy",
) -> go.Figure:
    """Loss by step and a dev metric by step; one colour a run. ``runs`` maps a run's name to its events.

    An event counts when it has ``step`` and either ``loss`` or the metric (its own, or inside ``dev`` or ``metrics``).
    """
    words = figure_titles(translate).get(metric, plain(metric))
    titles = (translate("Loss (lower is better)"), translate("Dev {metric}").format(metric=words))
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.1)
    best: tuple[float, str] | None = None
    for number, (name, events) in enumerate(runs.items()):
        colour = palette.series[number % len(palette.series)]
        kept = [event for event in events if isinstance(event.get("step"), (int, float))]
        losses = [(e["step"], e["loss"]) for e in kept if isinstance(e.get("loss"), (int, float))]
        values = [(e["step"], value) for e in kept if (value := _metric(e, metric)) is not None]
        for column, points in ((1, losses), (2, values)):
            figure.add_scatter(
                x=[step for step, _ in points],
                y=[value for _, value in points],
                mode="lines" if column == 1 else "lines+markers",
                line={"color": colour, "width": 2},
                name=plain(name),
                legendgroup=str(number),
                showlegend=column == 1 and len(runs) > 1,
                row=1,
                col=column,
            )
        if values:
            top = max(value for _, value in values)
            best = max(best, (top, name)) if best else (top, name)
    title = translate("Not measured yet")
    if best:
        title = translate("Best {metric} on dev so far: {value}").format(metric=words, value=percent(best[0]))
        if len(runs) > 1:
            title += f" ({plain(best[1])})"
    figure.update_xaxes(title=translate("Step"), showgrid=False)
    figure.update_yaxes(gridcolor=palette.line)
    return finish(figure, title, palette, height=340)


def _metric(event: Mapping[str, Any], metric: str) -> float | None:
    value = event.get(metric, (event.get("dev") or event.get("metrics") or {}).get(metric))
    return float(value) if isinstance(value, (int, float)) else None
