"""Areas under ROC curves with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DRAWS = 1000
COVERED = 0.95


def areas(score: Floats, attacked: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """(draws,): the area under the ROC curve of ``score`` (n,) for each column of ``weights`` (n, draws).

    The probability that an attacked sample has a larger score than a clean one, ties counting half
    (Hanley and McNeil 1982). NaN for a draw without either.
    """
    _, place = np.unique(score, return_inverse=True)
    clean = np.zeros((place.max() + 1, weights.shape[1]))
    np.add.at(clean, place[~attacked], weights[~attacked])
    below = clean.cumsum(0) - clean / 2
    won = (weights[attacked] * below[place[attacked]]).sum(0)
    pairs = weights[attacked].sum(0) * clean.sum(0)
    found: Floats = np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
    return found


def draws_of(groups: npt.NDArray[np.int64], draws: int, seed: int) -> Floats:
    """(n, draws): how often each sample is in each bootstrap draw; a group's samples go together."""
    _, group = np.unique(groups, return_inverse=True)
    size = int(group.max()) + 1
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), draws)
    chosen: Floats = times.T[group].astype(np.float64)
    return chosen


@dataclass(frozen=True)
class Comparison:
    """Two scores' areas on the same samples, with the interval of each and of their difference."""

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


def compared(
    score: Floats,
    baseline: Floats,
    attacked: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """The areas of ``score`` and ``baseline`` (n,), each with its percentile interval of 95 %.

    ``groups`` (n,) names the original of each sample: originals are drawn, with all that derives from them,
    and both scores see the same draws, so that their difference is paired.
    """
    ones, chosen = np.ones((len(score), 1)), draws_of(groups, draws, seed)
    drawn = [areas(side, attacked, chosen) for side in (score, baseline)]
    whole = [float(areas(side, attacked, ones)[0]) for side in (score, baseline)]
    tails = ((1 - COVERED) / 2, (1 + COVERED) / 2)
    first, second, gain = (
        [float(bound) for bound in np.nanquantile(side, tails)] for side in (*drawn, drawn[0] - drawn[1])
    )
    return Comparison(whole[0], first[0], first[1], whole[1], second[0], second[1], gain[0], gain[1])
