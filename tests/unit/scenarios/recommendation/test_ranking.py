"""Features, weights, rules, diversity and reasons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.errors import InputError
from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import FEATURES, RecommendationConfig, Rule, Weights
from core.scenarios.recommendation.features import Features, Profile, liked_together
from core.scenarios.recommendation.histories import Histories
from core.scenarios.recommendation.ranking import Filters, recommend

TITLES = ["tttt", "ttta", "tttb", "zzzz", "yyyy", "xxxx"]
NONE = {name: 0.0 for name in FEATURES}


@pytest.fixture
def features(
    catalog_of: Callable[..., Catalog], histories_of: Callable[..., Histories], letters: Callable[..., np.ndarray]
) -> Features:
    """ann and bob like 0 and 3 together; most like 5; item 4 is new; prices from 1 to 6."""
    catalog = catalog_of(
        TITLES, prices=[1, 2, 3, 4, 5, 6], categories=["a", "a", "a|b", "b", "b", "c"], added=[0, 0, 0, 0, 30, 0]
    )
    events = [
        *[(name, item, "click", day) for name in ("ann", "bob") for item, day in (("i0", 1.0), ("i3", 2.0))],
        *[(f"p{n}", "i5", "click", 3.0) for n in range(5)],
        ("new", "i0", "click", 4.0),
    ]
    return Features(catalog, histories_of(catalog, events), RecommendationConfig(), letters(TITLES))


def order(features: Features, **weights: float) -> list[str]:
    profile = Profile.of(features.histories, features.histories.numbers["new"], 5.0)
    made = recommend(features, profile, Weights(**{**NONE, **weights}), hidden=profile.items)
    return [one.item.id for one in made]


@pytest.mark.parametrize(
    ("feature", "first"),
    [("text", "i1"), ("behaviour", "i3"), ("popularity", "i5"), ("newness", "i4"), ("price", "i1"), ("category", "i1")],
)
def test_each_weight_brings_up_what_it_is_about(features: Features, feature: str, first: str) -> None:
    assert order(features, **{feature: 1.0})[0] == first


def test_all_features_lie_between_0_and_1(features: Features) -> None:
    for person in range(len(features.histories.people)):
        table = features.of(Profile.of(features.histories, person, 5.0))
        assert table.shape == (6, len(FEATURES)) and table.min() >= 0 and table.max() <= 1 + 1e-6


def test_liked_together_is_the_shrunk_cosine(features: Features) -> None:
    together = liked_together(features.histories).toarray()
    # 0 is liked by three people, 3 by two, both by two.
    assert together[0, 3] == pytest.approx(2 / (np.sqrt(3 * 2) + 5.0))
    assert together[0, 3] == together[3, 0] and not together.diagonal().any() and together[0, 5] == 0


def test_reasons_name_the_liked_item(features: Features) -> None:
    profile = Profile.of(features.histories, features.histories.numbers["new"], 5.0)
    made = {one.item.id: one for one in recommend(features, profile, Weights(**{**NONE, "text": 1, "behaviour": 1}))}
    assert str(made["i3"].reasons[0]) == "Because you liked tttt: others liked both" and made["i3"].because == "i0"
    assert str(made["i1"].reasons[0]) == "Because you liked tttt: it reads alike"
    assert sum(made["i1"].parts.values()) == pytest.approx(made["i1"].score)


def test_a_sentence_alone_is_matched(features: Features, letters: Callable[..., np.ndarray]) -> None:
    profile = Profile.chosen([], 5.0, letters(["zz"])[0])
    made = recommend(features, profile, Weights(**{**NONE, "text": 1}))
    assert made[0].item.id == "i3" and str(made[0].reasons[0]) == "Matches what you wrote" and made[0].because is None


def test_somebody_nobody_knows_gets_what_is_popular(features: Features) -> None:
    assert recommend(features, Profile.chosen([], 5.0), Weights())[0].item.id == "i5"


def test_rules_exclude_boost_and_bury(features: Features) -> None:
    profile = Profile.chosen([], 5.0)

    def ids(*rules: Rule) -> list[str]:
        return [one.item.id for one in recommend(features, profile, Weights(), rules=rules)]

    assert "i5" not in ids(Rule(field="category", value="C"))
    assert ids(Rule(field="title", value="ZZZ", action="boost"))[0] == "i3"
    assert ids(Rule(field="id", value="i5", action="bury"))[-1] == "i5"
    boosted = recommend(features, profile, Weights(), rules=[Rule(field="id", value="i3", action="boost")])
    assert str(boosted[0].reasons[0]) == "Moved up by a house rule"


def test_filters_bound_the_list(features: Features) -> None:
    profile = Profile.chosen([], 5.0)
    made = recommend(features, profile, Weights(), filters=Filters(categories=("b",), price_from=4, price_to=4.5))
    assert [one.item.id for one in made] == ["i3"]
    with pytest.raises(InputError, match="above the highest"):
        recommend(features, profile, Weights(), filters=Filters(price_from=5, price_to=1))


def test_variety_keeps_alike_items_apart(features: Features) -> None:
    profile = Profile.of(features.histories, features.histories.numbers["new"], 5.0)
    weights = Weights(**{**NONE, "text": 1.0, "popularity": 0.1})
    plain = [one.item.id for one in recommend(features, profile, weights, 0.0, 2, profile.items)]
    varied = [one.item.id for one in recommend(features, profile, weights, 0.7, 2, profile.items)]
    assert set(plain) == {"i1", "i2"} and varied[0] == plain[0] and varied[1] not in ("i1", "i2")


def test_without_texts_the_rest_works(
    catalog_of: Callable[..., Catalog], histories_of: Callable[..., Histories]
) -> None:
    catalog = catalog_of(TITLES, categories=["a"] * 6)
    features = Features(catalog, histories_of(catalog, [("ann", "i0", "click", 1.0)]), RecommendationConfig())
    profile = Profile.of(features.histories, 0, 5.0)
    assert len(recommend(features, profile, Weights(), 0.5, 20, profile.items)) == 5


def test_an_empty_shop_gives_an_empty_list(
    catalog_of: Callable[..., Catalog], histories_of: Callable[..., Histories]
) -> None:
    catalog = catalog_of([])
    features = Features(catalog, histories_of(catalog, []), RecommendationConfig())
    assert recommend(features, Profile.chosen([], 5.0), Weights(), 0.5) == []
