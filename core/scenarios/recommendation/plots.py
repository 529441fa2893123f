"""Figures of recommendation in the look of ``core.plots``."""

from __future__ import annotations

import plotly.graph_objects as go

from core.evaluation.messages import Translate, identity, percent
from core.plots import LIGHT, Palette, bars, finish, finish_bars, plain
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
    """nDCG@10 of every way for people with few and with many likes, and where the hidden item is rare."""
    names = {
        "few": (translate("People with up to 10 likes"), "circle", palette.series[0]),
        "many": (translate("People with more"), "square", palette.series[1]),
        "rare": (translate("Rare items"), "diamond", palette.series[2]),
    }
    rows = sorted(result.rows, key=lambda row: row.ndcg)
    figure = go.Figure()
    for name, (words, symbol, colour) in names.items():
        figure.add_scatter(
            x=[row.segments.get(name) for row in rows],
            y=list(range(len(rows))),
            mode="markers",
            name=f"{words} ({result.segments.get(name, 0)})",
            marker={"size": 11, "symbol": symbol, "color": colour},
            hovertemplate="%{x:.3f}<extra></extra>",
        )
    rare = max(rows, key=lambda row: row.segments.get("rare") or 0.0, default=None)
    title = translate("Nobody's rare items are found yet")
    if rare is not None and rare.segments.get("rare"):
        title = translate("{best} finds rare items best").format(best=plain(translate(rare.title)))
    figure.update_xaxes(title="nDCG@10", rangemode="tozero", gridcolor=palette.line, zeroline=False)
    _names(figure, rows, translate)
    return finish(figure, title, palette, height=200 + 36 * max(1, len(rows)))


def shown_share(result: Evaluated, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Share of the catalogue that appears in anybody's first 10, by way of ranking."""
    rows = sorted(result.rows, key=lambda row: row.coverage)
    labels = [translate(row.title) for row in rows]
    figure = go.Figure(
        bars(
            labels=labels,
            values=[row.coverage for row in rows],
            texts=[percent(row.coverage) for row in rows],
            colours=[palette.accent if row.name == OURS else palette.muted for row in rows],
        )
    )
    ours = result.row(OURS)
    title = translate("Nothing was measured")
    if ours is not None:
        title = translate("Text and behaviour shows {share} of the catalogue to somebody").format(
            share=percent(ours.coverage)
        )
    return finish_bars(figure, labels, title, palette, range=[0, 1.2 * max([0.01, *(row.coverage for row in rows)])])


def _names(figure: go.Figure, rows: list[Figures], translate: Translate) -> None:
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[plain(translate(row.title)) for row in rows],
        showgrid=False,
        zeroline=False,
        range=[-0.6, len(rows) - 0.3],
    )
