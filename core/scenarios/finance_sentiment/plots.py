"""Figures of finance sentiment in the look of ``core.plots``. Negative is amber, and named too: never colour alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluation.messages import Translate, identity, percent
from core.plots import LIGHT, Palette, bars, finish, finish_bars, plain
from core.scenarios.finance_sentiment.alerts import Alert, ShuffleCheck
from core.scenarios.finance_sentiment.drivers import DrivingWord
from core.scenarios.finance_sentiment.series import SMOOTH_DAYS, Breakdown, HeatMap, Trend

QUIET = frozenset({"neutral", "low", "none", "中性", "低"})
"""Labels that say 'nothing to see': drawn in grey."""
MOST_ROWS = 30
IsBad = Callable[[str | None], bool]


def colours(labels: Sequence[str], bad: IsBad, palette: Palette, graded: bool = False) -> dict[str, str]:
    """Colour of each label: amber for bad, grey for neutral and unscored, then the palette's series.

    ``graded``: labels between bad and quiet are half-way amber, as for degrees of risk.
    """
    free = [colour for colour in palette.series if colour not in (palette.amber, palette.muted)]
    if graded:
        free = [_between(palette.panel, palette.amber)]
    found, used = {}, 0
    for label in labels:
        if bad(label):
            found[label] = palette.amber
        elif not label or label.casefold() in QUIET:
            found[label] = palette.line if not label else palette.muted
        else:
            found[label] = free[used % len(free)]
            used += 1
    return found


def _between(low: str, high: str) -> str:
    pairs = zip(bytes.fromhex(low[1:]), bytes.fromhex(high[1:]), strict=True)
    return "#" + bytes((a + b) // 2 for a, b in pairs).hex()


def timeline(
    trend: Trend,
    bad: IsBad,
    alerts: Sequence[Alert] = (),
    palette: Palette = LIGHT,
    translate: Translate = identity,
    height: int = 420,
) -> go.Figure:
    """Share of negative items above, items a day by sentiment below; alerts are shaded days in both."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.45, 0.55], vertical_spacing=0.08)
    figure.add_scatter(
        x=trend.days,
        y=trend.share,
        mode="lines",
        line={"color": palette.amber, "width": 2.5},
        name=translate("Negative share, 7 days"),
        hovertemplate="%{x|%Y-%m-%d}: %{y:.0%}<extra></extra>",
        row=1,
        col=1,
    )
    shown = colours(list(trend.by_sentiment), bad, palette)
    for label in sorted(trend.by_sentiment, key=lambda one: not bad(one)):
        name = plain(label) if label else translate("not scored yet")
        figure.add_bar(
            x=trend.days,
            y=trend.by_sentiment[label],
            name=name,
            marker={"color": shown[label], "line": {"width": 0}},
            hovertemplate="%{x|%Y-%m-%d}: %{y} " + name + "<extra></extra>",
            row=2,
            col=1,
        )
    for alert in alerts:
        figure.add_vrect(
            x0=alert.since - timedelta(hours=12),
            x1=alert.until + timedelta(hours=12),
            fillcolor=palette.amber,
            opacity=0.16,
            line={"width": 0},
            layer="below",
        )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02], gridcolor=palette.line, zeroline=False, row=1, col=1)
    figure.update_yaxes(gridcolor=palette.line, zeroline=False, row=2, col=1)
    figure.update_xaxes(showgrid=False)
    figure = finish(figure, _timeline_title(trend, alerts, translate), palette, height)
    figure.update_layout(barmode="stack", bargap=0.1, legend={"orientation": "h", "y": -0.12, "traceorder": "normal"})
    return figure


def _timeline_title(trend: Trend, alerts: Sequence[Alert], translate: Translate) -> str:
    known = [(share, day) for share, day in zip(trend.share, trend.days, strict=True) if share is not None]
    if not known:
        return translate("{items} items in {days} days").format(items=sum(trend.items), days=len(trend.days))
    if alerts:
        worst = max(alerts, key=lambda alert: (alert.worse, alert.negative))
        template = translate("{company} turned bad on {day}: {negative} of {items} items are negative")
        if not worst.worse:
            template = translate("{company} was in the news from {day} on: {items} items, {negative} of them negative")
        return template.format(
            company=plain(worst.company or translate("The feed")),
            day=f"{worst.fired_on:%Y-%m-%d}",
            negative=worst.negative,
            items=worst.items,
        )
    share, day = max(known[SMOOTH_DAYS - 1 :] or known)
    return translate("No surge; the worst week ends on {day} with {share} negative").format(
        day=f"{day:%Y-%m-%d}", share=percent(share)
    )


def heat(found: HeatMap, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Share of negative items by row and week; ``customdata`` of a cell is [row, Monday]."""
    rows = found.rows[:MOST_ROWS]
    cells = [(r, w) for r in range(len(rows)) for w in range(len(found.weeks)) if found.items[r][w]]
    template = translate("{name}, week of {week}: {share} of {items} negative")
    figure = go.Figure(
        go.Heatmap(
            z=found.share[:MOST_ROWS],
            x=list(range(len(found.weeks))),
            y=list(range(len(rows))),
            colorscale=[[0, palette.panel], [1, palette.amber]],
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,
            hoverinfo="skip",
        )
    )
    figure.add_scatter(
        x=[w for _, w in cells],
        y=[r for r, _ in cells],
        mode="markers+text",
        text=[str(found.items[r][w]) for r, w in cells],
        textfont={"size": 11, "color": [_on_cell(found.share[r][w], palette) for r, w in cells]},
        marker={"symbol": "square", "size": 22, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=[[rows[r], found.weeks[w].isoformat()] for r, w in cells],
        hovertext=[
            template.format(
                name=plain(rows[r]), week=found.weeks[w].isoformat(), share=percent(found.share[r][w] or 0),
                items=found.items[r][w],
            )
            for r, w in cells
        ],
        hoverinfo="text",
        showlegend=False,
    )  # fmt: skip
    step = max(1, len(found.weeks) // 8)
    figure.update_xaxes(
        tickvals=list(range(0, len(found.weeks), step)),
        ticktext=[f"{week:%m-%d}" for week in found.weeks[::step]],
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[plain(name, 20) for name in rows],
        autorange="reversed",
        showgrid=False,
        zeroline=False,
    )
    return finish(figure, _heat_title(found, translate), palette, height=140 + 32 * max(2, len(rows)))


def _on_cell(share: float | None, palette: Palette) -> str:
    return palette.paper if (share or 0) > 0.55 else palette.ink


def _heat_title(found: HeatMap, translate: Translate) -> str:
    cells = [
        (share, found.items[r][w], r, w)
        for r, row in enumerate(found.share)
        for w, share in enumerate(row)
        if share is not None and found.items[r][w] >= 3
    ]
    if not cells:
        return translate("Too few items to compare weeks")
    share, items, r, w = max(cells, key=lambda cell: (cell[0] * cell[1], cell[0]))
    return translate("Most bad news: {name}, week of {week}, {share} of {items} items").format(
        name=plain(found.rows[r]), week=found.weeks[w].isoformat(), share=percent(share), items=items
    )


def breakdown_bars(
    found: Breakdown,
    bad: IsBad,
    title: str,
    palette: Palette = LIGHT,
    translate: Translate = identity,
    graded: bool = False,
) -> go.Figure:
    """Items by name, stacked by label, bad ones first. ``title`` is used where nothing is bad."""
    names = found.names[:MOST_ROWS][::-1]
    counts = found.counts[:MOST_ROWS][::-1]
    totals: Counter[str] = Counter()
    for one in counts:
        totals.update(one)
    labels = sorted(totals, key=lambda label: (not bad(label), label.casefold() in QUIET, -totals[label]))
    shown = colours(labels, bad, palette, graded)
    figure = go.Figure()
    for label in labels:
        figure.add_bar(
            x=[one.get(label, 0) for one in counts],
            y=list(range(len(names))),
            orientation="h",
            name=plain(label),
            marker={"color": shown[label]},
            customdata=[[name] for name in names],
            hovertemplate="%{x} " + plain(label) + "<extra></extra>",
        )
    shares = [
        (sum(n for label, n in one.items() if bad(label)) / max(1, sum(one.values())), sum(one.values()), name)
        for name, one in zip(names, counts, strict=True)
    ]
    if any(share for share, _, _ in shares):
        share, items, name = max(shares)
        title = translate("{name} stands out: {share} of {items} items are {label}").format(
            name=plain(name), share=percent(share), items=items, label=plain(next(filter(bad, labels)))
        )
    figure = finish_bars(figure, names, title, palette)
    figure.update_layout(barmode="stack", legend={"orientation": "h", "y": -0.05, "traceorder": "normal"})
    figure.update_layout(height=150 + 26 * max(3, len(names)))
    return figure


def word_bars(words: Sequence[DrivingWord], palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """Words that set the chosen items apart, strongest on top, with how many items have them."""
    order = list(reversed(words))
    title = translate("No word stands out")
    if words:
        title = translate("'{word}' sets these items apart most").format(word=plain(words[0].word))
    drawn = bars(
        [word.word for word in order],
        [word.z for word in order],
        [str(word.items) for word in order],
        [palette.amber if word.z > 1.96 else palette.muted for word in order],
    )
    top = max([1.0, *(word.z for word in words)])
    return finish_bars(go.Figure(drawn), [word.word for word in order], title, palette, range=[0, 1.15 * top])


def shuffle_histogram(check: ShuffleCheck, palette: Palette = LIGHT, translate: Translate = identity) -> go.Figure:
    """False alarms in the shuffled copies, beside the alerts on the feed as it is."""
    counts = Counter(check.alarms)
    values = list(range(max([check.real, *counts]) + 1))
    title = translate("{rate} false alarms in 90 days on shuffled dates, {real} alerts on the real ones").format(
        rate=f"{check.per_90_days:.2f}", real=check.real
    )
    figure = go.Figure(
        go.Bar(
            x=values,
            y=[counts[value] for value in values],
            marker={"color": palette.accent},
            text=[counts[value] or "" for value in values],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.add_vline(x=check.real, line={"color": palette.amber, "width": 2, "dash": "dot"})
    figure.update_xaxes(title=translate("Alerts in one copy"), dtick=1, showgrid=False, zeroline=False)
    figure.update_yaxes(title=translate("Copies"), gridcolor=palette.line, zeroline=False)
    return finish(figure, title, palette, height=300)
