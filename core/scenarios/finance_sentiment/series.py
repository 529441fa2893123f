"""Topic x sentiment over time: daily counts from the database become curves and heat maps. Knows no figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pydantic import Field

from core.records import Record

Count = tuple[date | None, str, str, str | None, str | None, int]
"""Day, company, topic, sentiment, risk, items: what the database counts."""
SMOOTH_DAYS = 7
MOST_DAYS = 3660


class Trend(Record):
    """Items by day and sentiment, without gaps."""

    days: list[date]
    items: list[int] = Field(description="Items of each day.")
    by_sentiment: dict[str, list[int]] = Field(description="Items of each day by label, most frequent label first.")
    negative: list[int] = Field(description="Negative items of each day.")
    share: list[float | None] = Field(
        description="Share of negative items over the last seven days; None where these have none."
    )


class HeatMap(Record):
    """Share of negative items by row and week."""

    rows: list[str]
    weeks: list[date] = Field(description="Mondays.")
    share: list[list[float | None]] = Field(description="(rows, weeks); None where there is no item.")
    items: list[list[int]] = Field(description="(rows, weeks)")


@dataclass(frozen=True)
class Breakdown:
    """Items by name and label, most items first; for feeds without dates."""

    names: list[str]
    counts: list[dict[str, int]]


def trend(counts: Iterable[Count], negative: Callable[[str | None], bool]) -> Trend:
    """Curves over all days from the first to the last item."""
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    for day, _, _, label, _, items in counts:
        if day is not None:
            by_day[day][label or ""] += items
    days = every_day(by_day)
    totals: Counter[str] = Counter()
    for found in by_day.values():
        totals.update(found)
    labels = [label for label, _ in totals.most_common()]
    bad = [sum(n for label, n in by_day[day].items() if negative(label)) for day in days]
    known = [sum(n for label, n in by_day[day].items() if label) for day in days]
    share = []
    for place in range(len(days)):
        first = max(0, place - SMOOTH_DAYS + 1)
        below = sum(known[first : place + 1])
        share.append(sum(bad[first : place + 1]) / below if below else None)
    return Trend(
        days=days,
        items=[sum(by_day[day].values()) for day in days],
        by_sentiment={label: [by_day[day][label] for day in days] for label in labels},
        negative=bad,
        share=share,
    )


def heat_map(counts: Iterable[Count], negative: Callable[[str | None], bool], by: str) -> HeatMap:
    """Share of negative items by week and ``by``: company or topic. Rows with most items first."""
    items: Counter[tuple[str, date]] = Counter()
    bad: Counter[tuple[str, date]] = Counter()
    totals: Counter[str] = Counter()
    for day, company, topic, label, _, n in counts:
        name = company if by == "company" else topic
        if day is None or not label or not name:
            continue
        monday = week_of(day)
        items[name, monday] += n
        totals[name] += n
        bad[name, monday] += n if negative(label) else 0
    weeks = every_week({monday for _, monday in items})
    rows = [name for name, _ in totals.most_common()]
    return HeatMap(
        rows=rows,
        weeks=weeks,
        share=[[bad[r, w] / items[r, w] if items[r, w] else None for w in weeks] for r in rows],
        items=[[items[r, w] for w in weeks] for r in rows],
    )


def breakdown(counts: Iterable[Count], by: str) -> Breakdown:
    """Items by company or topic and by sentiment or, with ``by`` 'risk', by company and risk."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for _, company, topic, label, risk, n in counts:
        name = topic if by == "topic" else company
        label = risk if by == "risk" else label
        if name and label:
            found[name][label] += n
    order = sorted(found, key=lambda name: -sum(found[name].values()))
    return Breakdown(order, [dict(found[name]) for name in order])


def names(counts: Sequence[Count], place: int) -> list[str]:
    """Companies (place 1) or topics (place 2) by number of items."""
    totals: Counter[str] = Counter()
    for row in counts:
        if row[place]:
            totals[str(row[place])] += row[5]
    return [name for name, _ in totals.most_common()]


def week_of(day: date) -> date:
    """Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def every_day(days: Iterable[date]) -> list[date]:
    """All days from the first to the last; of a longer time the last ten years."""
    found = sorted(days)
    if not found:
        return []
    first = max(found[0], found[-1] - timedelta(days=MOST_DAYS))
    return [first + timedelta(days=n) for n in range((found[-1] - first).days + 1)]


def every_week(mondays: Iterable[date]) -> list[date]:
    """All Mondays from the first to the last."""
    return every_day(mondays)[::7]
