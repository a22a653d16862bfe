"""Ranks of rolled-up edges: those on the strongest routes first, against all routes one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.stores.ranking import Edges, rank_edges

OFFSETS = np.array([0, 10, 20, 30])
Pair = tuple[int, int]


def routes_through(weights: dict[Pair, float], begin: int, *, whole: bool) -> Iterator[list[Pair]]:
    """Every route from ``begin`` to where it cannot go on, or only those that end in the last layer."""

    def walk(node: int, edges: list[Pair]) -> Iterator[list[Pair]]:
        out = [edge for edge in weights if edge[0] == node]
        if not out and edges and (not whole or node >= OFFSETS[-1]):
            yield edges
        for edge in out:
            yield from walk(edge[1], [*edges, edge])

    yield from walk(begin, [])


def strengths(weights: dict[Pair, float], *, whole: bool) -> dict[Pair, float]:
    """Of each edge the strongest route through it; nothing where there is none."""
    into: dict[int, float] = {}
    for (_, target), weight in weights.items():
        into[target] = into.get(target, 0.0) + weight
    sources, targets = {edge[0] for edge in weights}, {edge[1] for edge in weights}
    begins = {node for node in sources if node < OFFSETS[1]} if whole else sources - targets
    found: dict[Pair, float] = {}
    for begin in begins:
        for route in routes_through(weights, begin, whole=whole):
            strength = math.prod(weights[edge] / into[edge[1]] for edge in route)
            for edge in route:
                found[edge] = max(found.get(edge, 0.0), strength)
    return found


def make_edges(owners: dict[int, dict[Pair, float]]) -> Edges:
    rows = [
        (owner, source, target, target // 10, weight)
        for owner, weights in owners.items()
        for (source, target), weight in weights.items()
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Edges(*(column.astype(np.int64) for column in columns[:4]), columns[4].astype(float))


PAIRS = st.tuples(st.integers(0, 29), st.integers(10, 33)).filter(lambda pair: pair[1] // 10 > pair[0] // 10)
WEIGHTS = st.dictionaries(PAIRS, st.floats(0.01, 10.0), min_size=1, max_size=14)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.integers(1, 3), WEIGHTS, min_size=1))
def test_the_strongest_routes_come_first(owners: dict[int, dict[Pair, float]]) -> None:
    edges = make_edges(owners)
    rank = rank_edges(edges, OFFSETS)
    for owner, weights in owners.items():
        mine = edges.owner == owner
        assert sorted(rank[mine]) == list(range(1, len(weights) + 1))
        ends = list(zip(edges.source[mine].tolist(), edges.target[mine].tolist(), strict=True))
        order = [ends[place] for place in np.argsort(rank[mine])]
        whole, part = strengths(weights, whole=True), strengths(weights, whole=False)
        assert set(order[: len(whole)]) == set(whole), "edges on whole routes come first"
        for found, some in ((whole, order[: len(whole)]), (part, order[len(whole) :])):
            values = [found[edge] for edge in some]
            assert all(a >= b * (1 - 1e-7) for a, b in pairwise(values))


def test_the_first_edges_lead_to_the_end_wherever_they_are_cut() -> None:
    random = np.random.default_rng(0)
    ends = [(s, t) for s in range(30) for t in range(10, 33) if t // 10 == s // 10 + 1]
    edges = make_edges({7: {edge: float(random.exponential()) for edge in ends}})
    order = np.argsort(rank_edges(edges, OFFSETS))
    reached = set(range(30, 33))
    for edge in order:
        assert edges.target[edge] in reached
        reached.add(int(edges.source[edge]))


def test_an_edge_without_weight_joins_all_the_same() -> None:
    edges = make_edges({1: {(0, 10): 0.0, (10, 20): 1.0, (20, 30): 1.0, (1, 11): 5.0}})
    rank = dict(zip(edges.source.tolist(), rank_edges(edges, OFFSETS).tolist(), strict=True))
    assert rank == {20: 1, 10: 2, 0: 3, 1: 4}


def test_no_edges_have_no_ranks() -> None:
    none = np.empty(0, np.int64)
    assert rank_edges(Edges(none, none, none, none, none.astype(float)), OFFSETS).size == 0
