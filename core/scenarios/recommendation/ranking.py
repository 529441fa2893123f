"""From features to a list: weights, house rules, diversity, and the reasons of each place.

Diversity is maximal marginal relevance (Carbonell & Goldstein 1998): each place goes to the item with the best score
that is least like those above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from core.errors import InputError
from core.evaluation.messages import Message
from core.records import Record
from core.scenarios.recommendation.catalog import Catalog, Item
from core.scenarios.recommendation.config import FEATURES, Rule, Weights
from core.scenarios.recommendation.explain import Explainer
from core.scenarios.recommendation.features import Features, Profile, scaled
from core.scenarios.recommendation.rankers import weight_array

POOL = 200
"""Best items among which diversity chooses."""
BOOST = 1.0
"""What a house rule adds or takes, as a share of the best score."""


class Filters(Record):
    """Which items may be in the list."""

    categories: tuple[str, ...] = Field(default=(), description="Only items of one of these categories; empty: all.")
    price_from: float | None = Field(default=None, ge=0, description="Lowest price.")
    price_to: float | None = Field(default=None, ge=0, description="Highest price; items without a price are left out.")


class Recommendation(Record):
    """One place of the list."""

    item: Item
    score: float = Field(description="Weighted sum of the features and what house rules add.")
    parts: dict[str, float] = Field(description="What each feature adds to the score.")
    reasons: list[Message] = Field(description="Why it is here, the strongest reason first.")
    because: str | None = Field(default=None, description="Id of the liked item that speaks most for it.")


def recommend(
    features: Features,
    profile: Profile,
    weights: Weights,
    diversity: float = 0.0,
    length: int = 20,
    hidden: Iterable[int] = (),
    filters: Filters | None = None,
    rules: Sequence[Rule] = (),
    known: np.ndarray | None = None,
) -> list[Recommendation]:
    """The list for one person, best first; shorter where filters and rules leave less.

    ``known`` is ``features.of(profile)`` where somebody kept it.
    """
    table = (features.of(profile) if known is None else known) * weight_array(weights)  # (items, features)
    scores = table.sum(axis=1)
    lift = np.zeros(len(scores), np.float32)
    allowed = _allowed(features.catalog, filters or Filters())
    top = max(float(scores.max(initial=0.0)), 1e-6)
    for rule in rules:
        fits = fitting(features.catalog, rule)
        if rule.action == "exclude":
            allowed &= ~fits
        else:
            lift[fits] += BOOST * top * (1 if rule.action == "boost" else -1)
    allowed[[row for row in hidden if row < len(allowed)]] = False
    scores = scores + lift
    rows = diversified(features, scores, np.flatnonzero(allowed), length, diversity)
    explainer = Explainer(features, profile, rows)
    found = []
    for row in rows:
        why, because = explainer.reasons(int(row), table[row], bool(lift[row] > 0))
        found.append(
            Recommendation(
                item=features.catalog.item(int(row)),
                score=float(scores[row]),
                parts=dict(zip(FEATURES, map(float, table[row]), strict=True)),
                reasons=why,
                because=because,
            )
        )
    return found


def diversified(
    features: Features, scores: np.ndarray, allowed: np.ndarray, length: int, diversity: float
) -> np.ndarray:
    """Rows of the list out of ``allowed`` (m,), best first."""
    size = min(max(POOL, length), len(allowed))
    if size == 0:
        return allowed
    pool = allowed[np.argpartition(-scores[allowed], size - 1)[:size]]
    pool = pool[np.argsort(-scores[pool], kind="stable")]
    if diversity <= 0 or size <= 1:
        return pool[:length]
    worth = scaled(scores[pool] - scores[pool].min())
    alike = likeness(features, pool)
    chosen = [0]
    nearest = alike[0].copy()
    taken = np.zeros(size, bool)
    taken[0] = True
    while len(chosen) < min(length, size):
        gain = (1 - diversity) * worth - diversity * nearest
        gain[taken] = -np.inf
        place = int(gain.argmax())
        taken[place] = True
        chosen.append(place)
        np.maximum(nearest, alike[place], out=nearest)
    return np.asarray(pool[chosen])


def likeness(features: Features, rows: np.ndarray) -> np.ndarray:
    """(rows, rows) how alike items are, 0 to 1: by their texts, or by their categories while no text is read."""
    if features.vectors is not None:
        own = features.vectors[rows]
        return np.maximum(own @ own.T, 0.0)
    kinds = features.catalog.has_category[rows]
    sizes = np.sqrt(np.maximum(np.asarray(kinds.sum(axis=1)).ravel(), 1.0))
    return np.asarray((kinds @ kinds.T).todense()) / np.outer(sizes, sizes)


def fitting(catalog: Catalog, rule: Rule) -> np.ndarray:
    """(items,) bool: which items a rule is about."""
    wanted = rule.value.strip().casefold()
    if rule.field == "category":
        return _of_categories(catalog, {wanted})
    cells = catalog.ids if rule.field == "id" else catalog.titles
    if rule.field == "id":
        return np.array([cell.casefold() == wanted for cell in cells], bool)
    return np.array([wanted in cell.casefold() for cell in cells], bool)


def _allowed(catalog: Catalog, filters: Filters) -> np.ndarray:
    """(items,) bool. Raises InputError for bounds that leave nothing by themselves."""
    low, high = filters.price_from, filters.price_to
    if low is not None and high is not None and low > high:
        raise InputError(f"The lowest price {low:g} is above the highest, {high:g}.", "Exchange them.")
    allowed = np.ones(len(catalog), bool)
    with np.errstate(invalid="ignore"):
        if low is not None:
            allowed &= catalog.prices >= low
        if high is not None:
            allowed &= catalog.prices <= high
    if filters.categories:
        allowed &= _of_categories(catalog, {name.strip().casefold() for name in filters.categories})
    return allowed


def _of_categories(catalog: Catalog, wanted: set[str]) -> np.ndarray:
    places = [place for place, name in enumerate(catalog.categories) if name.casefold() in wanted]
    return np.asarray(catalog.has_category[:, places].sum(axis=1)).ravel() > 0
