"""Figures of ranked lists, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import RefusedError
from core.evaluation.retrieval import Ranking, best_of_groups, mean_intervals, measure, rank_all


@pytest.fixture
def three() -> Ranking:
    """Right candidates at places 1 and 4; at place 3; and at places 2, 6 and 7, of 8."""
    return Ranking.of_lists([[1, 4], [3], [2, 6, 7]], 8)


def test_figures_by_hand(three):
    assert three.hit_rate(1).tolist() == [1, 0, 0] and three.hit_rate(3).tolist() == [1, 1, 1]
    assert three.recall(4).tolist() == pytest.approx([1, 1, 1 / 3])
    assert three.precision(4).tolist() == [0.5, 0.25, 0.25]
    assert three.reciprocal_rank(10).tolist() == pytest.approx([1, 1 / 3, 1 / 2])
    assert three.reciprocal_rank(2).tolist() == [1, 0, 0.5]
    log = np.log2
    expected = [
        (1 + 1 / log(5)) / (1 + 1 / log(3)),
        (1 / log(4)) / 1,
        (1 / log(3)) / (1 + 1 / log(3) + 1 / log(4)),
    ]
    assert three.ndcg(5).tolist() == pytest.approx(expected)


def test_ndcg_agrees_with_scikit_learn():
    from sklearn.metrics import ndcg_score

    random = np.random.default_rng(0)
    scores, right = random.random((20, 12)), random.random((20, 12)) < 0.3
    right[:, 0] = True
    ranking = rank_all(20, 12, lambda rows: scores[rows], lambda rows: right[rows])
    assert ranking.ndcg(5).mean() == pytest.approx(ndcg_score(right, scores, k=5))


def test_the_report_is_the_mean_over_queries_that_have_an_answer(three):
    empty = Ranking.of_lists([[1, 4], [], [3], [2, 6, 7], []], 8)
    assert measure(empty).figures == measure(three).figures and measure(empty).queries == 3
    report = measure(three, depths=(1, 10))
    assert report.figures["mrr@10"] == pytest.approx((1 + 1 / 3 + 1 / 2) / 3) and report.candidates == 8
    low, high = report.intervals["mrr@10"]
    assert 1 / 3 <= low < report.figures["mrr@10"] < high <= 1
    with pytest.raises(RefusedError, match="No query"):
        measure(Ranking.of_lists([[], []], 8))


def test_chunks_change_nothing(monkeypatch):
    random = np.random.default_rng(1)
    scores, right = random.random((30, 9)), random.random((30, 9)) < 0.4
    whole = rank_all(30, 9, lambda rows: scores[rows], lambda rows: right[rows])
    monkeypatch.setattr("core.evaluation.retrieval.CELLS_AT_ONCE", 20)
    parts = rank_all(30, 9, lambda rows: scores[rows], lambda rows: right[rows])
    assert np.array_equal(parts.query, whole.query) and np.array_equal(parts.rank, whole.rank)


def test_equal_scores_give_no_advantage_to_the_first():
    n = 200
    ranking = rank_all(n, n, lambda rows: np.zeros((n, n))[rows], lambda rows: np.eye(n, dtype=bool)[rows])
    assert sorted(ranking.rank.tolist()) == list(range(1, n + 1))


def test_a_group_is_as_good_as_its_best_passage():
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8]], dtype=np.float32)
    assert best_of_groups(scores, np.array([1, 0, 1]), 2).tolist() == pytest.approx(
        np.array([[0.9, 0.5], [0.2, 0.8]], dtype=np.float32)
    )


def test_intervals_cover_the_mean_and_are_honest_about_perfection():
    random = np.random.default_rng(2)
    values = np.column_stack([random.random(400), np.ones(400)])
    (low, high), sure = mean_intervals(values)
    assert low < 0.5 < high and high - low == pytest.approx(2 * 1.96 * 0.2887 / 20, rel=0.15)
    assert sure[1] == 1.0 and 0.98 < sure[0] < 1.0
