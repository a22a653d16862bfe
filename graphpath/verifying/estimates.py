"""Means over images, or over images and random draws, with their standard errors and intervals.

Draws are as much a sample as images are: others would have had another effect. A draw that is the same for
all images has its effect on all of them. So a value for each draw and image is modelled as the sum of a mean
and of random effects of the draw, of the image and of the rest (the two-way layout of Searle, Casella and
McCulloch 1992, chapter 4). Their variances come from the mean squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from graphpath import shares
from graphpath.shares import Interval

Floats = npt.NDArray[np.float64]
UNKNOWN: Interval = (float("nan"), float("nan"))

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Estimate:
    """A mean with the variance of its error and the degrees of freedom of that variance.

    The variance is NaN where there is too little data. ``images`` (N,) are the images' own means, ``draws``
    how many random draws they share, 0 for none.
    """

    mean: float
    variance: float
    freedom: float
    images: Floats
    draws: int = 0


def estimate_over_images(values: Floats) -> Estimate:
    """The mean over images (N,), which are independent."""
    count = len(values)
    variance = float(values.var(ddof=1) / count) if count > 1 else float("nan")
    return Estimate(float(values.mean()), variance, count - 1, values)


def estimate_over_draws(values: Floats) -> Estimate:
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


def student_quantile(freedom: float) -> float:
    """Student's t at 97.5 %."""
    return float(special.stdtrit(freedom, 1 - TAIL))


def student_interval(found: Estimate) -> Interval:
    """The 95 % interval of a mean by Student's t."""
    if not found.variance >= 0:
        return UNKNOWN
    half = student_quantile(found.freedom) * math.sqrt(found.variance)
    return found.mean - half, found.mean + half


def share_interval(found: Estimate) -> Interval:
    """The 95 % interval of a share, the mean of zeros and ones.

    It is Wilson's where every image counts 0 or 1. Else it goes by the effective number of cases, for few
    draws (or images, where each has draws of its own).
    """
    return (
        shares.score_interval(found.mean, len(found.images))
        if _is_counted(found)
        else _effective_interval(found)
    )


def _is_counted(found: Estimate) -> bool:
    """Whether every image counts 0 or 1, as Wilson's interval assumes."""
    return not found.draws and bool(np.isin(found.images, (0, 1)).all())


def difference_interval(one: Estimate, two: Estimate) -> Interval:
    """The 95 % interval of the difference of two shares of the same images, one less two: Newcombe's."""
    return shares.difference_interval(
        one.mean, share_interval(one), two.mean, share_interval(two), correlation(one, two)
    )


def bounded_interval(above: Estimate, below: Estimate) -> Interval:
    """The 95 % interval of a mean in [-1, 1], from the means of its two sides: what is above 0, and below.

    They are taken as shares: where few of 20 images have all the change, Student's holds it in 80 % only.
    """
    ends = [_effective_interval(found) if found.images.any() else (0.0, 0.0) for found in (above, below)]
    return shares.difference_interval(above.mean, ends[0], below.mean, ends[1], correlation(above, below))


def _effective_interval(found: Estimate) -> Interval:
    """The interval of a share by the effective number of cases."""
    count = len(found.images)
    quantile = student_quantile(found.freedom) if found.freedom else shares.Z
    return shares.effective_interval(
        found.mean, found.variance, count, quantile, min(found.draws or count, count)
    )


def correlation(one: Estimate, two: Estimate) -> float:
    """The correlation of two estimates over the same images; 0 where one of them does not vary."""
    scale = np.sqrt(one.variance * two.variance)
    if not scale > 0:
        return 0.0
    shared = float(np.cov(one.images, two.images)[0, 1]) / len(one.images)
    return float(np.clip(shared / scale, -1, 1))
