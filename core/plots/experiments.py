"""Several runs beside each other: what they reach at what cost, chance over seeds, the way of a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluation.messages import Translate, identity, percent
from core.experiments.records import Trial
from core.experiments.standing import Contender, Standing
from core.plots.look import LIGHT, Palette, finish, plain

Naming = Callable[[Contender], str]
COSTS = {
    "seconds": "Seconds of training",
    "latency_ms": "Milliseconds of an answer",
    "peak_memory_bytes": "Memory in training (GB)",
    "size_bytes": "Size on disk (MB)",
    "trainable_weights": "Weights that learn",
}
"""What a contender costs, and the title of its axis (English, for the catalogue)."""
_UNITS = {"peak_memory_bytes": 1e9, "size_bytes": 1e6}


def pareto(
    found: Standing, cost: str, name: Naming, palette: Palette = LIGHT, translate: Translate = identity
) -> go.Figure:
    """Score over cost, one point a contender; those that none beats in both are joined by a line.

    ``cost`` is a key of ``COSTS``; contenders whose cost is not known are left out.
    """
    front = found.front(cost)
    unit = _UNITS.get(cost, 1.0)
    shown = [one for one in found.contenders if getattr(one, cost) is not None]
    figure = go.Figure()
    figure.add_scatter(
        x=[getattr(one, cost) / unit for one in front],
        y=[one.score for one in front],
        mode="lines",
        line={"color": palette.accent, "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
        showlegend=False,
    )
    for best in (False, True):
        part = [one for one in shown if (one in front) is best]
        figure.add_scatter(
            x=[getattr(one, cost) / unit for one in part],
            y=[one.score for one in part],
            mode="markers+text",
            text=[plain(name(one)) for one in part],
            textposition="top center",
            marker={"size": 11 if best else 8, "color": palette.accent if best else palette.muted},
            hovertext=[f"{plain(name(one), 100)}: {percent(one.score)}" for one in part],
            hoverinfo="text",
            cliponaxis=False,
            showlegend=False,
        )
    title = translate("Not measured yet")
    if front:
        title = translate("{best} reaches {score}; on the line stands what is best for its cost").format(
            best=plain(name(front[-1])), score=percent(front[-1].score)
        )
    figure.update_xaxes(type="log", title=translate(COSTS[cost]), showgrid=False, **_log_ticks(figure))
    figure.update_yaxes(tickformat=".0%", gridcolor=palette.line, zeroline=False, **_room([one.score for one in shown]))
    return finish(figure, title, palette, height=380)


def _room(values: Sequence[float]) -> dict[str, Any]:
    """The range of an axis of shares, with room around the drawn ones and no tick above 100 %.

    Left alone, an axis whose values are all 1 reaches to 2.
    """
    if not values:
        return {}
    low, high = min(values), max(values)
    room = max(0.02, 0.08 * (high - low))
    return {"range": [low - room, min(high + room, max(high, 1.0) + 0.004)]}


def _log_ticks(figure: go.Figure) -> dict[str, Any]:
    """1, 2, 5, 10 ... over the drawn points, with room for the names at both ends."""
    drawn = [float(x) for trace in figure.data for x in trace.x if x > 0]
    if not drawn:
        return {}
    low, high = math.log10(min(drawn)), math.log10(max(drawn))
    room = max(0.25, 0.15 * (high - low))
    several = (1, 2, 5) if high - low < 2.5 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low) - 1, math.ceil(high) + 1) for step in several]
    return {
        "range": [low - room, high + room],
        "tickvals": ticks,
        "ticktext": [f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in ticks],
    }


def seeds(
    contenders: Sequence[Contender], name: Naming, palette: Palette = LIGHT, translate: Translate = identity
) -> go.Figure:
    """The test figure of every seed as a point and their mean as a line, one row a contender, the best on top."""
    order = list(reversed(contenders))
    figure = go.Figure()
    figure.add_scatter(
        x=[value for one in order for value in one.by_seed],
        y=[row for row, one in enumerate(order) for _ in one.by_seed],
        mode="markers",
        marker={"size": 9, "color": palette.accent, "opacity": 0.6},
        cliponaxis=False,
        hovertext=[percent(value) for one in order for value in one.by_seed],
        hoverinfo="text",
        showlegend=False,
    )
    figure.add_scatter(
        x=[one.test for one in order],
        y=list(range(len(order))),
        mode="markers",
        marker={"symbol": "line-ns", "size": 22, "line": {"width": 2, "color": palette.ink}},
        hovertext=[percent(one.test) for one in order],
        hoverinfo="text",
        showlegend=False,
    )
    spreads = [one.spread for one in contenders if one.spread is not None]
    title = translate("One seed each: chance in training is not known")
    if spreads:
        title = translate("Another seed moves the figure by up to {points} points (standard deviation)").format(
            points=f"{100 * max(spreads):.1f}"
        )
    drawn = [value for one in order for value in (*one.by_seed, one.test)]
    figure.update_xaxes(tickformat=".1%", gridcolor=palette.line, zeroline=False, **_room(drawn))
    figure.update_yaxes(
        tickvals=list(range(len(order))), ticktext=[plain(name(one)) for one in order], showgrid=False, zeroline=False
    )
    return finish(figure, title, palette, height=140 + 44 * max(1, len(order)))


def search_history(trials: Sequence[Trial], palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Dev figure of each trial in order, and the best so far as a line."""
    measured = [(trial.number + 1, trial.value) for trial in trials if trial.value is not None]
    best: list[float] = []
    for _, value in measured:
        best.append(max(value, best[-1]) if best else value)
    figure = go.Figure()
    figure.add_scatter(
        x=[number for number, _ in measured],
        y=[value for _, value in measured],
        mode="markers",
        marker={"size": 9, "color": palette.muted},
        cliponaxis=False,
        name=translate("Trial"),
    )
    figure.add_scatter(
        x=[number for number, _ in measured],
        y=best,
        mode="lines",
        line={"color": palette.accent, "width": 2, "shape": "hv"},
        name=translate("Best so far"),
    )
    title = translate("Not measured yet")
    if measured:
        title = translate("From {first} with the options as given to {best}").format(
            first=percent(measured[0][1]), best=percent(best[-1])
        )
    last = max((number for number, _ in measured), default=1)
    step = math.ceil(last / 10)  # there is no half trial
    figure.update_xaxes(title=translate("Trial"), showgrid=False, range=[0.5, last + 0.5], tick0=step, dtick=step)
    values = [value for _, value in measured]
    figure.update_yaxes(tickformat=".1%", gridcolor=palette.line, zeroline=False, **_room(values))
    return finish(figure, title, palette, height=320)


def search_options(
    trials: Sequence[Trial],
    varied: Sequence[str],
    name: Callable[[str], str],
    palette: Palette = LIGHT,
    translate: Translate = identity,
) -> go.Figure:
    """Dev figure over each option that was varied, one small picture an option; the best trial in the accent colour."""
    measured = [trial for trial in trials if trial.value is not None]
    best = max(measured, key=lambda trial: trial.value or 0.0, default=None)
    columns = min(3, max(1, len(varied)))
    rows = -(-max(1, len(varied)) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[plain(name(option)) for option in varied],
        shared_yaxes=True,
        vertical_spacing=0.28 / rows if rows > 1 else 0.1,
        horizontal_spacing=0.06,
    )
    for place, option in enumerate(varied):
        values = [trial.options[option] for trial in measured]
        apart = {"row": place // columns + 1, "col": place % columns + 1}
        figure.add_scatter(
            x=values,
            y=[trial.value for trial in measured],
            mode="markers",
            marker={
                "size": [12 if trial is best else 8 for trial in measured],
                "color": [palette.accent if trial is best else palette.muted for trial in measured],
            },
            hovertext=[
                f"{value:g}: {percent(trial.value or 0.0)}" for value, trial in zip(values, measured, strict=True)
            ],
            hoverinfo="text",
            cliponaxis=False,
            showlegend=False,
            **apart,
        )
        positive = [float(value) for value in values if value]
        if len(positive) == len(values) and positive and max(positive) > 20 * min(positive):
            figure.update_xaxes(type="log", **apart)
    figure.update_xaxes(showgrid=False)
    values = [trial.value for trial in measured if trial.value is not None]
    figure.update_yaxes(tickformat=".0%", gridcolor=palette.line, zeroline=False, **_room(values))
    title = translate("Not measured yet")
    if best is not None:
        chosen = ", ".join(f"{plain(name(one))} {best.options[one]:.3g}" for one in varied)
        title = translate("Best: {options}").format(options=chosen)
    return finish(figure, title, palette, height=110 + 210 * rows)
