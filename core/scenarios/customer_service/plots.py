"""Figures of the customer service scenario, from its records; titles say the finding."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from core.evaluation.messages import Translate, identity, percent
from core.plots import LIGHT, Palette, finish, plain
from core.scenarios.customer_service.replay import OUTCOMES, Replay, ReplaySummary

QUALITY = ("right", "intent_accuracy", "top_1", "top_3", "top_5", "containment", "false_confident")
BAD = ("false_confident",)


def measure_words(translate: Translate) -> dict[str, str]:
    """Names of the shares of a replay."""
    return {
        "right": translate("Answered right"),
        "intent_accuracy": translate("Intent right"),
        "top_1": translate("Right passage first"),
        "top_3": translate("Right passage in the first three"),
        "top_5": translate("Right passage in the first five"),
        "containment": translate("Answered without a person"),
        "handover": translate("Handed over"),
        "false_confident": translate("Answered, but wrong"),
    }


def outcome_words(translate: Translate) -> dict[str, str]:
    """Who answers."""
    return {
        "template": translate("template"),
        "retrieval": translate("knowledge base"),
        "handover": translate("person"),
    }


def quality(summary: ReplaySummary, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Every share of a replay with its 95 % interval."""
    words = measure_words(translate)
    names = [name for name in reversed(QUALITY) if name in summary.shares]
    shares = [summary.shares[name] for name in names]
    title = translate("Nothing was measured")
    if "right" in summary.shares:
        title = translate(
            "{share} of the conversations went right, {wrong} were answered wrong, the others got a person without need"
        )
        wrong = summary.shares["false_confident"].value
        title = title.format(share=percent(summary.shares["right"].value), wrong=percent(wrong))
    elif "containment" in summary.shares:
        title = translate("{share} of the conversations were answered without a person")
        title = title.format(share=percent(summary.shares["containment"].value))
    figure = go.Figure(
        go.Scatter(
            x=[share.value for share in shares],
            y=list(range(len(names))),
            mode="markers+text",
            text=[percent(share.value) for share in shares],
            textposition="top center",
            marker={"size": 10, "color": [palette.amber if name in BAD else palette.accent for name in names]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [share.high - share.value for share in shares],
                "arrayminus": [share.value - share.low for share in shares],
                "color": palette.muted,
                "thickness": 1.5,
            },
            hovertext=[translate("{n} cases").format(n=share.of) for share in shares],
            hoverinfo="text",
            showlegend=False,
        )
    )
    figure.update_xaxes(range=[0, 1.04], tickformat=".0%", gridcolor=palette.line, zeroline=False)
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[words[name] for name in names],
        showgrid=False,
        zeroline=False,
        range=[-0.6, len(names) - 0.3],
    )
    return finish(figure, title, palette, 130 + 48 * max(1, len(names)))


def flow(summary: ReplaySummary, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """What should have answered, and what did: one bar a kind, its parts by what happened."""
    words = outcome_words(translate)
    rows = [name for name in reversed(OUTCOMES) if name in summary.flow]
    colours = dict(zip(OUTCOMES, (palette.series[0], palette.series[2], palette.muted), strict=True))
    figure = go.Figure()
    for got in OUTCOMES:
        counts = [summary.flow[row].get(got, 0) for row in rows]
        figure.add_bar(
            x=counts,
            y=[words[row] for row in rows],
            orientation="h",
            name=words[got],
            marker={"color": colours[got]},
            text=[str(count) if count else "" for count in counts],
            textposition="inside",
            insidetextanchor="middle",
            hovertemplate="%{x}<extra></extra>",
        )
    title = translate("Nothing says what should have happened")
    lost = summary.flow.get("handover", {})
    if rows:
        kept = sum(lost.get(name, 0) for name in ("template", "retrieval"))
        title = translate("{n} of {all} conversations for a person were kept by the assistant")
        title = title.format(n=kept, all=sum(lost.values()))
    figure.update_layout(barmode="stack")
    figure.update_xaxes(gridcolor=palette.line, zeroline=False)
    figure.update_yaxes(showgrid=False)
    return finish(figure, title, palette, 170 + 44 * max(1, len(rows)))


def over_time(replays: Sequence[Replay], palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """How answers changed from replay to replay, oldest first."""
    words = measure_words(translate)
    ordered = [replay for replay in reversed(replays) if "right" in replay.summary.shares]
    names = [f"{number}. {plain(replay.name, 18)}" for number, replay in enumerate(ordered, start=1)]
    figure = go.Figure()
    for measure, colour in (("right", palette.accent), ("false_confident", palette.amber), ("handover", palette.muted)):
        values = [replay.summary.shares[measure].value for replay in ordered]
        figure.add_scatter(
            x=names,
            y=values,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            name=words[measure],
        )
    title = translate("Run a replay before and after a change to see what it did")
    if len(ordered) > 1:
        first, last = (replay.summary.shares["right"].value for replay in (ordered[-2], ordered[-1]))
        title = translate("From {before} to {after} answered right since the last replay")
        title = title.format(before=percent(first), after=percent(last))
    figure.update_yaxes(range=[0, 1.03], tickformat=".0%", gridcolor=palette.line)
    figure.update_xaxes(showgrid=False)
    return finish(figure, title, palette, 320)
