"""Simulated visitors of the sample shop. This is not behaviour of real people, and figures made on it prove little.

Each visitor follows one written profile, or a mix of two: a taste in themes, categories and prices that never
changes. What the shop shows is not modelled, nor do visitors influence each other; an item's popularity is drawn.
Within those assumptions the events look like a shop's log: sessions, a funnel, a heavy tail, few very busy visitors.
``docs/simulation.md`` says the same in plain words. A recommender may see items and events, never ``themes`` or
profiles: they are what it has to find out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np

from core.data.samples import FOLDER
from core.errors import InputError

Kind = Literal["view", "click", "share", "purchase"]

START = datetime(2026, 8, 24)
DAYS = 90

MIXED = 0.2
"""Share of visitors who follow two profiles, the first with weight ``FIRST``."""
FIRST = 0.6
PERSONAL = 0.3
"""Standard deviation of the log of what one visitor's weights are multiplied with."""
USUAL_EVENTS = (10, 60)
MEDIAN_EVENTS = 26
EVENTS_SPREAD = 0.5
"""Standard deviation of the log of the number of events."""
BRIEF, BRIEF_EVENTS = 0.03, 3
BUSY, BUSY_EVENTS = 0.01, 300
SESSION_EVENTS = 9
SHARERS = 0.35
"""Share of visitors who ever share anything."""

# Weights of what makes somebody look at an item; the sum goes through a softmax over the items on sale that day.
FOCUS = 3.5
"""The item has the theme of the session."""
TASTE = 3.0
"""Weight of the match with the visitor's whole taste, for views that wander off the session's theme."""
CATEGORY = 1.0
PRICE = 1.0
APPEAL = 0.9
"""Standard deviation of the log of an item's popularity, the same for everybody: a heavy tail."""
NEWS, NEWS_DAYS = 0.8, 21.0
"""What a new item gains on its first day, and after how many days a third of it is left."""

# Interest of a viewer, 0 to about 2.5, and the bars that interest and luck have to pass; sharing and buying take a
# second draw of luck each. The bars were set so that the rates of a funnel come out, see docs/simulation.md.
LIKES_THEMES, LIKES_CATEGORY, LIKES_PRICE, LIKES_APPEAL = 1.5, 0.5, 0.5, 0.1
LUCK = 0.55
"""Scale of the logistic distribution that luck is drawn from."""
CLICK_BAR = 1.75
SHARE_BAR = 3.0
PURCHASE_BAR = 3.35

HOURS = np.array([1, 0, 0, 0, 0, 1, 3, 6, 7, 6, 6, 7, 9, 8, 6, 6, 7, 9, 12, 15, 17, 15, 9, 3], dtype=float)
"""How often a session starts in each hour of the day, relative."""


@dataclass(frozen=True)
class ShopItem:
    """One item of the sample shop."""

    id: str
    title: str
    description: str
    category: str
    price: float
    """Euros."""
    added_on: date
    """First day on sale."""
    themes: tuple[str, ...]
    """Hidden tastes the item speaks to; drives the simulation, not for a recommender."""


@dataclass(frozen=True)
class Profile:
    """A written taste."""

    name: str
    description: str
    themes: Mapping[str, float]
    categories: Mapping[str, float]
    price_mean: float
    """Euros at which this person is most at ease."""
    price_spread: float
    """Euros; a price this far from the mean has lost about 40 % of its fit."""
    loyalty: float
    """How much one session stays on one theme, 0 to 1."""
    share: float
    """Relative number of visitors with this profile."""


@dataclass(frozen=True)
class Shopper:
    """One visitor before the first visit."""

    id: str
    profiles: tuple[str, ...]
    """Names of one or two profiles, the stronger first."""
    events: int
    """Number of events this visitor will leave."""
    shares: bool


@dataclass(frozen=True)
class Event:
    """Somebody did something with an item."""

    user: str
    item: str
    kind: Kind
    at: datetime
    """Local time of the shop, without a zone."""


def sample_items() -> list[ShopItem]:
    """The sample shop's catalogue, oldest item first."""
    with (FOLDER / "recommendation" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        return [
            ShopItem(
                id=row["id"],
                title=row["title"],
                description=row["description"],
                category=row["category"],
                price=float(row["price"]),
                added_on=date.fromisoformat(row["added_on"]),
                themes=tuple(row["themes"].split("|")),
            )
            for row in csv.DictReader(file)
        ]


def sample_profiles() -> list[Profile]:
    """The written profiles of the sample shop's visitors."""
    entries = json.loads((FOLDER / "recommendation" / "profiles.json").read_text(encoding="utf-8"))
    return [
        Profile(
            name=entry["name"],
            description=entry["description"],
            themes=entry["themes"],
            categories=entry["categories"],
            price_mean=entry["price"]["mean"],
            price_spread=entry["price"]["spread"],
            loyalty=entry["loyalty"],
            share=entry["share"],
        )
        for entry in entries
    ]


def simulate(items: Sequence[ShopItem], profiles: Sequence[Profile], users: int = 360, seed: int = 0) -> list[Event]:
    """What ``users`` visitors do over 90 days from ``START``, ordered by time; the same arguments, the same events.

    Nobody sees an item before its ``added_on``. Raises InputError when nothing is on sale on the first day, or a
    profile likes no theme that any item has.
    """
    shop = _Shop(items, seed)
    tastes = {profile.name: shop.taste(profile) for profile in profiles}
    events: list[Event] = []
    for number, shopper in enumerate(draw_shoppers(profiles, users, seed)):
        rng = np.random.default_rng((seed, 1, number))
        taste = tastes[shopper.profiles[0]]
        if len(shopper.profiles) > 1:
            taste = taste.mixed(tastes[shopper.profiles[1]])
        events.extend(_Visits(shop, taste.personal(rng), shopper, rng).events())
    return sorted(events, key=lambda event: (event.at, event.user))


def draw_shoppers(profiles: Sequence[Profile], users: int = 360, seed: int = 0) -> list[Shopper]:
    """The visitors that ``simulate`` sends with the same arguments. Raises InputError without profiles or visitors."""
    if not profiles or users < 1:
        raise InputError(
            f"{users} visitors with {len(profiles)} profiles cannot be simulated.", "Give at least one of each."
        )
    rng = np.random.default_rng((seed, 0))
    shares = np.array([profile.share for profile in profiles], dtype=float)
    events = np.exp(rng.normal(np.log(MEDIAN_EVENTS), EVENTS_SPREAD, users)).round().clip(*USUAL_EVENTS).astype(int)
    unusual = rng.permutation(users)
    brief, busy = round(BRIEF * users), round(BUSY * users)
    events[unusual[:brief]] = BRIEF_EVENTS
    events[unusual[brief : brief + busy]] = BUSY_EVENTS
    shoppers = []
    for number in range(users):
        count = 2 if rng.random() < MIXED and len(profiles) > 1 else 1
        chosen = rng.choice(len(profiles), size=count, replace=False, p=shares / shares.sum())
        names = tuple(profiles[index].name for index in chosen)
        shoppers.append(Shopper(f"u{number + 1:04d}", names, int(events[number]), bool(rng.random() < SHARERS)))
    return shoppers


@dataclass(frozen=True)
class _Taste:
    """A taste in the shop's own indices."""

    themes: np.ndarray
    """(themes,) weights, at least one above 0."""
    categories: np.ndarray
    """(categories,) weights."""
    price_mean: float
    price_spread: float
    loyalty: float

    def mixed(self, other: _Taste) -> _Taste:
        """This taste with weight ``FIRST``, the other with the rest."""
        rest = 1 - FIRST
        return _Taste(
            FIRST * self.themes + rest * other.themes,
            FIRST * self.categories + rest * other.categories,
            FIRST * self.price_mean + rest * other.price_mean,
            FIRST * self.price_spread + rest * other.price_spread,
            FIRST * self.loyalty + rest * other.loyalty,
        )

    def personal(self, rng: np.random.Generator) -> _Taste:
        """The taste of one person with this profile: every weight a little different."""
        return _Taste(
            self.themes * np.exp(rng.normal(0, PERSONAL, len(self.themes))),
            self.categories * np.exp(rng.normal(0, PERSONAL, len(self.categories))),
            float(self.price_mean * np.exp(rng.normal(0, PERSONAL))),
            self.price_spread,
            self.loyalty,
        )


class _Shop:
    """The catalogue as arrays; every array is relative to ``ids``."""

    def __init__(self, items: Sequence[ShopItem], seed: int) -> None:
        self.ids = [item.id for item in items]
        self.added = np.array([(item.added_on - START.date()).days for item in items])  # (items,) days since START
        if not (self.added <= 0).any():
            raise InputError(f"None of {len(items)} items is on sale on {START:%Y-%m-%d}.", "Add items sold earlier.")
        self.prices = np.array([item.price for item in items], dtype=float)
        self._themes = {theme: i for i, theme in enumerate(sorted({t for item in items for t in item.themes}))}
        self._categories = {name: i for i, name in enumerate(sorted({item.category for item in items}))}
        self.category = np.array([self._categories[item.category] for item in items])
        self.has_theme = np.zeros((len(items), len(self._themes)))  # (items, themes) 0 or 1
        for row, item in enumerate(items):
            self.has_theme[row, [self._themes[theme] for theme in item.themes]] = 1.0
        self.appeal = np.random.default_rng((seed, 2)).normal(0, APPEAL, len(items))

    def taste(self, profile: Profile) -> _Taste:
        """A profile in this shop's indices; themes and categories that no item has are left out."""
        themes = np.zeros(len(self._themes))
        categories = np.zeros(len(self._categories))
        for indices, weights, given in (
            (self._themes, themes, profile.themes),
            (self._categories, categories, profile.categories),
        ):
            for name, weight in given.items():
                if name in indices:
                    weights[indices[name]] = weight
        if not themes.any():
            raise InputError(
                f"No item has a theme that the profile '{profile.name}' likes ({', '.join(profile.themes)}).",
                "Use the theme names of the catalogue.",
            )
        return _Taste(themes, categories, profile.price_mean, profile.price_spread, profile.loyalty)


class _Visits:
    """All sessions of one visitor."""

    def __init__(self, shop: _Shop, taste: _Taste, shopper: Shopper, rng: np.random.Generator) -> None:
        self._shop, self._taste, self._shopper, self._rng = shop, taste, shopper, rng
        match = shop.has_theme @ taste.themes
        self._match = match / match.max()  # (items,) 0 to 1
        fit = np.exp(-0.5 * ((shop.prices - taste.price_mean) / taste.price_spread) ** 2)  # (items,) 0 to 1
        category = taste.categories[shop.category]  # (items,)
        self._likes = CATEGORY * category + PRICE * fit  # (items,)
        self._interest = LIKES_THEMES * self._match + LIKES_CATEGORY * category + LIKES_PRICE * fit  # (items,)
        self._interest += LIKES_APPEAL * shop.appeal
        self._owned: set[int] = set()

    def events(self) -> Iterator[Event]:
        """The visitor's events in order of time, exactly as many as the shopper leaves."""
        rng = self._rng
        count = max(1, round(self._shopper.events / SESSION_EVENTS))
        lengths = rng.multinomial(self._shopper.events, np.full(count, 1 / count))
        days = np.sort(rng.integers(0, DAYS, count))
        hours = rng.choice(24, size=count, p=HOURS / HOURS.sum())
        starts = sorted(
            START + timedelta(days=int(day), hours=int(hour), seconds=int(rng.integers(3600)))
            for day, hour in zip(days, hours, strict=True)
        )
        end = START
        for start, length in zip(starts, lengths, strict=True):
            at = max(start, end)
            for event in self._session(at, int(length)):
                end = event.at + timedelta(minutes=5)
                yield event

    def _session(self, at: datetime, length: int) -> Iterator[Event]:
        """``length`` events from ``at`` on; a session cut short ends in the middle of what a person does."""
        taste, rng = self._taste, self._rng
        theme = rng.choice(len(taste.themes), p=taste.themes / taste.themes.sum())
        news = NEWS * np.exp(-np.maximum((at - START).days - self._shop.added, 0) / NEWS_DAYS)
        on_sale = self._shop.added <= (at - START).days
        base = np.where(on_sale, self._likes + self._shop.appeal + news, -np.inf)  # (items,)
        unseen = on_sale.copy()
        while length:
            if not unseen.any():
                unseen = on_sale.copy()
            stays = rng.random() < taste.loyalty
            pull = FOCUS * self._shop.has_theme[:, theme] if stays else TASTE * self._match
            odds = np.exp(np.where(unseen, base + pull, -np.inf))
            item = int(rng.choice(len(odds), p=odds / odds.sum()))
            unseen[item] = False
            for kind in self._reaction(item)[:length]:
                at += timedelta(seconds=int(3 + rng.exponential(25)))
                length -= 1
                if kind == "purchase":
                    self._owned.add(item)
                yield Event(self._shopper.id, self._shop.ids[item], kind, at)

    def _reaction(self, item: int) -> list[Kind]:
        """What somebody who looks at an item does: every step asks for more interest, and nothing is bought twice."""
        kinds: list[Kind] = ["view"]
        interest = self._interest[item] + self._rng.logistic(0, LUCK)
        if interest < CLICK_BAR:
            return kinds
        kinds.append("click")
        share, purchase = interest + self._rng.logistic(0, LUCK, 2)
        if self._shopper.shares and share > SHARE_BAR:
            kinds.append("share")
        if purchase > PURCHASE_BAR and item not in self._owned:
            kinds.append("purchase")
        return kinds
