"""The sets that each row of a query's answer compares, and the tests of the rows."""

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
    Distribution,
    convolve,
    hypergeometric,
    hypergeometric_moments,
    jaccard_moments,
    poisson_binomial_tail,
)
from graphpath.chance.overlap import NullDistribution, compare_pairs
from graphpath.chance.possible import Ints
from graphpath.chance.sets import EdgeSets

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowResults:
    """For each row of a table (R,): its overlap, and what the null expects, as far as it can be tested."""

    overlap: Floats
    expected: Floats
    z: Floats
    p: Floats

    @classmethod
    def untested(cls, rows: int) -> RowResults:
        """Rows that are not tested, all NaN."""
        return cls(*(np.full(rows, np.nan) for _ in range(4)))

    def set_row(self, row: int, overlap: float, expected: float, deviation: float, p: float) -> None:
        """Set the results of one row."""
        self.overlap[row], self.expected[row], self.p[row] = overlap, expected, p
        self.z[row] = (overlap - expected) / deviation if deviation > 0 else np.nan


@dataclass(frozen=True, eq=False)
class ComparedRows:
    """Of each row the layer (-1: all together, None: not tested), and the pairs of owners in its mean."""

    levels: list[int | None]
    pairs: list[Ints]
    all_pairs: Ints

    @classmethod
    def from_table(cls, name: str, table: pd.DataFrame, sets: EdgeSets) -> ComparedRows:
        """The rows of the answer of the query ``name``."""
        every = np.array(list(combinations(range(len(sets.owners)), 2)), np.int64).reshape(-1, 2)
        return ROWS[name](table, sets.owners, every)


def _match_similarity(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> ComparedRows:
    place = {frozenset(pair): number for number, pair in enumerate(_name_pairs(owners, every))}
    names = zip(table.category1, table.category2, strict=True)
    return ComparedRows(table.layer.tolist(), [np.array([place[frozenset(pair)]]) for pair in names], every)


def _match_divergence(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> ComparedRows:
    return ComparedRows(table.layer.tolist(), [np.array([0])] * len(table), every)


def _match_consistency(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> ComparedRows:
    label, sample = (owners[column].to_numpy()[every] for column in ("label", "sample"))
    within = np.flatnonzero((label[:, 0] == label[:, 1]) & (sample[:, 0] != sample[:, 1]))
    return ComparedRows(table.layer.tolist(), [within] * len(table), every)


def _match_largest_overlap(table: pd.DataFrame, owners: pd.DataFrame, every: Ints) -> ComparedRows:
    names = owners.name.to_numpy()[every]
    within = names[:, 0] == names[:, 1]
    pairs = []
    for row in table.itertuples():
        wanted = within == (row.relation == "within")
        if row.category1 != "all":
            wanted &= (names == row.category1).any(1) & (names == row.category2).any(1)
        pairs.append(np.flatnonzero(wanted))
    return ComparedRows([-1 if what == "edges" else None for what in table.what], pairs, every)


ROWS = {
    "categories/similarity": _match_similarity,
    "categories/consistency": _match_consistency,
    "adversarial/divergence": _match_divergence,
    "pathways/largest_overlap": _match_largest_overlap,
}


def _name_pairs(owners: pd.DataFrame, every: Ints) -> list[tuple[str, str]]:
    names = owners.name.to_numpy()
    return [(names[one], names[two]) for one, two in every]


def compare_by_draws(rows: ComparedRows, sets: EdgeSets, hubs: Hubs, null: NullDistribution) -> RowResults:
    """The rows against draws: p = (1 + draws at least as large) / (1 + draws)."""
    found = RowResults.untested(len(rows.levels))
    observed = dict(compare_pairs(sets, rows.all_pairs, hubs.weigh))
    for level, drawn in compare_pairs(sets, rows.all_pairs, hubs.weigh, null):
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
            found.set_row(row, float(here), float(there.mean()), deviation if deviation > 1e-12 else 0.0, p)
    return found


def compare_by_formula(rows: ComparedRows, sets: EdgeSets, hubs: Hubs) -> RowResults:
    """The rows against independent sets: exactly where a row is one pair.

    A mean over pairs is taken for normal. The numbers that different pairs of independent sets share are
    independent.
    """
    found = RowResults.untested(len(rows.levels))
    observed = dict(compare_pairs(sets, rows.all_pairs, hubs.weigh))
    sizes = {layer: sets.count_edges(layer) for layer in sets.layers}
    possible = {layer: hubs.count_possible(sets.reach[layer]) for layer in sets.layers}
    for row, level in enumerate(rows.levels):
        if level is None or level not in observed:
            continue
        mine = rows.pairs[row]
        known = mine[~np.isnan(observed[level][0, mine])]
        layers = sets.layers if level == -1 else [level]
        here = {layer: (sizes[layer][rows.all_pairs[known]], possible[layer]) for layer in layers}
        if len(mine) == 1 == len(known):
            found.set_row(row, *_compare_one_pair(float(observed[level][0, known[0]]), here))
        elif len(known):
            found.set_row(row, *_compare_mean_of_pairs(float(observed[level][0, known].mean()), here))
    return found


def _compare_one_pair(
    observed: float, sizes: Mapping[int, tuple[Ints, int]]
) -> tuple[float, float, float, float]:
    """Overlap, expectation, deviation and p of one pair; of each layer the two sizes and what is possible."""
    parts = [hypergeometric(int(one), int(two), possible) for [[one, two]], possible in sizes.values()]
    total = float(sum(pair.sum() for pair, _ in sizes.values()))
    number = round(observed * total / (1 + observed))  # J = X / (a + b - X)
    shared: Distribution = parts[0] if len(parts) == 1 else convolve(parts)
    jaccard = shared.values / (total - shared.values)
    p = shared.tail_probability(number)
    return observed, shared.mean(jaccard), shared.deviation(jaccard), p if len(parts) == 1 else max(p, LEAST)


def _compare_mean_of_pairs(
    observed: float, sizes: Mapping[int, tuple[Ints, int]]
) -> tuple[float, float, float, float]:
    """As :func:`_compare_one_pair`, of a mean over pairs (P, 2)."""
    total = np.zeros((4, len(next(iter(sizes.values()))[0])))
    for pair, possible in sizes.values():
        one, two = pair.T.astype(float)
        total += np.stack([one, two, *hypergeometric_moments(one, two, np.full(len(one), float(possible)))])
    expected, variance = jaccard_moments(*total)
    deviation = math.sqrt(variance.sum()) / len(variance)
    z = (observed - expected.mean()) / deviation if deviation > 0 else 0.0
    return observed, float(expected.mean()), deviation, 0.5 * math.erfc(z / math.sqrt(2))


def compare_shared_edges(
    table: pd.DataFrame, sets: EdgeSets, hubs: Hubs, null: NullDistribution
) -> RowResults:
    """The rows of ``categories/shared_edges``: whether so many categories share an edge by chance.

    Sets are independent of each other under both nulls, so the number is Poisson-binomial: each set has the
    edge with the probability that an edge of the layer has, or with the share of the draws in which its
    shuffles have it (one more of two more, so that none is 0).
    """
    found = RowResults.untested(len(table))
    kept = hubs.mark_kept(table.source.to_numpy(), table.target.to_numpy())
    for layer in (layer for layer in sets.layers if layer in set(table.layer)):
        rows = np.flatnonzero((table.layer == layer).to_numpy() & kept)
        part = table.iloc[rows]
        if null.kind == "degree":
            rates = _measure_rates(part, sets, layer, null)
        else:
            possible = max(1, hubs.count_possible(sets.reach[layer]))
            rates = np.tile(sets.count_edges(layer) / possible, (len(part), 1))
        count = part.categories.to_numpy()
        weight = hubs.weigh(part.source.to_numpy(), part.target.to_numpy())
        spread = np.sqrt((rates * (1 - rates)).sum(1))
        found.overlap[rows], found.expected[rows] = weight * count, weight * rates.sum(1)
        found.z[rows] = np.divide(
            count - rates.sum(1), spread, out=np.full(len(rows), np.nan), where=spread > 0
        )
        found.p[rows] = poisson_binomial_tail(rates, count)
    return found


def _measure_rates(part: pd.DataFrame, sets: EdgeSets, layer: int, null: NullDistribution) -> Floats:
    """How often the shuffles of each set have each of the edges: (rows, owners)."""
    owners, reach = len(sets.owners), sets.reach[layer]
    wanted = reach.encode(part.source.to_numpy(), part.target.to_numpy())[:, None] * owners + np.arange(
        owners
    )
    hits = np.zeros(wanted.shape, np.int64)
    for drawn in null.draw(sets, layer):
        for one in np.sort(drawn * owners + sets.owner[sets.layer == layer], axis=1):
            place = np.searchsorted(one, wanted).clip(max=len(one) - 1)
            hits += one[place] == wanted
    return (hits + 1) / (null.draws + 2)
