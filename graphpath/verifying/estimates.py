"""Means over images, or over images and random draws, and how far off they may be.

Draws are as much a sample as images are: others would have had another effect, and one that is the same for
all images has it on all of them. A value for each draw and image is taken as a sum of a mean, an effect of
the draw, one of the image and a rest, all at random (the two-way layout of Searle, Casella and McCulloch
1992, chapter 4), whose variances come from the mean squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
UNKNOWN: Interval = (float("nan"), float("nan"))

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
Z = float(stats.norm.isf(TAIL))


CASES = 4
"""Independent cases that a random draw or an image counts for, at most, towards a share of a half."""


@dataclass(frozen=True)
class Estimate:
    """A mean with the variance of its error (NaN where there is too little to tell), and that variance's
    degrees of freedom. ``images`` (N,) are the images' own means; ``draws`` how many random draws they
    share, 0 for none.
    """

    mean: float
    variance: float
    freedom: float
    images: Floats
    draws: int = 0


def of_images(values: Floats) -> Estimate:
    """The mean over images (N,), which do not depend on each other."""
    count = len(values)
    variance = float(values.var(ddof=1) / count) if count > 1 else float("nan")
    return Estimate(float(values.mean()), variance, count - 1, values)


def of_draws(values: Floats) -> Estimate:
    """The mean over draws and images (draws, N), each draw being the same for all images.

    Var = (MS_draw + MS_image - MS_rest) / DN, which is unbiased, and no less than what draws or images say
    alone; its degrees of freedom after Satterthwaite 1946.
    """
    draws, images = values.shape
    mean, by_image, by_draw = float(values.mean()), values.mean(0), values.mean(1)
    if min(draws, images) == 1:
        return Estimate(mean, float("nan"), 0, by_image, draws)
    rest = values - by_image - by_draw[:, None] + mean
    freedom = np.array([draws - 1, images - 1, (draws - 1) * (images - 1)])
    parts = np.array([by_draw.var(ddof=1) / draws, by_image.var(ddof=1) / images, (rest**2).sum()])
    parts[2] /= freedom[2] * draws * images
    variance = float(max(parts[0] + parts[1] - parts[2], parts[0], parts[1]))
    spread, least = float((parts**2 / freedom).sum()), float(freedom.min())
    return Estimate(mean, variance, max(least, variance**2 / spread) if spread else least, by_image, draws)


def student(found: Estimate) -> Interval:
    """The 95 % interval of a mean by Student's t."""
    if not found.variance >= 0:
        return UNKNOWN
    half = float(stats.t.isf(TAIL, found.freedom) * np.sqrt(found.variance))
    return found.mean - half, found.mean + half


def score(share: float, number: float, quantile: float = Z) -> Interval:
    """The score interval of a share of ``number`` independent cases (Wilson 1927)."""
    square = quantile**2 / number
    middle = (share + square / 2) / (1 + square)
    reach = quantile / (1 + square) * np.sqrt(share * (1 - share) / number + square / number / 4)
    low = 0.0 if share == 0 else max(0.0, float(middle - reach))  # where rounding leaves something else
    return low, 1.0 if share == 1 else min(1.0, float(middle + reach))


def share(found: Estimate) -> Interval:
    """The 95 % interval of a share, the mean of zeros and ones (of an image, or of its draws' mean).

    Wilson's, of as many independent cases as the variance tells of (the effective number of Korn and Graubard
    1998); where it tells of none, of as many as there are images. What happens seldom may be missed by all of
    a few draws, or images, and its variance with it: the end towards .5 is of no more than ``CASES`` for each
    draw (or image, where draws are the image's own), or so many over |1 - 2 share|.
    """
    mean, spread, count = found.mean, found.mean * (1 - found.mean), len(found.images)
    if _counted(found):
        return score(mean, count)
    number, quantile = float(count), Z
    if found.variance > 0:
        number, quantile = max(1.0, spread / found.variance), float(stats.t.isf(TAIL, found.freedom))
    few = CASES * min(found.draws or count, count) / max(abs(1 - 2 * mean), 1e-9)
    ends, inner = score(mean, number, quantile), score(mean, min(number, few), quantile)
    return (ends[0], inner[1]) if mean < 0.5 else (inner[0], ends[1])


def _counted(found: Estimate) -> bool:
    """Whether images count one or nothing: then Wilson's own number is theirs."""
    return not found.draws and bool(np.isin(found.images, (0, 1)).all())


def difference(one: Estimate, two: Estimate) -> Interval:
    """The 95 % interval of the difference of two shares of the same images, one less two.

    Newcombe's (1998, paired, method 10): each share's own interval, and how the two go together over images.
    """
    (low1, high1), (low2, high2) = share(one), share(two)
    found = one.mean - two.mean
    phi = together(one, two)
    below, above = (one.mean - low1, high2 - two.mean), (high1 - one.mean, two.mean - low2)
    return found - _side(*below, phi), found + _side(*above, phi)


def together(one: Estimate, two: Estimate) -> float:
    """The correlation of two estimates over the same images; 0 where one of them does not vary."""
    scale = np.sqrt(one.variance * two.variance)
    if not scale > 0:
        return 0.0
    shared = float(np.cov(one.images, two.images)[0, 1]) / len(one.images)
    return float(np.clip(shared / scale, -1, 1))


def _side(one: float, two: float, phi: float) -> float:
    return float(np.sqrt(max(0.0, one**2 - 2 * phi * one * two + two**2)))
