"""Linear models for any number of labels a text: one classifier a label (one against the rest).

Each label's margins become a probability by Platt scaling (Platt 1999, "Probabilistic Outputs for Support Vector
Machines"), fitted by scikit-learn on rows that the classifier has not seen. A label with few positives there borrows
the curve of all labels together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import TrainingError
from core.methods.base import RunContext, TrainingData
from core.methods.fitted import LEAST_CALIBRATION_ROWS, Examples, fit_one, stand_in
from core.methods.linear import LinearPredictor, TextFeatures, read_texts

OWN_CURVE = 10
"""Held-out rows with, and as many without a label, from which its probabilities get a curve of their own."""
CURVE_C = 1000.0
"""As good as no regularisation: Platt's softened targets keep a curve from becoming a step."""


@dataclass
class Independent:
    """One classifier a label, and how its margins become probabilities."""

    classifiers: list[Any]
    columns: np.ndarray
    """(classifiers,) index of each classifier's label."""
    constants: np.ndarray
    """(labels,) probability of the labels without a classifier: training rows all, or none, have them."""
    slopes: np.ndarray
    """(classifiers,)"""
    offsets: np.ndarray
    """(classifiers,)"""
    choice: float = 1.0

    def margins(self, matrix: Any) -> np.ndarray:
        """Decision values (n, classifiers)."""
        values = [classifier.decision_function(matrix) for classifier in self.classifiers]
        return np.stack(values, axis=1).astype(np.float64)

    def scores(self, matrix: Any, labels: int) -> np.ndarray:
        """Probabilities (n, labels) float32, each on its own."""
        scores = np.tile(self.constants.astype(np.float32), (matrix.shape[0], 1))
        if matrix.shape[0]:
            scores[:, self.columns] = sigmoid(self.margins(matrix) * self.slopes + self.offsets)
        return scores

    def estimators(self) -> list[Any]:
        """What goes into the skops file."""
        return self.classifiers

    def facts(self) -> dict[str, Any]:
        """What goes into the JSON file."""
        arrays = {name: getattr(self, name).tolist() for name in ("columns", "constants", "slopes", "offsets")}
        return {**arrays, "choice": self.choice}

    @classmethod
    def restore(cls, estimators: list[Any], facts: dict[str, Any]) -> Independent:
        """From what was saved."""
        columns, constants, slopes, offsets = (
            np.array(facts[name]) for name in ("columns", "constants", "slopes", "offsets")
        )
        return cls(estimators, columns, constants, slopes, offsets, float(facts["choice"]))


class MultilabelPredictor(LinearPredictor):
    """A linear model of any number of labels a text in memory."""

    KIND = "labels"
    Decider = Independent


def train_multilabel(
    data: TrainingData,
    features: TextFeatures,
    make: Callable[[float], Any],
    choices: Sequence[float],
    context: RunContext,
    seed: int,
) -> MultilabelPredictor:
    """Features of train and dev, then one classifier a label. Raises TrainingError, Stopped."""
    matrix, dev = read_texts(data, features, context)
    targets = data.task.targets(data.train.values, data.labels)  # (n, labels)
    held_out = dev, data.task.targets(data.dev.values, data.labels)
    fitted = fit_independent(make, choices, matrix, targets, held_out, context, seed)
    context.progress(100, 100, "fitted")
    return MultilabelPredictor(data.labels, features, fitted)


def fit_independent(
    make: Callable[[float], Any],
    choices: Sequence[float],
    matrix: Any,
    targets: np.ndarray,
    held_out: tuple[Any, np.ndarray],
    context: RunContext,
    seed: int,
) -> Independent:
    """Fit one classifier a label for each choice of C; keep the choice with the least log loss on the held-out rows.

    ``make`` gives an unfitted classifier; ``matrix`` is (n, features), ``targets`` (n, labels) 0 or 1, ``held_out`` the
    same for the dev split. When that is too small, a fifth of the training rows stands in for it and the classifiers
    are fitted on all of them in the end. Raises TrainingError when no label tells texts apart, Stopped.
    """
    keep = stand_in(len(targets), len(held_out[1]), seed)
    part, part_targets = matrix, targets
    if keep is not None:
        part, part_targets = matrix[keep], targets[keep]
        held_out = matrix[~keep], targets[~keep]
    enough = len(held_out[1]) >= LEAST_CALIBRATION_ROWS
    found: list[tuple[float, Independent]] = []
    for choice in choices if enough else choices[:1]:
        fitted = fit_labels(make, choice, part, part_targets, context)
        loss = 0.0
        if enough:
            loss = _calibrate(fitted, *held_out)
            context.report("note", message=f"C={choice:g}: log loss {loss:.4f} on dev", loss=loss)
        found.append((loss, fitted))
    best = min(found, key=lambda pair: pair[0])[1]
    if keep is not None:
        whole = fit_labels(make, best.choice, matrix, targets, context)
        curves = dict(zip(best.columns.tolist(), zip(best.slopes, best.offsets, strict=True), strict=True))
        pairs = np.array([curves.get(column, (1.0, 0.0)) for column in whole.columns.tolist()])
        whole.slopes, whole.offsets = pairs[:, 0], pairs[:, 1]
        best = whole
    return best


def fit_labels(
    make: Callable[[float], Any], choice: float, matrix: Any, targets: np.ndarray, context: RunContext
) -> Independent:
    """One classifier a label at one value of C, its margins as they are. Raises TrainingError, Stopped."""
    share = targets.mean(axis=0)
    columns = np.flatnonzero((share > 0) & (share < 1))
    if not len(columns):
        raise TrainingError(
            "Every label applies to all training texts or to none.",
            "Label texts that differ and freeze a new version.",
        )
    classifiers = []
    for done, column in enumerate(columns):
        context.progress(80 + 20 * done // len(columns), 100, f"label {done + 1} of {len(columns)}")
        classifiers.append(fit_one(make(choice), Examples(matrix, targets[:, column].astype(np.int64)), context))
    even = np.ones(len(columns)), np.zeros(len(columns))
    return Independent(classifiers, columns, (share == 1).astype(float), *even, choice=choice)


def _calibrate(fitted: Independent, matrix: Any, targets: np.ndarray) -> float:
    """Give each label its curve; returns the mean log loss on the same rows (n, labels)."""
    margins, truth = fitted.margins(matrix), targets[:, fitted.columns]
    shared = logistic_curve(margins.ravel(), truth.ravel())
    for place in range(len(fitted.columns)):
        positives = truth[:, place].sum()
        own = min(positives, len(truth) - positives) >= OWN_CURVE
        curve = logistic_curve(margins[:, place], truth[:, place]) if own else shared
        fitted.slopes[place], fitted.offsets[place] = curve
    said = np.clip(sigmoid(margins * fitted.slopes + fitted.offsets), 1e-7, 1 - 1e-7)
    return float(-np.mean(truth * np.log(said) + (1 - truth) * np.log(1 - said)))


def logistic_curve(margins: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(slope, offset) of the logistic curve through margins (n,) and truth (n,); a falling one would be chance."""
    from sklearn.linear_model import LogisticRegression

    positives, negatives = truth.sum(), len(truth) - truth.sum()
    if not positives or not negatives:
        return 1.0, 0.0
    soft = np.where(truth > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))  # Platt's equation 4
    values, classes = np.tile(margins, 2).reshape(-1, 1), np.repeat([1, 0], len(truth))
    curve = LogisticRegression(C=CURVE_C).fit(values, classes, sample_weight=np.concatenate([soft, 1 - soft]))
    slope = float(curve.coef_[0, 0])
    return (slope, float(curve.intercept_[0])) if slope > 0 else (1.0, 0.0)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """From margins to probabilities, element by element."""
    from scipy.special import expit

    return np.asarray(expit(values))
