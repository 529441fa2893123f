"""Proof against simpler methods, on items that were held back; and the one button that tunes on behaviour."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.scenarios.recommendation import plots
from core.scenarios.recommendation.config import MATCHING
from core.scenarios.recommendation.evaluation import Evaluated
from core.scenarios.recommendation.records import KeptReport
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import save_setup
from studio.current import annotator
from studio.guard import guard, guarded
from studio.i18n import _, date_time, number, translator
from studio.navigation import open_page
from studio.phrases import phrase
from studio.services import get_jobs, get_workspace
from studio.text import escape
from studio.theme import palette
from studio.widgets.basics import progress_line
from studio.widgets.figure import show_figure
from studio.widgets.job_line import show_job
from studio.widgets.scenario_setup import reload_form


def numbers_panel(scenario: Recommendation) -> None:
    """Measure, show, tune."""
    st.caption(_("The last thing that everybody liked is hidden and has to be found again among the whole catalogue."))
    kept = scenario.report()
    measuring(scenario, kept)
    if kept is not None:
        report(scenario, kept)
    st.subheader(_("Tune the texts on behaviour"), anchor=False)
    tuning(scenario)


def measuring(scenario: Recommendation, kept: KeptReport | None) -> None:
    """The button that measures, its progress, what went wrong."""
    key = f"shop_measure_{scenario.setup.id}"
    job = show_job(key)
    if job is not None and job.state == "running":
        return
    if job is not None and job.state == "failed":
        with guard():
            job.result()
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            _("Measure") if kept is None else _("Measure again"),
            type="primary" if kept is None or not kept.current else "secondary",
            icon=":material/speed:",
            key=f"{key}_go",
        ):
            get_jobs().start(key, _("Measuring"), scenario.evaluate)
            st.rerun()
        if kept is not None:
            words = _("Measured {time}.").format(time=date_time(kept.at))
            if not kept.current:
                words += " " + _("Data, model or settings have changed since.")
            st.caption(words)


def report(scenario: Recommendation, kept: KeptReport) -> None:
    """Figures, tables, and the weights that did best."""
    result = kept.result
    if scenario.setup.name == "Sample":
        st.info(_("These visitors are simulated: the figures show that the parts work, not what your shop would gain."))
    show_figure(plots.ranking_quality(result, palette(), translator()), key="shop_quality")
    st.caption(
        _("On {people} people and {items} items. The bars are 95 % intervals; where they overlap, the order may be "
          "chance.").format(people=number(result.people), items=number(result.items))
    )  # fmt: skip
    st.dataframe(table(result), hide_index=True, column_config=_columns(), alt=_("Every way of ranking"))
    for reason in result.left_out:
        st.caption(f":material/info: {escape(phrase(reason))}")
    left, right = st.columns(2, gap="large")
    with left:
        show_figure(plots.segments(result, palette(), translator()), key="shop_segments")
    with right:
        show_figure(plots.shown_share(result, palette(), translator()), key="shop_beyond")
    _weights(scenario, result)


def table(result: Evaluated) -> pd.DataFrame:
    """One row a way of ranking."""
    return pd.DataFrame(
        [
            {
                "way": _(row.title),
                "ndcg": row.ndcg,
                "interval": "{:.3f} – {:.3f}".format(*row.intervals["ndcg"]),
                "hit": 100 * row.hit_rate,
                "mrr": row.mrr,
                "rare": row.segments["rare"],
                "coverage": 100 * row.coverage,
                "diversity": row.diversity,
                "novelty": row.novelty,
                "ms": row.milliseconds,
            }
            for row in sorted(result.rows, key=lambda row: -row.ndcg)
        ]
    )


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "way": column.TextColumn(_("Ranked by")),
        "ndcg": column.NumberColumn(
            "nDCG@10", format="%.3f", help=_("1 when the hidden item comes first, less further down.")
        ),
        "interval": column.TextColumn(_("95 % interval")),
        "hit": column.NumberColumn(
            _("Hit rate@10"), format="%.1f %%", help=_("Hidden item among the first 10; recall@10 is the same.")
        ),
        "mrr": column.NumberColumn("MRR@10", format="%.3f"),
        "rare": column.NumberColumn(
            _("Rare items"), format="%.3f", help=_("nDCG@10 where at most 5 people like the hidden item.")
        ),
        "coverage": column.NumberColumn(
            _("Coverage"), format="%.1f %%", help=_("Items that are in anybody's first 10.")
        ),
        "diversity": column.NumberColumn(
            _("Diversity"), format="%.2f", help=_("How different the texts inside a list are.")
        ),
        "novelty": column.NumberColumn(
            _("Novelty"), format="%.1f", help=_("Bits of surprise: what few people like has more.")
        ),
        "ms": column.NumberColumn(_("ms a person"), format="%.1f"),
    }


def _weights(scenario: Recommendation, result: Evaluated) -> None:
    """The weights that did best before the last step, and a button that takes them over."""
    if scenario.config.weights == result.weights and scenario.config.memory == result.memory:
        st.caption(_("The list uses the weights that did best."))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(_("Use the weights that did best"), icon=":material/tune:", key="shop_use_weights"):
            config = scenario.config.model_copy(update={"weights": result.weights, "memory": result.memory})
            with guard():
                save_setup(get_workspace(), scenario.setup, config, user=annotator())
                reload_form(scenario.setup)
                st.rerun()
        st.caption(_("They were found on the item before the hidden one."))


@st.fragment(run_every=2.0)
@guarded
def _watch(scenario: Recommendation) -> None:
    run = scenario.tuning()
    if run is None:
        st.rerun()
        return
    status = run.status
    progress_line(status.done, status.total or None, phrase(status.message), status.eta_seconds)


def tuning(scenario: Recommendation) -> None:
    """One button: pairs of a history and what was liked next, a version, a bi-encoder."""
    model, run = scenario.model(), scenario.tuning()
    project = scenario.project()
    if run is not None:
        _watch(scenario)
    elif model is not None:
        st.markdown(_("The texts are read by **{model}**.").format(model=escape(model.title, 80)))
    else:
        st.markdown(_("The texts are read by the built-in model, which has never seen what people like together."))
    with st.container(horizontal=True, vertical_alignment="center"):
        if run is None and st.button(
            _("Tune on behaviour") if model is None else _("Tune again"),
            icon=":material/model_training:",
            key="shop_tune",
        ):
            with guard(), st.spinner(_("Preparing pairs of a history and what was liked next")):
                scenario.tune_on_behaviour(user=annotator())
                reload_form(scenario.setup)
                st.rerun()
        if project is not None and st.button(_("Open it in Train"), key="shop_train"):
            open_page("train", project=str(project.id))
    st.caption(
        _("{role}: a model learns which text is liked next after a history. Some minutes; the list goes on "
          "meanwhile.").format(role=_(MATCHING.title))
    )  # fmt: skip
