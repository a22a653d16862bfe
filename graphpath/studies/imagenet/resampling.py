"""Intervals over images of what is no mean over images: the jackknife with groups left out.

A figure of all images together (how often two images of one category are more alike than two of different
ones) is measured once with all and once without each group. ``groups * all - (groups - 1) * without`` is the
group's pseudo-value (Tukey 1958). Their mean is the figure, freed of most of its bias, and Student's interval
of them is the figure's over images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]


def make_pseudo_value(
    measure: Callable[[Chosen], Floats], groups: npt.NDArray[np.int64], group: int
) -> Floats:
    """The pseudo-value of ``group``; ``measure`` gives the figures of the images that it is told of (N,)."""
    count = len(np.unique(groups))
    everything = np.ones(len(groups), bool)
    if count == 1:
        return measure(everything)
    return count * measure(everything) - (count - 1) * measure(groups != group)


def compare_kinds(alike: Floats, first: Chosen, second: Chosen) -> Floats:
    """The chance that a pair of ``first`` is more alike than one of ``second``: ties count half.

    ``alike`` (..., pairs), and which pairs are of either kind; NaN where there is none of one.
    """
    from scipy import stats

    one, two = alike[..., first], alike[..., second]
    if not one.shape[-1] or not two.shape[-1]:
        return np.full(alike.shape[:-1], np.nan)
    ranks = stats.rankdata(np.concatenate([one, two], -1), axis=-1)[..., : one.shape[-1]]
    count = one.shape[-1]
    found: Floats = (ranks.sum(-1) - count * (count + 1) / 2) / (count * two.shape[-1])
    return found
