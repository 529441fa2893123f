"""Figures on held-back items, and the weights that are found on the step before."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from core.errors import RefusedError
from core.scenarios.recommendation import plots
from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import RecommendationConfig
from core.scenarios.recommendation.evaluation import Evaluated, diversity, evaluate, novelty, tune
from core.scenarios.recommendation.histories import Histories


@pytest.fixture
def shop(
    catalog_of: Callable[..., Catalog], histories_of: Callable[..., Histories]
) -> tuple[Catalog, Histories, np.ndarray]:
    """Five groups of eight items; 40 people who like only items of one group, in their own order."""
    catalog = catalog_of([f"{chr(97 + n // 8) * 6} {n}" for n in range(40)])
    random = np.random.default_rng(0)
    events = [
        (f"p{p}", f"i{8 * (p % 5) + item}", "click", float(day))
        for p in range(40)
        for day, item in enumerate(random.permutation(8)[:6])
    ]
    vectors = np.repeat(np.eye(5, dtype=np.float32), 8, axis=0)
    return catalog, histories_of(catalog, events), vectors


@pytest.fixture
def result(shop: tuple[Catalog, Histories, np.ndarray]) -> Evaluated:
    catalog, histories, vectors = shop
    return evaluate(catalog, histories, RecommendationConfig(), vectors)


def test_what_knows_the_groups_beats_popularity(result: Evaluated) -> None:
    ours, text, popular = result.row("text_and_behaviour"), result.row("text"), result.row("popularity")
    assert ours is not None and text is not None and popular is not None
    assert result.people == 40 and ours.hit_rate == 1.0, "two items of the group are left, both in the first ten"
    assert ours.ndcg > popular.ndcg and text.hit_rate == 1.0 and popular.hit_rate < 0.9
    assert ours.intervals["ndcg"][0] <= ours.ndcg <= ours.intervals["ndcg"][1]
    assert {row.name for row in result.rows} >= {"item_knn", "item_knn_recent"}


def test_the_figures_become_charts(result: Evaluated) -> None:
    for figure in (plots.ranking_quality(result), plots.segments(result), plots.shown_share(result)):
        assert figure.layout.title.text
    assert len(plots.ranking_quality(result).data[0].x) == len(result.rows)


def test_without_texts_and_without_the_library(
    shop: tuple[Catalog, Histories, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    catalog, histories, _ = shop
    result = evaluate(catalog, histories, RecommendationConfig(), None)
    assert result.row("text") is None and result.row("matrix_factorisation") is None
    assert "implicit" in result.left_out[0]
    ours = result.row("text_and_behaviour")
    assert ours is not None and ours.diversity is None


def test_a_tuned_model_takes_part(shop: tuple[Catalog, Histories, np.ndarray]) -> None:
    catalog, histories, vectors = shop
    seen: list[int] = []

    def tuned(left: Histories) -> np.ndarray:
        seen.append(len(left))
        return np.stack([vectors[left.item[left.liked(person)][-1]] for person in range(len(left.people))])

    result = evaluate(catalog, histories, RecommendationConfig(), vectors, tuned, "model")
    row = result.row("tuned_text")
    assert row is not None and row.hit_rate == 1.0 and result.tuned == "model"
    assert seen == [len(histories) - 40], "what is held back is not read"


def test_too_few_people_are_refused(catalog_of: Callable[..., Catalog], histories_of: Callable[..., Histories]) -> None:
    catalog = catalog_of(["a", "b", "c"])
    histories = histories_of(catalog, [("ann", f"i{n}", "click", float(n)) for n in range(3)])
    with pytest.raises(RefusedError, match="Only 1 people"):
        tune(catalog, histories, RecommendationConfig(), None)


def test_diversity_and_novelty_by_hand(
    catalog_of: Callable[..., Catalog], histories_of: Callable[..., Histories]
) -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert diversity(np.array([[0, 1], [0, 2]]), vectors) == pytest.approx(0.5)
    catalog = catalog_of(["a", "b", "c"])
    histories = histories_of(
        catalog, [("ann", "i0", "click", 1.0), ("bob", "i0", "click", 1.0), ("bob", "i1", "click", 2.0)]
    )
    assert novelty(np.array([[0, 1]]), histories) == pytest.approx((0.0 + 1.0) / 2)
