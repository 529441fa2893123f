"""Recommendation on MovieLens, and how long a list takes after a slider moved.

Ratings of 4 and more are likes; everybody's last one is held back, by time. Texts are title, genres and, where there
is one, the plot. The data is expected as ``ml_latest_small/items.jsonl`` (item_id, title, text, genres) and
``interactions.csv`` (user_id, item_id, rating, timestamp) in the folder WHETSTONE_BENCH_DATA. With
WHETSTONE_BENCH_TUNE=1 a bi-encoder is tuned on behaviour first and takes part (about ten minutes on two cores).
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import FEATURES, RecommendationConfig, Weights
from core.scenarios.recommendation.evaluation import Evaluated
from core.scenarios.recommendation.features import Features, Profile
from core.scenarios.recommendation.histories import Histories
from core.scenarios.recommendation.imports import EventMapping, ItemMapping
from core.scenarios.recommendation.ranking import recommend
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import create_setup
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure

DATA, TUNE = "WHETSTONE_BENCH_DATA", "WHETSTONE_BENCH_TUNE"
OTHERS = ("popularity", "item_knn", "item_knn_recent")
ITEMS, PEOPLE, MOVES = 10_000, 2_000, 60


def measure() -> list[Figure]:
    """The slider, then the ways of ranking; the second part is left out with a message where the data is missing."""
    return [*slider(), *movies()]


def slider(seed: int = 0) -> list[Figure]:
    """A list of 20 out of 10,000 items, server side: after a slider moved, and for somebody who was not seen before."""
    chosen = np.random.default_rng(seed)
    catalog = Catalog.of(
        {
            "key": [f"i{n}" for n in range(ITEMS)],
            "title": [f"Item {n}" for n in range(ITEMS)],
            "description": [""] * ITEMS,
            "category": [f"c{n % 40}" for n in range(ITEMS)],
            "price": chosen.lognormal(3, 1, ITEMS),
            "added_on": chosen.integers(0, 400, ITEMS).astype(float),
        }
    )
    popular = chosen.zipf(1.3, PEOPLE * 40) % ITEMS
    columns = {
        "person": [f"p{n // 40}" for n in range(PEOPLE * 40)],
        "item": [f"i{n}" for n in popular],
        "kind": ["click"] * (PEOPLE * 40),
        "rating": np.full(PEOPLE * 40, np.nan),
        "at": np.arange(PEOPLE * 40) / 200,
    }
    config = RecommendationConfig()
    vectors = chosen.normal(size=(ITEMS, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    features = Features(catalog, Histories.of(columns, catalog.index, config), config, vectors)
    moved, fresh = [], []
    pick = random.Random(seed)
    for move in range(MOVES):
        profile = Profile.of(features.histories, move, config.memory)
        start = time.perf_counter()
        known = features.of(profile)
        weights = Weights(**{name: pick.uniform(0, 2) for name in FEATURES})
        between = time.perf_counter()
        recommend(features, profile, weights, 0.3, 20, profile.items, known=known)
        end = time.perf_counter()
        moved.append(1000 * (end - between))
        fresh.append(1000 * (end - start))
    note = f"median {np.median(moved):.0f} ms"
    return [
        Figure("list of 20 of 10,000 items after a slider, p95", "<= 100 ms", _p95(moved), "ms", high=100, note=note),
        Figure(
            "the same for a person not seen before, p95",
            "",
            _p95(fresh),
            "ms",
            note=f"median {np.median(fresh):.0f} ms",
        ),
    ]


def movies() -> list[Figure]:
    """Every way of ranking on MovieLens, nDCG@10."""
    folder = Path(os.environ.get(DATA, "")) / "ml_latest_small"
    if DATA not in os.environ or not (folder / "items.jsonl").is_file():
        print(f"Recommendation: skipped, {DATA} names no folder with ml_latest_small/items.jsonl")
        return []
    with tempfile.TemporaryDirectory() as home:
        path = Path(home)
        with Workspace.open(path / "workspace", Settings(home=path, demo=False, offline=True)) as workspace:
            setup = create_setup(workspace, Recommendation.name, "Movies", RecommendationConfig())
            scenario = Recommendation(workspace, setup)
            scenario.import_items(
                folder / "items.jsonl", ItemMapping(id="item_id", description="text", category="genres")
            )
            start = time.monotonic()
            scenario.import_events(
                folder / "interactions.csv",
                EventMapping(person="user_id", item="item_id", rating="rating", at="timestamp"),
            )
            figures = [Figure("100,000 events imported", "", time.monotonic() - start, "s")]
            if os.environ.get(TUNE):
                _setup, run = scenario.tune_on_behaviour()
                run.wait(timeout=7200)
            start = time.monotonic()
            result = scenario.evaluate()
            seconds = time.monotonic() - start
    return [*figures, *rows(result), Figure("measuring it all, texts read included", "", seconds, "s")]


def rows(result: Evaluated) -> list[Figure]:
    """One row a way of ranking, then what is asked of text and behaviour together."""
    found = []
    for row in result.rows:
        low, high = row.intervals["ndcg"]
        note = (
            f"{low:.3f} to {high:.3f}; hit rate {row.hit_rate:.3f}, MRR {row.mrr:.3f}, "
            f"few {_shown(row.segments['few'])}, many {_shown(row.segments['many'])}, "
            f"rare {_shown(row.segments['rare'])}, coverage {row.coverage:.1%}, "
            f"diversity {_shown(row.diversity)}, novelty {row.novelty:.1f} bits, {row.milliseconds:.1f} ms a person"
        )
        found.append(Figure(f"MovieLens, {row.title}, nDCG@10", "", row.ndcg, note=note))
    ours, factors = result.row("text_and_behaviour"), result.row("matrix_factorisation")
    if ours is None:
        return found
    for name in OTHERS:
        other = result.row(name)
        if other is not None:
            gain = ours.ndcg - other.ndcg
            found.append(Figure(f"text and behaviour less {other.title}, nDCG@10", "> 0", gain, low=1e-6))
    if factors is not None:
        gain = (ours.segments["rare"] or 0.0) - (factors.segments["rare"] or 0.0)
        note = f"{result.segments['rare']} people whose hidden item at most 5 others like"
        found.append(Figure("the same less matrix factorisation, rare items", "> 0", gain, low=1e-6, note=note))
    return found


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))
