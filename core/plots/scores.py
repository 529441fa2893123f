"""How good a model is: confusion, scores by label, calibration, several models side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from core.evaluation.messages import Translate, identity, percent
from core.evaluation.records import Evaluation
from core.evaluation.report import figure_titles
from core.plots.look import LIGHT, Palette, bars, finish, finish_bars, plain

CELL_TEXT_LABELS = 15
"""A confusion matrix with more labels has no room for numbers in its cells."""


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
    return finish(figure, _confusion_title(evaluation, translate), palette, height=height)


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
        bars(
            labels=[label for _, _, label in scores],
            values=[f1 for f1, _, _ in scores],
            texts=[f"{percent(f1)}  ({support})" for f1, support, _ in scores],
            colours=[palette.amber if f1 < evaluation.macro_f1 else palette.accent for f1, _, _ in scores],
        )
    )
    return finish_bars(figure, [label for _, _, label in scores], title, palette, range=[0, 1.15], tickformat=".0%")


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
    return finish(figure, title, palette, height=360)


def score_comparison(
    evaluations: Mapping[str, Evaluation],
    palette: Palette = LIGHT,
    translate: Translate = identity,
    metric: str | None = None,
) -> go.Figure:
    """One figure of several models with its 95 % interval, best on top; whiskers that overlap may be chance.

    Without ``metric`` it is the headline of the first one.
    """
    if metric is None:
        metric = next((evaluation.headline[0] for evaluation in evaluations.values()), "accuracy")
    order = sorted(evaluations.items(), key=lambda pair: pair[1].figure(metric))
    values = [evaluation.figure(metric) for _, evaluation in order]
    ends = [evaluation.interval(metric) for _, evaluation in order]
    names = figure_titles(translate)
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
    return finish(figure, title, palette, height=140 + 56 * max(1, len(order)))
