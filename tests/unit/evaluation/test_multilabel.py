"""Measures of sets of labels: the figures of scikit-learn, intervals that hold, what was taken for what."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from core.errors import RefusedError
from core.evaluation import Evaluation, compare, evaluate, verdict
from core.tasks import get_task

TASK, LABELS = get_task("multilabel"), ["a", "b", "c"]


def measured(gold: list[list[str]], predicted: list[list[str]], scores: np.ndarray | None = None) -> Evaluation:
    said = TASK.targets(predicted, LABELS) * 0.8 + 0.1 if scores is None else scores
    ids = list(range(100, 100 + len(gold)))
    return evaluate(gold, said, LABELS, ids, [f"text {i}" for i in ids], TASK, predicted=predicted, name="m")


@pytest.fixture
def noisy() -> tuple[list[list[str]], list[list[str]]]:
    pick = np.random.default_rng(0)
    truth = pick.random((400, 3)) < [0.6, 0.3, 0.1]
    said = truth ^ (pick.random((400, 3)) < 0.1)
    return tuple([[LABELS[i] for i in np.flatnonzero(row)] for row in rows] for rows in (truth, said))  # type: ignore


def test_figures_are_those_of_scikit_learn(noisy):
    gold, predicted = noisy
    found = measured(gold, predicted)
    truth, said = (TASK.targets(values, LABELS) for values in noisy)
    assert found.headline == ("micro_f1", found.figures["micro_f1"])
    for name in ("micro", "macro", "weighted"):
        assert found.figure(f"{name}_f1") == pytest.approx(f1_score(truth, said, average=name))
    assert found.accuracy == pytest.approx((truth == said).all(axis=1).mean())
    assert found.figures["hamming_loss"] == pytest.approx((truth != said).mean())
    assert found.per_class["c"].support == int(truth[:, 2].sum()) and found.confusion == [] == found.gold
    assert TASK.metrics(gold, predicted, LABELS)["micro_f1"] == pytest.approx(found.figures["micro_f1"])


def test_intervals_are_those_of_drawing_rows(noisy):
    found = measured(*noisy)
    truth, said = (TASK.targets(values, LABELS) for values in noisy)
    pick = np.random.default_rng(1)
    drawn = [f1_score(truth[rows], said[rows], average="micro") for rows in pick.integers(0, 400, (300, 400))]
    assert found.intervals["micro_f1"] == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)
    for name in ("accuracy", "macro_f1", "weighted_f1", "micro_f1"):
        low, high = found.intervals[name]
        assert low < found.figure(name) < high
    assert measured([["a"]] * 9, [["a"]] * 9).intervals["accuracy"] == (pytest.approx(9 / (9 + 1.96**2)), 1.0)


def test_a_label_missed_where_another_was_given(noisy):
    gold = [["a", "b"], ["a"], ["a", "c"], [], ["b"]]
    predicted = [["b", "c"], ["b"], ["a", "c"], ["c"], ["a", "b"]]
    found = measured(gold, predicted)
    assert [(pair.gold, pair.predicted, pair.rows) for pair in found.confused_pairs] == [("a", "b", 1), ("a", "c", 1)]
    assert found.items("a", "b") == [101] and found.items("a", "c") == [100] and found.items("b", "a") == []
    assert [m.item_id for m in found.mistakes] == [100, 101, 103, 104]
    assert (found.mistakes[2].gold, found.mistakes[2].predicted) == ("[]", "c")
    assert [sentence.key.split(":")[0] for sentence in verdict(found)] == [
        "Finds labels with a micro F1 of {f1} in {rows} texts (95 % interval {low} to {high}).",
        "All labels of a text are right in {accuracy} ({low} to {high}); {wrong} of all decisions are wrong.",
        "Most often mixed up",
    ]  # fmt: skip


def test_the_surest_mistake_comes_first_whether_given_or_missed():
    scores = np.array([[0.6, 0.1, 0.1], [0.02, 0.1, 0.1], [0.9, 0.1, 0.1]])
    found = measured([[], ["a"], []], [["a"], [], ["a"]], scores)
    assert [(m.item_id, pytest.approx(m.score)) for m in found.mistakes] == [(101, 0.98), (102, 0.9), (100, 0.6)]


def test_calibration_is_about_the_labels_that_were_given():
    scores = np.tile([[0.75, 0.1, 0.1]], (40, 1))
    found = measured([["a"] if i % 4 else [] for i in range(40)], [["a"]] * 40, scores)
    assert found.calibration is not None and found.calibration.error == pytest.approx(0) and found.calibration.bins
    assert measured([["a"]], [[]]).calibration is None


def test_unseen_and_absent_labels_are_told():
    found = measured([["new"], ["a"]], [[], ["a"]])
    assert found.labels == ["a", "b", "c", "new"] and found.per_class["new"].recall == 0 and found.accuracy == 0.5
    told = " ".join(str(warning) for warning in found.warnings)
    assert "never saw 'new'" in told and "'b', 'c'" in told


def test_models_are_compared_by_the_f1_of_each_text(noisy):
    gold, predicted = noisy
    good, bad = measured(gold, gold), measured(gold, predicted)
    assert np.mean(np.array(bad.row_scores, dtype=float)) == pytest.approx(bad.figures["samples_f1"])
    found = compare(good, bad)
    assert found.distinguishable and found.difference == pytest.approx(1 - bad.figures["samples_f1"])
    assert found.only_second_right == 0 and found.only_first_right == len(bad.mistakes)
    assert "better" in " ".join(map(str, verdict(good.beside(baseline=bad)))).lower()


def test_report_and_json(noisy):
    found = measured(*noisy).beside(baseline=measured(noisy[0], noisy[0]))
    assert Evaluation.model_validate_json(found.to_json()) == found
    page = found.to_html()
    assert "Micro F1" in page and "Wrong decisions" in page and "Confusion matrix" not in page
    assert measured(noisy[0], noisy[0]).mistakes == []


def test_predictions_that_do_not_fit_are_refused():
    with pytest.raises(RefusedError, match="do not fit"):
        evaluate([["a"]], np.zeros((1, 3)), LABELS, [1], ["x"], TASK)
