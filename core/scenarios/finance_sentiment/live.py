"""Live: dated items played back at a chosen speed, or a feed asked again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from core import net
from core.errors import InputError, OfflineError, RefusedError
from core.records import ImportReport, Progressing
from core.scenarios.finance_sentiment.feed import MOST_XML_BYTES, add_news
from core.storage.finance_sentiment import FeedFilter

if TYPE_CHECKING:
    from core.scenarios.finance_sentiment.scenario import FinanceSentiment

SPEEDS = (1.0, 3.0, 7.0, 14.0)
"""Days a second."""
ITEMS_A_DAY = 200
"""Items of one day that a stream lists."""
Report = Callable[[Progressing], None]


@dataclass(frozen=True)
class Replay:
    """A stretch of days that is being played."""

    first: date
    last: date
    days_per_second: float
    started: float
    """Seconds since 1970."""

    def moment(self, now: float) -> datetime:
        """The moment of the feed that is shown now: whole days, the last one at the end."""
        days = int(max(0.0, now - self.started) * self.days_per_second)
        return end_of(self.first + timedelta(days=min(days, (self.last - self.first).days)))

    def over(self, now: float) -> bool:
        """Whether the last day is reached."""
        return self.moment(now).date() >= self.last


def end_of(day: date) -> datetime:
    """The last moment of a day."""
    return datetime.combine(day, datetime.max.time())


def poll(scenario: FinanceSentiment, progress: Report | None = None) -> ImportReport:
    """Ask the setup's feed once: add what is new, score it, raise alerts. Raises what ``core.net.fetch`` does."""
    url = scenario.config.feed_url
    if not url:
        raise RefusedError("The setup has no feed to ask.", "Type the address of an RSS or Atom feed.")
    answer = net.fetch(
        url, allow_private=scenario.workspace.settings.allow_private_addresses, most_bytes=MOST_XML_BYTES
    )
    report = add_news(scenario.workspace.database, scenario.setup.id, scenario.config, answer.content)
    scenario.update(progress)
    return report


def keep_polling(scenario: FinanceSentiment, progress: Report) -> None:
    """Ask the feed until ``progress`` raises to stop; an answer that fails is told and asked again."""
    looks = added = 0
    while True:
        try:
            added += poll(scenario, progress).added
            message = f"{added} new items after {looks + 1} looks"
        except (InputError, OfflineError, RefusedError) as error:
            message = error.message
        looks += 1
        until = time.monotonic() + 60 * scenario.config.poll_minutes
        while time.monotonic() < until:
            progress(Progressing(done=looks, message=message))
            time.sleep(0.5)


def play(scenario: FinanceSentiment, days_per_second: float) -> Iterator[dict[str, Any]]:
    """The whole feed day by day, each after its pause: {day, items, alerts}; for the API. Raises RefusedError."""
    if not 0 < days_per_second <= 1000:
        raise InputError("The speed must be more than 0 and at most 1,000 days a second.", "Choose another one.")
    facts = scenario.facts
    if facts.first is None or facts.last is None:
        raise RefusedError("The feed has no dates, so it cannot be played.", "Import a feed with dates.")
    days = (facts.last.date() - facts.first.date()).days + 1
    known: set[tuple[str, date]] = set()
    for day in (facts.first.date() + timedelta(days=n) for n in range(days)):
        rows = scenario.items(FeedFilter(since=day, until=end_of(day)), limit=ITEMS_A_DAY, order="oldest")
        alerts = [a for a in scenario.alerts_at(end_of(day)) if (a.company, a.fired_on) not in known]
        known |= {(alert.company, alert.fired_on) for alert in alerts}
        yield {
            "day": day.isoformat(),
            "items": [
                {"id": row.id, "company": row.company, "topic": row.topic, "sentiment": row.sentiment, "text": row.text}
                for row in rows
            ],
            "alerts": [alert.model_dump(mode="json", exclude={"notes"}) for alert in alerts],
        }
        time.sleep(1 / days_per_second)
