"""The report of written texts: how well responses were foreseen, how near the answers come, and all of it to read."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.errors import RefusedError
from core.evaluation import Comparison, Evaluation
from studio.i18n import N_, _, number, percent
from studio.text import escape
from studio.widgets.basics import stat

READ_AT_ONCE = 10
_FIGURES = {
    "rouge_l": (N_("Same words in order"), N_("ROUGE-L: longest common run of words, gaps allowed.")),
    "rouge_1": (N_("Same words"), N_("ROUGE-1: words in common, in any order.")),
    "chrf": (N_("Same characters"), N_("chrF: runs of up to 6 characters in common; fair to languages with endings.")),
    "bleu": (N_("Same phrases"), N_("BLEU: runs of up to 4 words in common, as translations are scored.")),
}


def show_wording(result: Evaluation) -> None:
    """The figures of written texts, beside the baseline where there is one."""
    wording, beside = result.wording, result.baseline
    if wording is None:
        return
    with st.grid(4, min_column_width=150):
        for name, (title, meaning) in _FIGURES.items():
            against = beside.figures.get(name) if beside is not None else None
            stat(_(title), result.figures[name], result.intervals.get(name), against, _(meaning))
    with st.grid(4, min_column_width=150):
        if wording.perplexity is not None:
            _perplexity(result)
        stat(_("Word for word"), result.accuracy, result.intervals.get("accuracy"), None,
             _("Share of answers that are exactly the expected response."))  # fmt: skip
        with st.container(gap="xsmall"):
            st.metric(_("Words in an answer"), number(wording.answer_words, 1))
            st.caption(_("{n} expected").format(n=number(wording.expected_words, 1)))
    if beside is not None:
        st.caption(_("Below each figure its 95 % interval. The badge is the difference to the baseline, in points."))
    else:
        st.caption(_("Below each figure its 95 % interval."))


def _perplexity(result: Evaluation) -> None:
    """Perplexity with what it was before tuning."""
    wording, before = result.wording, result.before.wording if result.before else None
    if wording is None or wording.perplexity is None:
        return
    old = before.perplexity if before else None
    with st.container(gap="xsmall"):
        st.metric(
            _("Perplexity"),
            number(wording.perplexity, 2),
            delta=None if old is None else f"{100 * (wording.perplexity / old - 1):+.1f} %",
            delta_color="inverse",
            help=_(
                "How surprising the expected responses are to the model: 1 is no surprise. The badge: since tuning."
            ),
        )
        if old is not None:
            st.caption(_("{before} before tuning").format(before=number(old, 2)))
        elif wording.perplexity_low is not None and wording.perplexity_high is not None:
            st.caption(f"{number(wording.perplexity_low, 2)} – {number(wording.perplexity_high, 2)}")


def show_wording_beside(
    results: Mapping[str, Evaluation], differences: Mapping[str, Comparison | RefusedError]
) -> None:
    """Every model side by side; ``results`` maps names to evaluations, the model looked at first."""
    rows = []
    for name, result in results.items():
        found = differences.get(name)
        apart = f"{100 * found.low:+.1f} – {100 * found.high:+.1f}" if isinstance(found, Comparison) else ""
        wording = result.wording
        rows.append(
            {
                "model": name,
                "perplexity": wording.perplexity if wording else None,
                **{figure: 100 * result.figures.get(figure, 0.0) for figure in ("rouge_l", "chrf", "bleu")},
                "exact": 100 * result.accuracy,
                "difference": apart,
            }
        )
    share = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "model": st.column_config.TextColumn(_("Model"), width=250),
            "perplexity": share(_("Perplexity"), format="%.2f", width=90),
            "rouge_l": share("ROUGE-L", format="%.1f %%", width=90),
            "chrf": share("chrF", format="%.1f %%", width=90),
            "bleu": share("BLEU", format="%.1f %%", width=90),
            "exact": share(_("Word for word"), format="%.1f %%", width=110),
            "difference": st.column_config.TextColumn(_("This model better by, in points"), width=200),
        },
        alt=_("Scores side by side"),
    )
    st.caption(
        _("Points of ROUGE-L, 95 % interval on the prompts that both answered. Perplexity: lower is better, and only "
          "comparable between models with the same tokens.")
    )  # fmt: skip


def show_exchanges(result: Evaluation, beside: Mapping[str, Evaluation]) -> None:
    """Prompt, expected response, this model's and those of the models ``beside`` it by name, to read side by side.

    A model that was not asked a prompt, because its version has it in another split, has no column there.
    """
    if result.wording is None or not result.wording.exchanges:
        st.caption(_("No prompt of this split was answered."))
        return
    exchanges = result.wording.exchanges
    others = {
        name: {exchange.item_id: exchange.answer for exchange in other.wording.exchanges}
        for name, other in beside.items()
        if other.wording is not None
    }
    worst = st.toggle(_("The least alike first"), key=f"exchanges_order_{result.split}")
    if worst:
        exchanges = sorted(exchanges, key=lambda exchange: exchange.closeness)
    pages = -(-len(exchanges) // READ_AT_ONCE)
    page = st.number_input(_("Page, 1 to {n}").format(n=number(pages)), 1, pages, 1, key=f"exchanges_{result.split}",
                           width=160) if pages > 1 else 1  # fmt: skip
    for exchange in exchanges[(int(page) - 1) * READ_AT_ONCE : int(page) * READ_AT_ONCE]:
        said = {_("Expected"): exchange.expected, _("This model"): exchange.answer}
        said |= {name: answers[exchange.item_id] for name, answers in others.items() if exchange.item_id in answers}
        with st.container(border=True):
            st.markdown(f"**{escape(exchange.prompt, 600)}**")
            with st.grid(len(said), min_column_width=160):
                for name, text in said.items():
                    with st.container(gap="xsmall"):
                        st.caption(escape(name))
                        st.text(text or _("(nothing)"))
            st.caption(_("Item {n}").format(n=exchange.item_id) + f" · ROUGE-L {percent(exchange.closeness)}")
