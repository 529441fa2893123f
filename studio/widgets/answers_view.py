"""Answers to questions about texts, to read: in a report beside what was expected, and in the text they come from."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.evaluation import Evaluation, Reply
from studio.i18n import _, percent
from studio.text import escape

PERCENT_COLUMN: dict[str, Any] = {"format": "%.0f %%", "min_value": 0, "max_value": 100}


def show_replies(result: Evaluation) -> None:
    """A table of questions, expected and given answers; the selected one in its text, with the baseline's answer."""
    replies = result.replies
    if st.toggle(_("The least alike first"), key=f"replies_order_{result.split}"):
        replies = sorted(replies, key=lambda reply: reply.f1)
    event = st.dataframe(
        replies_frame(replies),
        key=f"replies_{result.split}_{result.rows}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(replies), 460),
        column_config={
            "question": st.column_config.TextColumn(_("Question"), width=300),
            "expected": st.column_config.TextColumn(_("Expected"), width=180),
            "given": st.column_config.TextColumn(_("Given"), width=180),
            "f1": st.column_config.ProgressColumn("F1", width=90, **PERCENT_COLUMN),
            "score": st.column_config.ProgressColumn(_("Sure"), width=90, **PERCENT_COLUMN),
        },
        alt=_("Questions and answers"),
    )
    rows = event.selection.rows
    if not rows or rows[0] >= len(replies):
        st.caption(_("Select a row to read its text."))
        return
    reply = replies[rows[0]]
    with st.container(border=True):
        st.markdown(f"**{escape(reply.question, 600)}**")
        show_in_text(reply.context, reply.at)
        others = {one.item_id: one for one in result.baseline.replies} if result.baseline else {}
        if (other := others.get(reply.item_id)) is not None:
            said = _("Baseline: {answer} (F1 {f1})")
            st.caption(said.format(answer=escape(other.given or _("no answer"), 200), f1=percent(other.f1)))
        st.caption(_("Item {n}").format(n=reply.item_id))


def replies_frame(replies: list[Reply]) -> pd.DataFrame:
    """One row a question, shares in percent."""
    none = _("no answer")
    return pd.DataFrame(
        [
            {
                "question": reply.question,
                "expected": " / ".join(reply.expected) or none,
                "given": reply.given or none,
                "f1": 100 * reply.f1,
                "score": 100 * reply.score,
            }
            for reply in replies
        ],
        columns=["question", "expected", "given", "f1", "score"],
    )


def show_in_text(text: str, at: list[int]) -> None:
    """The text with the characters ``at`` (start, end) marked; nothing in it is interpreted."""
    start, end = at or (0, 0)
    shown = ""
    for part, marked in ((text[:start], False), (text[start:end], True), (text[end:], False)):
        if part.strip():
            # ``escape`` takes white space off the ends; what stood apart stands apart.
            space = " " if shown and (part[0].isspace() or shown.endswith(" ")) else ""
            words = f":primary-background[**{escape(part)}**]" if marked else escape(part)
            shown = shown.rstrip() + space + words + (" " if part[-1].isspace() else "")
    st.markdown(shown)
