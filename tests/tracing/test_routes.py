"""Strengths, the budget and the largest routes against brute force: every route enumerated."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.budget import RouteKind, mark_whole_routes, select_strongest
from graphpath.tracing.methods import effective_path, neuron_mct
from graphpath.tracing.neurons import join
from graphpath.tracing.pathways import Pathways, score_pathways
from graphpath.tracing.routes import find_largest_routes
from graphpath.tracing.strength import compute_strengths, weigh_selection
from tests.tracing import harness, nets, twins
from tests.tracing.test_methods import tied

SELECTIONS = {
    "effective_path 0.3": lambda batch: effective_path.select(batch, theta=0.3),
    "effective_path 0.8": lambda batch: effective_path.select(batch, theta=0.8),
    "neuron_mct": lambda batch: neuron_mct.select(batch, sparsity=0.8),
    "all": lambda batch: join(batch, torch.ones_like(batch.held.output, dtype=torch.bool)),
}


def little(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Nets so small that all their routes can be counted."""
    if name == "chain":
        model = nn.Sequential(
            nn.Conv2d(1, 2, 2),
            nn.BatchNorm2d(2),
            nn.ReLU(),
            nn.MaxPool2d(2, 1),
            nn.Conv2d(2, 3, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(3, 4),
            nn.Linear(4, 3),
        )
        return nets.randomised(model, 7), nets.images((1, 4, 4), 4, 5)
    if name == "skips":

        def forward(net: nets.Net, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(net.a(x) + x)
            y = torch.relu(net.b(y) + y)
            return net.fc(
                torch.cat([y.flatten(1), x.flatten(1), nn.functional.avg_pool2d(y, 2).flatten(1)], 1)
            )

        model = nets.Net(
            forward,
            a=nn.Conv2d(1, 1, 2, padding="same"),
            b=nn.Conv2d(1, 1, 2, padding="same"),
            fc=nn.Linear(19, 2),
        )
        return nets.randomised(model, 4), nets.images((1, 3, 3), 3, 8)
    if name == "tied":
        model, pixels = tied(3)
        return model, pixels
    raise KeyError(name)


@cache
def case(name: str, method: str) -> tuple[Batch, Selection, list[twins.Twin], list[int]]:
    model, pixels = little(name)
    batch, classes = harness.held(model, pixels)
    selection = SELECTIONS[method](batch)
    return batch, selection, [twins.take_apart(model, image) for image in pixels], classes


CASES = [
    (n, m)
    for n in ("chain", "skips", "tied")
    for m in SELECTIONS
    if (n, m) not in {("tied", "all"), ("tied", "effective_path 0.8")}
]
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


def flows(batch: Batch, selection: Selection) -> list[dict[twins.Edge, float]]:
    return [edges.by_ends() for edges in harness.selected(batch, selection)]


def logs(values: dict[twins.Edge, float]) -> dict[twins.Edge, float]:
    return {edge: float(np.log(value)) if value > 0 else -np.inf for edge, value in values.items()}


@pytest.mark.parametrize(("name", "method"), CASES)
@pytest.mark.parametrize("constants", (True, False))
def test_strengths_are_the_largest_route_through_each_edge(name: str, method: str, constants: bool) -> None:
    batch, selection, pair, classes = case(name, method)
    reached = compute_strengths(batch, weigh_selection(batch, selection), from_constants=constants)
    for image, (edges, twin, target) in enumerate(zip(flows(batch, selection), pair, classes, strict=True)):
        found = twins.routes(twin, target, edges, constants)
        wanted = logs(twins.strengths(found, edges))
        ours = {}
        for block, strength in zip(selection.blocks, reached.edges, strict=True):
            mine = block.sample == image
            ends = zip(block.source[mine].tolist(), block.target[mine].tolist(), strict=True)
            ours |= dict(zip(ends, strength[mine].tolist(), strict=True))
        assert ours == pytest.approx(wanted, rel=1e-9, abs=1e-9)


LATER = -1000.0
"""What edges that no route from a pixel passes are less than all others by."""


def precedence(
    twin: twins.Twin, target: twins.Question, edges: dict[twins.Edge, float]
) -> dict[twins.Edge, float]:
    """Larger is kept rather: log strength by routes from pixels, or ``LATER`` by those from constants."""
    pixels, every = (
        logs(twins.strengths(twins.routes(twin, target, edges, constants), edges))
        for constants in (False, True)
    )
    return {edge: pixels[edge] if pixels[edge] > -np.inf else every[edge] + LATER for edge in edges}


@pytest.mark.parametrize(("name", "method"), CASES)
def test_a_budget_keeps_the_strongest_edges_and_whole_routes(name: str, method: str) -> None:
    batch, selection, pair, classes = case(name, method)
    every = score_pathways(batch, selection, None, 0)
    for image, (edges, twin, target) in enumerate(zip(flows(batch, selection), pair, classes, strict=True)):
        wanted = precedence(twin, target, edges)
        whole = kept_edges(every, image)
        assert set(whole) == set(edges)
        assert_ordered(whole, wanted)
        for budget in sorted(
            {1, 2, 3, 5, 8, 13, 30, len(edges) // 2, len(edges) - 1, len(edges), len(edges) + 9} - {0, -1}
        ):
            some = kept_edges(score_pathways(batch, selection, budget, 0), image)
            assert_budgeted(some, wanted, budget, twin, target)


@pytest.mark.parametrize("method", ("effective_path 0.8", "neuron_mct"))
def test_a_small_budget_of_a_deep_network_reaches_its_pixels(method: str) -> None:
    """Routes from constants are shorter, and so stronger: they alone would leave early layers empty."""
    layers = [part for _ in range(8) for part in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())]
    model = nets.randomised(nn.Sequential(nn.Conv2d(1, 4, 1), *layers, nn.Flatten(), nn.Linear(256, 3)), 5)
    batch, _ = harness.held(model, nets.images((1, 8, 8), 3, 2))
    selection = SELECTIONS[method](batch)
    budget = 60
    kept = score_pathways(batch, selection, budget, 0).balance.edges_kept[:, 1:]
    assert (kept > 0).all() and (kept.sum(1) <= budget).all() and (kept.sum(1) > budget - 20).all()
    with_constants = compute_strengths(batch, weigh_selection(batch, selection), from_constants=True)
    layer = np.repeat([b.site.number for b in selection.blocks], [len(b) for b in selection.blocks])
    strength = torch.cat(with_constants.edges).numpy()
    for image in range(3):
        mine = torch.cat([b.sample for b in selection.blocks]).numpy() == image
        strongest_there = layer[mine][np.argsort(-strength[mine])[:budget]]
        assert len(np.unique(strongest_there)) < kept.shape[1]


def kept_edges(found: Pathways, image: int) -> list[twins.Edge]:
    """The kept edges of an image, by rank, which runs from 1."""
    mine = found.edges.sample == image
    rank = found.edges.rank[mine]
    assert sorted(rank.tolist()) == list(range(1, len(rank) + 1))
    order = np.argsort(rank)
    return list(
        zip(found.edges.source[mine][order].tolist(), found.edges.target[mine][order].tolist(), strict=True)
    )


def assert_ordered(kept: list[twins.Edge], strength: dict[twins.Edge, float]) -> None:
    values = [strength[edge] for edge in kept]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(values))


def assert_budgeted(
    kept: list[twins.Edge],
    strength: dict[twins.Edge, float],
    budget: int,
    twin: twins.Twin,
    target: twins.Question,
) -> None:
    assert len(kept) == len(set(kept)) <= budget
    assert_ordered(kept, strength)
    live = sorted((value for value in strength.values() if value > -np.inf), reverse=True)
    assert all(strength[edge] > -np.inf for edge in kept)
    # Every kept edge lies on a route of kept edges alone, from a pixel or a constant to the logit; and from a
    # pixel where any route from one passes it.
    every = twin.flows()
    weight = {edge: every[edge] for edge in kept}
    for constants, some in ((True, kept), (False, [edge for edge in kept if strength[edge] > LATER / 2])):
        on_route = {e for route in twins.routes(twin, target, weight, constants) for e in route.edges}
        assert set(some) <= on_route
    if len(live) <= budget:
        assert len(kept) == len(live)
        return
    # Of what is stronger than the first edge that does not fit, nothing is missing.
    cut = live[budget]
    above = {edge for edge, value in strength.items() if value > cut + 1e-9}
    assert above <= set(kept)
    assert all(strength[edge] >= live[budget - 1] - 1e-9 for edge in kept)


@pytest.mark.parametrize("count", (1, 2, 7, 40, 30_000))
@pytest.mark.parametrize(("name", "method"), CASES)
def test_largest_routes_are_those_of_brute_force(name: str, method: str, count: int) -> None:
    assert_brute_force_routes(*case(name, method), count)


def assert_brute_force_routes(
    batch: Batch,
    selection: Selection,
    pair: list[twins.Twin],
    asked: Sequence[twins.Question],
    count: int,
) -> None:
    parts = weigh_selection(batch, selection)
    ours = find_largest_routes(batch, parts, compute_strengths(batch, parts, from_constants=False), count)
    for image, (edges, twin, target) in enumerate(zip(flows(batch, selection), pair, asked, strict=True)):
        whole = {r.neurons: r.contribution for r in twins.routes(twin, target, edges, constants=False)}
        whole = {neurons: value for neurons, value in whole.items() if value != 0}
        mine = np.flatnonzero(ours.sample == image)
        assert len(mine) == min(count, len(whole))
        assert ours.rank[mine].tolist() == list(range(1, len(mine) + 1))
        best = sorted((abs(value) for value in whole.values()), reverse=True)[: len(mine)]
        assert 10 ** ours.log10_abs[mine] == pytest.approx(best, rel=1e-9)
        seen = set()
        begins = np.searchsorted(ours.route, np.arange(len(ours.sample) + 1))
        for row in mine.tolist():
            steps = slice(begins[row], begins[row + 1])
            assert ours.position[steps].tolist() == list(range(begins[row + 1] - begins[row]))
            neurons = tuple(ours.neuron[steps].tolist())
            assert neurons not in seen
            seen.add(neurons)
            assert ours.sign[row] * 10 ** ours.log10_abs[row] == pytest.approx(whole[neurons], rel=1e-9)


def test_brute_force_met_ties_and_many_routes() -> None:
    """The cases above are what they are meant to be."""
    batch, selection, pair, classes = case("tied", "neuron_mct")
    sizes, repeats = [], []
    for edges, twin, target in zip(flows(batch, selection), pair, classes, strict=True):
        values = [abs(r.contribution) for r in twins.routes(twin, target, edges, constants=False)]
        sizes.append(len(values))
        repeats.append(max(Counter(values).values(), default=0))
    assert max(sizes) > 1000
    for name, method in CASES:
        batch, selection, pair, classes = case(name, method)
        for edges, twin, target in zip(flows(batch, selection), pair, classes, strict=True):
            assert twins.routes(twin, target, edges, constants=False)
    assert max(repeats) > 10


def test_no_routes_are_asked_for() -> None:
    batch, selection, _, _ = case("chain", "all")
    parts = weigh_selection(batch, selection)
    found = find_largest_routes(batch, parts, compute_strengths(batch, parts, from_constants=False), 0)
    assert len(found.sample) == len(found.neuron) == 0


@pytest.mark.parametrize(("name", "method"), CASES)
def test_balance_counts_and_sums(name: str, method: str) -> None:
    batch, selection, _, _ = case(name, method)
    sites = batch.compiled.sites
    for budget in (None, 6, 20):
        found = score_pathways(batch, selection, budget, 3)
        for image, edges in enumerate(harness.selected(batch, selection)):
            ours = harness.numbers(batch, image)
            layer = np.searchsorted(ours.starts, edges.target, side="right") - 1
            score = np.abs(edges.flow * ours.before[edges.target])
            balance, mine = found.balance, found.edges.sample == image
            assert balance.edges_all[image].tolist() == np.bincount(layer, minlength=len(sites)).tolist()
            np.testing.assert_allclose(
                balance.abs_all[image], np.bincount(layer, score, len(sites)), rtol=1e-12
            )
            kept = found.edges.layer[mine]
            assert balance.edges_kept[image].tolist() == np.bincount(kept, minlength=len(sites)).tolist()
            kept_score = np.abs(found.edges.score[mine])
            np.testing.assert_allclose(
                balance.abs_kept[image], np.bincount(kept, kept_score, len(sites)), rtol=1e-12
            )
            share = ours.b * ours.before
            np.testing.assert_allclose(
                balance.bias[image], np.add.reduceat(share, ours.starts), rtol=1e-9, atol=1e-12
            )
            assert balance.bias_fed[image].tolist() == selection.bias_fed[image].tolist()


def test_routes_are_found_before_the_budget_is_applied() -> None:
    batch, selection, _, _ = case("chain", "all")
    small, whole = (score_pathways(batch, selection, budget, 12).routes for budget in (1, None))
    assert small.neuron.tolist() == whole.neuron.tolist()
    assert len(whole.sample) == 12 * batch.held.images


# --- the budget alone --------------------------------------------------------------------


@st.composite
def layered(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, dict[twins.Edge, float]]:
    """A small layered graph with integer log weights: ties everywhere. Layers 0..3 of three neurons."""
    ends = [
        (3 * a + i, 3 * b + j) for a in range(3) for b in range(a + 1, 4) for i in range(3) for j in range(3)
    ]
    edges = draw(st.lists(st.sampled_from(ends), unique=True, min_size=1, max_size=20))
    weight = {edge: float(draw(st.integers(-2, 0))) for edge in edges}
    source, target = (np.array(column) for column in zip(*edges, strict=True))
    return source, target, weight


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    graph=layered(),
    budget=st.integers(1, 20),
    constants=st.dictionaries(st.integers(3, 8), st.integers(-3, 2).map(float)),
)
def test_strongest_of_a_graph_full_of_ties(
    graph: tuple[np.ndarray, np.ndarray, dict[twins.Edge, float]], budget: int, constants: dict[int, float]
) -> None:
    source, target, weight = graph
    edges = list(zip(source.tolist(), target.tolist(), strict=True))
    through, starts, kinds = [], [], []
    for given_there in ({}, constants):
        best, begins = best_routes(weight, given_there)
        through.append(best)
        starts.append(begins)
        strength = np.array([best[edge] for edge in edges])
        kinds.append(RouteKind(strength, np.array([s < 3 or s in begins for s in source.tolist()])))
    kept = select_strongest(source, target, kinds, budget, np.array([9, 10, 11]))
    ends = list(zip(source[kept].tolist(), target[kept].tolist(), strict=True))
    first = sorted((e for e in weight if through[0][e] > -np.inf), key=lambda e: (-through[0][e], *e))
    rest = sorted(
        (e for e in {*weight} - {*first} if through[1][e] > -np.inf), key=lambda e: (-through[1][e], *e)
    )
    begins = starts[0] if len(first) > budget else starts[1]
    wanted = (first + rest)[:budget]
    # What the budget cuts out of a tie may leave others of it without a route: these go too, nothing else.
    while len(first) + len(rest) > budget:
        entered, left = {t for _, t in wanted}, {s for s, _ in wanted}
        whole = [
            (s, t) for s, t in wanted if (s < 3 or s in begins or s in entered) and (t >= 9 or t in left)
        ]
        if whole == wanted:
            break
        wanted = whole
    assert ends == wanted


def best_routes(
    weight: dict[twins.Edge, float], constants: dict[int, float]
) -> tuple[dict[twins.Edge, float], set[int]]:
    """The best route through each edge, and the neurons whose best way starts at their constant."""

    def ways(neuron: int, onward: bool) -> float:
        found = [
            w + best(t if onward else s, onward)
            for (s, t), w in weight.items()
            if (s if onward else t) == neuron
        ]
        return max(found, default=-np.inf)

    def best(neuron: int, onward: bool) -> float:
        if (neuron >= 9) if onward else (neuron < 3):
            return 0.0
        return max(ways(neuron, onward), -np.inf if onward else constants.get(neuron, -np.inf))

    through = {(s, t): best(s, False) + w + best(t, True) for (s, t), w in weight.items()}
    return through, {neuron for neuron, value in constants.items() if value >= ways(neuron, False)}


def test_whole_routes() -> None:
    source, target = np.array([0, 1, 2, 4, 5]), np.array([1, 3, 3, 5, 6])
    starts = source == 0
    assert mark_whole_routes(source, target, starts, np.array([3])).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert mark_whole_routes(source, target, source == 4, np.array([6])).tolist() == [False] * 3 + [True] * 2
    assert not mark_whole_routes(source, target, starts, np.array([9])).any()
