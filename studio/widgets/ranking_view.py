"""The figures that only pairs have: how early the matches come, and how well scores follow grades."""

from __future__ import annotations

import streamlit as st

from core.evaluation import Evaluation
from studio.i18n import N_, _, number
from studio.widgets.basics import stat

LEADING = ("spearman", "mrr@10")
"""Figures of this module by which models may be judged."""
_FIGURES = {
    "hit_rate@1": (N_("Match comes first"), N_("Hit rate at 1: share of texts whose closest candidate is a match.")),
    "hit_rate@3": (N_("Among the first 3"), N_("Hit rate at 3: share of texts with a match among the closest 3.")),
    "mrr@10": (N_("How early"), N_("MRR at 10: mean of 1 / place of the first match; 0 beyond place 10.")),
    "ndcg@10": (N_("Order of the list"), N_("nDCG at 10: matches count the less the later they come.")),
}


def show_ranking(result: Evaluation) -> None:
    """Nothing for models of single texts."""
    if result.agreement is not None:
        found, beside = result.agreement, result.baseline.agreement if result.baseline else None
        with st.grid(4, min_column_width=150):
            stat(
                _("Order of the grades"),
                found.spearman,
                (found.low, found.high),
                beside.spearman if beside else None,
                _("Spearman's correlation of scores and grades; 100 % is the same order."),
            )
    if result.retrieval is None:
        return
    ranked, other = result.retrieval, result.baseline.retrieval if result.baseline else None
    with st.grid(4, min_column_width=150):
        for name, (title, meaning) in _FIGURES.items():
            against = other.figures.get(name) if other else None
            stat(_(title), ranked.figures[name], ranked.intervals[name], against, _(meaning))
    st.caption(
        _(
            "{queries} first texts of this split, each against all {candidates} second texts. Right are its matches, "
            "and texts linked to it by a chain of matches."
        ).format(queries=number(ranked.queries), candidates=number(ranked.candidates))
    )
