"""The measure of written texts, its intervals, and which of two models is nearer to the expected responses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.errors import RefusedError
from core.evaluation import Evaluation, Wording, compare, evaluate
from core.tasks import get_task

GOLD = [f"the answer to number {i} is here" for i in range(20)]


def judge(predicted: list[Any], **extra: list[float]) -> Evaluation:
    ids = list(range(100, 100 + len(predicted)))
    texts = [f"prompt {i}" for i in range(len(predicted))]
    return evaluate(
        GOLD[: len(predicted)],
        np.zeros((len(predicted), 0)),
        [],
        ids,
        texts,
        get_task("generation"),
        predicted=predicted,
        extra=extra,
    )


def wording(found: Evaluation) -> Wording:
    assert found.wording is not None
    return found.wording


def test_perplexity_is_that_of_all_tokens_together():
    found = judge(GOLD, loss=[2.0] * 10 + [0.0] * 10, tokens=[1.0] * 10 + [3.0] * 10)
    told = wording(found)
    assert told.perplexity == pytest.approx(math.exp(20 / 40))
    assert told.perplexity_low is not None and told.perplexity_high is not None
    assert told.perplexity_low < math.exp(20 / 40) < told.perplexity_high
    assert found.accuracy == 1 and found.intervals["accuracy"][0] < 1  # twenty rows are no certainty
    assert wording(judge(GOLD)).perplexity is None


def test_prompts_that_were_not_answered_are_told_and_not_counted():
    found = judge([*GOLD[:5], *[None] * 15])
    assert found.accuracy == 1 and found.rows == 20 and wording(found).answered == 5
    assert "Only 5 of 20 prompts" in str(found.warnings[0])
    assert found.row_scores == [1.0] * 5 + [None] * 15
    assert [one.item_id for one in wording(found).exchanges] == [100, 101, 102, 103, 104]


def test_the_nearer_model_is_told_on_the_prompts_that_both_answered():
    good, bad = judge(GOLD), judge([f"nothing {i}" for i in range(20)])
    found = compare(good, bad)
    assert found.rows == 20 and found.distinguishable and found.difference > 0.5
    assert found.low <= found.difference <= found.high and found.only_first_right == 20
    assert not compare(good, good).distinguishable
    assert compare(good, judge([None] * 15 + ["x"] * 5)).rows == 5
    with pytest.raises(RefusedError, match="different texts"):
        compare(good, judge([None] * 20))


def test_an_evaluation_survives_as_json():
    found = judge([*GOLD[:19], None], loss=[1.0] * 20, tokens=[2.0] * 20)
    assert Evaluation.model_validate_json(found.to_json()) == found
