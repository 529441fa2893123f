"""The parts of an evaluation report: verdict, figures beside others, classes, confusions, mistakes, confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core import plots
from core.errors import RefusedError
from core.evaluation import ClassScore, Comparison, Evaluation, Message
from core.evaluation.report import figure_titles
from core.project import Project
from core.records import ItemFilter
from studio.i18n import N_, _, ngettext, number, percent, translator
from studio.text import escape
from studio.theme import palette
from studio.widgets.basics import stat
from studio.widgets.figure import show_clickable, show_figure

SHOWN = 100
SPLITS = (N_("train"), N_("dev"), N_("test"))
"""Inside a sentence."""


def sentence(message: Message) -> str:
    """A sentence of core in the reader's language, its values escaped."""
    values = {name: _(value) if name == "split" else escape(value) for name, value in message.values.items()}
    return _(message.key).format(**values)


def show_verdict(sentences: list[Message], warnings: list[Message]) -> None:
    """The answer first: the headline, then what supports it."""
    if sentences:
        st.subheader(sentence(sentences[0]), anchor=False)
        if len(sentences) > 1:
            st.markdown(" ".join(sentence(message) for message in sentences[1:]))
    for warning in warnings:
        st.caption(f":material/info: {sentence(warning)}")


def show_figures(result: Evaluation) -> None:
    """Four numbers with their intervals, beside the baseline where there is one."""
    beside = result.baseline
    if result.figures:
        _own_figures(result)
        return
    figures = {
        "accuracy": (_("Right answers"), _("Accuracy: share of texts whose label was predicted.")),
        "macro_f1": (
            _("Every class alike"),
            _("Macro F1: mean F1 over the labels, rare ones count like frequent ones."),
        ),
        "weighted_f1": (_("Weighted by use"), _("Weighted F1: mean F1, each label counting as often as it occurs.")),
    }
    with st.grid(4, min_column_width=150):
        for metric, (label, meaning) in figures.items():
            stat(
                label,
                getattr(result, metric),
                result.intervals.get(metric),
                getattr(beside, metric) if beside else None,
                meaning,
            )
        if result.calibration is not None:
            with st.container(gap="xsmall"):
                st.metric(
                    _("Confidence is off by"),
                    percent(result.calibration.error),
                    help=_(
                        "Expected calibration error: how far stated probabilities are from the share that was right."
                    ),
                )
                st.caption(_("80 % sure should be right in 8 of 10"))
    if beside is not None:
        st.caption(_("Below each figure its 95 % interval. The badge is the difference to the baseline, in points."))
    else:
        st.caption(_("Below each figure its 95 % interval."))


def _own_figures(result: Evaluation) -> None:
    """The figures of a task that has its own, the headline first."""
    titles = figure_titles(translator())
    with st.grid(4, min_column_width=150):
        for name, value in result.figures.items():
            # A badge praises what is higher, and of wrong decisions there should be fewer.
            other = result.baseline.figures.get(name) if result.baseline and name != "hamming_loss" else None
            stat(titles.get(name, name), value, result.intervals.get(name), other)
    if result.baseline is not None:
        st.caption(_("The badge is the difference to the baseline, in points."))


def show_beside(results: Mapping[str, Evaluation], differences: Mapping[str, Comparison | RefusedError]) -> None:
    """Every model side by side; ``results`` maps names to evaluations, the model looked at first."""
    if len(results) > 1:
        show_figure(plots.score_comparison(results, palette(), _), "score_comparison")
    rows = []
    for name, result in results.items():
        found = differences.get(name)
        rows.append(
            {
                "model": name,
                "accuracy": 100 * result.headline[1],
                "macro": 100 * result.macro_f1,
                "weighted": 100 * result.weighted_f1,
                "difference": _difference(found),
            }
        )
    share = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "model": st.column_config.TextColumn(_("Model"), width=250),
            "accuracy": share(_first_figure(results), format="%.1f %%", width=90),
            "macro": share(_("Macro F1"), format="%.1f %%", width=90),
            "weighted": share(_("Weighted F1"), format="%.1f %%", width=100),
            "difference": st.column_config.TextColumn(_("This model against it"), width=270),
        },
        alt=_("Scores side by side"),
    )


def _first_figure(results: Mapping[str, Evaluation]) -> str:
    """Head of the column with the figure that is asked for first."""
    name, _value = next(iter(results.values())).headline
    return figure_titles(translator()).get(name, _("Accuracy"))


def _difference(found: Comparison | RefusedError | None) -> str:
    if found is None:
        return ""
    if isinstance(found, RefusedError):
        return _("measured on other texts")
    low, high = f"{100 * found.low:+.1f}", f"{100 * found.high:+.1f}"
    if not found.distinguishable:
        return _("not distinguishable ({low} to {high} points)").format(low=low, high=high)
    template = (
        _("better by {points} points ({low} to {high})")
        if found.difference > 0
        else _("worse by {points} points ({low} to {high})")
    )
    return template.format(points=f"{100 * abs(found.difference):.1f}", low=low, high=high)


def show_classes(result: Evaluation) -> None:
    """Scores by label, of single words too where spans are asked for; a click on a column head sorts."""
    show_figure(plots.per_class_f1(result, palette(), _), "class_scores")
    if not result.per_word:
        _class_table(result.per_class, _("Label"), _("Texts"), _("Scores by label"))
        return
    st.caption(_("Whole spans: one counts as found when both edges and the label are right."))
    _class_table(result.per_class, _("Label"), _("Spans"), _("Scores by label"))
    st.caption(_("Single words by their label; O is outside of every span."))
    _class_table(result.per_word, _("Label"), _("Words"), _("Single words by label"))
    st.caption(_("Single words by tag: B- begins a span, I- goes on with it. Where only one is weak, it is the edges."))
    _class_table(result.per_tag, _("Tag"), _("Words"), _("Single words by tag"))


def _class_table(scores: Mapping[str, ClassScore], head: str, counted: str, title: str) -> None:
    """One row a label with its precision, recall, F1 and how often it occurs; ``counted`` names what was counted."""
    bar = st.column_config.ProgressColumn
    share: dict[str, Any] = {"format": "%.1f %%", "min_value": 0, "max_value": 100}
    rows = [
        {
            "label": name,
            "precision": 100 * s.precision,
            "recall": 100 * s.recall,
            "f1": 100 * s.f1,
            "support": s.support,
        }
        for name, s in scores.items()
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "label": st.column_config.TextColumn(head, width="medium"),
            "precision": bar(_("Precision"), help=_("Of those predicted so, how many are."), **share),
            "recall": bar(_("Recall"), help=_("Of those that are, how many were found."), **share),
            "f1": bar("F1", **share),
            "support": st.column_config.NumberColumn(counted, format="localized"),
        },
        alt=title,
    )


def show_confusion(project: Project, result: Evaluation) -> None:
    """The matrix and the most confused pairs; a click on either shows the texts."""
    clicked = None
    if result.confusion:  # with several labels a text, there is no matrix, but there are pairs
        figure = plots.confusion_matrix(result, palette(), _)
        clicked = show_clickable(figure, f"confusion_{result.split}_{result.name}")
    cell = (clicked[0], clicked[1]) if clicked else None
    pairs = result.confused_pairs[:SHOWN]
    if pairs:
        st.caption(
            _("Labels missed where another was given in error; select a pair to read its texts.")
            if result.gold_sets
            else _("Most confused pairs; select one to read its texts.")
        )
        chosen = st.dataframe(
            pd.DataFrame([{**pair.model_dump(), "share": 100 * pair.share} for pair in pairs]),
            key=f"pairs_{result.split}",
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            height=min(38 + 35 * len(pairs), 300),
            column_config={
                "gold": st.column_config.TextColumn(_("Missed") if result.gold_sets else _("Is")),
                "predicted": st.column_config.TextColumn(
                    _("Given in error") if result.gold_sets else _("Was taken for")
                ),
                "rows": st.column_config.NumberColumn(_("Texts"), width=80),
                "share": st.column_config.NumberColumn(_("Share of the label"), format="%.1f %%"),
            },
            alt=_("Most confused pairs"),
        ).selection.rows
        if chosen and chosen[0] < len(pairs):
            cell = (pairs[chosen[0]].gold, pairs[chosen[0]].predicted)
    elif not result.confusion:
        st.caption(_("No label was missed on a text where another was given in error."))
    if cell is not None:
        _cell_texts(project, result, *cell)


def _cell_texts(project: Project, result: Evaluation, gold: str, predicted: str) -> None:
    ids = result.items(gold, predicted)
    words = (
        ngettext(
            "{n} text on which **{gold}** was missed and **{predicted}** was given",
            "{n} texts on which **{gold}** was missed and **{predicted}** was given",
            len(ids),
        )
        if result.gold_sets
        else ngettext(
            "{n} text that is **{gold}** and was predicted as **{predicted}**",
            "{n} texts that are **{gold}** and were predicted as **{predicted}**",
            len(ids),
        )
    )
    st.markdown(words.format(n=number(len(ids)), gold=escape(gold), predicted=escape(predicted)))
    if ids:
        items = project.items(ItemFilter(ids=tuple(ids[:SHOWN]), excluded=None), limit=SHOWN)
        st.dataframe(
            pd.DataFrame(
                {
                    "id": [item.id for item in items],
                    "text": [" ↔ ".join(filter(None, (item.text, item.text_b))) for item in items],
                }
            ),
            hide_index=True,
            column_config={
                "id": st.column_config.NumberColumn(_("Item"), width=80, format="%d"),
                "text": st.column_config.TextColumn(_("Text"), width="large"),
            },
            alt=_("Texts of this cell"),
        )


def show_mistakes(result: Evaluation) -> None:
    """Wrong answers to read, the most confident first; the selected one in full."""
    mistakes = result.mistakes[:SHOWN]
    if not mistakes:
        st.success(_("Not one mistake on this split."), icon=":material/check:")
        return
    st.caption(_("The surest ones first: often it is the label, not the model, that is wrong."))
    event = st.dataframe(
        pd.DataFrame([{**mistake.model_dump(), "score": 100 * mistake.score} for mistake in mistakes]),
        key=f"mistakes_{result.split}_{result.rows}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(mistakes), 460),
        column_order=["text", "gold", "predicted", "score"],
        column_config={
            "text": st.column_config.TextColumn(_("Text"), width=350),
            "gold": st.column_config.TextColumn(_("Is"), width=140),
            "predicted": st.column_config.TextColumn(_("Was taken for"), width=140),
            "score": st.column_config.ProgressColumn(
                _("Sure"), format="%.0f %%", min_value=0, max_value=100, width=130
            ),
        },
        alt=_("Confident mistakes"),
    )
    rows = event.selection.rows
    if rows and rows[0] < len(mistakes):
        with st.container(border=True):
            st.text(mistakes[rows[0]].text)
            st.caption(_("Item {n}").format(n=mistakes[rows[0]].item_id))


def show_confidence(result: Evaluation) -> None:
    """Does sure mean right?"""
    if result.calibration is None:
        st.caption(_("This model gives no probabilities."))
        return
    show_figure(plots.reliability_diagram(result, palette(), _), "reliability")
