"""Figures of recommendation in the look of ``core.plots``."""

from __future__ import annotations

import plotly.graph_objects as go

from core.evaluation.messages import Translate, identity
from core.plots import LIGHT, Palette, finish, plain
from core.scenarios.recommendation.evaluation import Evaluated, Figures

OURS = "text_and_behaviour"


def ranking_quality(result: Evaluated, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """nDCG@10 of every way of ranking with its 95 % interval, best on top."""
    rows = sorted(result.rows, key=lambda row: row.ndcg)
    ends = [row.intervals["ndcg"] for row in rows]
    figure = go.Figure(
        go.Scatter(
            x=[row.ndcg for row in rows],
            y=list(range(len(rows))),
            mode="markers+text",
            text=[f"{row.ndcg:.3f}" for row in rows],
            textposition="top center",
            marker={"size": 10, "color": [palette.accent if row.name == OURS else palette.muted for row in rows]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - row.ndcg for row, (_, high) in zip(rows, ends, strict=True)],
                "arrayminus": [row.ndcg - low for row, (low, _) in zip(rows, ends, strict=True)],
                "color": palette.muted,
                "thickness": 1.5,
            },
            hoverinfo="x",
            showlegend=False,
        )
    )
    figure.update_xaxes(title="nDCG@10", rangemode="tozero", gridcolor=palette.line, zeroline=False)
    _names(figure, rows, translate)
    return finish(figure, _finding(result, translate), palette, height=140 + 52 * max(1, len(rows)))


def _finding(result: Evaluated, translate: Translate) -> str:
    """Whether the page's own way is best, and whether that may be chance."""
    rows = sorted(result.rows, key=lambda row: -row.ndcg)
    if len(rows) < 2:
        return translate("Nothing to compare")
    best, second = rows[0], rows[1]
    sure = best.intervals["ndcg"][0] > second.intervals["ndcg"][1]
    template = (
        translate("{best} finds most of what people liked next")
        if sure
        else translate("{best} leads, {second} is close: the difference may be chance")
    )
    return template.format(best=plain(translate(best.title)), second=plain(translate(second.title)))


def segments(result: Evaluated, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """nDCG@10 by segment, one group of bars a way of ranking."""
    names = {
        "few": translate("People with up to 10 likes"),
        "many": translate("People with more"),
        "rare": translate("Items liked by at most 5"),
    }
    figure = go.Figure()
    for place, row in enumerate(result.rows):
        figure.add_bar(
            x=[f"{names[name]} ({result.segments[name]})" for name in names],
            y=[row.segments.get(name) for name in names],
            name=plain(translate(row.title)),
            marker={"color": palette.accent if row.name == OURS else palette.series[1:][place % 7]},
            hovertemplate="%{y:.3f}<extra></extra>",
        )
    rare = sorted((row for row in result.rows if row.segments["rare"]), key=lambda row: -(row.segments["rare"] or 0))
    title = translate("Nobody's rare items are found yet")
    if rare:
        title = translate("{best} finds rare items best").format(best=plain(translate(rare[0].title)))
    figure.update_layout(barmode="group", bargroupgap=0.05)
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(title="nDCG@10", gridcolor=palette.line, zeroline=False)
    return finish(figure, title, palette, height=380)


def beyond_accuracy(result: Evaluated, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Share of the catalogue that is ever shown against nDCG@10: what good lists cost in variety."""
    figure = go.Figure()
    for place, row in enumerate(result.rows):
        figure.add_scatter(
            x=[row.coverage],
            y=[row.ndcg],
            mode="markers+text",
            text=[plain(translate(row.title))],
            textposition="top center" if place % 2 else "bottom center",
            marker={"size": 12, "color": palette.accent if row.name == OURS else palette.muted},
            hovertemplate="%{x:.0%} · %{y:.3f}<extra></extra>",
            showlegend=False,
        )
    ours = result.row(OURS)
    title = translate("Nothing was measured")
    if ours is not None:
        title = translate("Text and behaviour shows {share} of the catalogue to somebody").format(
            share=f"{100 * ours.coverage:.0f} %"
        )
    figure.update_xaxes(
        title=translate("Items that are in anybody's first 10"),
        tickformat=".0%",
        range=[-0.05, 1.05],
        gridcolor=palette.line,
        zeroline=False,
    )
    figure.update_yaxes(title="nDCG@10", rangemode="tozero", gridcolor=palette.line, zeroline=False)
    return finish(figure, title, palette, height=380)


def _names(figure: go.Figure, rows: list[Figures], translate: Translate) -> None:
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[plain(translate(row.title)) for row in rows],
        showgrid=False,
        zeroline=False,
        range=[-0.6, len(rows) - 0.3],
    )
