"""Which sets each row of a query's table compares, and the tests of the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.chance.hubs import Hubs
from graphpath.chance.independent import (
    LEAST,
    Shared,
    at_least,
    mean_likeness,
    moments,
    shared,
    together,
)
from graphpath.chance.overlap import Null, likenesses
from graphpath.chance.possible import Ints
from graphpath.chance.sets import Sets

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tested:
    """For each row of a table (R,): its overlap, and what the null expects, as far as it can be tested."""

    overlap: Floats
    expected: Floats
    z: Floats
    p: Floats

    @classmethod
    def nothing(cls, rows: int) -> Tested:
        """Rows of which nothing is known yet."""
        return cls(*(np.full(rows, np.nan) for _ in range(4)))

    def put(self, row: int, overlap: float, expected: float, deviation: float, p: float) -> None:
        """What was found of one row."""
        self.overlap[row], self.expected[row], self.p[row] = overlap, expected, p
        self.z[row] = (overlap - expected) / deviation if deviation > 0 else np.nan


@dataclass(frozen=True, eq=False)
class Rows:
    """Of each row the layer (-1: all together, None: not tested) and the pairs of owners whose mean it is."""

    levels: list[int | None]
    pairs: list[Ints]
    every: Ints

    @classmethod
    def of(cls, name: str, table: pd.DataFrame, sets: Sets) -> Rows:
        """Those of the answer of the query ``name``."""
        every = np.array(list(combinations(range(len(sets.owners)), 2)), np.int64).reshape(-1, 2)
        return ROWS[name](table, sets.owners, every)


def _similarity(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> Rows:
    place = {frozenset(pair): number for number, pair in enumerate(_named(owners, every))}
    names = zip(table.category1, table.category2, strict=True)
    return Rows(table.layer.tolist(), [np.array([place[frozenset(pair)]]) for pair in names], every)


def _divergence(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> Rows:
    return Rows(table.layer.tolist(), [np.array([0])] * len(table), every)


def _consistency(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> Rows:
    label, sample = (owners[column].to_numpy()[every] for column in ("label", "sample"))
    within = np.flatnonzero((label[:, 0] == label[:, 1]) & (sample[:, 0] != sample[:, 1]))
    return Rows(table.layer.tolist(), [within] * len(table), every)


def _largest_overlap(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> Rows:
    names = owners.name.to_numpy()[every]
    within = names[:, 0] == names[:, 1]
    pairs = []
    for row in table.itertuples():
        wanted = within == (row.relation == "within")
        if row.category1 != "all":
            wanted &= (names == row.category1).any(1) & (names == row.category2).any(1)
        pairs.append(np.flatnonzero(wanted))
    return Rows([-1 if what == "edges" else None for what in table.what], pairs, every)


ROWS = {
    "categories/similarity": _similarity,
    "categories/consistency": _consistency,
    "adversarial/divergence": _divergence,
    "pathways/largest_overlap": _largest_overlap,
}


def _named(owners: pd.DataFrame, every: Ints) -> list[tuple[str, str]]:
    names = owners.name.to_numpy()
    return [(names[one], names[two]) for one, two in every]


def by_draws(rows: Rows, sets: Sets, hubs: Hubs, null: Null) -> Tested:
    """The rows against draws: p = (1 + draws at least as large) / (1 + draws)."""
    found = Tested.nothing(len(rows.levels))
    observed = dict(likenesses(sets, rows.every, hubs.weight))
    for level, drawn in likenesses(sets, rows.every, hubs.weight, null):
        for row in (row for row, its in enumerate(rows.levels) if its == level):
            mine = rows.pairs[row]
            known = mine[~np.isnan(observed[level][0, mine])]
            if not len(known):
                continue
            here, there = observed[level][0, known].mean(), drawn[:, known].mean(axis=1)
            # Sums of the same numbers in another order may differ in their last digit.
            reached = int((there >= here * (1 - 1e-12)).sum())
            p = (1 + reached) / (1 + null.draws)
            deviation = float(there.std())
            found.put(row, float(here), float(there.mean()), deviation if deviation > 1e-12 else 0.0, p)
    return found


def by_formula(rows: Rows, sets: Sets, hubs: Hubs) -> Tested:
    """The rows against independent sets: exactly where a row is one pair.

    A mean over pairs is taken for normal: numbers shared by different pairs of independent sets are
    independent of each other.
    """
    found = Tested.nothing(len(rows.levels))
    observed = dict(likenesses(sets, rows.every, hubs.weight))
    sizes = {layer: sets.sizes(layer) for layer in sets.layers}
    possible = {layer: hubs.possible(sets.reach[layer]) for layer in sets.layers}
    for row, level in enumerate(rows.levels):
        if level is None or level not in observed:
            continue
        mine = rows.pairs[row]
        known = mine[~np.isnan(observed[level][0, mine])]
        layers = sets.layers if level == -1 else [level]
        here = {layer: (sizes[layer][rows.every[known]], possible[layer]) for layer in layers}
        if len(mine) == 1 == len(known):
            found.put(row, *_one_pair(float(observed[level][0, known[0]]), here))
        elif len(known):
            found.put(row, *_many_pairs(float(observed[level][0, known].mean()), here))
    return found


def _one_pair(likeness: float, sizes: Mapping[int, tuple[Ints, int]]) -> tuple[float, float, float, float]:
    """Overlap, expectation, deviation and p of one pair; of each layer the two sizes and what is possible."""
    parts = [shared(int(one), int(two), possible) for [[one, two]], possible in sizes.values()]
    total = float(sum(pair.sum() for pair, _ in sizes.values()))
    number = round(likeness * total / (1 + likeness))  # J = X / (a + b - X)
    law: Shared = parts[0] if len(parts) == 1 else together(parts)
    jaccard = law.values / (total - law.values)
    p = law.tail(number)
    return likeness, law.mean(jaccard), law.deviation(jaccard), p if len(parts) == 1 else max(p, LEAST)


def _many_pairs(likeness: float, sizes: Mapping[int, tuple[Ints, int]]) -> tuple[float, float, float, float]:
    """As :func:`_one_pair`, of a mean over pairs (P, 2)."""
    total = np.zeros((4, len(next(iter(sizes.values()))[0])))
    for pair, possible in sizes.values():
        one, two = pair.T.astype(float)
        total += np.stack([one, two, *moments(one, two, np.full(len(one), float(possible)))])
    expected, variance = mean_likeness(*total)
    deviation = math.sqrt(variance.sum()) / len(variance)
    z = (likeness - expected.mean()) / deviation if deviation > 0 else 0.0
    return likeness, float(expected.mean()), deviation, 0.5 * math.erfc(z / math.sqrt(2))


def of_edges(table: pd.DataFrame, sets: Sets, hubs: Hubs, null: Null) -> Tested:
    """The rows of ``categories/shared_edges``: whether so many categories share an edge by chance.

    Sets are independent of each other under both nulls, so the number is Poisson-binomial: each set has the
    edge with the probability that an edge of the layer has, or with the share of the draws in which its
    shuffles have it (one more of two more, so that none is 0).
    """
    found = Tested.nothing(len(table))
    kept = hubs.kept(table.source.to_numpy(), table.target.to_numpy())
    for layer in (layer for layer in sets.layers if layer in set(table.layer)):
        rows = np.flatnonzero((table.layer == layer).to_numpy() & kept)
        part = table.iloc[rows]
        if null.kind == "degree":
            rates = _rates(part, sets, layer, null)
        else:
            possible = max(1, hubs.possible(sets.reach[layer]))
            rates = np.tile(sets.sizes(layer) / possible, (len(part), 1))
        count = part.categories.to_numpy()
        weight = hubs.weight(part.source.to_numpy(), part.target.to_numpy())
        spread = np.sqrt((rates * (1 - rates)).sum(1))
        found.overlap[rows], found.expected[rows] = weight * count, weight * rates.sum(1)
        found.z[rows] = np.divide(
            count - rates.sum(1), spread, out=np.full(len(rows), np.nan), where=spread > 0
        )
        found.p[rows] = at_least(rates, count)
    return found


def _rates(part: pd.DataFrame, sets: Sets, layer: int, null: Null) -> Floats:
    """How often the shuffles of each set have each of the edges: (rows, owners)."""
    owners, reach = len(sets.owners), sets.reach[layer]
    wanted = reach.key(part.source.to_numpy(), part.target.to_numpy())[:, None] * owners + np.arange(owners)
    hits = np.zeros(wanted.shape, np.int64)
    for drawn in null.arrangements(sets, layer):
        for one in np.sort(drawn * owners + sets.owner[sets.layer == layer], axis=1):
            place = np.searchsorted(one, wanted).clip(max=len(one) - 1)
            hits += one[place] == wanted
    return (hits + 1) / (null.draws + 2)
