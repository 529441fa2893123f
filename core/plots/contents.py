"""What a project holds: items by label, progress, lengths of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from core.evaluation.messages import Translate, identity
from core.plots.look import LIGHT, Palette, bars, finish, finish_bars, plain


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
    figure = go.Figure(bars(labels, values, [f"{n:,}" for n in values], [palette.accent] * len(order)))
    return finish_bars(figure, labels, title, palette, range=[0, 1.15 * max([1, *values])])


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
    figure = go.Figure(bars(labels, values, [f"{n:,}" for n in values], colours))
    figure.add_vline(x=target, line={"color": palette.muted, "width": 1, "dash": "dot"})
    return finish_bars(figure, labels, title, palette, range=[0, 1.15 * max([target, *values])])


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
    return finish(figure, title, palette, height=300)
