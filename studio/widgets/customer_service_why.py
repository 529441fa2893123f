"""Why this answer: everything the agent saw, as it saw it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.scenarios.customer_service.agent import Trace
from core.scenarios.customer_service.handover import Summary
from studio.i18n import _, number, percent
from studio.text import escape, line
from studio.widgets.customer_service_words import DECISIONS, KINDS, REASONS, STEPS, message_text, passage_name


def why_panel(trace: Trace, text: str) -> None:
    """The decision in one sentence, then what it rests on."""
    st.subheader(_("Why this answer"), anchor=False)
    st.markdown(f"**{_(DECISIONS[trace.decision])}.** {_(REASONS[trace.reason])}")
    st.caption(escape(text, 120))
    if trace.problem:
        st.warning(escape(trace.problem, 300), icon=":material/info:")
    _intents(trace)
    _entities(trace)
    _passages(trace)
    steps = " · ".join(
        f"{_(STEPS.get(name, name))} {number(value, 0 if value >= 10 else 1)} ms"
        for name, value in trace.milliseconds.items()
    )
    total = number(sum(trace.milliseconds.values()))
    st.caption(_("Answered in {ms} ms").format(ms=total) + f": {steps}")


def _intents(trace: Trace) -> None:
    if trace.model is None:
        st.caption(_("No intent model plays yet, so only the knowledge base answers."))
        return
    rows = pd.DataFrame(list(trace.intent_scores.items()), columns=["intent", "score"])
    rows["intent"] = [line(name, 60) for name in rows["intent"]]
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            "intent": st.column_config.TextColumn(_("Intent")),
            "score": st.column_config.ProgressColumn(_("Probability"), format="percent", min_value=0, max_value=1),
        },
        alt=_("The most probable intents"),
    )
    words = [_("in scope") if trace.in_scope else _("out of scope")]
    if trace.scope is not None and trace.scope_threshold is not None:
        words.append(
            _("measure {value}, at least {threshold} is needed").format(
                value=number(trace.scope, 3), threshold=number(trace.scope_threshold, 3)
            )
        )
    if trace.language:
        words.append(_("language {code}").format(code=trace.language))
    st.caption(" · ".join(words))


def _entities(trace: Trace) -> None:
    if not trace.known and not trace.missing:
        return
    with st.container(horizontal=True, gap="small"):
        for kind, value in trace.known.items():
            name = _(KINDS[kind]) if kind in KINDS else escape(kind, 40)
            st.badge(f"{name}: {escape(value, 40)}", color="green")
        for kind in trace.missing:
            st.badge(_("asked for: {what}").format(what=_(KINDS[kind])), color="orange")


def _passages(trace: Trace) -> None:
    if not trace.passages:
        st.caption(_("The knowledge base has nothing to search."))
        return
    st.markdown(_("Nearest passages"))
    for hit in trace.passages:
        mark = ":material/check: " if hit.key in trace.used else ""
        title = escape(hit.title, 70) if hit.kind == "entry" else passage_name(hit)
        with st.expander(f"{mark}{percent(max(hit.similarity, 0.0), 0)} · {title}"):
            if hit.kind == "conversation":
                st.caption(escape(hit.title, 100))
            st.markdown(message_text(hit.text))
            st.caption(
                _("cosine {cosine} · words {words} · fused {fused}").format(
                    cosine=number(hit.similarity, 2), words=number(hit.words, 1), fused=number(hit.score, 4)
                )
            )
    if trace.grounded is not None:
        st.caption(_("{share} of the answer's words stand in the passages.").format(share=percent(trace.grounded, 0)))


def handover_panel(summary: Summary) -> None:
    """What the person who takes over reads first."""
    with st.container(border=True):
        st.markdown(f"**{_('For the person who takes over')}**")
        wish = summary.intent or _("unknown")
        if summary.intent_score:
            wish += f" ({percent(summary.intent_score, 0)})"
        st.markdown(_("Wish: {wish}").format(wish=escape(wish, 80)))
        for kind, value in summary.known.items():
            st.markdown(f"{_(KINDS[kind])}: {escape(value, 60)}")
        for said in summary.said:
            st.caption(f"“{escape(said, 200)}”")
        if summary.answered:
            told = ", ".join(escape(title, 60) for title in summary.answered)
            st.markdown(_("Told already: {titles}").format(titles=told))
        if summary.nearest:
            near = ", ".join(escape(title, 60) for title in summary.nearest)
            st.caption(_("Came near: {titles}").format(titles=near))
        if summary.reason:
            st.caption(_(REASONS[summary.reason]))
