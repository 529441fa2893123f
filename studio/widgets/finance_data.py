"""Bring your own news: a file with its columns mapped, a feed that is polled, and the settings of the setup."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from core.scenarios.finance_sentiment import live
from core.scenarios.finance_sentiment.config import ROLES, FinanceConfig
from core.scenarios.finance_sentiment.feed import FeedMapping, guess_mapping, preview_feed
from core.scenarios.finance_sentiment.report import to_html
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from studio import session
from studio.guard import guard
from studio.i18n import _, translator
from studio.services import get_jobs, get_workspace
from studio.text import escape
from studio.uploads import keep_upload
from studio.widgets.column_names import column_names
from studio.widgets.import_result import form_key, import_counts, import_job, start_import
from studio.widgets.job_line import show_job
from studio.widgets.scenario_setup import delete_setup, new_setup, setup_file, setup_form

PARTS = {
    "text": "Text",
    "date": "Date",
    "company": "Company",
    "topic": "Topic",
    "source": "Source",
    "link": "Web address",
    "sentiment": "Right sentiment (for measuring)",
    "risk": "Right risk (for measuring)",
}


def data_panel(scenario: FinanceSentiment) -> None:
    """Setups, import, polling, settings."""
    with st.container(horizontal=True):
        new_setup(NAME, session.FINANCE_SETUP, lambda: FinanceConfig(roles=scenario.config.roles))
        setup_file(scenario.setup)
        if scenario.setup.name != "Sample":
            delete_setup(scenario, scenario.setup)
    st.subheader(_("News from a file"), anchor=False)
    if scenario.setup.name == "Sample":
        st.caption(_("Make a new setup for your own news, so that the sample stays as it is."))
    import_panel(scenario)
    if scenario.config.feed_url:
        st.subheader(_("News from the feed"), anchor=False)
        poll_panel(scenario)
    st.subheader(_("Models, alerts and who is told"), anchor=False)
    setup_form(scenario.setup, ROLES)


def import_panel(scenario: FinanceSentiment) -> None:
    """Upload, map, add; the items are scored right after."""
    key = f"finance_import_{scenario.setup.id}"
    busy = import_job(key, import_counts)
    upload = st.file_uploader(_("CSV, JSONL, Parquet, Excel, RSS or Atom"), key=f"{form_key(key)}_upload")
    if upload is None:
        return
    path = keep_upload(upload)
    known = st.session_state.get(session.PREVIEWS)
    if known is None or known[0] != upload.file_id:
        known = (upload.file_id, preview_feed(path, upload.name, get_workspace().settings))
        st.session_state[session.PREVIEWS] = known
    preview = known[1]
    st.dataframe(preview.rows[:5], hide_index=True, alt=_("First rows"))
    mapping = None if preview.format == "rss" else _mapping(preview.columns, guess_mapping(preview), key)
    if mapping is not None and mapping.date is None:
        st.info(
            _("Without dates there are no curves, no alerts and no weekly report. Everything else works."),
            icon=":material/event_busy:",
        )
    if st.button(_("Add to the feed"), type="primary", icon=":material/add:", disabled=busy, key=f"{key}_go"):
        name = upload.name
        start_import(
            key,
            _("Adding {name}").format(name=name),
            lambda report: scenario.import_file(path, mapping, name, progress=report),
        )


def _mapping(columns: list[str], guess: FeedMapping, key: str) -> FeedMapping:
    """A select box a meaning."""
    chosen: dict[str, str | None] = {}
    with st.grid(4, min_column_width=180):
        for part, title in PARTS.items():
            options = columns if part == "text" else ["", *columns]
            now = getattr(guess, part) or ""
            chosen[part] = (
                st.selectbox(
                    _(title),
                    options,
                    index=options.index(now) if now in options else 0,
                    format_func=column_names(options),
                    key=f"{key}_{part}",
                )
                or None
            )
    return FeedMapping.model_validate(chosen)


def poll_panel(scenario: FinanceSentiment) -> None:
    """Ask the feed now, or again and again."""
    key = f"finance_poll_{scenario.setup.id}"
    job = show_job(key)
    st.caption(escape(scenario.config.feed_url, 200))
    if job is not None and job.state == "running":
        return
    with st.container(horizontal=True):
        if st.button(_("Ask now"), icon=":material/rss_feed:", key=f"{key}_once"):
            with guard(), st.spinner(_("Asking the feed")):
                import_counts(live.poll(scenario), f"{key}_result")
        if st.button(_("Keep asking"), icon=":material/autorenew:", key=f"{key}_keep"):
            get_jobs().start(key, _("Polling the feed"), lambda report: live.keep_polling(scenario, report))
            st.rerun()


def report_button(scenario: FinanceSentiment) -> None:
    """Download of the weekly report, of the last week unless the filter names a day."""
    facts = scenario.facts
    if facts.first is None or facts.last is None:
        return
    with st.popover(_("Weekly report"), icon=":material/description:"):
        day = st.date_input(
            _("A day of the week"),
            value=facts.last.date(),
            min_value=facts.first.date(),
            max_value=facts.last.date() + timedelta(days=6),
            format="YYYY-MM-DD",
            key=f"finance_week_{scenario.setup.id}",
        )
        words = translator()
        st.download_button(
            _("Download"),
            data=lambda: to_html(scenario.week_report(day), words),
            file_name=f"week-{day:%Y-%m-%d}.html",
            mime="text/html",
            on_click="ignore",
            type="primary",
            key=f"finance_report_{scenario.setup.id}",
        )
