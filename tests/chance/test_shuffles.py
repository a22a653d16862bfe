"""Shuffles keep every degree, make nothing impossible and nothing twice, and are uniform; so are their p."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graphpath.chance.overlap import count_common
from graphpath.chance.possible import PossibleEdges
from graphpath.chance.shuffles import EdgeSlots
from tests.chance.drawing import Graph, layer, reached, windows


def slots(possible: PossibleEdges, sets: list[tuple[np.ndarray, np.ndarray]]) -> EdgeSlots:
    owner = np.repeat(np.arange(len(sets)), [len(source) for source, _ in sets])
    source, target = (np.concatenate([ends[i] for ends in sets]) for i in (0, 1))
    return EdgeSlots(possible, owner, source, target)


def drawn(slots: EdgeSlots, draws: int, sweeps: int, seed: int) -> np.ndarray:
    """(draws, 2, E): sources and targets."""
    arrangements = np.concatenate(list(slots.shuffle(draws, sweeps, seed)))
    return np.stack(slots.decode(slots.encode(arrangements)), axis=1)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_shuffles_keep_what_they_must(seed: int) -> None:
    random = np.random.default_rng(seed)
    possible = windows(side=4) if seed % 3 == 0 else layer(random)
    sets = [
        possible.draw(int(random.integers(possible.count + 1)), random) for _ in range(random.integers(1, 4))
    ]
    made = slots(possible, sets)
    for source, target in drawn(made, 7, 4, seed % 1000):
        assert possible.has(source, target).all()
        for owner, (before, after) in enumerate(sets):
            mine = made.owner == owner
            assert len(set(zip(source[mine], target[mine], strict=True))) == len(before)
            assert np.array_equal(np.sort(source[mine]), np.sort(before))
            assert np.array_equal(np.sort(target[mine]), np.sort(after))


def tiny() -> tuple[PossibleEdges, Graph]:
    """A layer and a set in it from which switches lead to a few dozen others."""
    for seed in range(1000):
        random = np.random.default_rng(seed)
        possible = layer(random, density=0.8)
        if 12 <= possible.count <= 40:
            source, target = possible.draw(7, random)
            graph = frozenset(zip(source.tolist(), target.tolist(), strict=True))
            if 20 <= len(reached(graph, possible)) <= 60:
                return possible, graph
    raise AssertionError("no such layer")


def columns(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    source, target = np.array(sorted(graph)).T
    return source, target


def test_every_arrangement_that_switches_reach_is_equally_likely() -> None:
    """Chi square over all of them; a plain loop finds which they are."""
    possible, graph = tiny()
    every = reached(graph, possible)
    some = drawn(slots(possible, [columns(graph)]), 6000, 80, 1)
    seen = Counter(frozenset(zip(s.tolist(), t.tolist(), strict=True)) for s, t in some)
    assert set(seen) <= every
    assert stats.chisquare([seen[graph] for graph in every]).pvalue > 1e-3


def uniformised(observed: float, others: np.ndarray, random: np.random.Generator) -> float:
    """The p of ``(1 + as large) / (1 + draws)`` with ties broken at random: uniform under the null."""
    ties = 1 + int((others == observed).sum())
    return float(((others > observed).sum() + random.random() * ties) / (1 + len(others)))


@pytest.mark.parametrize("sweeps", [1, 30])
def test_p_is_uniform_where_sets_are_drawn_from_the_null(sweeps: int) -> None:
    """Kolmogorov-Smirnov at .01, even where chains are far too short to mix (Besag and Clifford 1989)."""
    possible, graph = tiny()
    every, random = sorted(reached(graph, possible), key=sorted), np.random.default_rng(5)
    fixed = columns(every[3])
    p = []
    for trial in range(400):
        one = every[random.integers(len(every))]
        made = slots(possible, [columns(one), fixed])
        key = possible.encode(made.source, made.target)[None]
        observed = count_common(key, made.owner, 2, lambda k: np.ones(k.shape))[0, 0, 1]
        source, target = drawn(made, 39, sweeps, trial).transpose(1, 0, 2)
        both = count_common(possible.encode(source, target), made.owner, 2, lambda k: np.ones(k.shape))
        p.append(uniformised(observed, both[:, 0, 1], random))
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_is_uniform_in_a_convolution() -> None:
    """Sets of uneven degrees, themselves long shuffles of one; edges of the windows only."""
    possible, random = windows(side=6), np.random.default_rng(2)
    source, target = possible.list_all()
    liked = random.random(possible.layer.offset + possible.layer.size) ** 4
    share = liked[source] * liked[target]
    start = [random.choice(len(source), 150, replace=False, p=share / share.sum()) for _ in range(2)]
    base = slots(possible, [(source[s], target[s]) for s in start])
    samples = drawn(base, 300, 150, 77)
    p = []
    for trial, (mine, theirs) in enumerate(samples):
        made = EdgeSlots(possible, base.owner, mine, theirs)
        key = possible.encode(mine, theirs)[None]
        observed = count_common(key, made.owner, 2, lambda k: np.ones(k.shape))[0, 0, 1]
        ends = drawn(made, 39, 20, trial).transpose(1, 0, 2)
        both = count_common(possible.encode(*ends), made.owner, 2, lambda k: np.ones(k.shape))
        p.append(uniformised(observed, both[:, 0, 1], random))
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_fifty_sweeps_go_as_far_as_four_hundred() -> None:
    """In a convolution of 24 x 24: edges that are where they were, of which chance leaves some there."""
    possible, random = windows((8, 16), 24), np.random.default_rng(0)
    source, target = possible.draw(1500, random)
    made, before = slots(possible, [(source, target)]), possible.encode(source, target)

    def left(sweeps: int) -> float:
        return float(
            np.mean([np.isin(before, possible.encode(*ends)).mean() for ends in drawn(made, 8, sweeps, 0)])
        )

    assert left(1) > 0.5
    assert left(50) < left(400) + 0.03 < 0.12


@given(st.integers(0, 2**32 - 1))
def test_common_counts_as_sets_do(seed: int) -> None:
    random = np.random.default_rng(seed)
    owners, draws = int(random.integers(1, 5)), int(random.integers(1, 4))
    sizes = random.integers(0, 9, owners)
    owner = np.repeat(np.arange(owners), sizes)
    key = np.stack(
        [np.concatenate([random.choice(9, size, replace=False) for size in sizes]) for _ in range(draws)]
    ).astype(np.int64)
    weight = random.random(9)
    found = count_common(key, owner, owners, lambda k: weight[k])
    for draw in range(draws):
        sets = [set(key[draw, owner == one].tolist()) for one in range(owners)]
        for one in range(owners):
            for two in range(owners):
                wanted = sum(weight[k] for k in sets[one] & sets[two])
                assert found[draw, one, two] == pytest.approx(wanted)
