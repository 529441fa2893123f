"""The figures are scikit-learn's own; what is odd about a split is said in words."""

import numpy as np
import pytest
from sklearn import metrics

from core.errors import RefusedError
from core.evaluation import evaluate
from core.evaluation.records import Evaluation
from core.tasks import get_task

TASK = get_task("classification")
LABELS = ["refund", "delivery", "greeting"]


def test_figures_equal_those_of_scikit_learn(scored, random_case):
    gold, predicted = random_case()
    found = scored(gold, predicted)
    assert found.accuracy == metrics.accuracy_score(gold, predicted)
    assert found.macro_f1 == pytest.approx(metrics.f1_score(gold, predicted, average="macro"))
    assert found.weighted_f1 == pytest.approx(metrics.f1_score(gold, predicted, average="weighted"))
    assert found.confusion == metrics.confusion_matrix(gold, predicted, labels=LABELS).tolist()
    report = metrics.classification_report(gold, predicted, output_dict=True)
    for label in LABELS:
        own = found.per_class[label]
        assert (own.precision, own.recall, own.f1, own.support) == pytest.approx(tuple(report[label].values()))


def test_intervals_hold_the_figure_and_shrink_with_rows(scored, random_case):
    small, large = scored(*random_case(60)), scored(*random_case(6000))
    for found in (small, large):
        for name, (low, high) in found.intervals.items():
            assert low <= getattr(found, name) <= high
    width = [high - low for low, high in (small.intervals["accuracy"], large.intervals["accuracy"])]
    assert width[0] > 5 * width[1]


def test_intervals_agree_with_resampling_the_rows(scored, random_case):
    gold, predicted = random_case(300)
    right = np.array(gold) == np.array(predicted)
    random = np.random.default_rng(1)
    draws = [right[random.integers(0, 300, 300)].mean() for _ in range(2000)]
    assert scored(gold, predicted).intervals["accuracy"] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.01)


def test_a_label_that_is_only_predicted_keeps_macro_f1_inside_its_interval(scored):
    found = scored(["refund"] * 50, ["refund"] * 48 + ["delivery", "greeting"])
    low, high = found.intervals["macro_f1"]
    assert low <= found.macro_f1 <= high < 0.5


def test_all_right_on_few_rows_is_no_certainty(scored):
    found = scored(["refund"] * 5, ["refund"] * 5)
    assert found.accuracy == 1 and found.intervals["accuracy"][0] == pytest.approx(0.57, abs=0.01)


def test_same_seed_same_intervals(scored, random_case):
    case = random_case()
    assert scored(*case).intervals == scored(*case).intervals


def test_label_unseen_in_training_counts_as_a_mistake_and_is_named(scored):
    found = scored(["refund", "fraud"], ["refund", "refund"])
    assert found.labels == [*LABELS, "fraud"]
    assert found.accuracy == 0.5 and found.per_class["fraud"].support == 1
    assert any("never saw 'fraud'" in warning.text() for warning in found.warnings)
    assert any("No test row has 'delivery'" in warning.text() for warning in found.warnings)


def test_mistakes_are_sorted_by_confidence_and_long_texts_are_cut():
    scores = np.array([[0.6, 0.4, 0], [0.9, 0.1, 0], [0.2, 0.8, 0]])
    found = evaluate(["delivery"] * 3, scores, LABELS, [7, 8, 9], ["a", "b" * 5000, "c"], TASK)
    assert [(m.item_id, m.predicted, m.score) for m in found.mistakes] == [(8, "refund", 0.9), (7, "refund", 0.6)]
    assert len(found.mistakes[0].text) == 2001
    assert found.items("delivery", "refund") == [7, 8] and found.items("delivery", "delivery") == [9]
    assert found.items("no such label", "refund") == []


def test_most_confused_pair_comes_first(scored):
    pairs = scored(["refund"] * 5 + ["delivery"] * 5, ["delivery"] * 2 + ["refund"] * 3 + ["refund"] * 4 + ["delivery"])
    assert [(p.gold, p.predicted, p.rows, p.share) for p in pairs.confused_pairs] == [
        ("delivery", "refund", 4, 0.8),
        ("refund", "delivery", 2, 0.4),
    ]


def test_calibration_error_of_a_known_case(scored):
    found = scored(["refund"] * 10, ["refund"] * 6 + ["delivery"] * 4, confidence=0.85)
    assert found.calibration.error == pytest.approx(0.25)
    assert [(b.low, b.rows, b.accuracy) for b in found.calibration.bins] == [(0.8, 10, 0.6)]


@pytest.mark.parametrize(
    ("gold", "scores", "words"),
    [
        ([], np.zeros((0, 3)), "empty"),
        (["refund"], np.zeros((1, 2)), "do not fit"),
        (["refund"], np.full((1, 3), np.nan), "not numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused(gold, scores, words):
    with pytest.raises(RefusedError, match=words):
        evaluate(gold, scores, LABELS, range(len(gold)), ["x"] * len(gold), TASK)


def test_json_brings_the_evaluation_back(scored, random_case):
    found = scored(*random_case(30)).beside(baseline=scored(*random_case(30, right=0.2)))
    assert Evaluation.model_validate_json(found.to_json()) == found
