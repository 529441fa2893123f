"""Would it do well: past conversations as a test, what is told from foreign messages, how long answers take."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
import streamlit as st

from core.scenarios.customer_service import plots
from core.scenarios.customer_service.replay import Case, Replay, ReplayResult, compare, read_cases
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.customer_service.scope import ScopeFigures
from studio.current import annotator
from studio.guard import guard
from studio.i18n import _, date_time, ngettext, number, percent, translator
from studio.services import get_jobs, get_workspace
from studio.text import line
from studio.theme import palette
from studio.uploads import keep_upload
from studio.widgets.column_names import column_names
from studio.widgets.figure import show_figure
from studio.widgets.job_line import show_job

SHOWN_CASES = 500
FIRST = ("right", "false_confident", "handover")
"""What a stakeholder asks first."""


def numbers_panel(scenario: CustomerService) -> None:
    """Run a replay; look at one; compare it with the one before."""
    replays = scenario.replays()
    key = f"service_replay_{scenario.setup.id}"
    job = show_job(key)
    if job is None or job.state != "running":
        _start(scenario, replays, key)
    if job is not None and job.state == "failed":
        with guard():
            job.result()
    if not replays:
        st.caption(_("A replay runs past conversations through the assistant as a test. Nothing is sent to anybody."))
    else:
        _shown(scenario, replays)
    _scope(scenario)


def _start(scenario: CustomerService, replays: list[Replay], key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if scenario.sample_cases():
            words = _("Run the sample conversations") if not replays else _("Run the sample conversations again")
            if st.button(words, icon=":material/replay:", type="secondary" if replays else "primary", key=f"{key}_go"):
                _run(scenario, key, scenario.sample_cases(), _("Sample"))
        elif replays and st.button(_("Run the last file again"), icon=":material/replay:", key=f"{key}_again"):
            _run(scenario, key, scenario.replay_result(replays[0].id).inputs, replays[0].name)
        with st.popover(_("A file of past conversations"), icon=":material/upload_file:"):
            _from_file(scenario, key)


def _from_file(scenario: CustomerService, key: str) -> None:
    st.caption(
        _("One conversation a row: messages (a text or a list), and where known intent, faq (title of the entry that "
          "answers) and outcome (template, retrieval or handover).")
    )  # fmt: skip
    upload = st.file_uploader(_("CSV, JSONL or Excel"), key=f"{key}_file")
    if upload is None:
        return
    path, name = keep_upload(upload), upload.name
    columns = scenario.knowledge.preview(path, name).columns
    guess = next((column for column in ("messages", "message", "text") if column in columns), columns[0])
    column = st.selectbox(
        _("Column with the messages"),
        columns,
        index=columns.index(guess),
        format_func=column_names(columns),
        key=f"{key}_column",
    )
    if st.button(_("Run"), type="primary", key=f"{key}_file_go"):
        _run(scenario, key, read_cases(get_workspace(), Path(path), name, column), line(name, 60))


def _run(scenario: CustomerService, key: str, cases: list[Case], name: str) -> None:
    user = annotator()
    get_jobs().start(key, _("Replaying conversations"), lambda report: scenario.replay(cases, name, user, report))
    st.rerun()


# ---------------------------------------------------------------- one replay


def _shown(scenario: CustomerService, replays: list[Replay]) -> None:
    by_id = {replay.id: replay for replay in replays}
    chosen = by_id[
        st.selectbox(
            _("Replay"),
            list(by_id),
            format_func=lambda one: f"{one} · {line(by_id[one].name, 40)} · {date_time(by_id[one].at)}",
            key=f"service_replay_{scenario.setup.id}_shown_{replays[0].id}",  # a new one is looked at first
            width=420,
        )
    ]
    summary = chosen.summary
    before = next((replay for replay in replays if replay.id < chosen.id), None)
    with st.grid(5, min_column_width=150):
        for name in FIRST:
            if name in summary.shares:
                _metric(name, summary.shares[name].value, before)
        st.metric(_("Median answer"), f"{number(summary.milliseconds['p50'])} ms")
        st.metric(_("95 % within"), f"{number(summary.milliseconds['p95'])} ms")
    st.caption(
        ngettext("{n} conversation", "{n} conversations", summary.cases).format(n=number(summary.cases))
        + " · "
        + ngettext("{n} passage", "{n} passages", summary.passages).format(n=number(summary.passages))
        + (" · " + _("changes since the replay before in points") if before else "")
    )
    left, right = st.columns(2, gap="large")
    with left:
        show_figure(plots.quality(summary, palette(), translator()), key="service_quality")
    with right:
        if summary.flow:
            show_figure(plots.flow(summary, palette(), translator()), key="service_flow")
            st.caption(_("On the left who should answer, in colour who did."))
        if len(replays) > 1:
            show_figure(plots.over_time(replays, palette(), translator()), key="service_over_time")
    result = scenario.replay_result(chosen.id)
    if before is not None:
        _change(result, scenario.replay_result(before.id))
    _cases(result)


def _metric(name: str, value: float, before: Replay | None) -> None:
    earlier = before.summary.shares.get(name) if before else None
    delta = None if earlier is None else round((value - earlier.value) * 100, 1)
    better: Literal["inverse", "normal"] = "inverse" if name in ("false_confident", "handover") else "normal"
    words = plots.measure_words(_)[name]
    st.metric(words, percent(value), None if delta is None else f"{delta:+.1f}", delta_color=better)


def _change(after: ReplayResult, before: ReplayResult) -> None:
    change = compare(before, after)
    if change.same:
        st.markdown(
            _("Since the replay before, {better} conversations became right and {worse} became wrong.").format(
                better=number(len(change.better)), worse=number(len(change.worse))
            )
        )


def _cases(result: ReplayResult) -> None:
    with st.expander(_("Conversation by conversation"), icon=":material/list:"):
        words = plots.outcome_words(_)
        wrong = st.toggle(_("Only wrong ones"), value=True, key="service_only_wrong")
        rows = [
            {
                "message": line(case.message, 160),
                "should": words[case.outcome] if case.outcome else "",
                "got": words[case.got],
                "intent": line(case.intent, 40) if case.intent else "",
                "predicted": line(case.predicted, 40) if case.predicted else "",
                "rank": case.rank or None,
                "answer": line(case.answer, 200),
            }
            for case in result.results
            if not wrong or case.right is False
        ][:SHOWN_CASES]
        column = st.column_config
        st.dataframe(
            pd.DataFrame(rows, columns=["message", "should", "got", "intent", "predicted", "rank", "answer"]),
            hide_index=True,
            placeholder="",
            column_config={
                "message": column.TextColumn(_("First message"), width="large"),
                "should": column.TextColumn(_("Should answer")),
                "got": column.TextColumn(_("Answered")),
                "intent": column.TextColumn(_("Intent")),
                "predicted": column.TextColumn(_("Predicted")),
                "rank": column.NumberColumn(_("Place of the passage")),
                "answer": column.TextColumn(_("Answer"), width="large"),
            },
            alt=_("Conversations of the replay"),
        )


# ---------------------------------------------------------------- scope


def _scope(scenario: CustomerService) -> None:
    """How well foreign messages are told, on texts that the model has not learned from."""
    st.subheader(_("Foreign messages"), anchor=False)
    key = f"service_scope_{scenario.setup.id}"
    job = show_job(key)
    if job is not None and job.state == "running":
        return
    if st.button(_("Measure") if job is None else _("Measure again"), icon=":material/speed:", key=f"{key}_go"):
        get_jobs().start(key, _("Measuring"), lambda _report: scenario.scope_figures())
        st.rerun()
    if job is not None and job.state in ("done", "failed"):
        with guard():
            _scope_figures(job.result())


def _scope_figures(found: ScopeFigures | None) -> None:
    if found is None:
        st.info(_("There is no intent model yet to measure."))
        return
    with st.grid(4, min_column_width=170):
        st.metric(_("Our messages with the right intent"), percent(found.accuracy))
        st.metric(_("Of those let through"), percent(found.accepted_accuracy))
        st.metric(_("Our messages turned away"), percent(found.turned_away))
        if found.foreign:
            st.metric(_("Foreign messages found"), percent(found.recall))
    st.caption(
        _("On {ours} messages of the test split that are ours and {foreign} that are foreign.").format(
            ours=number(found.in_scope), foreign=number(found.foreign)
        )
        + ("" if found.foreign >= 20 else " " + _("With so few foreign ones the last figure says little."))
    )
