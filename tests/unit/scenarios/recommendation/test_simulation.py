from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta

import numpy as np
import pytest

from core.errors import InputError
from core.scenarios.recommendation.simulation import (
    BUSY_EVENTS,
    DAYS,
    START,
    Event,
    Profile,
    ShopItem,
    draw_shoppers,
    sample_items,
    sample_profiles,
    simulate,
)


@pytest.fixture(scope="module")
def items() -> list[ShopItem]:
    return sample_items()


@pytest.fixture(scope="module")
def profiles() -> list[Profile]:
    return sample_profiles()


@pytest.fixture(scope="module")
def events(items: list[ShopItem], profiles: list[Profile]) -> list[Event]:
    return simulate(items, profiles)


def item(number: int, theme: str, added_on: date = date(2026, 1, 1)) -> ShopItem:
    return ShopItem(f"p{number}", f"Thing {number}", "A thing.", "things", 10.0, added_on, (theme,))


def profile(theme: str, name: str = "somebody") -> Profile:
    return Profile(name, "Likes it.", {theme: 1.0}, {"things": 1.0}, 10.0, 5.0, 0.5, 1.0)


def test_sample_files_are_complete(items: list[ShopItem], profiles: list[Profile]) -> None:
    assert len(items) >= 240
    assert len({entry.id for entry in items}) == len({entry.title for entry in items}) == len(items)
    assert [entry.added_on for entry in items] == sorted(entry.added_on for entry in items)
    assert all(entry.description and entry.price > 0 and 2 <= len(entry.themes) <= 4 for entry in items)
    themes = {theme for entry in items for theme in entry.themes}
    categories = {entry.category for entry in items}
    assert len(profiles) >= 14
    for entry in profiles:
        assert set(entry.themes) <= themes
        assert set(entry.categories) <= categories
        assert 0 <= entry.loyalty <= 1


def test_same_seed_same_events(items: list[ShopItem], profiles: list[Profile]) -> None:
    assert simulate(items, profiles, users=15, seed=3) == simulate(items, profiles, users=15, seed=3)
    assert simulate(items, profiles, users=15, seed=3) != simulate(items, profiles, users=15, seed=4)


def test_counts(events: list[Event], profiles: list[Profile]) -> None:
    per_user = Counter(event.user for event in events)
    assert per_user == {shopper.id: shopper.events for shopper in draw_shoppers(profiles)}
    counts = sorted(per_user.values())
    assert len(counts) == 360
    assert counts[0] == 3
    assert counts[-1] == BUSY_EVENTS
    assert sum(10 <= count <= 60 for count in counts) >= 0.9 * len(counts)


def test_time_runs_inside_the_ninety_days(events: list[Event], items: list[ShopItem]) -> None:
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[0].at >= START
    assert events[-1].at < START + timedelta(days=DAYS)
    added = {entry.id: entry.added_on for entry in items}
    # A session that began before midnight may end after it, but never shows what the next day brings.
    assert all(event.at.date() >= added[event.item] for event in events)
    moments = Counter((event.user, event.at) for event in events)
    assert max(moments.values()) == 1


def test_funnel(events: list[Event]) -> None:
    kinds = Counter(event.kind for event in events)
    assert 0.2 < kinds["click"] / kinds["view"] < 0.4
    assert 0.1 < kinds["purchase"] / kinds["click"] < 0.25
    assert 0 < kinds["share"] < kinds["purchase"]
    before: dict[str, Event] = {}
    bought = set()
    for event in events:
        last = before.get(event.user)
        allowed = {"click": {"view"}, "share": {"click"}, "purchase": {"click", "share"}}.get(event.kind)
        if allowed is not None:
            assert last is not None
            assert last.item == event.item
            assert last.kind in allowed
        if event.kind == "purchase":
            assert (event.user, event.item) not in bought
            bought.add((event.user, event.item))
        before[event.user] = event


def test_tastes_follow_the_profile(events: list[Event], items: list[ShopItem], profiles: list[Profile]) -> None:
    themes = {entry.id: entry.themes for entry in items}
    by_name = {entry.name: entry.themes for entry in profiles}
    likes = {shopper.id: by_name[shopper.profiles[0]] for shopper in draw_shoppers(profiles)}

    def match(user: str, shown: str) -> float:
        return sum(likes[user].get(theme, 0.0) for theme in themes[shown])

    found: defaultdict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for event in events:
        found[event.kind].append(match(event.user, event.item))
        found["random"].append(match(event.user, items[rng.integers(len(items))].id))
    mean = {kind: float(np.mean(values)) for kind, values in found.items()}
    assert mean["view"] > 2 * mean["random"]
    assert mean["click"] > 1.3 * mean["view"]
    assert mean["purchase"] > 3 * mean["random"]


def test_popularity_has_a_heavy_tail(events: list[Event], items: list[ShopItem]) -> None:
    views = sorted(Counter(event.item for event in events if event.kind == "view").values(), reverse=True)
    assert sum(views[: len(items) // 10]) > 0.25 * sum(views)
    assert len(views) > 0.9 * len(items)


def test_a_small_shop_is_enough() -> None:
    shop = [item(1, "tea"), item(2, "coffee"), item(3, "tea", date(2027, 1, 1))]
    events = simulate(shop, [profile("tea", "one"), profile("coffee", "two")], users=30, seed=1)
    assert {event.item for event in events} == {"p1", "p2"}
    purchases = [(event.user, event.item) for event in events if event.kind == "purchase"]
    assert len(purchases) == len(set(purchases)) > 0


def test_refusals() -> None:
    with pytest.raises(InputError, match="on sale on 2026-08-24"):
        simulate([item(1, "tea", date(2026, 12, 1))], [profile("tea")])
    with pytest.raises(InputError, match=r"'somebody' likes \(trains\)"):
        simulate([item(1, "tea")], [profile("trains")])
    with pytest.raises(InputError, match="0 profiles"):
        simulate([item(1, "tea")], [])
