"""Items and events from rows and files: what comes in, what is left out and why."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from core.errors import InputError
from core.scenarios.recommendation.imports import EventMapping, ItemMapping, guess, read_price, read_time
from core.scenarios.recommendation.scenario import Recommendation


@pytest.mark.parametrize(
    ("cell", "price"),
    [("", None), ("12", 12.0), ("12.50", 12.5), ("€ 1.299,00", 1299.0), ("1,299.00 USD", 1299.0), ("3,5", 3.5),
     ("1,299", 1299.0), ("1.299.000", 1299000.0), ("0", 0.0)],
)  # fmt: skip
def test_prices_are_read(cell: str, price: float | None) -> None:
    assert read_price(cell) == price


@pytest.mark.parametrize("cell", ["cheap", "-", "on request 3", "-5", "1e3e4 euros", "..", "5-3"])
def test_a_price_that_is_no_number_is_refused(cell: str) -> None:
    with pytest.raises(InputError, match="price"):
        read_price(cell)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [("2026-11-01", datetime(2026, 11, 1)), ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8)),
     ("964982703", datetime(2000, 7, 30, 18, 45, 3)), ("964982703000", datetime(2000, 7, 30, 18, 45, 3)), ("", None)],
)  # fmt: skip
def test_times_are_read(cell: str, moment: datetime | None) -> None:
    assert read_time(cell) == moment


@pytest.mark.parametrize("cell", ["soon", "12", "0001-01-01", "9999-01-01", "1e99", "nan"])
def test_a_time_that_is_none_is_refused(cell: str) -> None:
    with pytest.raises(InputError, match="time"):
        read_time(cell)


def test_columns_are_guessed_once_each() -> None:
    assert guess(["user_id", "item_id", "rating", "timestamp"], EventMapping) == {
        "person": "user_id", "item": "item_id", "kind": None, "rating": "rating", "at": "timestamp",
    }  # fmt: skip
    found = guess(["item_id", "title", "text", "genres"], ItemMapping)
    assert (found["id"], found["description"], found["category"]) == ("item_id", "text", "genres")


def test_doubled_ids_bad_prices_and_missing_ids(scenario: Recommendation) -> None:
    report = scenario.add_items(
        [
            {"id": "a", "title": "First", "price": "1"},
            {"id": "a", "title": "Second", "price": "2"},
            {"id": "b", "title": "Bad", "price": "free?"},
            {"id": "", "title": "No id"},
            {"id": "c"},
        ],
        ItemMapping(price="price"),
    )
    assert (report.added, report.duplicates) == (2, 1)
    assert [row.row for row in report.rejected] == [3, 4] and "free?" in report.rejected[0].reason
    assert scenario.item("a").title == "First"
    assert scenario.item("c").title == "c" and scenario.standing().without_text == 1


def test_a_second_import_replaces_items_and_keeps_events_once(scenario: Recommendation) -> None:
    scenario.add_items([{"id": "a", "title": "Old"}, {"id": "b", "title": "Stays"}])
    report = scenario.add_items([{"id": "a", "title": "New"}])
    assert (report.added, report.replaced) == (0, 1) and scenario.item("a").title == "New"
    events = [{"user": "ann", "item": "a", "at": "2026-01-01"}, {"user": "ann", "item": "a", "at": "2026-01-01"}]
    mapping = EventMapping(at="at")
    assert scenario.add_events(events, mapping).duplicates == 1
    again = scenario.add_events(events, mapping)
    assert (again.added, again.duplicates) == (0, 2)


def test_events_for_unknown_items_wait_for_them(scenario: Recommendation) -> None:
    scenario.add_items([{"id": "a", "title": "Here"}])
    report = scenario.add_events([{"user": "ann", "item": "later", "at": "2026-01-01"}], EventMapping(at="at"))
    assert report.added == 1 and "1 events name items" in report.warnings[0]
    assert scenario.standing().unknown_events == 1
    scenario.add_items([{"id": "later", "title": "Now"}])
    assert scenario.standing().unknown_events == 0 and scenario.history("ann")[0].item.id == "later"


def test_events_without_times_keep_the_order_of_the_file(scenario: Recommendation) -> None:
    scenario.add_items([{"id": key, "title": key.upper()} for key in "abc"])
    report = scenario.add_events([{"user": "ann", "item": key} for key in "cab"])
    assert "no times" in report.warnings[-1]
    assert [liked.item.id for liked in scenario.history("ann")] == ["b", "a", "c"]
    assert not scenario.standing().timed


def test_files_of_both_kinds(scenario: Recommendation, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(
        '{"item_id": "1", "title": "Toy <b>", "genres": ["Fun", "Kids"], "year": 1995}\n{"title": "No id"}\n'
    )
    report = scenario.import_items(items, ItemMapping(id="item_id", category="genres"))
    assert report.added == 1 and len(report.rejected) == 1
    assert scenario.item("1").categories == ["Fun", "Kids"]
    events = tmp_path / "events.csv"
    events.write_text("user_id,item_id,rating,timestamp\n7,1,4.5,964982703\n7,1,x,964982704\n,1,4,964982705\n")
    report = scenario.import_events(
        events, EventMapping(person="user_id", item="item_id", rating="rating", at="timestamp")
    )
    assert report.added == 1 and len(report.rejected) == 2
    assert scenario.people()[0].id == "7"


def test_a_hundred_thousand_events_of_one_person(scenario: Recommendation) -> None:
    scenario.add_items([{"id": str(n), "title": f"t{n}"} for n in range(700)])
    rows = [{"user": "busy", "item": str(n % 700), "at": str(1_700_000_000 + n)} for n in range(100_000)]
    rows += [{"user": "calm", "item": str(n), "at": "1700000000"} for n in range(3)]
    assert scenario.add_events(rows, EventMapping(at="at")).added == 100_003
    assert scenario.people()[0].liked == 500
    assert scenario.history("calm")
