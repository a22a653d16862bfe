"""Studies: intervals over seeds, and verdicts on claims about every layer or about their mean."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace

import numpy as np

from graphpath.studies.intervals import Interval, least_layer_bounds
from graphpath.studies.lyu.key_maps import lift, permutation_p
from graphpath.studies.verdicts import FAILS, HOLDS, choose_word
from tests.calibration.results import COVERED, SIMULTANEOUS, Row, covered, wrong

PART = "studies"
SEEDS, LAYERS, CORRELATIONS = (3, 5, 10), (1, 5, 13), (0.0, 0.9)
SPREAD = 0.05
"""The standard deviation over seeds."""


def rows(random: np.random.Generator, rounds: int) -> Iterator[Row]:
    """By numbers of seeds and layers, independent layers and correlated ones."""
    for seeds, layers, correlation in product(SEEDS, LAYERS, CORRELATIONS):
        setting = f"{seeds} seeds, {layers} layers, correlated by {correlation:g}"
        shape = (rounds, seeds, layers)

        def drawn(means: np.ndarray | float, shape=shape, correlation=correlation) -> np.ndarray:
            return means + values(random, shape, correlation)

        equal, rising = drawn(0.52), drawn(0.52 + 0.05 * np.arange(layers))
        for name, found in (("all layers alike", equal), ("one layer lowest", rising)):
            _, low, high = least_layer_bounds(found)
            hits, allowed = (low <= 0.52) & (high >= 0.52), SIMULTANEOUS if layers > 1 else COVERED
            what = (
                f"interval of the lowest of several layers, {name}" if layers > 1 else "interval over seeds"
            )
            yield covered(PART, what, setting, hits, allowed)
        # True in every layer, by next to nothing, and ahead of three controls likewise: not to be denied.
        true = [drawn(1e-9) for _ in range(4)]
        yield wrong(PART, "denied, though true in every layer", setting, said(true[:1], FAILS))
        yield wrong(PART, "denied, though true and above three controls", setting, said(true, FAILS))
        # True in all but one layer, where there is no effect: not to be affirmed.
        but_one = np.where(np.arange(layers) == 0, 0.0, 10.0)
        yield wrong(PART, "affirmed, though not so in one layer", setting, said([drawn(but_one)], HOLDS))
        far = [drawn(10.0), drawn(10.0), drawn(but_one)]
        yield wrong(PART, "affirmed, though a control does as well in one layer", setting, said(far, HOLDS))
    for channels in (8, 32):
        p = np.array([_permuted(random, channels) for _ in range(rounds)])
        yield wrong(PART, "key maps: p <= .05 of maps drawn at random", f"{channels} maps", p <= 0.05)


def _permuted(random: np.random.Generator, channels: int, images: int = 30, classes: int = 3) -> float:
    """The permutation test of E1 where key maps are any."""
    counts, labels = (
        random.poisson(3.0, (images, channels)).astype(float),
        random.integers(0, classes, images),
    )
    keys = random.permuted(np.tile(np.arange(channels) < channels // 4, (classes, 1)), axis=1)
    bench = SimpleNamespace(random_generator=lambda *_: random, options={"permutations": 39})
    return permutation_p(bench, counts, keys, labels, lift(counts, keys, labels))  # type: ignore[arg-type]


def values(random: np.random.Generator, shape: tuple[int, int, int], correlation: float) -> np.ndarray:
    """Normal values (rounds, seeds, layers) about 0; those of one seed are correlated over layers."""
    own, shared = random.standard_normal(shape), random.standard_normal((*shape[:2], 1))
    return SPREAD * (np.sqrt(1 - correlation) * own + np.sqrt(correlation) * shared)


def said(leads: list[np.ndarray], word: str) -> np.ndarray:
    """In which rounds the verdict on these leads (rounds, seeds, layers) is this word."""
    found = [least_layer_bounds(lead, len(leads)) for lead in leads]
    ends = np.stack([np.stack(one) for one in found])  # (leads, mean and ends, rounds)
    seeds = leads[0].shape[1]
    return np.array(
        [
            choose_word([Interval(*map(float, lead), seeds) for lead in ends[:, :, at]]) == word
            for at in range(ends.shape[2])
        ]
    )
