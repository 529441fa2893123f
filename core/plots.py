"""Records -> Plotly figures: titles that say the finding, few grid lines, labels beside what they name.

Every function takes the record, a palette and a translation. Labels and names come from people: Plotly would read
``<b>`` and ``$x$`` in them, so all of them pass through ``plain``. In Streamlit draw with ``theme=None``, or the
colours here are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluation.messages import Translate, identity, percent
from core.evaluation.records import Evaluation

LABEL_LENGTH = 28
CELL_TEXT_LABELS = 15
"""A confusion matrix with more labels has no room for numbers in its cells."""


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


def confusion_matrix(evaluation: Evaluation, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Gold labels down, predicted labels across; right answers in the accent colour, mistakes in amber.

    Every cell that holds texts is a point whose ``customdata`` is [gold, predicted, rows]: what a click selects.
    """
    counts = np.array(evaluation.confusion, dtype=float)  # (labels, labels)
    size = len(evaluation.labels)
    support = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, support, out=np.zeros_like(counts), where=support > 0)
    right = np.eye(size, dtype=bool)
    figure = go.Figure()
    for shown, colour in ((right, palette.accent), (~right, palette.amber)):
        figure.add_heatmap(
            z=np.where(shown & (counts > 0), share, np.nan),
            colorscale=[[0, palette.panel], [0.25, _between(palette.panel, colour)], [1, colour]],
            zmin=0,
            zmax=1,
            showscale=False,
            hoverinfo="skip",
            xgap=1,
            ygap=1,
        )
    figure.add_trace(_cells(evaluation, share, palette, translate))
    ticks = {"tickvals": list(range(size)), "ticktext": [plain(label) for label in evaluation.labels]}
    ticks |= {"tickfont": {"size": 13 if size <= 30 else 9}, "showgrid": False, "zeroline": False}
    ticks |= {"constrain": "domain", "showline": False}
    figure.update_xaxes(
        title=translate("Predicted label"),
        tickangle=None if size <= 4 else -60 if size <= 30 else -90,
        range=[-0.5, size - 0.5],
        **ticks,
    )
    figure.update_yaxes(
        title={"text": translate("True label"), "standoff": 16},
        range=[size - 0.5, -0.5],
        scaleanchor="x" if size <= 30 else None,
        constraintoward="top",  # on a narrow screen the square stands under its title, the rest is empty
        **ticks,
    )
    height = int(min(1400, max(380, 240 + (28 if size <= 30 else 14) * size)))
    return _finish(figure, _confusion_title(evaluation, translate), palette, height=height)


def _cells(evaluation: Evaluation, share: np.ndarray, palette: Palette, translate: Translate) -> go.Scatter:
    """The clickable layer of the confusion matrix: one marker a cell that holds texts."""
    labels, counts = evaluation.labels, np.array(evaluation.confusion)
    rows, columns = np.nonzero(counts)
    template = translate("{rows} texts of {gold} predicted as {predicted}")
    numbers = len(labels) <= CELL_TEXT_LABELS
    return go.Scatter(
        x=columns.tolist(),
        y=rows.tolist(),
        mode="markers+text" if numbers else "markers",
        text=[str(counts[g, p]) for g, p in zip(rows, columns, strict=True)] if numbers else None,
        textfont={"color": [_readable(float(share[g, p]), palette) for g, p in zip(rows, columns, strict=True)]},
        marker={"symbol": "square", "size": max(6, min(40, 600 // max(len(labels), 1))), "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}, "textfont": {"color": palette.ink}},
        customdata=[[labels[g], labels[p], int(counts[g, p])] for g, p in zip(rows, columns, strict=True)],
        hovertext=[
            template.format(rows=counts[g, p], gold=plain(labels[g]), predicted=plain(labels[p]))
            for g, p in zip(rows, columns, strict=True)
        ],
        hoverinfo="text",
        showlegend=False,
    )


def _between(low: str, high: str) -> str:
    """The colour halfway between two: few mistakes of many texts must still be seen."""
    pairs = zip(bytes.fromhex(low[1:]), bytes.fromhex(high[1:]), strict=True)
    return "#" + bytes((a + b) // 2 for a, b in pairs).hex()


def _readable(share: float, palette: Palette) -> str:
    """Colour of a number on a cell of this darkness."""
    return palette.paper if share > 0.4 else palette.ink


def _confusion_title(evaluation: Evaluation, translate: Translate) -> str:
    if not evaluation.confused_pairs:
        return translate("No mistakes on this split")
    pair = evaluation.confused_pairs[0]
    template = translate("{gold} is mistaken for {predicted} in {rows} of {support} texts")
    support = evaluation.per_class[pair.gold].support
    return template.format(gold=plain(pair.gold), predicted=plain(pair.predicted), rows=pair.rows, support=support)


def per_class_f1(evaluation: Evaluation, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """F1 by label, weakest on top, with the number of texts; below the mean in amber. Unmeasured labels are left out.

    ``customdata`` of each bar is [label].
    """
    scores = sorted(((s.f1, s.support, label) for label, s in evaluation.per_class.items() if s.support), reverse=True)
    title = translate("No label has a text in this split")
    if scores:
        title = translate("{label} is found worst: F1 {f1}").format(
            label=plain(scores[-1][2]), f1=percent(scores[-1][0])
        )
    figure = go.Figure(
        _bars(
            labels=[label for _, _, label in scores],
            values=[f1 for f1, _, _ in scores],
            texts=[f"{percent(f1)}  ({support})" for f1, support, _ in scores],
            colours=[palette.amber if f1 < evaluation.macro_f1 else palette.accent for f1, _, _ in scores],
        )
    )
    return _finish_bars(figure, [label for _, _, label in scores], title, palette, range=[0, 1.15], tickformat=".0%")


def class_balance(counts: Mapping[str, int], palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Items by label, most frequent on top. ``customdata`` of each bar is [label]."""
    order = sorted(counts.items(), key=lambda pair: pair[1])
    title = translate("Nothing is labelled yet")
    used = [(label, n) for label, n in order if n]
    if used:
        ratio = used[-1][1] / used[0][1]
        title = translate("The labels are evenly used")
        if ratio >= 2:
            title = translate("{most} is {ratio} times as frequent as {least}").format(
                most=plain(used[-1][0]), ratio=f"{ratio:.0f}", least=plain(used[0][0])
            )
    labels, values = [label for label, _ in order], [n for _, n in order]
    bars = _bars(labels, values, [f"{n:,}" for n in values], [palette.accent] * len(order))
    return _finish_bars(go.Figure(bars), labels, title, palette, range=[0, 1.15 * max([1, *values])])


def progress_per_label(
    counts: Mapping[str, int], target: int, palette: Palette = LIGHT, translate: Translate = identity
) -> go.Figure:
    """Labelled items by label against the ``target`` that each label should reach."""
    order = sorted(counts.items(), key=lambda pair: pair[1])
    missing = [label for label, n in order if n < target]
    title = translate("Every label has its {target} examples").format(target=target)
    if missing:
        title = translate("{label} still needs {rows} examples").format(
            label=plain(missing[0]), rows=target - counts[missing[0]]
        )
    labels, values = [label for label, _ in order], [n for _, n in order]
    colours = [palette.accent if n >= target else palette.amber for n in values]
    figure = go.Figure(_bars(labels, values, [f"{n:,}" for n in values], colours))
    figure.add_vline(x=target, line={"color": palette.muted, "width": 1, "dash": "dot"})
    return _finish_bars(figure, labels, title, palette, range=[0, 1.15 * max([target, *values])])


def length_histogram(
    bins: Sequence[tuple[int, int]],
    palette: Palette = LIGHT,
    translate: Translate = identity,
    limit: int | None = None,
) -> go.Figure:
    """Texts by length in characters; ``bins`` are (first length of the bin, texts). ``limit`` draws a line there."""
    starts, counts = [start for start, _ in bins], [n for _, n in bins]
    width = min((b - a for a, b in pairwise(starts)), default=1)
    title = translate("No texts yet")
    if sum(counts):
        middle = starts[int(np.searchsorted(np.cumsum(counts), sum(counts) / 2))] + width
        title = translate("Half of the texts are shorter than {length} characters").format(length=f"{middle:,}")
    figure = go.Figure(
        go.Bar(
            x=starts,
            y=counts,
            offset=0,
            width=0.95 * width,
            marker={"color": palette.accent},
            hovertemplate=translate("From {length} characters: {rows} texts").format(length="%{x}", rows="%{y}")
            + "<extra></extra>",
        )
    )
    if limit is not None:
        figure.add_vline(x=limit, line={"color": palette.amber, "width": 1, "dash": "dot"})
    figure.update_xaxes(title=translate("Characters"), showgrid=False, zeroline=False)
    figure.update_yaxes(title=translate("Texts"), gridcolor=palette.line)
    return _finish(figure, title, palette, height=300)


def training_curves(
    runs: Mapping[str, Iterable[Mapping[str, Any]]],
    palette: Palette = LIGHT,
    translate: Translate = identity,
    metric: str = "accuracy",
) -> go.Figure:
    """Loss by step and a dev metric by step; one colour a run. ``runs`` maps a run's name to its events.

    An event counts when it has ``step`` and either ``loss`` or the metric (its own, or inside ``dev`` or ``metrics``).
    """
    titles = (translate("Loss (lower is better)"), translate("Dev {metric}").format(metric=plain(metric)))
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
        title = translate("Best {metric} on dev so far: {value}").format(metric=plain(metric), value=percent(best[0]))
        if len(runs) > 1:
            title += f" ({plain(best[1])})"
    figure.update_xaxes(title=translate("Step"), showgrid=False)
    figure.update_yaxes(gridcolor=palette.line)
    return _finish(figure, title, palette, height=340)


def _metric(event: Mapping[str, Any], metric: str) -> float | None:
    value = event.get(metric, (event.get("dev") or event.get("metrics") or {}).get(metric))
    return float(value) if isinstance(value, (int, float)) else None


def reliability_diagram(evaluation: Evaluation, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Confidence against the share of right answers; on the dotted line the confidence can be taken at its word."""
    calibration = evaluation.calibration
    bins = calibration.bins if calibration else []
    title = translate("Nothing was measured")
    if calibration:
        title = translate("The confidence is off by {error} on average").format(error=percent(calibration.error))
    most = max([1, *(b.rows for b in bins)])
    template = translate("Confidence {confidence}, right {accuracy}, {rows} texts")
    figure = go.Figure(
        go.Scatter(
            x=[b.confidence for b in bins],
            y=[b.accuracy for b in bins],
            mode="lines+markers",
            line={"color": palette.accent, "width": 1},
            marker={"color": palette.accent, "size": [6 + 18 * (b.rows / most) ** 0.5 for b in bins]},
            hovertext=[
                template.format(confidence=percent(b.confidence), accuracy=percent(b.accuracy), rows=b.rows)
                for b in bins
            ],
            hoverinfo="text",
            showlegend=False,
        )
    )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": palette.muted, "dash": "dot", "width": 1},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.update_xaxes(title=translate("Confidence"), range=[0, 1.03], tickformat=".0%", showgrid=False)
    figure.update_yaxes(title=translate("Right"), range=[0, 1.03], tickformat=".0%", gridcolor=palette.line)
    return _finish(figure, title, palette, height=360)


def score_comparison(
    evaluations: Mapping[str, Evaluation],
    palette: Palette = LIGHT,
    translate: Translate = identity,
    metric: str = "accuracy",
) -> go.Figure:
    """One figure of several models with its 95 % interval, best on top; whiskers that overlap may be chance."""
    order = sorted(evaluations.items(), key=lambda pair: getattr(pair[1], metric))
    values = [getattr(evaluation, metric) for _, evaluation in order]
    ends = [
        evaluation.intervals.get(metric, (value, value)) for (_, evaluation), value in zip(order, values, strict=True)
    ]
    names = {
        "accuracy": translate("Accuracy"),
        "macro_f1": translate("Macro F1"),
        "weighted_f1": translate("Weighted F1"),
    }
    title = translate("Nothing was measured")
    if order:
        title = translate("{name} is best: {metric} {value}").format(
            name=plain(order[-1][0]), metric=names[metric], value=percent(values[-1])
        )
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=list(range(len(order))),
            mode="markers+text",
            text=[percent(value) for value in values],
            textposition="top center",
            marker={"size": 10, "color": palette.accent},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
                "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
                "color": palette.accent,
                "thickness": 1.5,
            },
            customdata=[[name] for name, _ in order],
            hoverinfo="x",
            showlegend=False,
        )
    )
    low = min([1.0, *(low for low, _ in ends)])
    figure.update_xaxes(range=[max(0.0, low - 0.05), 1.02], tickformat=".0%", gridcolor=palette.line, zeroline=False)
    figure.update_yaxes(
        tickvals=list(range(len(order))),
        ticktext=[plain(name) for name, _ in order],
        showgrid=False,
        zeroline=False,
        range=[-0.6, len(order) - 0.3],
    )
    return _finish(figure, title, palette, height=140 + 56 * max(1, len(order)))


def _bars(labels: Sequence[str], values: Sequence[float], texts: Sequence[str], colours: Sequence[str]) -> go.Bar:
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


def _finish_bars(figure: go.Figure, labels: Sequence[str], title: str, palette: Palette, **axis: Any) -> go.Figure:
    """Name the bars on the axis and give each enough height to be read."""
    figure.update_xaxes(showgrid=False, zeroline=False, showticklabels=False, **axis)
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=[plain(label) for label in labels], showgrid=False, zeroline=False
    )
    return _finish(figure, title, palette, height=110 + 24 * max(3, len(labels)))


def _finish(figure: go.Figure, title: str, palette: Palette, height: int) -> go.Figure:
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
