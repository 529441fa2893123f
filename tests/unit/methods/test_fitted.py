"""How a classifier is chosen and calibrated, and what texts without a label add to it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.methods.fitted import Fitted, fit_calibrated, fit_temperature, margins, softmax


def test_temperature_keeps_decisions_and_lowers_the_loss():
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 500)
    values = np.eye(3)[targets] * 0.3 + random.normal(0, 0.3, (500, 3))  # far too timid margins
    temperature, loss = fit_temperature(values, targets)
    before = -np.log(softmax(values)[np.arange(500), targets]).mean()
    assert temperature > 1.5 and loss < before
    assert np.array_equal(softmax(values * temperature).argmax(1), values.argmax(1))


def test_two_classes_give_the_probabilities_of_scikit_learn():
    random = np.random.default_rng(0)
    matrix, targets = random.normal(size=(60, 4)), random.integers(0, 2, 60)
    classifier = LogisticRegression().fit(matrix, targets)
    assert softmax(margins(classifier, matrix)) == pytest.approx(classifier.predict_proba(matrix))


def clusters(count: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (3 * count, 3) on three arcs, each of one label; ``shift`` moves along the arcs."""
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(3), count)
    angle = label * 2.0 + random.uniform(0, 1.4, len(label)) * (1 - shift) + 1.4 * shift
    points = np.stack([np.cos(angle), np.sin(angle), np.zeros(len(label))], axis=1)
    return points + random.normal(0, 0.01, points.shape), label


def learned(context, unlabelled: np.ndarray | None, held: tuple[np.ndarray, np.ndarray], per_label: int = 2) -> Fitted:
    """A classifier from texts at one end of each arc."""
    matrix, targets = clusters(per_label, 1, shift=1.0)
    return fit_calibrated(lambda c: LogisticRegression(C=c), [1000.0], matrix, targets, held, context, 0, unlabelled)


def test_texts_without_a_label_show_how_far_each_label_reaches(context):
    matrix, targets = clusters(60, 2)
    nothing = np.zeros((0, 3)), np.zeros(0, np.int64)
    right = [
        (learned(context, unlabelled, nothing).scores(matrix, 3).argmax(axis=1) == targets).mean()
        for unlabelled in (None, clusters(60, 3)[0])
    ]
    assert right[0] < 0.9 < 0.97 < right[1]


def test_without_a_dev_split_a_part_of_the_training_texts_judges_and_is_learned_in_the_end(context):
    nothing = np.zeros((0, 3)), np.zeros(0, np.int64)
    matrix, targets = clusters(60, 2)
    model = learned(context, clusters(60, 3)[0], nothing, per_label=40)
    assert model.temperature != 1.0
    assert (model.scores(matrix, 3).argmax(axis=1) == targets).mean() > 0.97
