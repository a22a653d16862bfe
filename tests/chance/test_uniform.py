"""p-values are uniform where sets are drawn from the null, among the edges that a network can have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from graphpath.chance.hubs import Hubs
from graphpath.chance.independent import Distribution, convolve, hypergeometric, poisson_binomial_tail
from graphpath.chance.overlap import NullDistribution
from graphpath.chance.possible import Bools, EdgeTerm, Ints, NeuronRange, PossibleEdges
from graphpath.chance.rows import compare_shared_edges
from graphpath.chance.sets import EdgeSets
from graphpath.chance.shuffles import EdgeSlots
from graphpath.network import take_apart
from graphpath.network.products import Product
from graphpath.network.reach import Reach
from tests.chance.drawing import windows
from tests.tracing import nets

NO_HUBS = Hubs(np.empty(0, np.int64), np.empty(0, np.int64), 0, drop=True, share=1.0)


def layers(name: str) -> list[PossibleEdges]:
    """The possible edges of a small network, straight from it."""
    network = take_apart(*nets.made(name))
    known = [NeuronRange(site.number, site.name, site.offset, site.shape) for site in network.sites]
    reach = Reach(network)

    def cells(term: Product) -> tuple[Bools, Bools, Bools]:
        return term.channel.dense(), term.y.dense(), term.x.dense()

    return [
        PossibleEdges(
            known[site.number],
            tuple(EdgeTerm(known[term.source], known[site.number], cells(term)) for term in reach.into(site)),
        )
        for site in network.sites[1:]
    ]


def keys(layer: PossibleEdges, size: int, random: np.random.Generator) -> Ints:
    return layer.encode(*layer.draw(size, random))


def uniformised(law: Distribution, number: int, random: np.random.Generator) -> float:
    """P(more) + U P(as many): uniform, since ties are broken at random."""
    above = law.tail_probability(number + 1)
    return above + random.random() * (law.tail_probability(number) - above)


@pytest.mark.parametrize("name", ["plain", "groups_and_depthwise", "residual", "concatenations"])
def test_independent_pairs(name: str) -> None:
    """Kolmogorov-Smirnov at .01, of one layer and of all together."""
    random = np.random.default_rng(1)
    found = layers(name)
    one, all_layers = [], []
    for _ in range(300):
        laws, numbers = [], []
        for layer in found:
            sizes = [int(n) for n in random.integers(1, max(2, layer.count // 3), 2)]
            laws.append(hypergeometric(*sizes, layer.count))
            numbers.append(len(np.intersect1d(*(keys(layer, size, random) for size in sizes))))
        one.append(uniformised(laws[0], numbers[0], random))
        all_layers.append(uniformised(convolve(laws), sum(numbers), random))
    assert stats.kstest(one, "uniform").pvalue > 0.01
    assert stats.kstest(all_layers, "uniform").pvalue > 0.01


def test_independent_categories_on_an_edge() -> None:
    """How many of six sets have a certain edge."""
    random, layer = np.random.default_rng(2), layers("residual")[1]
    sizes = random.integers(layer.count // 8, layer.count // 2, 6)
    rates = np.tile(sizes / layer.count, (1, 1))
    every = layer.encode(*layer.list_all())
    p = []
    for trial in range(500):
        edge = every[trial % len(every)]
        number = sum(bool((keys(layer, int(size), random) == edge).any()) for size in sizes)
        tails = [float(poisson_binomial_tail(rates, np.array([number + more]))[0]) for more in (0, 1)]
        p.append(tails[1] + random.random() * (tails[0] - tails[1]))
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_shuffled_categories_on_an_edge() -> None:
    """Of sets that are shuffles themselves, no more edges look shared than should, though some neurons have
    many edges; the null of independent edges finds several times as many.
    """
    layer, random = windows(side=5), np.random.default_rng(3)
    source, target = layer.list_all()
    liked = random.random(layer.layer.offset + layer.layer.size) ** 5
    share = liked[source] * liked[target]
    start = [random.choice(len(source), 120, replace=False, p=share / share.sum()) for _ in range(5)]
    base = EdgeSlots(
        layer,
        np.repeat(np.arange(5), 120),
        np.concatenate([source[s] for s in start]),
        np.concatenate([target[s] for s in start]),
    )
    found: dict[str, list[float]] = {"degree": [], "independent": []}
    for trial, drawn in enumerate(np.concatenate(list(base.shuffle(10, 200, 5)))):
        ends = base.decode(base.encode(drawn[None]))
        sets = EdgeSets(
            pd.DataFrame({"key": range(5)}), base.owner, np.full(600, 2), ends[0][0], ends[1][0], {2: layer}
        )
        key, count = np.unique(layer.encode(ends[0][0], ends[1][0]), return_counts=True)
        both = layer.decode(key)
        table = pd.DataFrame({"layer": 2, "source": both[0], "target": both[1], "categories": count})
        for null in found:
            tested = compare_shared_edges(table, sets, NO_HUBS, NullDistribution(null, 100, 30, trial))
            found[null].append(float((tested.p < 0.01).sum()))
    assert np.mean(found["degree"]) < 0.01 * layer.count
    assert np.mean(found["independent"]) > 2 * np.mean(found["degree"])
