"""Is it good enough: quality on the feed's own answers, speed, coverage, and how often an alert would be false."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.errors import StudioError
from core.plots import confusion_matrix
from core.records import Progressing
from core.scenarios.finance_sentiment import plots
from core.scenarios.finance_sentiment.config import ROLES
from core.scenarios.finance_sentiment.scenario import FinanceSentiment
from studio.guard import guard
from studio.i18n import _, date_time, ngettext, number, percent, translator
from studio.jobs import Report
from studio.services import get_jobs
from studio.text import escape
from studio.theme import palette
from studio.widgets.basics import inline_error, stat
from studio.widgets.figure import show_figure
from studio.widgets.job_line import show_job


def numbers_panel(scenario: FinanceSentiment) -> None:
    """Measure in the background, then show."""
    coverage(scenario)
    key = f"finance_measure_{scenario.setup.id}"
    job = show_job(key)
    if job is None or job.state != "running":
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                _("Measure") if job is None else _("Measure again"),
                type="primary" if job is None else "secondary",
                icon=":material/speed:",
                key=f"{key}_go",
            ):
                get_jobs().start(key, _("Measuring"), lambda report: measure(scenario, report))
                st.rerun()
            st.caption(_("On what the feed itself says is right. No model has learned from it."))
    if job is not None and job.state in ("done", "failed"):
        with guard():
            _measured(job.result())


def measure(scenario: FinanceSentiment, report: Report) -> dict[str, object]:
    """Everything that the panel shows; what cannot be measured is its error."""
    found: dict[str, object] = {}
    steps: dict[str, Callable[[], object]] = {role.name: partial(scenario.quality, role.name, report) for role in ROLES}
    steps |= {"latency": scenario.latency, "alarms": scenario.shuffle_check}
    for done, (name, step) in enumerate(steps.items()):
        report(Progressing(done=done, total=len(steps), message="measuring"))
        try:
            found[name] = step()
        except StudioError as error:
            found[name] = error
    return found


def coverage(scenario: FinanceSentiment) -> None:
    """How much of the feed is dated, named and scored."""
    facts, waiting = scenario.facts, scenario.waiting()
    if not facts.items:
        return
    with st.grid(4, min_column_width=150):
        st.metric(_("Items"), number(facts.items))
        st.metric(_("With a date"), percent(facts.dated / facts.items, 0))
        st.metric(_("With a company"), percent(facts.with_company / facts.items, 0))
        scored = 1 - waiting["sentiment"] / facts.items if "sentiment" in waiting else 0.0
        st.metric(_("With a sentiment"), percent(scored, 0))


def _measured(found: dict[str, object]) -> None:
    from core.evaluation import Evaluation
    from core.scenarios.finance_sentiment.alerts import ShuffleCheck
    from core.scenarios.finance_sentiment.scenario import Latency

    for role in ROLES:
        st.subheader(_(role.title), anchor=False)
        result = found[role.name]
        if isinstance(result, Evaluation):
            _quality(result, role.name)
        elif isinstance(result, StudioError):
            inline_error(result)
    st.subheader(_("Speed"), anchor=False)
    speed = found["latency"]
    if isinstance(speed, Latency):
        with st.grid(3, min_column_width=170):
            st.metric(_("One text, half are faster"), f"{number(speed.median_ms, 1)} ms")
            st.metric(_("One text, 95 % are faster"), f"{number(speed.p95_ms, 1)} ms")
            st.metric(_("Texts a second, in a batch"), number(speed.per_second))
    elif isinstance(speed, StudioError):
        inline_error(speed)
    st.subheader(_("False alarms"), anchor=False)
    alarms = found["alarms"]
    if isinstance(alarms, ShuffleCheck):
        show_figure(plots.shuffle_histogram(alarms, palette(), translator()), key="finance_alarms")
        st.caption(
            _("The same items with their dates exchanged at random, {n} times: every alert there is a false one. The "
              "dotted line is this feed as it is.").format(n=alarms.copies)
        )  # fmt: skip
    elif isinstance(alarms, StudioError):
        inline_error(alarms)


def _quality(result: object, role: str) -> None:
    from core.evaluation import Evaluation

    if not isinstance(result, Evaluation):
        return
    left, right = st.columns([1, 2], gap="large")
    with left:
        stat(_("Right"), result.accuracy, result.intervals.get("accuracy"))
        stat(_("Macro F1"), result.macro_f1, result.intervals.get("macro_f1"))
        st.caption(
            ngettext("On {n} text, by {model}.", "On {n} texts, by {model}.", result.rows).format(
                n=number(result.rows), model=escape(result.name, 80)
            )
        )
    with right:
        show_figure(confusion_matrix(result, palette(), translator()), key=f"finance_confusion_{role}")


def history(scenario: FinanceSentiment) -> None:
    """Which model plays which part, since when."""
    for role in ROLES:
        model = scenario.models.get(role.name)
        if model is not None:
            st.caption(f"{_(role.title)}: {escape(model.title, 80)} · {date_time(model.info.created_at)}")
