"""Who liked what in which order, and what is held back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import RecommendationConfig
from core.scenarios.recommendation.histories import MOST_ITEMS, Histories, recency

Make = Callable[..., Histories]


@pytest.fixture
def catalog(catalog_of: Callable[..., Catalog]) -> Catalog:
    return catalog_of([f"thing {n}" for n in range(6)])


def liked(histories: Histories, person: str) -> list[int]:
    return histories.item[histories.liked(histories.numbers[person])].tolist()


def test_views_alone_are_no_liking_and_order_is_by_time(catalog: Catalog, histories_of: Make) -> None:
    histories = histories_of(
        catalog,
        [("ann", "i1", "click", 5), ("ann", "i0", "click", 2), ("ann", "i2", "view", 9), ("bob", "i2", "odd", 1)],
    )
    assert liked(histories, "ann") == [0, 1]
    assert liked(histories, "bob") == [2], "a kind nobody listed counts as 1"


def test_one_entry_for_each_item_with_the_strongest_event_at_the_last_time(
    catalog: Catalog, histories_of: Make
) -> None:
    histories = histories_of(
        catalog, [("ann", "i0", "purchase", 1), ("ann", "i1", "click", 2), ("ann", "i0", "click", 3)]
    )
    assert liked(histories, "ann") == [1, 0]
    assert histories.strength.tolist() == [1.0, 3.0]


def test_the_last_opinion_counts(catalog: Catalog, histories_of: Make) -> None:
    histories = histories_of(catalog, [("ann", "i0", "click", 1), ("ann", "i0", "not_for_me", 2)])
    assert liked(histories, "ann") == [] and histories.disliked[0].indices.tolist() == [0]
    again = histories_of(catalog, [("ann", "i0", "not_for_me", 1), ("ann", "i0", "click", 2)])
    assert liked(again, "ann") == [0] and not again.disliked.nnz


def test_events_for_unknown_items_are_counted_and_left_out(catalog: Catalog, histories_of: Make) -> None:
    histories = histories_of(catalog, [("ann", "gone", "click", 1), ("ann", "i0", "click", 2)])
    assert histories.unknown == 1 and liked(histories, "ann") == [0]


def test_low_ratings_are_no_liking(catalog: Catalog) -> None:
    columns = {
        "person": ["a", "a"], "item": ["i0", "i1"], "kind": ["rating", "rating"],
        "rating": [3.5, 4.0], "at": [1.0, 2.0],
    }  # fmt: skip
    histories = Histories.of(columns, catalog.index, RecommendationConfig())
    assert histories.item.tolist() == [1] and not histories.disliked.nnz


def test_the_last_one_is_held_back_and_nothing_later_stays(catalog: Catalog, histories_of: Make) -> None:
    events = [("ann", f"i{n}", "click", float(n)) for n in range(4)] + [("bob", "i0", "click", 1.0)] * 2
    histories = histories_of(catalog, events)
    left, people, wanted = histories.held_back(1)
    assert [histories.people[p] for p in people] == ["ann"] and wanted.tolist() == [3]
    assert liked(left, "ann") == [0, 1, 2] and liked(left, "bob") == [0]
    left, _, wanted = histories.held_back(2)
    assert wanted.tolist() == [2] and liked(left, "ann") == [0, 1]


def test_a_person_with_very_many_likes_counts_with_the_newest(catalog_of: Callable[..., Catalog]) -> None:
    count = MOST_ITEMS + 100
    big = catalog_of([f"t{n}" for n in range(count)])
    columns = {
        "person": ["busy"] * 100_000, "item": [f"i{n % count}" for n in range(100_000)],
        "kind": ["click"] * 100_000, "rating": np.full(100_000, np.nan), "at": np.arange(100_000.0),
    }  # fmt: skip
    histories = Histories.of(columns, big.index, RecommendationConfig())
    assert len(histories) == MOST_ITEMS and histories.events == 100_000
    assert histories.at.min() > 100_000 - count


def test_feedback_does_not_make_the_log_newer(catalog: Catalog, histories_of: Make) -> None:
    histories = histories_of(catalog, [("ann", "i0", "click", 10), ("ann", "i1", "good", 900)])
    assert histories.latest == 10 and liked(histories, "ann") == [0, 1]


def test_recency_halves() -> None:
    assert recency(3, 1.0).tolist() == [0.25, 0.5, 1.0]
