"""Areas under ROC curves, with score intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphpath import shares
from graphpath.shares import Interval

Floats = npt.NDArray[np.float64]
TAIL = 0.025


@dataclass(frozen=True, eq=False)
class Area:
    """The area under a ROC curve, and by how much each sample (n,) shifts it; these sum to 0."""

    value: float
    shifts: Floats


def area_under_curve(score: Floats, attacked: npt.NDArray[np.bool_]) -> Area:
    """The area under the ROC curve of ``score`` (n,).

    It is the probability that an attacked sample has a larger score than a clean one, ties counting half
    (Hanley and McNeil 1982). A sample shifts it by how often it is in order, over the number of its kind
    (DeLong et al. 1988).
    """
    above, below = score[attacked], score[~attacked]
    won, lost = _share_exceeded(above, below), 1 - _share_exceeded(below, above)
    value, moves = float(won.mean()), np.empty(len(score))
    moves[attacked], moves[~attacked] = (won - value) / len(above), (lost - value) / len(below)
    return Area(value, moves)


def _share_exceeded(some: Floats, others: Floats) -> Floats:
    """The share of ``others`` that each of ``some`` exceeds, ties counting half."""
    ranked = np.sort(others)
    sides = (np.searchsorted(ranked, some, side) for side in ("left", "right"))
    found: Floats = sum(sides, np.zeros(len(some))) / 2 / len(others)
    return found


@dataclass(frozen=True)
class Comparison:
    """The areas of two scores on the same samples, with the interval of each and of their difference."""

    area: float
    low: float
    high: float
    baseline: float
    baseline_low: float
    baseline_high: float
    gain_low: float
    gain_high: float

    @property
    def verdict(self) -> str:
        """Whether the score beats the baseline: ``"better"``, ``"worse"``, or ``"undecided"``."""
        if self.gain_low > 0:
            return "better"
        return "worse" if self.gain_high < 0 else "undecided"


def compare_areas(
    score: Floats,
    baseline: Floats,
    attacked: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
) -> Comparison:
    """The areas of ``score`` and ``baseline`` (n,), each with its 95 % interval, and that of the difference.

    ``groups`` (n,) names the original of each sample. Originals, each with all samples derived from it, are
    independent (Obuchowski 1997). An area has the score interval of a share of its effective number of
    independent originals, which holds near 1 and at 1 too. The difference has Newcombe's interval.
    """
    one, two = (area_under_curve(side, attacked) for side in (score, baseline))
    kinds = [np.unique(groups[side]) for side in (attacked, ~attacked)]
    fewest = min(len(kind) for kind in kinds)
    ends = [_area_interval(some, groups, fewest) for some in (one, two)]
    gain = shares.difference_interval(one.value, ends[0], two.value, ends[1], _correlation(one, two, groups))
    return Comparison(one.value, *ends[0], two.value, *ends[1], *gain)


def _area_interval(found: Area, groups: npt.NDArray[np.int64], fewest: int) -> Interval:
    from scipy import stats

    if fewest < 2:
        return 0.0, 1.0
    quantile = float(stats.t.isf(TAIL, fewest - 1))
    return shares.effective_interval(found.value, _covariance(found, found, groups), fewest, quantile, fewest)


def _correlation(one: Area, two: Area, groups: npt.NDArray[np.int64]) -> float:
    """The correlation of two areas over originals; 0 where one does not vary."""
    scale = np.sqrt(_covariance(one, one, groups) * _covariance(two, two, groups))
    return float(np.clip(_covariance(one, two, groups) / scale, -1, 1)) if scale > 0 else 0.0


def _covariance(one: Area, two: Area, groups: npt.NDArray[np.int64]) -> float:
    """The covariance of two areas, an original's samples going together."""
    _, group = np.unique(groups, return_inverse=True)
    sums = [np.bincount(group, some.shifts) for some in (one, two)]
    count = len(sums[0])
    return float(sums[0] @ sums[1]) * count / max(count - 1, 1)
