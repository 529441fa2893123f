"""The texts behind a curve: a list, the words that decided, and the way back for what a model got wrong."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import StudioError
from core.scenarios.finance_sentiment.attribution import Attribution
from core.scenarios.finance_sentiment.scenario import FinanceSentiment
from core.storage.finance_sentiment import FeedFilter, FeedRow
from studio import session
from studio.current import annotator
from studio.guard import guard
from studio.i18n import _, ngettext, number, percent
from studio.navigation import open_page
from studio.text import escape, line, told_apart
from studio.widgets.basics import inline_error

PAGE = 25
FELT = 0.02
"""A word whose absence moves the probability by less is not marked."""
STRONG = 0.15


def items_panel(scenario: FinanceSentiment, where: FeedFilter, roles: tuple[str, ...] = ("sentiment",)) -> None:
    """Items of the filter, newest or worst first; the selected one opens below."""
    negative = scenario.negative_labels()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            _("Search"), type="search", key="finance_search", placeholder=_("Words in the text"), width=240
        )
        only = bool(negative) and st.toggle(_("Only bad news"), key="finance_only")
    where = FeedFilter(
        **{
            **vars(where),
            "text": (words or "").strip(),
            "sentiments": where.sentiments or (negative if only else ()),
        }
    )
    total = scenario.count(where)
    if not total:
        st.caption(_("No item."))
        return
    pages = -(-total // PAGE)
    page = st.pagination(pages, key=f"finance_page_{pages}") if pages > 1 else 1
    rows = scenario.items(where, limit=PAGE, offset=PAGE * ((page or 1) - 1))
    event = st.dataframe(
        items_frame(rows),
        hide_index=True,
        key=f"finance_items_{page}_{total}",
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(rows), 420),
        column_config={
            "date": st.column_config.DatetimeColumn(_("Date"), format="YYYY-MM-DD", width=100),
            "company": st.column_config.TextColumn(_("Company"), width=130),
            "topic": st.column_config.TextColumn(_("Topic"), width=100),
            "sentiment": st.column_config.TextColumn(_("Sentiment"), width=100),
            "risk": st.column_config.TextColumn(_("Risk"), width=80),
            "text": st.column_config.TextColumn(_("Text"), width="large"),
        },
        alt=_("Items"),
    )
    st.caption(
        ngettext("{n} item. Select one to see why.", "{n} items. Select one to see why.", total).format(n=number(total))
    )
    chosen = [rows[place] for place in event.selection.rows if place < len(rows)]
    if chosen:
        for role in roles:
            if role in scenario.models:
                item_panel(scenario, chosen[0], role)


def items_frame(rows: list[FeedRow]) -> pd.DataFrame:
    """One row an item; columns that are empty throughout are left out."""
    frame = pd.DataFrame(
        {
            "date": [row.published_at for row in rows],
            "sentiment": [row.sentiment for row in rows],
            "text": [row.text for row in rows],
            "company": [row.company for row in rows],
            "topic": [row.topic for row in rows],
            "risk": [row.risk for row in rows],
        }
    )
    return frame[[name for name in frame if frame[name].astype(bool).any() and frame[name].notna().any()]]


def item_panel(scenario: FinanceSentiment, row: FeedRow, role: str) -> None:
    """What the model said, which words decided, and the feedback button."""
    with st.container(border=True):
        try:
            found = _explained(scenario, row.id, role)
        except StudioError as error:
            inline_error(error)
            st.text(row.text)
            return
        st.markdown(f"**{escape(found.label, 60)}** · {percent(found.score)}")
        st.markdown(highlighted(found))
        st.caption(
            _("Orange words speak for '{label}', blue ones against it: how far the probability falls when the word is "
              "left out.").format(label=escape(found.label, 60))
        )  # fmt: skip
        _feedback(scenario, row, role, found.label)


def _explained(scenario: FinanceSentiment, item_id: int, role: str) -> Attribution:
    """The attribution of an item, worked out once while it is looked at."""
    known: dict[tuple[int, str, str], Attribution] = st.session_state.setdefault(session.FINANCE_EXPLAINED, {})
    key = (item_id, role, scenario.model(role).id)
    if key not in known:
        if len(known) > PAGE:
            known.clear()
        with st.spinner(_("Looking at every word")):
            known[key] = scenario.explain(item_id, role)
    return known[key]


def highlighted(found: Attribution) -> str:
    """The text as Markdown of our own around escaped words."""
    parts = []
    for piece in found.pieces:
        if not piece.text.strip():
            parts.append(" ")
            continue
        word = escape(piece.text)
        if abs(piece.weight) >= FELT:
            colour = "orange" if piece.weight > 0 else "blue"
            word = f":{colour}-background[{word}]"
            if abs(piece.weight) >= STRONG:
                word = f"**{word}**"
        parts.append(word)
    return "".join(parts)


def _feedback(scenario: FinanceSentiment, row: FeedRow, role: str, said: str) -> None:
    """Say that the model is wrong; the text goes first into the labeling queue of its project."""
    sent = st.session_state.get(session.FINANCE_SENT)
    if sent is not None and sent[:2] == (row.id, role):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                ":material/check: " + _("First in line in '{project}' now.").format(project=escape(sent[2], 60))
            )
            if st.button(_("Label it"), icon=":material/edit_note:", key=f"feedback_go_{role}"):
                open_page("annotate", project=str(sent[3]))
        return
    others = ["", *[label for label in scenario.model(role).info.labels if label != said]]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        better = st.selectbox(
            _("It should be"),
            others,
            format_func=told_apart(others, lambda name: line(name, 60) if name else _("not sure")),
            key=f"feedback_label_{role}_{row.id}",
            width=180,
        )
        if st.button(_("This is wrong"), icon=":material/thumb_down:", key=f"feedback_{role}_{row.id}"):
            with guard():
                note = f"said {said}, should be {better}" if better else f"said {said}"
                project, _item = scenario.send_back(row.id, role, note, user=annotator())
                st.session_state[session.FINANCE_SENT] = (row.id, role, project.name, project.id)
                st.rerun()
