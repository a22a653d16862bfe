"""Detectors: the areas under ROC curves, and the verdict beside a baseline."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy import stats

from graphpath.detect.areas import Comparison, compare_areas
from tests.calibration.results import Row, covered, wrong

PART = "detect"
AREAS, NUMBERS = (0.5, 0.76, 0.9, 0.98, 0.999), ((20, 20), (20, 100), (100, 100), (10, 200))
BASELINE = 0.8


def rows(random: np.random.Generator, rounds: int) -> Iterator[Row]:
    """By area, numbers of attacked and clean samples, and how far an original's samples go together."""
    for true, (attacked, clean), shared in product(AREAS, NUMBERS, (0.0, 0.7)):
        setting = f"area {true:g}, {attacked} attacked, {clean} clean, shared {shared:g}"
        found = [experiment(random, true, BASELINE, attacked, clean, shared) for _ in range(rounds)]
        own = np.array([one.low <= true <= one.high for one in found])
        gain = np.array([one.gain_low <= true - BASELINE <= one.gain_high for one in found])
        yield covered(PART, "area under the ROC curve", setting, own)
        yield covered(PART, "its gain over the baseline", setting, gain)
    for (attacked, clean), shared in product(NUMBERS, (0.0, 0.7)):
        setting = f"{attacked} attacked, {clean} clean, shared {shared:g}"
        found = [experiment(random, 0.9, 0.9, attacked, clean, shared) for _ in range(rounds)]
        better = np.array([one.verdict == "better" for one in found])
        yield wrong(PART, "said to be better, though equal", setting, better)


def experiment(
    random: np.random.Generator, area: float, baseline: float, attacked: int, clean: int, shared: float
) -> Comparison:
    """Normal scores; those of an original's samples are correlated, and so are the two scores."""
    which = np.arange(attacked + clean) < attacked
    groups = np.concatenate([np.arange(attacked), np.arange(clean)])
    own = random.standard_normal(max(attacked, clean))[groups]
    latent = np.sqrt(shared) * own + np.sqrt(1 - shared) * random.standard_normal(len(which))
    apart = [stats.norm.ppf(value) * np.sqrt(2) for value in (area, baseline)]
    other = 0.5 * latent + np.sqrt(0.75) * random.standard_normal(len(which))
    return compare_areas(latent + apart[0] * which, other + apart[1] * which, which, groups)
