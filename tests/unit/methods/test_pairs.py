"""Pairs as numbers: what may be a match is no counter-example, and hard negatives keep their distance."""

from __future__ import annotations

import numpy as np
import pytest

from core.methods.base import Rows
from core.methods.encoders import load_tokenizer
from core.methods.pairs import UNFITTED, PairBatches, Pairs, cosine_line, line_up, rank_pairs


def pairs_of(*rows: tuple[str, str, object], chains: bool = True) -> Pairs:
    firsts, seconds, values = zip(*rows, strict=True)
    return Pairs.of(Rows(list(range(len(rows))), list(firsts), list(values), list(seconds)), chains)


@pytest.fixture
def chained() -> Pairs:
    """a-x, b-x and b-y match, c-z match, a-w do not; and some that stand alone."""
    return pairs_of(
        ("a", "x", "match"), ("b", "x", "match"), ("b", "y", "match"), ("c", "z", "match"), ("a", "w", "no match"),
        ("d", "v", "match"), ("e", "u", "match"), ("f", "t", "match"),
    )  # fmt: skip


def test_same_text_known_match_and_chain_are_no_counter_examples(chained):
    firsts, seconds = {t: i for i, t in enumerate(chained.firsts)}, {t: i for i, t in enumerate(chained.seconds)}

    def together(first: str, second: str) -> bool:
        return bool(chained.together(np.array([firsts[first]]), np.array([seconds[second]]))[0, 0])

    assert together("a", "x") and together("a", "y")  # a - x - b - y
    assert not together("a", "z") and not together("a", "w") and not together("c", "x")


def test_without_chains_only_what_is_noted_counts(chained):
    loose = pairs_of(("a", "x", "match"), ("b", "x", "match"), ("b", "y", "match"), ("c", "A!", 0.9), chains=False)
    found = loose.together(np.arange(3), np.arange(3))
    assert found.tolist() == [[True, False, True], [True, True, False], [False, False, True]]  # 'a' and 'A!' read alike


def test_one_group_of_nearly_everything_says_nothing():
    rows = [(f"t{i}", f"t{i + 1}", "match") for i in range(10)]
    pairs = pairs_of(*rows)
    assert not pairs.together(np.array([0]), np.array([9]))[0, 0]


def test_a_noted_no_match_is_a_counter_example_even_inside_a_group():
    pairs = pairs_of(
        ("a", "x", "match"), ("b", "x", "match"), ("b", "y", "match"), ("a", "y", "no match"), ("c", "z", "match"),
        ("d", "w", "match"), ("e", "v", "match"),
    )  # fmt: skip
    assert not pairs.together(np.array([0]), np.array([1]))[0, 0]


def test_sampled_others_are_no_known_matches(chained):
    first, second = chained.sample_others(50, seed=0)
    assert len(first) and not chained.together(first, second).diagonal().any()
    one = pairs_of(("a", "x", "match"), ("b", "x", "match"), chains=False)
    assert len(one.sample_others(5, seed=0)[0]) == 0  # there is nothing else


def test_batches_hold_each_second_text_once_with_its_negatives(tiny):
    pairs = pairs_of(
        ("my parcel", "late", "match"), ("where is it", "late", "match"), ("hello", "good day", "match"),
        ("hello", "late", "no match"), ("refund please", "money back now", "match"),
    )  # fmt: skip
    batches = PairBatches(pairs, pairs.matches, load_tokenizer(tiny), 16)
    assert batches.candidates(np.array([0, 1])).tolist() == [0]
    batches.add_refused()
    assert batches.candidates(np.array([2])).tolist() == [0, 1]  # 'late' is noted as no match of 'hello'
    inputs = batches.batch(np.array([0, 2]))
    assert inputs["input_ids"].shape[0] == 2 and inputs["second_input_ids"].shape[0] == 2
    assert batches.lengths.tolist() == [2 + 2 + 1 + 2, 3 + 2 + 1 + 2, 1 + 2 + 2 + 2, 2 + 2 + 3 + 2]


def test_hard_negatives_are_close_but_not_as_close_as_the_match(tiny):
    pairs = pairs_of(*((f"q{i}", f"p{i}", "match") for i in range(4)), chains=False)
    batches = PairBatches(pairs, pairs.matches, load_tokenizer(tiny), 16)
    near = np.array([[0.8, 0.79, 0.5, 0.1], [0, 0.9, 0, 0], [0, 0, 0.9, 0], [0, 0, 0, 0.9]], np.float32)
    batches.add_hard(1, near, np.eye(4, dtype=np.float32))
    assert batches.negatives[0].tolist() == [2]  # 0.79 lies above 95 % of 0.8


def test_ranks_of_the_noted_matches(chained):
    found = rank_pairs(chained, lambda queries, candidates: lambda rows: np.eye(7)[np.arange(len(queries))][rows])
    assert (found.queries, found.candidates) == (6, 7)  # w is a candidate, and no query but a, b ... f
    assert found.right.tolist() == [2, 2, 1, 1, 1, 1]  # a reaches y through b


def test_cosines_become_probabilities():
    random = np.random.default_rng(0)
    grade = np.repeat([1.0, 0.0], 100)
    slope, intercept = cosine_line(np.where(grade > 0, 0.7, 0.3) + random.normal(0, 0.1, 200), grade)
    assert slope > 5 and 0.4 < -intercept / slope < 0.6
    assert cosine_line(np.ones(3), np.ones(3)) == UNFITTED
    assert cosine_line(random.normal(0, 1, 200) - grade, grade) == UNFITTED  # closer means less alike: not used


def test_others_are_drawn_only_where_no_row_says_no_match(chained):
    assert line_up(chained, 0)[2].tolist() == chained.grade.tolist()
    only = pairs_of(*((f"q{i}", f"p{i}", "match") for i in range(20)))
    first, second, grade = line_up(only, 0)
    assert grade.sum() == 20 and 30 <= len(grade) <= 40
    assert not only.together(first[20:], second[20:]).diagonal().any()
