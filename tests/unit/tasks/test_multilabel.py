"""The multi-label task: what cells mean, how values are kept, and how probabilities become labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from core.errors import InputError, RefusedError
from core.tasks import get_task
from core.tasks.base import Deciding
from core.tasks.multilabel import Multilabel, as_cell, best_threshold

IDS, NAMES = {"joy": 9, "anger": 4, "fear": 7}, {9: "joy", 4: "anger", 7: "fear"}


@pytest.fixture
def task() -> Multilabel:
    return Multilabel()


@pytest.mark.parametrize(
    ("cell", "value"),
    [("joy|anger", ["joy", "anger"]), (" joy | joy |", ["joy"]), ('["joy", "a|b"]', ["joy", "a|b"]), ("[]", []),
     (["joy", " anger "], ["joy", "anger"]), ([], []), ("", None), (None, None), (" ", None), ("|", None),
     ("[1, 2.5]", ["1", "2.5"]), ("[joy", ["[joy"])],
)  # fmt: skip
def test_cells(task, cell, value):
    assert task.parse(cell) == value


@pytest.mark.parametrize("cell", ["['joy', 'anger']", '["joy", ["anger"]]', "[null]", "[true]", {"joy": 1}, 7])
def test_other_cells_are_refused(task, cell):
    with pytest.raises(InputError, match="list"):
        task.parse(cell)


@pytest.mark.parametrize("value", [[], ["joy"], ["joy", "anger"], ["joy", "anger", "fear"]])
def test_values_survive_storage_in_the_order_of_the_schema(task, value):
    payload, ids = task.encode(value[::-1], IDS)
    assert task.decode(payload, ids, NAMES) == value
    assert ids == sorted(ids)


def test_none_of_them_is_not_unlabelled(task):
    assert task.encode([], IDS) == ("[]", []) and task.decode("[]", [], NAMES) == []
    assert task.decode(None, [], NAMES) is None


def test_a_merged_label_counts_once_and_a_removed_one_not_at_all(task):
    names = {9: "joy", 4: "anger", 5: "joy"}
    assert task.decode(None, [4, 5, 9, 77], names) == ["joy", "anger"]


@pytest.mark.parametrize("value", ["joy", None, 1, ["gone"], [["joy"]], {"joy"}])
def test_other_values_are_refused(task, value):
    with pytest.raises(InputError):
        task.encode(value, IDS)


@pytest.mark.parametrize("value", [["a"], ["a", "b"], [], ["a|b", "c"], ["[x]"]])
def test_a_cell_reads_back(task, value):
    assert task.parse(as_cell(value)) == value


def test_a_row_counts_by_its_rarest_label(task):
    values = [["a"]] * 9 + [["a", "b"]] * 4 + [["a", "b", "c"]] * 3 + [[]] * 3
    assert task.strata(values) == ["a"] * 9 + ["b"] * 4 + ["c"] * 3 + [""] * 3


def test_a_small_stratum_of_a_frequent_label_joins_the_largest_and_a_rare_label_stays_rare(task):
    values = [["a"]] * 5 + [["b", "c"]] * 3 + [["c"]] + [["d"]] * 2
    assert task.strata(values) == ["a"] * 5 + ["b"] * 3 + ["a"] + ["d"] * 2


def test_versions_that_cannot_be_trained_are_refused(task):
    with pytest.raises(RefusedError, match="Nothing is labelled"):
        task.check_version({"train": {}})
    with pytest.raises(RefusedError, match="All 5 labelled items carry none"):
        task.check_version({"train": {"": 5}})
    with pytest.raises(RefusedError, match="All labelled items are 'a'"):
        task.check_version({"train": {"a": 5}})
    with pytest.raises(RefusedError, match=r"b \(2 in all\)"):
        task.check_version({"train": {"a": 5}, "test": {"b": 2}})
    assert task.check_version({"train": {"a": 5, "": 3}, "test": {"": 2}}) == [
        "'a' has no example in the test split; its scores there cannot be measured."
    ]


def test_targets_are_indicators(task):
    assert task.targets([["b", "gone"], []], ["a", "b"]).tolist() == [[0, 1], [0, 0]]
    assert task.targets([], ["a"]).shape == (0, 1)


def test_the_threshold_is_the_nearest_to_one_half_among_those_with_a_high_f1():
    random = np.random.default_rng(0)
    for _ in range(20):
        targets = (random.random(60) < 0.3).astype(float)
        scores = np.round(np.clip(0.5 * targets + 0.6 * random.random(60), 0, 1), 2).astype(np.float32)
        chosen = best_threshold(targets, scores)
        limits = np.linspace(0.005, 0.995, 199)  # scores have two digits: these are all there is to choose from
        given = scores >= limits[:, None]  # (thresholds, rows)
        reached = 2 * (given @ targets) / (given.sum(axis=1) + targets.sum())
        enough = reached.max() - 0.5 * np.sqrt(reached.max() * (1 - reached.max()) / targets.sum())
        assert f1_score(targets, scores >= chosen) >= enough - 1e-9
        nearest = np.abs(limits[reached >= enough - 1e-9] - 0.5).min()
        assert abs(chosen - 0.5) <= nearest + 0.1, "the middle between two scores may lie a little further off"


def test_a_label_too_rare_on_dev_keeps_one_half():
    targets = np.array([1.0] * 4 + [0] * 50)
    assert best_threshold(targets, targets * 0.2 + 0.1) == 0.5
    assert best_threshold(np.zeros(0), np.zeros(0)) == 0.5
    assert best_threshold(np.ones(6), np.full(6, 0.3)) == pytest.approx(0.15)


def test_labels_are_given_from_their_own_threshold_on(task):
    scores = np.array([[0.3, 0.7], [0.1, 0.9]], dtype=np.float32)
    assert task.predictions(scores, ["a", "b"]) == [["b"], ["b"]]
    values, sure = task.answers(scores, ["a", "b"], {"thresholds": {"a": 0.2, "b": 0.8}})
    assert values == [["a"], ["b"]]
    assert sure == pytest.approx([0.5 + 0.5 * 0.1 / 0.8, 0.75])
    assert isinstance(task, Deciding) and not isinstance(get_task("classification"), Deciding)


def test_decide_lifts_a_label_that_one_half_never_gives(task):
    gold = [["a"] if row % 4 == 0 else [] for row in range(40)]
    scores = np.array([[0.3 if value else 0.05] for value in gold], dtype=np.float32)
    decision = task.decide(gold, scores, ["a"])
    assert task.answers(scores, ["a"], decision)[0] == gold != task.predictions(scores, ["a"])


def test_metrics(task):
    found = task.metrics([["a", "b"], [], ["b"]], [["a"], [], ["b"]], ["a", "b", "c"])
    assert next(iter(found)) == "micro_f1" and found["micro_f1"] == pytest.approx(0.8)
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["accuracy"] == pytest.approx(2 / 3) and found["hamming_loss"] == pytest.approx(1 / 9)
    assert task.metrics([[]], [[]], ["a"])["micro_f1"] == 1.0
