"""Alerts: surges of a feed as records that stay, with what people did about them, and the proof by shuffled dates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from core.errors import NotFoundError, RefusedError
from core.records import Record
from core.scenarios.finance_sentiment.config import FinanceConfig, fill
from core.scenarios.finance_sentiment.series import Count, every_day
from core.scenarios.finance_sentiment.surges import GUARD_DAYS, SPAN_DAYS, Episode, Surges, episodes, find_surges
from core.storage import finance_sentiment as store

if TYPE_CHECKING:
    from core.storage.database import Database

LONGEST_NOTE = 2000
MOST_COMPANIES = 500
"""Companies that are watched: those with most items."""
SHUFFLES = 100


class AlertNote(Record):
    """What somebody, or a hook, did with an alert."""

    kind: str = Field(description="acknowledged, reopened, note, sent or failed.")
    note: str = ""
    user: str
    at: datetime


class Alert(Record):
    """A surge of one company, raised once."""

    id: int = Field(default=0, description="Number of the alert; 0 while it is not stored.")
    company: str = Field(description="Empty when the feed names no companies: then it is about the whole feed.")
    fired_on: date = Field(description="Day on which the test first went beyond the threshold.")
    since: date = Field(description="First day that counts towards it.")
    until: date = Field(description="Last day on which it still held.")
    kinds: list[str] = Field(description="negative (the share of bad news), volume, or both.")
    negative: int = Field(description="Negative items from since to until.")
    items: int
    usual_share: float = Field(description="Share of negative items before it.")
    usual_items: float = Field(description="Items a day before it.")
    p_value: float = Field(description="Smallest probability of so much by chance, of the tests behind it.")
    threshold: float = Field(description="Probability below which an alert is raised.")
    topic: str = Field(default="", description="Topic of most items, of the negative ones where it is about these.")
    notes: list[AlertNote] = Field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether somebody has taken note of it."""
        for note in reversed(self.notes):
            if note.kind in ("acknowledged", "reopened"):
                return note.kind == "acknowledged"
        return False

    @property
    def worse(self) -> bool:
        """Whether the news is worse than usual, and not only more."""
        return "negative" in self.kinds or self.negative > 1.5 * self.usual_share * self.items

    def sentence(self, config: FinanceConfig) -> str:
        """The alert in the words of the setup."""
        values = {
            "company": self.company or "The feed",
            "negative": str(self.negative),
            "items": str(self.items),
            "usual": f"{self.usual_share:.0%}",
            "usual_items": f"{self.usual_items:.1f}",
            "topic": self.topic or "no topic",
            "from": f"{self.since:%Y-%m-%d}",
            "to": f"{self.until:%Y-%m-%d}",
        }
        return fill(config.alert_template if self.worse else config.volume_template, values)


class ShuffleCheck(Record):
    """How often an alert would be raised where there is nothing: on the same items with their dates exchanged."""

    copies: int
    alarms: list[int] = Field(description="Alerts in each copy.")
    days: int = Field(description="Days that the feed covers.")
    per_90_days: float = Field(description="Mean number of false alarms in 90 days.")
    real: int = Field(description="Alerts on the feed as it is.")


def find_alerts(counts: Sequence[Count], config: FinanceConfig) -> list[Alert]:
    """Alerts of a feed from its daily counts, newest first; each day knows only the days before it."""
    companies, days = _axes(counts)
    if not days:
        return []
    arrays = _arrays(counts, companies, days, config)
    surges = find_surges(*arrays, days, config.false_alarms, config.half_life_days, config.least_items)
    topics = _topics(counts, config)
    found = [
        _alert(company, episode, row, days, arrays, surges, topics)
        for row, company in enumerate(companies)
        for episode in episodes(surges.flagged[0, row], config.quiet_days)
    ]
    return sorted(found, key=lambda alert: alert.fired_on, reverse=True)


def shuffle_check(
    counts: Sequence[Count], config: FinanceConfig, copies: int = SHUFFLES, seed: int = 0
) -> ShuffleCheck:
    """Raise alerts on copies of the feed in which the items exchange their dates: every one is a false alarm."""
    companies, days = _axes(counts)
    if not days:
        raise RefusedError("The feed has no dates, so there are no alerts to check.", "Import a feed with dates.")
    rows = [row for row in counts if row[0] is not None and row[0] >= days[0] and (row[1] in companies)]
    amount = [row[5] for row in rows]
    place = {company: n for n, company in enumerate(companies)}
    company = np.repeat([place[row[1]] for row in rows], amount)
    day = np.repeat([(row[0] - days[0]).days for row in rows if row[0] is not None], amount)
    known = np.repeat([bool(row[3]) for row in rows], amount)
    bad = np.repeat([config.is_negative(row[3]) for row in rows], amount)
    random = np.random.default_rng(seed)
    items, negative, scored = (np.zeros((copies, len(companies), len(days)), dtype=np.int64) for _ in range(3))
    for copy in range(copies):
        shuffled = random.permutation(day)
        for array, chosen in ((items, np.ones(len(bad), bool)), (negative, bad), (scored, known)):
            np.add.at(array[copy], (company[chosen], shuffled[chosen]), 1)
    surges = find_surges(items, negative, scored, days, config.false_alarms, config.half_life_days, config.least_items)
    alarms = [
        sum(len(episodes(surges.flagged[copy, row], config.quiet_days)) for row in range(len(companies)))
        for copy in range(copies)
    ]
    mean = float(np.mean(alarms)) * SPAN_DAYS / len(days)
    return ShuffleCheck(
        copies=copies, alarms=alarms, days=len(days), per_90_days=mean, real=len(find_alerts(counts, config))
    )


def _axes(counts: Sequence[Count]) -> tuple[list[str], list[date]]:
    """Companies with most items (or '' for the whole feed) and all days."""
    totals: Counter[str] = Counter()
    for day, company, *_, items in counts:
        if day is not None:
            totals[company] += items
    named = [company for company, _ in totals.most_common() if company][:MOST_COMPANIES]
    days = every_day({row[0] for row in counts if row[0] is not None})
    return sorted(named) or [""], days


def _arrays(
    counts: Iterable[Count], companies: Sequence[str], days: Sequence[date], config: FinanceConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items, negative and scored items, each (1, companies, days)."""
    place = {company: n for n, company in enumerate(companies)}
    items, negative, scored = (np.zeros((1, len(companies), len(days)), dtype=np.int64) for _ in range(3))
    for day, company, _, label, _, n in counts:
        if day is None or day < days[0] or company not in place:
            continue
        at = (0, place[company], (day - days[0]).days)
        items[at] += n
        scored[at] += n if label else 0
        negative[at] += n if config.is_negative(label) else 0
    return items, negative, scored


Topics = dict[tuple[str, date], Counter[str]]
"""Items by topic, of each company and day."""


def _topics(counts: Iterable[Count], config: FinanceConfig) -> tuple[Topics, Topics]:
    """(of negative items, of all items)"""
    bad: Topics = defaultdict(Counter)
    every: Topics = defaultdict(Counter)
    for day, company, topic, label, _, n in counts:
        if day is not None and topic:
            every[company, day][topic] += n
            if config.is_negative(label):
                bad[company, day][topic] += n
    return bad, every


def _alert(
    company: str,
    episode: Episode,
    row: int,
    days: Sequence[date],
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray],
    surges: Surges,
    topics: tuple[Topics, Topics],
) -> Alert:
    items, negative, _ = (array[0, row] for array in arrays)
    first = episode.first
    while first > max(0, episode.first - GUARD_DAYS) and negative[first - 1] > 1:
        first -= 1  # the days on which it built up
    span = slice(first, episode.last + 1)
    tails = {"negative": surges.p_negative[0, row, span], "volume": surges.p_volume[0, row, span]}
    bad, every = (sum((found[company, day] for day in days[span]), Counter()) for found in topics)
    topic = (bad or every).most_common(1)
    return Alert(
        company=company,
        fired_on=days[episode.first],
        since=days[first],
        until=days[episode.last],
        kinds=[kind for kind, tail in tails.items() if tail.min() < surges.threshold],
        negative=int(negative[span].sum()),
        items=int(items[span].sum()),
        usual_share=float(surges.usual_share[0, row, episode.first]),
        usual_items=float(surges.usual_items[0, row, episode.first]),
        p_value=float(min(tail.min() for tail in tails.values())),
        threshold=surges.threshold,
        topic=topic[0][0] if topic else "",
    )


# ---------------------------------------------------------------- alerts that stay


def stored_alerts(database: Database, setup_id: int) -> list[Alert]:
    """Alerts that were raised and still stand, and those that somebody took note of; newest first."""
    events: dict[int, list[AlertNote]] = {}
    for number, kind, note, user, at in store.list_alert_events(database, setup_id):
        events.setdefault(number, []).append(AlertNote(kind=kind, note=note, user=user, at=at))
    return [
        Alert(**{**content, "id": number, "notes": events.get(number, [])})
        for number, _, _, active, content, _ in store.list_alerts(database, setup_id)
        if active or number in events
    ]


def refresh_alerts(database: Database, setup_id: int, found: Sequence[Alert], config: FinanceConfig) -> list[Alert]:
    """Bring the stored alerts up to date with what was found; returns those that are new.

    An alert of the same company whose days touch is the same one, longer or shorter. One that is found no more is put
    away.
    """
    new: list[Alert] = []
    with database.transaction():
        stored = {row[0]: row for row in store.list_alerts(database, setup_id)}
        left = dict(stored)
        for alert in sorted(found, key=lambda one: one.fired_on):
            number = next((n for n, row in left.items() if _same(row, alert, config.quiet_days)), None)
            if number is not None:
                del left[number]
            content = _content(alert)
            if number is None or (stored[number][4], stored[number][3]) != (content, True):
                given = store.write_alert(database, setup_id, number, alert.company, alert.fired_on, True, content)
                if number is None:
                    new.append(alert.model_copy(update={"id": given}))
        for number, company, started, active, content, _ in left.values():
            if active:
                store.write_alert(database, setup_id, number, company, started, False, content)
    return new


def _content(alert: Alert) -> dict[str, Any]:
    return alert.model_dump(mode="json", exclude={"id", "notes"})


def _same(row: store.StoredAlert, alert: Alert, quiet: int) -> bool:
    _, company, _, _, content, _ = row
    gap = timedelta(days=quiet)
    first, last = date.fromisoformat(content["since"]), date.fromisoformat(content["until"])
    return company == alert.company and first - gap <= alert.until and alert.since <= last + gap


def note_alert(database: Database, setup_id: int, alert_id: int, kind: str, note: str, user: str) -> None:
    """Record an acknowledgement, a note or what a hook did. Raises NotFoundError, RefusedError for an empty note."""
    if all(alert.id != alert_id for alert in stored_alerts(database, setup_id)):
        raise NotFoundError(f"There is no alert {alert_id}.", "Choose one from the list.")
    note = note.strip()[:LONGEST_NOTE]
    if kind == "note" and not note:
        raise RefusedError("The note is empty.", "Type what you found out.")
    store.write_alert_event(database, setup_id, alert_id, kind, note, user)
