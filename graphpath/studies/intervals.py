"""Intervals over seeds: of a mean, and of the least of several layers' means. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphpath.studies.conditions import PLURAL, SEED

LEVEL = 0.95
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, and an interval about it; ends that are not known are NaN."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        known = not (math.isnan(self.low) and math.isnan(self.high))
        ends = f" [{format_number(self.low)}, {format_number(self.high)}]" if known else ""
        return f"{format_number(self.mean)}{ends}"


def interval(values: Sequence[float] | np.ndarray) -> Interval:
    """The mean with its 95 % interval, from Student's t with n - 1 degrees of freedom.

    A value that is NaN makes all of it NaN: a seed that could not be measured is not left out in silence.
    """
    return least_layer(np.asarray(values, float)[:, None])


def least_layer(values: Floats, comparisons: int = 1) -> Interval:
    """The least of the layers' means, from ``values`` (seeds, layers), with an interval about it.

    The interval is to hold the least of the *true* means. Its lower end is the least of the layers' own lower
    ends, at 97.5 % each: the true least lies below it only if it lies below its own layer's. Its upper end is
    the least of the layers' upper ends, at 1 - .025 / (layers * ``comparisons``) each (Bonferroni), because
    any of them may be the one that is too low. So the interval holds the true least in at least 95 % of all
    cases, whatever the correlation of the layers. With one layer it is Student's interval.

    It is a test too. A lower end above a bound says that *every* layer is above it, at 2.5 % (Berger 1982,
    intersection-union: where all must pass, no correction is needed). An upper end below a bound says that
    *some* layer is below it, at 2.5 % for all layers and ``comparisons`` such intervals together.
    """
    if not values.size:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean, low, high = least_layer_bounds(values, comparisons)
    return Interval(float(mean), float(low), float(high), values.shape[0])


def least_layer_bounds(values: Floats, comparisons: int = 1) -> tuple[Floats, Floats, Floats]:
    """Mean, lower and upper end of :func:`least_layer`, of ``values`` (..., seeds, layers): (...) each.

    A layer that is NaN leaves the lower end open; the others may still set the upper one.
    """
    from scipy import stats

    seeds, layers = values.shape[-2:]
    mean = values.mean(-2)
    if seeds == 1:
        nothing = np.full(mean.shape[:-1], np.nan)
        return np.fmin.reduce(mean, -1), nothing, nothing
    error = values.std(-2, ddof=1) / math.sqrt(seeds)
    tail = (1 - LEVEL) / 2
    low = mean - stats.t.isf(tail, seeds - 1) * error
    high = mean + stats.t.isf(tail / (layers * comparisons), seeds - 1) * error
    return np.fmin.reduce(mean, -1), low.min(-1), np.fmin.reduce(high, -1)


def format_number(value: float) -> str:
    """Three digits, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{value:.3g}"


def describe_seeds(count: int, over: str = SEED) -> str:
    """How many seeds, or groups of images, in words."""
    return f"1 {over}" if count == 1 else f"{count} {PLURAL[over]}"
