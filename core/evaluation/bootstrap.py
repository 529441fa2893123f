"""Bootstrap intervals that cost the same for a thousand rows as for a million.

Accuracy and F1 depend on the rows only through how often each outcome (gold label, predicted label, ...) occurs.
Drawing n rows with replacement is the same as drawing the counts of the distinct outcomes from a multinomial
distribution, so no row is ever touched again (Efron & Tibshirani 1993, 'An Introduction to the Bootstrap').
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Outcomes:
    """Distinct outcomes of a split and how often each occurs."""

    columns: np.ndarray
    """(kinds, columns) label indices of each distinct outcome."""
    counts: np.ndarray
    """(kinds,) rows with that outcome."""

    @classmethod
    def of(cls, *columns: np.ndarray) -> Outcomes:
        """Count the distinct rows of equally long index arrays (n,)."""
        kinds, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
        return cls(kinds, counts)

    def draw(self, seed: int, draws: int = DRAWS) -> np.ndarray:
        """Counts of the outcomes in resampled splits, (draws, kinds) int64."""
        total = int(self.counts.sum())
        return np.random.default_rng(seed).multinomial(total, self.counts / total, size=draws)


def scores(counts: np.ndarray, gold: np.ndarray, predicted: np.ndarray, labels: int) -> dict[str, np.ndarray]:
    """Accuracy, macro and weighted F1 of each resampled split, (draws,) each.

    ``counts`` is (draws, kinds); ``gold`` and ``predicted`` are (kinds,) label indices. As in scikit-learn, macro F1
    is the mean over the labels that occur in gold or predictions of that split.
    """
    right = gold == predicted
    hits = _by_label(counts[:, right], gold[right], labels)  # (draws, labels)
    support = _by_label(counts, gold, labels)
    answered = _by_label(counts, predicted, labels)
    # A label that is only ever predicted counts with F1 0 in the split, so it does in every resampled one, too.
    never_gold = np.setdiff1d(predicted, gold)
    present = (support + answered) > 0
    present[:, never_gold] = True
    f1 = 2.0 * hits / np.maximum(support + answered, 1)
    total = counts.sum(axis=1)
    return {
        "accuracy": hits.sum(axis=1) / total,
        "macro_f1": f1.sum(axis=1) / present.sum(axis=1),
        "weighted_f1": (f1 * support).sum(axis=1) / total,
    }


def _by_label(counts: np.ndarray, index: np.ndarray, labels: int) -> np.ndarray:
    """Sum the columns of ``counts`` (draws, kinds) that share a label index: (draws, labels)."""
    from scipy.sparse import csr_matrix

    place = csr_matrix((np.ones(len(index)), (np.arange(len(index)), index)), shape=(len(index), labels))
    return np.asarray(counts @ place)


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The central 95 % of the draws (n,)."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of values (n,) between 0 and 1, by resampling rows."""
    if not len(values):
        return 0.0, 1.0
    if values.min() == 1.0:
        return lowest_plausible(len(values)), 1.0
    chosen = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    return interval(values[chosen].mean(axis=1))


def correlation_interval(correlation: float, rows: int) -> tuple[float, float]:
    """95 % interval of Spearman's correlation (Bonett & Wright 2000, "Sample size requirements", equation 4)."""
    if rows <= 3:
        return -1.0, 1.0
    middle = np.arctanh(np.clip(correlation, -0.999999, 0.999999))
    reach = 1.96 * np.sqrt((1 + correlation**2 / 2) / (rows - 3))
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))


def correlation_parts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) each row's part in Spearman's correlation of two arrays (n,), which is the mean of the parts.

    The parts are the influence function of the correlation of the ranks (Devlin, Gnanadesikan & Kettenring 1975), so
    that resampling rows moves their mean as it moves the correlation. 0 where one of the arrays never changes.
    """
    from scipy.stats import rankdata, zscore

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.zeros(len(first))
    a, b = zscore(rankdata(first)), zscore(rankdata(second))
    correlation = float(np.mean(a * b))
    return np.asarray(correlation + a * b - correlation * (a**2 + b**2) / 2)


def lowest_plausible(rows: int) -> float:
    """Lower end of the 95 % interval of a share when all ``rows`` were right (Wilson 1927).

    Resampling rows that are all right only ever gives 100 %: without this bound, five right answers of five would be
    shown as certainty.
    """
    z2 = 1.96**2
    return rows / (rows + z2)
