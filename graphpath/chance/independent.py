"""The null distribution of independent sets: edges of each layer drawn uniformly among the possible ones.

Two sets of a and b of n edges share a hypergeometric number; k of c sets share an edge with a
Poisson-binomial number. Both are computed from their recurrences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST = 1e-30
"""The smallest p of sums over layers: their distributions are cut off beyond it."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """The distribution of how many edges two sets share: ``log_p[i]`` is ln P(``low + i``)."""

    low: int
    log_p: Floats

    @property
    def values(self) -> npt.NDArray[np.int64]:
        """The numbers that are possible."""
        return self.low + np.arange(len(self.log_p))

    def mean(self, of: Floats | None = None) -> float:
        """The expectation of the number, or of a function of it, given at ``values``."""
        return float(np.exp(self.log_p) @ (self.values if of is None else of))

    def deviation(self, of: Floats | None = None) -> float:
        """The standard deviation."""
        values = self.values.astype(float) if of is None else of
        return float(np.sqrt(max(0.0, self.mean((values - self.mean(values)) ** 2))))

    def tail_probability(self, shared: float) -> float:
        """The probability of at least so many."""
        beyond = self.log_p[self.values >= shared]
        return float(min(1.0, np.exp(np.logaddexp.reduce(beyond)))) if len(beyond) else 0.0

    def trim(self) -> Distribution:
        """Without the ends that together weigh less than ``LEAST``."""
        kept = np.flatnonzero(self.log_p > np.log(LEAST / len(self.log_p)))
        return Distribution(self.low + int(kept[0]), self.log_p[kept[0] : kept[-1] + 1])


def hypergeometric(one: int, two: int, possible: int) -> Distribution:
    """The hypergeometric distribution of |A & B| for independent A and B of ``one`` and ``two`` edges.

    P(k + 1) / P(k) = (a - k) (b - k) / ((k + 1) (n - a - b + k + 1)).
    """
    low = max(0, one + two - possible)
    k = np.arange(low, min(one, two), dtype=float)
    steps = np.log(one - k) + np.log(two - k) - np.log(k + 1) - np.log(possible - one - two + k + 1)
    log_p = np.concatenate([[0.0], np.cumsum(steps)])
    return Distribution(low, log_p - np.logaddexp.reduce(log_p))


def convolve(parts: Sequence[Distribution]) -> Distribution:
    """The distribution of the sum of independent numbers: of all layers together."""
    low, p = 0, np.ones(1)
    for part in parts:
        cut = part.trim()
        low, p = low + cut.low, np.convolve(p, np.exp(cut.log_p))
    with np.errstate(divide="ignore"):
        return Distribution(low, np.log(p / p.sum()))


def poisson_binomial_tail(rates: Floats, count: npt.NDArray[np.int64]) -> Floats:
    """The Poisson-binomial tail: P(at least ``count`` (R,) of independent events of ``rates`` (R, c))."""
    rows, events = rates.shape
    p = np.zeros((rows, events + 1))
    p[:, 0] = 1
    for event in range(events):
        rate = rates[:, event, None]
        p[:, 1:] = p[:, 1:] * (1 - rate) + p[:, :-1] * rate
        p[:, 0] *= 1 - rate[:, 0]
    wanted = np.arange(events + 1) >= count[:, None]
    tail: Floats = np.where(wanted, p, 0.0).sum(1)
    return tail.clip(max=1.0)


def jaccard_moments(one: Floats, two: Floats, shared: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Expectation and variance of J = X / (a + b - X), from those of X, to second order."""
    total, rest = one + two, one + two - shared
    expected = total / rest * (1 + variance / rest**2) - 1
    return expected, total**2 * variance / rest**4


def hypergeometric_moments(one: Floats, two: Floats, possible: Floats) -> tuple[Floats, Floats]:
    """Expectation and variance of the hypergeometric number, for arrays of sizes."""
    n = np.maximum(possible, 1.0)
    expected = one * two / n
    return expected, expected * (1 - one / n) * (n - two) / np.maximum(n - 1, 1.0)
