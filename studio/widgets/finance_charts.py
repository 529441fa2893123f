"""The live part of finance sentiment: alerts first, then curves, heat map and drivers, and the feed played back."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta

import streamlit as st

from core.scenarios.finance_sentiment import plots, series
from core.scenarios.finance_sentiment.alerts import Alert
from core.scenarios.finance_sentiment.live import SPEEDS, Replay, end_of
from core.scenarios.finance_sentiment.scenario import FinanceSentiment
from core.storage.finance_sentiment import FeedFilter
from studio import session
from studio.address import remember
from studio.current import annotator
from studio.guard import guard, guarded
from studio.i18n import _, date_time, ngettext, number, percent, translator
from studio.text import escape, line, told_apart
from studio.theme import palette
from studio.widgets.figure import show_clickable, show_figure

SHOWN_ALERTS = 3
SHOWN_NEWS = 6
TICK_SECONDS = 1.0
PRESENTED_TYPE = 17


def chosen_filter(scenario: FinanceSentiment, widgets: bool = True) -> FeedFilter:
    """Company, topic and days from the URL, with their widgets unless the page is being presented."""
    counts = scenario.counts()
    companies, topics = (["", *series.names(counts, place)] for place in (1, 2))
    company = remember(session.FINANCE_COMPANY, "", companies.__contains__)
    topic = remember(session.FINANCE_TOPIC, "", topics.__contains__)
    facts = scenario.facts
    first, last = (facts.first.date(), facts.last.date()) if facts.first and facts.last else (None, None)
    since = remember(session.FINANCE_SINCE, "", _is_day)
    until = remember(session.FINANCE_UNTIL, "", _is_day)
    if widgets:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox(
                _("Company"),
                companies,
                format_func=told_apart(companies, lambda name: line(name, 60) if name else _("All companies")),
                key=session.FINANCE_COMPANY,
                width=220,
            )
            st.selectbox(
                _("Topic"),
                topics,
                format_func=told_apart(topics, lambda name: line(name, 60) if name else _("All topics")),
                key=session.FINANCE_TOPIC,
                width=180,
            )
            if first and last:
                _day_input(_("From"), session.FINANCE_SINCE, since, first, last)
                _day_input(_("To"), session.FINANCE_UNTIL, until, first, last)
                if since or until or company or topic:
                    st.button(_("Show everything"), icon=":material/filter_alt_off:", on_click=_clear)
    return FeedFilter(
        company=company or None,
        topic=topic or None,
        since=date.fromisoformat(since) if since else None,
        until=end_of(date.fromisoformat(until)) if until else None,
    )


def _is_day(value: str) -> bool:
    try:
        return value == "" or bool(date.fromisoformat(value))
    except ValueError:
        return False


def _day_input(label: str, name: str, value: str, first: date, last: date) -> None:
    key = f"_day_{name}_{value}"

    def changed() -> None:
        picked = st.session_state[key]
        st.session_state[name] = picked.isoformat() if picked else ""

    low, high = (
        min(first, date.fromisoformat(value or first.isoformat())),
        max(last, date.fromisoformat(value or last.isoformat())),
    )
    st.date_input(
        label, value=date.fromisoformat(value) if value else None, min_value=low, max_value=high,
        format="YYYY-MM-DD", key=key, on_change=changed, width=150,
    )  # fmt: skip


def _clear() -> None:
    for name in (session.FINANCE_COMPANY, session.FINANCE_TOPIC, session.FINANCE_SINCE, session.FINANCE_UNTIL):
        st.session_state[name] = ""


def _zoom(company: str, since: date | None, until: date | None, topic: str = "") -> None:
    """Let the page show these days of a company."""
    st.session_state[session.FINANCE_COMPANY] = company
    st.session_state[session.FINANCE_TOPIC] = topic
    st.session_state[session.FINANCE_SINCE] = since.isoformat() if since else ""
    st.session_state[session.FINANCE_UNTIL] = until.isoformat() if until else ""


# ---------------------------------------------------------------- alerts


def alerts_panel(scenario: FinanceSentiment, big: bool) -> list[Alert]:
    """Alerts that nobody has taken note of yet, then the others; returns all of them."""
    alerts = scenario.alerts()
    open_ones = [alert for alert in alerts if not alert.acknowledged]
    done = [alert for alert in alerts if alert.acknowledged]
    if not open_ones:
        st.success(
            _("No open alert.") if alerts else _("No alert: nothing in this feed is unusual."),
            icon=":material/check:",
        )
    for alert in open_ones[:SHOWN_ALERTS]:
        alert_card(scenario, alert, big)
    rest = open_ones[SHOWN_ALERTS:] + done
    if rest and not big:
        title = ngettext("{n} more alert", "{n} more alerts", len(rest)).format(n=number(len(rest)))
        with st.expander(title):
            for alert in rest:
                alert_card(scenario, alert, big)
    return alerts


def alert_card(scenario: FinanceSentiment, alert: Alert, big: bool) -> None:
    """When, why, and what can be done about it."""
    with st.container(border=True, key=f"alert_{alert.id}"):
        sentence = escape(alert.sentence(scenario.config))
        mark = ":material/check:" if alert.acknowledged else ":orange[:material/warning:]"
        st.markdown(f"##### {mark} {sentence}" if big else f"{mark} {sentence}")
        if big:
            st.caption(_("Raised on {day}").format(day=f"{alert.fired_on:%Y-%m-%d}"))
            return
        st.caption(_why(alert))
        for note in alert.notes:
            parts = [
                date_time(note.at),
                escape(note.user),
                _note_kind(note.kind),
                escape(note.note) if note.note else "",
            ]
            st.caption(" · ".join(part for part in parts if part))
        with st.container(horizontal=True):
            st.button(
                _("Show what is behind it"),
                icon=":material/zoom_in:",
                key=f"alert_show_{alert.id}",
                on_click=_zoom,
                args=(alert.company, alert.since, alert.until),
            )
            kind, words, icon = (
                ("reopened", _("Open again"), ":material/undo:")
                if alert.acknowledged
                else ("acknowledged", _("Acknowledge"), ":material/check:")
            )
            st.button(words, icon=icon, key=f"alert_{kind}_{alert.id}", on_click=_note, args=(scenario, alert.id, kind))
            with st.popover(_("Note"), icon=":material/edit_note:"):
                text = st.text_area(_("What did you find out?"), key=f"alert_text_{alert.id}", max_chars=2000)
                if st.button(_("Save the note"), key=f"alert_note_{alert.id}"):
                    with guard():
                        scenario.note_alert(alert.id, "note", text or "", annotator())
                        st.rerun()


def _note(scenario: FinanceSentiment, alert_id: int, kind: str) -> None:
    with guard():
        scenario.note_alert(alert_id, kind, user=annotator())


def _note_kind(kind: str) -> str:
    return {
        "acknowledged": _("acknowledged"),
        "reopened": _("opened again"),
        "note": "",
        "sent": _("told"),
        "failed": _("could not be told:"),
    }.get(kind, "")


def _why(alert: Alert) -> str:
    """The reason in plain words, with the numbers behind it."""
    reasons = []
    if "negative" in alert.kinds:
        reasons.append(
            _("share of bad news {now} instead of {usual}").format(
                now=percent(alert.negative / max(1, alert.items), 0), usual=percent(alert.usual_share, 0)
            )
        )
    if "volume" in alert.kinds:
        days = (alert.until - alert.since).days + 1
        reasons.append(
            _("{now} items a day instead of {usual}").format(
                now=number(alert.items / days, 1), usual=number(alert.usual_items, 1)
            )
        )
    return _("Raised on {day}: {reasons}. By chance alone: {p}.").format(
        day=f"{alert.fired_on:%Y-%m-%d}", reasons=", ".join(reasons), p=f"{alert.p_value:.1g}"
    )


# ---------------------------------------------------------------- charts


def charts(scenario: FinanceSentiment, where: FeedFilter, alerts: list[Alert], big: bool) -> None:
    """Curves, heat map and drivers of what the filter lets through."""
    counts = scenario.counts(where)
    if not counts:
        st.info(_("Nothing in these days. Choose others."), icon=":material/search_off:")
        return
    shown = [alert for alert in alerts if where.company in (None, alert.company)]
    timeline(scenario, counts, _inside(shown, where), big)
    by = "topic" if where.company else "company"
    left, right = st.columns([3, 2], gap="large")
    with left:
        _heat(scenario, scenario.counts(FeedFilter(company=where.company, topic=where.topic)), by, where)
    with right:
        words = scenario.drivers(where)
        figure = plots.word_bars(words[:10], palette(), translator())
        show_figure(figure, key="finance_words")
        st.caption(
            _("Words that set these days apart from the others, with the number of items that have them.")
            if where.since
            else _("Words that set negative items apart from the others, with the number of items that have them.")
        )


def _inside(alerts: list[Alert], where: FeedFilter) -> list[Alert]:
    first, last = where.since or date.min, (where.until or datetime.max).date()
    return [alert for alert in alerts if alert.until >= first and alert.since <= last]


def timeline(scenario: FinanceSentiment, counts: list[series.Count], alerts: list[Alert], big: bool) -> None:
    """The curve over all days."""
    figure = plots.timeline(
        series.trend(counts, scenario.config.is_negative), scenario.config.is_negative, alerts, palette(), translator(),
        height=480 if big else 380,
    )  # fmt: skip
    if big:
        figure.update_layout(font_size=PRESENTED_TYPE)
    show_figure(figure, key="finance_timeline")


def _heat(scenario: FinanceSentiment, counts: list[series.Count], by: str, where: FeedFilter) -> None:
    found = series.heat_map(counts, scenario.config.is_negative, by)
    if not found.rows:
        st.caption(_("The heat map needs companies or topics."))
        return
    picked = show_clickable(plots.heat(found, palette(), translator()), key=f"finance_heat_{by}")
    st.caption(_("Items by week; the darker, the more of them are negative. Click a cell to read them."))
    if picked:
        name, monday = str(picked[0]), date.fromisoformat(str(picked[1]))
        company, topic = (where.company or "", name) if by == "topic" else (name, where.topic or "")
        wanted = (company, topic, monday.isoformat())
        if wanted != st.session_state.get(session.FINANCE_PICKED):
            st.session_state[session.FINANCE_PICKED] = wanted
            _later(company, monday, monday + timedelta(days=6), topic)


def _later(company: str, since: date, until: date, topic: str) -> None:
    """Change the filters, whose widgets are drawn already, on the next script run."""
    st.session_state[session.FINANCE_NEXT] = (company, since, until, topic)
    st.rerun()


def take_next() -> None:
    """Settle what a click on the heat map chose; before the filters are drawn."""
    chosen = st.session_state.pop(session.FINANCE_NEXT, None)
    if chosen is not None:
        _zoom(*chosen)


# ---------------------------------------------------------------- replay


def replay_controls(scenario: FinanceSentiment) -> None:
    """Start or stop playing the feed back."""
    facts = scenario.facts
    if facts.first is None or facts.last is None:
        return
    playing = current_replay(scenario)
    with st.container(horizontal=True, vertical_alignment="center"):
        if playing is None:
            speed = st.selectbox(
                _("Speed"),
                SPEEDS,
                index=1,
                format_func=lambda days: ngettext("{n} day a second", "{n} days a second", int(days)).format(
                    n=int(days)
                ),
                key="finance_speed",
                label_visibility="collapsed",
                width=170,
            )
            if st.button(_("Play the feed"), icon=":material/play_arrow:", key="finance_play"):
                replay = Replay(facts.first.date(), facts.last.date(), float(speed or 1), time.time())
                st.session_state[session.FINANCE_REPLAY] = (scenario.setup.id, replay)
                st.rerun()
        elif st.button(_("Stop"), icon=":material/stop:", key="finance_stop"):
            del st.session_state[session.FINANCE_REPLAY]
            st.rerun()


def current_replay(scenario: FinanceSentiment) -> Replay | None:
    """The replay of this setup that runs in this session."""
    setup_id, replay = st.session_state.get(session.FINANCE_REPLAY, (None, None))
    return replay if setup_id == scenario.setup.id else None


@st.fragment(run_every=TICK_SECONDS)
@guarded
def replay_view(scenario: FinanceSentiment, where: FeedFilter, big: bool) -> None:
    """The feed as it looked on the day that is being played: alerts as they fire, the curve, the newest items."""
    replay = current_replay(scenario)
    if replay is None:
        st.rerun()
        return
    now = time.time()
    moment = replay.moment(now)
    over = replay.over(now)
    days = (replay.last - replay.first).days or 1
    done = (moment.date() - replay.first).days
    st.progress(min(1.0, done / days), text=f"{moment:%Y-%m-%d}" + (" · " + _("the end") if over else ""))
    seen = FeedFilter(company=where.company, topic=where.topic, until=moment)
    alerts = scenario.alerts_at(moment)
    for alert in alerts[:SHOWN_ALERTS]:
        st.warning(escape(alert.sentence(scenario.config)), icon=":material/warning:")
    if not alerts:
        st.caption(_("No alert up to this day."))
    timeline(scenario, scenario.counts(seen), [a for a in alerts if where.company in (None, a.company)], big)
    for row in scenario.items(seen, limit=SHOWN_NEWS):
        mark = ":orange[▼]" if scenario.config.is_negative(row.sentiment) else "·"
        when = f"{row.published_at:%m-%d}" if row.published_at else ""
        st.markdown(
            f"{mark} {when} **{escape(row.company, 40)}** {escape(row.text, 200)}"
            if row.company
            else f"{mark} {when} {escape(row.text, 200)}"
        )
