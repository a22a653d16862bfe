"""Score intervals of shares, and of differences of two that go together. Needs nothing.

A share is a mean of zeros and ones, or a probability such as the area under a ROC curve. What stands behind
it need not be independent. Then the number of independent cases is derived from its variance.
"""

from __future__ import annotations

import math

Interval = tuple[float, float]

Z = 1.959963984540054
"""The standard normal's 97.5 % quantile."""
CASES = 4
"""Independent cases that one image (or draw, or original) counts for, at most, towards a share of a half."""


def score_interval(share: float, number: float, quantile: float = Z) -> Interval:
    """The 95 % score interval of a share of ``number`` independent cases (Wilson 1927)."""
    square = quantile**2 / number
    middle = (share + square / 2) / (1 + square)
    reach = quantile / (1 + square) * math.sqrt(share * (1 - share) / number + square / number / 4)
    low = 0.0 if share == 0 else max(0.0, middle - reach)  # where rounding leaves something else
    return low, 1.0 if share == 1 else min(1.0, middle + reach)


def effective_interval(share: float, variance: float, count: int, quantile: float, clusters: int) -> Interval:
    """The 95 % interval of a share whose error has ``variance``, by the effective number of independent cases
    (Korn and Graubard 1998); where the variance gives none, ``count`` are taken.

    What happens seldom may be missed in all of a few ``clusters`` (images, draws), and its variance with it:
    the end towards .5 is of no more than ``CASES`` for each, over |1 - 2 share|. ``quantile`` is Student's,
    for the variance.
    """
    spread, number = share * (1 - share), float(count)
    if variance > 0 and spread > 0:
        number = max(1.0, spread / variance)
    else:
        quantile = Z
    few = CASES * clusters / max(abs(1 - 2 * share), 1e-9)
    ends, inner = score_interval(share, number, quantile), score_interval(share, min(number, few), quantile)
    return (ends[0], inner[1]) if share < 0.5 else (inner[0], ends[1])


def difference_interval(
    one: float, ends: Interval, two: float, others: Interval, correlation: float
) -> Interval:
    """The 95 % interval of ``one`` less ``two`` from the interval of each (Newcombe 1998, paired, method 10);
    ``correlation`` is that of the two estimates.
    """
    found = one - two
    below = _combine_sides(one - ends[0], others[1] - two, correlation)
    return found - below, found + _combine_sides(ends[1] - one, two - others[0], correlation)


def _combine_sides(one: float, two: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * two + two**2))
