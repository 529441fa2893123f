"""When is news worse, or more, than usual? Tail tests against an exponentially weighted baseline. Knows only counts.

What is usual is what earlier days were, the recent ones weighing more (Roberts 1959, Control Chart Tests Based on
Geometric Moving Averages), with the last two days left out so that a surge does not raise its own baseline (the guard
band of EARS C2, Hutwagner et al. 2003). The rate behind few items is uncertain, so the tails are those of the binomial
and Poisson with the rate integrated out: beta-binomial for the negative share, negative binomial for the volume
(Noufaily et al. 2013 use the latter for outbreaks). Weekends have a level of their own. The threshold divides the
false alarms that are put up with among all tests of 90 days (Bonferroni), which errs on the quiet side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

WINDOWS = (1, 3)
"""Days looked at together: a burst, and what builds up."""
GUARD_DAYS = 2
WARM_UP_DAYS = 14
"""Days of history without which nothing is unusual."""
PRIOR_DAYS = 7.0
"""Weight of the other companies' volume in one company's baseline, in days."""
PRIOR_ITEMS = 5.0
"""Weight of the other companies' negative share, in items."""
FREEZE_DAYS = 21
"""So long a surge stays out of the baseline; what lasts longer is the new normal."""
SPAN_DAYS = 90.0
KINDS = ("negative", "volume")


@dataclass(frozen=True)
class Surges:
    """What the tests found, in arrays (copies, companies, days)."""

    p_negative: np.ndarray
    """Smallest p-value of the negative share over the windows that end on the day."""
    p_volume: np.ndarray
    usual_share: np.ndarray
    """Share of negative items before the day."""
    usual_items: np.ndarray
    """Items to be expected on the day."""
    threshold: float

    @property
    def flagged(self) -> np.ndarray:
        """Days on which one of the tests is beyond the threshold."""
        found: np.ndarray = np.minimum(self.p_negative, self.p_volume) < self.threshold
        return found


@dataclass(frozen=True)
class Episode:
    """Days of one company that belong to one alert, as indices."""

    first: int
    """The day on which it is raised."""
    last: int


def find_surges(
    items: np.ndarray,
    negative: np.ndarray,
    scored: np.ndarray,
    days: Sequence[date],
    false_alarms: float,
    half_life: float,
    least: int,
) -> Surges:
    """Test every day of every series; each day knows only the days before it.

    ``items``, ``negative`` and ``scored`` (items with a sentiment) are counts (copies, companies, days).
    """
    copies, companies, length = items.shape
    threshold = false_alarms / (SPAN_DAYS * max(1, companies) * len(WINDOWS) * len(KINDS))
    weekend = np.array([day.weekday() >= 5 for day in days], dtype=int)
    baseline = _Baseline((copies, companies), 0.5 ** (1.0 / half_life))
    shape = (copies, companies, length)
    p_negative, p_volume = np.ones(shape), np.ones(shape)
    usual_share, usual_items = np.zeros(shape), np.zeros(shape)
    frozen = np.zeros((copies, companies), dtype=int)
    flagged = np.zeros(shape, dtype=bool)
    for today in range(length):
        past = today - GUARD_DAYS - 1
        if past >= 0:
            frozen = np.where(flagged[:, :, past], frozen + 1, 0)
            keep = (frozen == 0) | (frozen > FREEZE_DAYS)
            baseline.add(items[:, :, past], negative[:, :, past], scored[:, :, past], int(weekend[past]), keep)
        usual_share[:, :, today], usual_items[:, :, today] = baseline.usual(int(weekend[today]))
        if past + 1 < WARM_UP_DAYS:
            continue
        for window in WINDOWS:
            span = slice(today - window + 1, today + 1)
            seen, bad, known = (part[:, :, span].sum(axis=2) for part in (items, negative, scored))
            exposure = np.sum([baseline.level(int(kind)) for kind in weekend[span]], axis=0)
            p_volume[:, :, today] = np.minimum(p_volume[:, :, today], baseline.volume_tail(seen, exposure, least))
            p_negative[:, :, today] = np.minimum(p_negative[:, :, today], baseline.share_tail(bad, known, least))
        flagged[:, :, today] = np.minimum(p_negative[:, :, today], p_volume[:, :, today]) < threshold
    return Surges(p_negative, p_volume, usual_share, usual_items, threshold)


class _Baseline:
    """Discounted sums of what was, by copy and company."""

    def __init__(self, shape: tuple[int, int], decay: float) -> None:
        self.decay = decay
        self.items, self.negative, self.scored, self.days = (np.zeros(shape) for _ in range(4))
        self.kind_items, self.kind_days = np.zeros((shape[0], 2)), np.zeros((shape[0], 2))
        """By copy and kind of day: weekday, weekend."""

    def add(self, items: np.ndarray, negative: np.ndarray, scored: np.ndarray, kind: int, keep: np.ndarray) -> None:
        """Age everything by a day and add one day where ``keep`` (copies, companies)."""
        for total in (self.items, self.negative, self.scored, self.days, self.kind_items, self.kind_days):
            total *= self.decay
        self.kind_items[:, kind] += (items * keep).sum(axis=1)
        self.kind_days[:, kind] += keep.sum(axis=1)
        self.items += items * keep
        self.negative += negative * keep
        self.scored += scored * keep
        self.days += self.level(kind) * keep

    def level(self, kind: int) -> np.ndarray:
        """Volume of this kind of day beside the mean of all days, (copies, 1); pulled towards 1 by some days."""
        mean = self.kind_items.sum(axis=1) / np.maximum(self.kind_days.sum(axis=1), 1e-9)
        prior = PRIOR_DAYS
        own = (self.kind_items[:, kind] + prior * mean) / (self.kind_days[:, kind] + prior)
        level: np.ndarray = np.where(mean > 0, own / np.maximum(mean, 1e-9), 1.0)[:, None]
        return level

    def usual(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """(negative share, items on a day of this kind) as far as is known."""
        bad, good = self._share_prior()
        shape, rate = self._volume_prior()
        return bad / (bad + good), shape / rate * self.level(kind)

    def _share_prior(self) -> tuple[np.ndarray, np.ndarray]:
        scored, negative = (part.sum(axis=1, keepdims=True) for part in (self.scored, self.negative))
        share = (negative + 1.0) / (scored + 3.0)
        return PRIOR_ITEMS * share + self.negative, PRIOR_ITEMS * (1 - share) + self.scored - self.negative

    def _volume_prior(self) -> tuple[np.ndarray, np.ndarray]:
        items, days = (part.sum(axis=1, keepdims=True) for part in (self.items, self.days))
        rate = (items + 0.5) / (days + 1.0)
        return PRIOR_DAYS * rate + self.items, PRIOR_DAYS + self.days

    def volume_tail(self, seen: np.ndarray, exposure: np.ndarray, least: int) -> np.ndarray:
        """P(at least ``seen`` items): Poisson with a gamma-distributed rate, i.e. negative binomial."""
        from scipy.special import betainc

        shape, rate = self._volume_prior()
        tail = betainc(np.maximum(seen, 1), shape, exposure / (rate + exposure))
        return np.where(seen >= least, tail, 1.0)

    def share_tail(self, bad: np.ndarray, known: np.ndarray, least: int) -> np.ndarray:
        """P(at least ``bad`` of ``known`` items negative): binomial with a beta-distributed share."""
        alpha, beta = self._share_prior()
        tail = np.ones(bad.shape)
        for place in zip(*np.nonzero((bad >= least) & (bad * (alpha + beta) > known * alpha)), strict=True):
            tail[place] = beta_binomial_tail(
                int(bad[place]), int(known[place]), float(alpha[place]), float(beta[place])
            )
        return tail


def beta_binomial_tail(least: int, total: int, alpha: float, beta: float) -> float:
    """P(X >= least) for X of a beta-binomial distribution over 0 to ``total``."""
    from scipy.special import betaln, gammaln

    x = np.arange(least, total + 1)
    ways = gammaln(total + 1) - gammaln(x + 1) - gammaln(total - x + 1)
    return float(min(1.0, np.exp(ways + betaln(x + alpha, total - x + beta) - betaln(alpha, beta)).sum()))


def episodes(flagged: np.ndarray, quiet: int) -> list[Episode]:
    """Flagged days (days,) gathered: with at most ``quiet`` days between them they are one alert."""
    found: list[Episode] = []
    for day in np.flatnonzero(flagged):
        if found and day - found[-1].last <= quiet + 1:
            found[-1] = Episode(found[-1].first, int(day))
        else:
            found.append(Episode(int(day), int(day)))
    return found
