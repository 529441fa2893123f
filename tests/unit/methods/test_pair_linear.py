"""Baseline and frozen encoder on pairs: they tell matches from others, and come back from disk the same."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from core.errors import TrainingError
from core.methods import get_method
from core.methods.base import Rows, TrainingData
from core.methods.linear import TextFeatures
from core.methods.pair_linear import compare
from core.tasks import get_task

LABELS = ["match", "no match"]
THINGS = ["money", "parcel", "hello", "late", "good", "please", "where", "day"]
"""Words that the tiny tokenizer knows."""


def rows(count: int, seed: int, only: str = "", grades: bool = False) -> Rows:
    pick = random.Random(seed)
    firsts, seconds, values = [], [], []
    for row in range(count):
        thing, other = pick.sample(THINGS, 2)
        same = row % 2 == 0 or only == "match"
        firsts.append(f"{pick.choice(['this is', 'it was'])} my {thing} {row % 7}")
        seconds.append(f"the {thing if same else other} {pick.choice(['today', 'so', 'again'])}")
        values.append((0.8 if same else 0.1) if grades else "match" if same else "no match")
    return Rows(list(range(count)), firsts, values, seconds)


def data(**changes: Any) -> TrainingData:
    return TrainingData(get_task("pair"), LABELS, rows(120, 0, **changes), rows(40, 1, **changes), rows(0, 2))


@pytest.mark.parametrize("name", ["baseline", "features", "hybrid"])
@pytest.mark.parametrize("changes", [{}, {"only": "match"}, {"grades": True}], ids=["both", "matches only", "grades"])
def test_learns_and_comes_back_the_same(name, changes, tiny, context, tmp_path):
    method = get_method(name)
    model = method.fit(data(**changes), method.Options(), tiny, context)
    test = rows(60, 5)
    scores = model.scores(test.texts, test.texts_b)
    assert scores.shape == (60, 2) and scores.dtype == np.float32 and np.allclose(scores.sum(1), 1, atol=1e-5)
    right = np.array([value == "match" for value in test.values])
    least = 0.3 if name == "baseline" else 0.02  # the tiny encoder was never trained
    assert scores[right, 0].mean() - scores[~right, 0].mean() > least
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    again = method.load(folder, LABELS)
    assert np.array_equal(again.scores(test.texts, test.texts_b), scores)
    near = again.similarities(test.texts[:5], test.texts_b)  # type: ignore[attr-defined]
    assert near(slice(1, 3)).shape == (2, 60) and again.scores([], []).shape == (0, 2)


def test_only_others_are_refused(tiny, context):
    bad = data()
    values = ["no match"] * len(bad.train)
    broken = Rows(bad.train.ids, bad.train.texts, values, bad.train.texts_b)
    method = get_method("baseline")
    with pytest.raises(TrainingError, match="same label"):
        method.fit(TrainingData(bad.task, LABELS, broken, bad.dev, bad.test), method.Options(), None, context)


def test_pairs_are_compared_alike_both_ways(tiny):
    for features in (TextFeatures(base=tiny), get_features()):
        one = compare(features, ["my parcel is late", "3 bags"], ["hello there", "4 bags of 3"])
        assert np.allclose(one, compare(features, ["hello there", "4 bags of 3"], ["my parcel is late", "3 bags"]))
        assert one.dtype == np.float32 and compare(features, [], []).shape == (0, one.shape[1])


def get_features() -> TextFeatures:
    from core.methods.linear import tfidf_vectorizers

    return TextFeatures(tfidf_vectorizers(1, 3)).fit(["my parcel is late", "hello there", "3 bags", "4 bags of 3"])


def test_what_two_texts_share():
    found = compare(get_features(), ["3 bags", "hello there"], ["3 BAGS of", "parcel"])
    assert found[0, 2:] == pytest.approx([2 / 3, 1.0, 6 / 9, 1.0]) and found[1, 2:] == pytest.approx(
        [0, 0, 6 / 11, 0.5]
    )
    assert found[0, 0] > 0.5 and found[1, 0] == 0
