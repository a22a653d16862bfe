"""``significance``: how often p is .05 or less where sets are drawn by chance, and what corrections allow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy import stats

from graphpath.chance.correction import correct
from graphpath.chance.hubs import Hubs
from graphpath.chance.overlap import NullDistribution
from graphpath.chance.possible import PossibleEdges
from graphpath.chance.rows import ComparedRows, compare_by_draws, compare_by_formula
from graphpath.chance.sets import EdgeSets
from tests.calibration.results import Row, wrong
from tests.chance.drawing import windows

PART = "significance"
NO_HUBS = Hubs(np.empty(0, np.int64), np.empty(0, np.int64), 0, drop=True, share=1.0)
LAYER = 2


def rows(random: np.random.Generator, rounds: int) -> Iterator[Row]:
    """Of one pair of sets and of the mean of all pairs, by both nulls; then the corrections."""
    layer = windows(side=5)
    for owners, size in product((2, 8), (20, 100)):
        setting = f"{owners} sets of {size} edges"
        p = [_p(_independent(layer, owners, size, random)) for _ in range(rounds)]
        yield wrong(PART, "p <= .05 of independent sets, by the formula", setting, np.array(p) <= 0.05)
    for owners in (2, 4):
        base = _uneven(layer, owners, 60, random)
        slots = base.make_slots(LAYER)
        p = []
        for trial, drawn in enumerate(
            np.concatenate(list(slots.shuffle(rounds, 50, int(random.integers(1 << 30)))))
        ):
            source, target = slots.decode(slots.encode(drawn[None]))
            one = EdgeSets(base.owners, base.owner, base.layer, source[0], target[0], base.reach)
            p.append(_p(one, NullDistribution("degree", 39, 5, trial)))
        yield wrong(
            PART, "p <= .05 of shuffled sets, by shuffles", f"{owners} sets of 60 edges", np.array(p) <= 0.05
        )
    for many, true in product((20, 200), (0, 10)):
        setting = f"{many} rows, {true} of them real"
        found = np.array([_false(many, true, random) for _ in range(rounds)])
        yield wrong(PART, 'share of false ones with q <= .05, "bh"', setting, found[:, 0])
        yield wrong(PART, 'any false one with q <= .05, "holm"', setting, found[:, 1])


def _p(sets: EdgeSets, null: NullDistribution | None = None) -> float:
    every = np.array(list(combinations(range(len(sets.owners)), 2)))
    asked = ComparedRows([LAYER], [np.arange(len(every))], every)
    tested = (
        compare_by_formula(asked, sets, NO_HUBS)
        if null is None
        else compare_by_draws(asked, sets, NO_HUBS, null)
    )
    return float(tested.p[0])


def _independent(layer: PossibleEdges, owners: int, size: int, random: np.random.Generator) -> EdgeSets:
    ends = [np.stack(layer.draw(size, random)) for _ in range(owners)]
    return _sets(layer, ends)


def _uneven(layer: PossibleEdges, owners: int, size: int, random: np.random.Generator) -> EdgeSets:
    """Some neurons have many edges."""
    source, target = layer.list_all()
    liked = random.random(layer.layer.offset + layer.layer.size) ** 4
    share = liked[source] * liked[target]
    picks = [random.choice(len(source), size, replace=False, p=share / share.sum()) for _ in range(owners)]
    return _sets(layer, [np.stack([source[pick], target[pick]]) for pick in picks])


def _sets(layer: PossibleEdges, ends: list[np.ndarray]) -> EdgeSets:
    owner = np.repeat(np.arange(len(ends)), [one.shape[1] for one in ends])
    source, target = np.concatenate(ends, axis=1)
    return EdgeSets(
        pd.DataFrame({"key": range(len(ends))}),
        owner,
        np.full(len(owner), LAYER),
        source,
        target,
        {LAYER: layer},
    )


def _false(many: int, true: int, random: np.random.Generator) -> tuple[float, float]:
    """The share of false discoveries, and whether there is any; real rows lie three deviations above."""
    z = random.standard_normal(many)
    z[:true] += 3
    p = stats.norm.sf(z)
    share, any_one = (correct(p, method) <= 0.05 for method in ("bh", "holm"))
    return float(share[true:].sum() / max(1, share.sum())), float(any_one[true:].any())
