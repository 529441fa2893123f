"""Surges are found when they come, and hardly ever where there are none."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import betabinom

from core.data.samples import FOLDER
from core.errors import NotFoundError, RefusedError
from core.scenarios.finance_sentiment.alerts import find_alerts, shuffle_check
from core.scenarios.finance_sentiment.config import FinanceConfig
from core.scenarios.finance_sentiment.scenario import FinanceSentiment
from core.scenarios.finance_sentiment.series import Count
from core.scenarios.finance_sentiment.surges import Episode, beta_binomial_tail, episodes

CONFIG = FinanceConfig()


def sample_counts() -> list[Count]:
    """The sample feed by its answer key."""
    found: Counter[tuple[date, str, str, str, str]] = Counter()
    with (FOLDER / "finance_sentiment" / "feed.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[date.fromisoformat(row["date"]), row["company"], row["topic"], row["sentiment"], row["risk"]] += 1
    return [(*key, count) for key, count in sorted(found.items())]


def test_the_planted_surges_are_found_within_a_day_and_nothing_else() -> None:
    planted = json.loads((FOLDER / "finance_sentiment" / "surges.json").read_text(encoding="utf-8"))
    alerts = find_alerts(sample_counts(), CONFIG)
    assert {(alert.company, alert.topic) for alert in alerts} == {(one["company"], one["topic"]) for one in planted}
    for one in planted:
        (alert,) = (alert for alert in alerts if alert.company == one["company"])
        assert alert.fired_on - date.fromisoformat(one["start"]) <= timedelta(days=1)


def test_shuffled_dates_raise_hardly_any_alert() -> None:
    check = shuffle_check(sample_counts(), CONFIG, copies=20)
    assert check.real == 3 and check.per_90_days <= 1 and len(check.alarms) == 20


def test_a_day_knows_nothing_of_later_days() -> None:
    counts = sample_counts()
    alert = min(find_alerts(counts, CONFIG), key=lambda one: one.fired_on)
    until = [row for row in counts if row[0] is not None and row[0] <= alert.fired_on]
    assert any(one.company == alert.company and one.fired_on == alert.fired_on for one in find_alerts(until, CONFIG))
    before = [row for row in until if row[0] is not None and row[0] < alert.fired_on]
    assert find_alerts(before, CONFIG) == []


def test_a_quiet_feed_a_short_one_and_an_empty_one_raise_nothing() -> None:
    start = date(2026, 1, 1)
    steady: list[Count] = [(start + timedelta(days=n), "Acme", "", "negative", None, 5) for n in range(60)]
    assert find_alerts(steady, CONFIG) == [] and find_alerts([], CONFIG) == []
    assert find_alerts([(start, "Acme", "", "negative", None, 500)], CONFIG) == []
    with pytest.raises(RefusedError):
        shuffle_check([(None, "Acme", "", "negative", None, 5)], CONFIG)


def test_without_companies_the_feed_as_a_whole_is_watched() -> None:
    start = date(2026, 1, 1)
    counts: list[Count] = [(start + timedelta(days=n), "", "", "neutral", None, 4) for n in range(40)]
    counts.append((start + timedelta(days=40), "", "", "negative", None, 30))
    (alert,) = find_alerts(counts, CONFIG)
    assert alert.company == "" and "The feed" in alert.sentence(CONFIG)


def test_volume_alone_raises_an_alert_before_anything_is_scored() -> None:
    start = date(2026, 1, 1)
    counts: list[Count] = [(start + timedelta(days=n), "Acme", "", None, None, 2) for n in range(40)]
    counts.append((start + timedelta(days=40), "Acme", "", None, None, 30))
    (alert,) = find_alerts(counts, CONFIG)
    assert alert.kinds == ["volume"]


def test_the_tail_is_that_of_scipy() -> None:
    for least, total, alpha, beta in ((3, 5, 1.5, 4.0), (1, 1, 2.0, 2.0), (20, 50, 0.7, 9.0)):
        expected = betabinom(total, alpha, beta).sf(least - 1)
        assert beta_binomial_tail(least, total, alpha, beta) == pytest.approx(expected)


def test_days_close_together_are_one_alert() -> None:
    flagged = np.array([0, 1, 0, 0, 1, 0, 0, 0, 0, 1], dtype=bool)
    assert episodes(flagged, quiet=3) == [Episode(1, 4), Episode(9, 9)]
    assert episodes(flagged, quiet=0) == [Episode(1, 1), Episode(4, 4), Episode(9, 9)]


def surge(scenario: FinanceSentiment, days: int = 40) -> None:
    """Two dull items a day, then a day of recalls."""
    start = date(2026, 8, 1)
    rows = [
        {"text": f"Acme names date {n} {m}", "date": (start + timedelta(days=n)).isoformat(), "topic": "products"}
        for n in range(days)
        for m in range(2)
    ]
    last = (start + timedelta(days=days)).isoformat()
    rows += [{"text": f"Acme recall crash {n}", "date": last, "topic": "products"} for n in range(20)]
    scenario.add(rows)


def test_alerts_stay_with_what_people_did(scenario: FinanceSentiment) -> None:
    surge(scenario)
    scenario.update()
    (alert,) = scenario.alerts()
    assert alert.topic == "products" and not alert.acknowledged
    scenario.note_alert(alert.id, "acknowledged", user="ann")
    scenario.note_alert(alert.id, "note", "<b>fire drill</b>", user="bob")
    scenario.add([{"text": "Acme recall fraud again", "date": alert.until.isoformat()}])
    scenario.update()
    (same,) = scenario.alerts()
    assert same.id == alert.id and same.acknowledged and same.items == alert.items + 1
    assert [note.user for note in same.notes] == ["ann", "bob"]
    with pytest.raises(RefusedError):
        scenario.note_alert(alert.id, "note", " ")
    with pytest.raises(NotFoundError):
        scenario.note_alert(999, "note", "x")


def test_the_past_of_the_feed_decides_what_was_known(scenario: FinanceSentiment) -> None:
    surge(scenario)
    scenario.update()
    (alert,) = scenario.alerts()
    before = scenario.facts.last
    assert before is not None
    assert scenario.alerts_at(before - timedelta(days=1)) == []
    assert [one.fired_on for one in scenario.alerts_at(before)] == [alert.fired_on]
