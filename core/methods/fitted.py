"""A classifier on fixed features: how its regularisation is chosen and its margins become probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import TrainingError
from core.methods.base import RunContext, Stopped
from core.methods.spreading import spread

LEAST_CALIBRATION_ROWS = 20
"""With fewer held-out rows a temperature would follow chance; the margins are then used as they are."""
HELD_OUT_SHARE = 0.2


@dataclass
class Fitted:
    """A classifier and how its margins become probabilities."""

    classifier: Any
    columns: np.ndarray
    """(classes,) index of each class of the classifier among the labels."""
    temperature: float = 1.0
    choice: float = 1.0
    """The regularisation constant that was chosen."""

    def scores(self, matrix: Any, labels: int) -> np.ndarray:
        """Probabilities (n, labels) float32; labels without training examples get 0."""
        scores = np.zeros((matrix.shape[0], labels), dtype=np.float32)
        if matrix.shape[0]:
            scores[:, self.columns] = softmax(margins(self.classifier, matrix) * self.temperature)
        return scores

    def estimators(self) -> list[Any]:
        """What goes into the skops file."""
        return [self.classifier]

    def facts(self) -> dict[str, Any]:
        """What goes into the JSON file."""
        columns = [int(column) for column in self.columns]
        return {"columns": columns, "temperature": self.temperature, "choice": self.choice}

    @classmethod
    def restore(cls, estimators: list[Any], facts: dict[str, Any]) -> Fitted:
        """From what was saved."""
        return cls(estimators[0], np.array(facts["columns"]), float(facts["temperature"]), float(facts["choice"]))


def margins(classifier: Any, matrix: Any) -> np.ndarray:
    """Decision values (n, classes); the single column of a two-class model becomes two opposite halves."""
    values = np.asarray(classifier.decision_function(matrix), dtype=np.float64)
    return values if values.ndim == 2 else np.stack([-values / 2, values / 2], axis=1)


def softmax(values: np.ndarray) -> np.ndarray:
    """Rows of ``values`` (n, classes) as probabilities."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_calibrated(
    make: Callable[[float], Any],
    choices: Sequence[float],
    matrix: Any,
    targets: np.ndarray,
    held_out: tuple[Any, np.ndarray],
    context: RunContext,
    seed: int,
    unlabelled: np.ndarray | None = None,
) -> Fitted:
    """Fit one classifier a choice of C, keep the best on the held-out rows, and calibrate it there.

    ``make`` gives an unfitted classifier; ``matrix`` is (n, features), ``targets`` (n,) label indices, ``held_out``
    the same for the dev split. When that is too small, a fifth of the training rows stands in for it and the
    classifier is fitted on all of them in the end. Labels are also spread to the unit vectors ``unlabelled`` (m,
    features), and they are learned from too. Raises TrainingError for fewer than two classes, Stopped.
    """
    classes = np.unique(targets)
    if len(classes) < 2:
        raise TrainingError(
            "All training examples have the same label.", "Label texts of a second class and freeze a new version."
        )
    held_matrix, held_targets = _known_only(*held_out, classes)
    keep = stand_in(len(targets), len(held_targets), seed)
    part = Examples(matrix, targets)
    if keep is not None:
        part = Examples(matrix[keep], targets[keep])
        held_matrix, held_targets = _known_only(matrix[~keep], targets[~keep], np.unique(part.targets))
    beside = unlabelled if unlabelled is not None and len(unlabelled) else None
    best = _best(make, choices, part.widened(beside), held_matrix, held_targets, context)
    if keep is not None:
        best.classifier = fit_one(make(best.choice), Examples(matrix, targets).widened(beside), context)
        best.columns = best.classifier.classes_
    return best


def stand_in(rows: int, held: int, seed: int) -> np.ndarray | None:
    """Which training rows stay, (rows,) bool, where the others have to stand in for a dev split of ``held`` rows.

    None where that is large enough, or where there are too few rows to take any away.
    """
    if held >= LEAST_CALIBRATION_ROWS or rows < 5 * LEAST_CALIBRATION_ROWS:
        return None
    return np.asarray(np.random.default_rng(seed).permutation(rows) >= round(HELD_OUT_SHARE * rows))


@dataclass(frozen=True)
class Examples:
    """What a classifier is fitted on."""

    matrix: Any
    """(n, features)."""
    targets: np.ndarray
    """(n,) label indices."""
    weights: np.ndarray | None = None
    """(n,) how much each counts; None: all alike."""

    def widened(self, unlabelled: np.ndarray | None) -> Examples:
        """With unit vectors (m, features) that take the labels of their neighbours, and count as much as those are."""
        if unlabelled is None:
            return self
        found, sureness = spread(self.matrix, self.targets, unlabelled)
        return Examples(
            np.concatenate([self.matrix, unlabelled]),
            np.concatenate([self.targets, found]),
            np.concatenate([np.ones(len(self.targets)), sureness]),
        )


def _best(
    make: Callable[[float], Any],
    choices: Sequence[float],
    examples: Examples,
    held_matrix: Any,
    held_targets: np.ndarray,
    context: RunContext,
) -> Fitted:
    """The choice with the most right answers on the held-out rows; on a draw, the surer one."""
    enough = len(held_targets) >= LEAST_CALIBRATION_ROWS
    found: list[tuple[tuple[float, float], Fitted]] = []
    for choice in choices if enough else [choices[0]]:
        classifier = make(choice)
        if found and getattr(classifier, "warm_start", False):
            # The solution of one C is close to that of the next: half the iterations, the same optimum.
            before = found[-1][1].classifier
            classifier.coef_, classifier.intercept_ = before.coef_.copy(), before.intercept_.copy()
        classifier = fit_one(classifier, examples, context)
        fitted = Fitted(classifier, classifier.classes_, choice=choice)
        if not enough:
            return fitted
        values = margins(classifier, held_matrix)
        place = np.searchsorted(classifier.classes_, held_targets)
        fitted.temperature, loss = fit_temperature(values, place)
        accuracy = float((values.argmax(axis=1) == place).mean())
        context.report("note", message=f"C={choice:g}: {accuracy:.1%} right on dev", accuracy=accuracy, loss=loss)
        found.append(((accuracy, -loss), fitted))
    return max(found, key=lambda pair: pair[0])[1]


def _known_only(matrix: Any, targets: np.ndarray, classes: np.ndarray) -> tuple[Any, np.ndarray]:
    """The rows whose class occurs in training."""
    known = np.isin(targets, classes)
    return matrix[known], targets[known]


def fit_one(classifier: Any, examples: Examples, context: RunContext) -> Any:
    """Fit a classifier on its examples. Raises Stopped."""
    if context.should_stop():
        raise Stopped
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # Measured on two shared cores: with one BLAS thread the solver is 4 times faster than with two that wait for
    # each other, and the pages stay responsive.
    with threadpool_limits(limits=1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        if examples.weights is None:
            classifier.fit(examples.matrix, examples.targets)
        else:
            classifier.fit(examples.matrix, examples.targets, sample_weight=examples.weights)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        context.report("note", message="The solver stopped before it had settled; the model is usable.")
    return classifier


def fit_temperature(values: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """(temperature, log loss): the factor on margins (n, classes) that makes targets (n,) most probable.

    Temperature scaling keeps every decision as it is (Guo et al. 2017, 'On Calibration of Modern Neural Networks').
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        probabilities = softmax(values * np.exp(log_temperature))[rows, targets]
        return float(-np.log(np.maximum(probabilities, 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(50.0)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)
