"""How good lists are: every way of ranking on the same held-back items, with what accuracy alone does not tell.

The last liked item of everybody with at least three is held back to be found again (leave one last out, by time); the
one before it is what weights are tuned on, and is given back before the final figures. Everything else that anybody
did is known, also what came later: the usual protocol, a little kinder than tomorrow is.

Beyond accuracy: coverage (share of the catalogue that appears in any list), diversity (mean distance of the texts in a
list; Ziegler et al. 2005) and novelty (mean self-information of the items shown; Vargas & Castells 2011).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
from pydantic import Field

from core.errors import RefusedError
from core.evaluation.retrieval import mean_intervals, rank_all
from core.records import Progressing, Record
from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import FEATURES, RecommendationConfig, Weights
from core.scenarios.recommendation.features import Features
from core.scenarios.recommendation.histories import Histories
from core.scenarios.recommendation.rankers import (
    ItemKnn,
    MatrixFactorisation,
    Popularity,
    Ranker,
    RecentItemKnn,
    Text,
    TextAndBehaviour,
    weight_array,
)

DEPTH = 10
TUNED_SHARE = 200
"""While weights are tuned, one place for so many items counts, at least ``DEPTH``: with less a few people decide."""
FEW = 10
"""People with at most so many liked items, before the held-back one, are the segment 'few'."""
RARE = 5
"""Items that at most so many people like are rare."""
LEAST_PEOPLE = 10
MOST_PEOPLE = 2_000
"""People that are measured; of more, this many are drawn."""
TUNED_CELLS = 40_000_000
"""Feature values held in memory while weights are tuned."""
STEPS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Weights that are tried, as the sliders show them."""
ROUNDS = 2
MEMORIES = (2.0, 5.0, 10.0)
Report = Callable[[Progressing], None]
Vectors = Callable[[Histories], np.ndarray]
"""People's vectors (people, d) by a tuned model that reads histories."""


class Figures(Record):
    """One way of ranking. Shares of 1 unless said otherwise; intervals are 95 %, by resampling people."""

    name: str
    title: str
    hit_rate: float = Field(description="People whose held-back item is among the first 10. Recall@10 is the same.")
    ndcg: float = Field(description="nDCG@10: the same, but first places count more.")
    mrr: float = Field(description="Mean reciprocal rank, 0 beyond place 10.")
    intervals: dict[str, tuple[float, float]] = Field(description="Of hit_rate, ndcg and mrr.")
    segments: dict[str, float | None] = Field(
        description="nDCG@10 of people with few and with many liked items, and of held-back items that are rare."
    )
    coverage: float = Field(description="Items that appear in at least one list of 10.")
    diversity: float | None = Field(description="Mean distance of texts inside a list, 0 to 1; None without texts.")
    novelty: float = Field(description="Mean self-information of what is shown, in bits: rare items have more.")
    milliseconds: float = Field(description="Time to score the catalogue for one person.")


class Evaluated(Record):
    """All ways of ranking side by side."""

    people: int = Field(description="People whose last liked item was held back.")
    items: int
    events: int
    segments: dict[str, int] = Field(description="People in each segment.")
    weights: Weights = Field(description="As tuned on the item before the held-back one.")
    memory: float = Field(description="Tuned in the same way.")
    tuned: str | None = Field(default=None, description="Id of the tuned model that took part.")
    rows: list[Figures]
    left_out: list[str] = Field(default_factory=list, description="Ways that could not take part, and why.")

    def row(self, name: str) -> Figures | None:
        """The figures of one way."""
        return next((row for row in self.rows if row.name == name), None)


def evaluate(
    catalog: Catalog,
    histories: Histories,
    config: RecommendationConfig,
    vectors: np.ndarray | None,
    tuned: Vectors | None = None,
    tuned_id: str | None = None,
    report: Report = lambda step: None,
    seed: int = 0,
) -> Evaluated:
    """Tune on the item before the last, measure on the last. Raises RefusedError for too little data."""
    report(Progressing(done=0, total=8, message="Finding good weights"))
    weights, memory = tune(catalog, histories, config, vectors, seed, report)
    config = config.model_copy(update={"memory": memory})
    left, people, wanted = histories.held_back(1)
    chosen = _drawn(len(people), MOST_PEOPLE, seed)
    people, wanted = people[chosen], wanted[chosen]
    features = Features(catalog, left, config, vectors)
    segments = _segments(left, people, wanted)
    rows: list[Figures] = []
    left_out: list[str] = []
    for place, make in enumerate(_ways(features, weights, tuned), 1):
        report(Progressing(done=place, total=8, message="Comparing ways of ranking"))
        try:
            rows.append(figures(make(), features, people, wanted, segments, seed))
        except RefusedError as error:
            left_out.append(str(error))
    return Evaluated(
        people=len(people),
        items=len(catalog),
        events=histories.events,
        segments={name: int(mask.sum()) for name, mask in segments.items()},
        weights=weights,
        memory=memory,
        tuned=tuned_id,
        rows=rows,
        left_out=left_out,
    )


def _ways(features: Features, weights: Weights, tuned: Vectors | None) -> list[Callable[[], Ranker]]:
    """The ways of ranking that there is data for; each is made when it is its turn."""
    ways: list[Callable[[], Ranker]] = [
        lambda: Popularity(features),
        lambda: ItemKnn(features),
        lambda: RecentItemKnn(features, features.config.memory),
        lambda: MatrixFactorisation(features),
    ]
    if features.vectors is not None:
        ways.append(lambda: Text(features))
    if tuned is not None:
        ways.append(lambda: TunedText(features, tuned(features.histories)))
    return [*ways, lambda: TextAndBehaviour(features, weights)]


class TunedText(Text):
    """The text ranker with people's vectors by the tuned model."""

    name = "tuned_text"
    title = "Text, tuned on behaviour"


def figures(
    ranker: Ranker,
    features: Features,
    people: np.ndarray,
    wanted: np.ndarray,
    segments: dict[str, np.ndarray],
    seed: int = 0,
) -> Figures:
    """Measure one way of ranking; ``wanted`` (m,) is the held-back item of each of ``people`` (m,)."""
    liked = features.histories.matrix
    lists: list[np.ndarray] = []
    seconds = 0.0

    def scores(rows: slice) -> np.ndarray:
        nonlocal seconds
        started = time.perf_counter()
        found = ranker.scores(people[rows])
        seconds += time.perf_counter() - started
        found[liked[people[rows]].toarray() > 0] = -np.inf
        top = min(DEPTH, found.shape[1])
        lists.append(np.argpartition(-found, top - 1, axis=1)[:, :top])
        return found

    def relevant(rows: slice) -> np.ndarray:
        return np.asarray(np.arange(len(features.catalog))[None, :] == wanted[rows, None])

    ranking = rank_all(len(people), len(features.catalog), scores, relevant, seed)
    shown = np.concatenate(lists)
    gains = ranking.ndcg(DEPTH)
    table = np.stack([ranking.hit_rate(DEPTH), gains, ranking.reciprocal_rank(DEPTH)], axis=1)
    means = table.mean(axis=0)
    return Figures(
        name=ranker.name,
        title=ranker.title,
        hit_rate=float(means[0]),
        ndcg=float(means[1]),
        mrr=float(means[2]),
        intervals=dict(zip(("hit_rate", "ndcg", "mrr"), mean_intervals(table, seed), strict=True)),
        segments={name: float(gains[mask].mean()) if mask.any() else None for name, mask in segments.items()},
        coverage=len(np.unique(shown)) / max(len(features.catalog), 1),
        diversity=diversity(shown, features.vectors),
        novelty=novelty(shown, features.histories),
        milliseconds=1000 * seconds / len(people),
    )


def diversity(shown: np.ndarray, vectors: np.ndarray | None) -> float | None:
    """Mean cosine distance of the items of each list (m, k)."""
    if vectors is None or shown.shape[1] < 2:
        return None
    pairs = list(combinations(range(shown.shape[1]), 2))
    alike = [(vectors[shown[:, a]] * vectors[shown[:, b]]).sum(axis=1).mean() for a, b in pairs]
    return float(1.0 - np.mean(alike))


def novelty(shown: np.ndarray, histories: Histories) -> float:
    """Mean of -log2 of the share of people who like each shown item (m, k); nobody counts as half a person."""
    share = np.maximum(histories.counts, 0.5) / max(len(histories.people), 1)
    return float(-np.log2(share)[shown].mean())


def tune(
    catalog: Catalog,
    histories: Histories,
    config: RecommendationConfig,
    vectors: np.ndarray | None,
    seed: int = 0,
    report: Report = lambda step: None,
) -> tuple[Weights, float]:
    """Weights and memory with the best nDCG on the item before the last one.

    Coordinate ascent on the figure itself (Metzler & Croft 2007), over the steps of the sliders. Raises RefusedError
    for too little data.
    """
    left, people, wanted = histories.held_back(2)
    if len(people) < LEAST_PEOPLE:
        raise RefusedError(
            f"Only {len(people)} people liked three items or more; at least {LEAST_PEOPLE} are needed to measure.",
            "Import more events, or let more kinds of events count as liking.",
        )
    chosen = _drawn(len(people), max(LEAST_PEOPLE, TUNED_CELLS // (len(catalog) * len(FEATURES))), seed)
    people, wanted = people[chosen], wanted[chosen]
    base = Features(catalog, left, config, vectors)
    best: tuple[float, np.ndarray, float] = (-1.0, weight_array(Weights()), config.memory)
    for memory in sorted({*MEMORIES, config.memory}):
        report(Progressing(done=0, total=8, message="Finding good weights"))
        base.config = config.model_copy(update={"memory": memory})
        table = _table(base, people)
        reached, weights = _ascend(table, wanted, weight_array(config.weights))
        if reached > best[0]:
            best = (reached, weights, memory)
    values = {name: round(float(value), 3) for name, value in zip(FEATURES, best[1], strict=True)}
    return Weights(**values), best[2]


def _table(features: Features, people: np.ndarray) -> np.ndarray:
    """(people, items, features) float32; what a person likes already is far below everything."""
    ranker = TextAndBehaviour(features, Weights())
    found = np.stack([features.of(ranker.profile(int(person))) for person in people])
    liked = features.histories.matrix[people].toarray() > 0
    found[liked] = -1e3
    return found


def _ascend(table: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
    """(nDCG, weights) after a few rounds of trying every step for one weight after the other."""
    weights = start.astype(np.float32).copy()
    reached = _ndcg(table @ weights, wanted)
    for _ in range(ROUNDS):
        before = reached
        for place in range(len(weights)):
            others = weights.copy()
            others[place] = 0.0
            rest = table @ others
            for step in STEPS:
                value = _ndcg(rest + step * table[:, :, place], wanted)
                if value > reached + 1e-9:
                    reached, weights[place] = value, step
        if reached <= before:
            break
    return reached, weights


def _ndcg(scores: np.ndarray, wanted: np.ndarray) -> float:
    """Mean nDCG, over the places that count, of one wanted item (m,) each; equals share their places."""
    own = np.take_along_axis(scores, wanted[:, None], axis=1)
    rank = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2 + 1
    return float(np.where(rank <= max(DEPTH, scores.shape[1] / TUNED_SHARE), 1.0 / np.log2(rank + 1.0), 0.0).mean())


def _segments(histories: Histories, people: np.ndarray, wanted: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (m,): people with few and many liked items, and held-back items that are rare."""
    own = np.diff(histories.starts)[people]
    return {"few": own <= FEW, "many": own > FEW, "rare": histories.counts[wanted] <= RARE}


def _drawn(count: int, most: int, seed: int) -> np.ndarray:
    """Sorted numbers below ``count``, at most ``most`` of them."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


WAYS: tuple[type[Ranker], ...] = (
    Popularity,
    ItemKnn,
    RecentItemKnn,
    MatrixFactorisation,
    Text,
    TunedText,
    TextAndBehaviour,
)
"""Every way of ranking that may take part."""
