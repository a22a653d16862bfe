"""Pruning by influence against dense matrices: (I - A)^-1 - I, a sort, and loops over edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphpath as gp
from graphpath.errors import MethodError, RecordError
from graphpath.record import TraceWriter
from graphpath.tracing.batch import Batch, EdgesInMemory, Selection
from graphpath.tracing.cuts import find_cuts, mark_above
from graphpath.tracing.influence import Influence, Part, Pruning, mark_influential, spread_influence
from graphpath.tracing.maps import LayeredMaps, score_map_pathways
from graphpath.tracing.methods import channels, effective_path, lrp
from graphpath.tracing.pathways import Pathways, score_pathways
from graphpath.tracing.pruned import NeuronEdges, PrunedEdges
from tests.tracing import nets
from tests.tracing.test_record import Killed, files
from tests.tracing.test_sieve import SELECTIONS, case, same

Ends = tuple[int, int]
CPU = torch.device("cpu")


# --- cuts --------------------------------------------------------------------------------

VALUES = st.one_of(st.sampled_from([0.0, 0.25, 1.0, 1e-30]), st.floats(0, 1e6, width=32))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), VALUES), max_size=40),
    st.one_of(st.floats(0.01, 1), st.integers(1, 12)),
    st.integers(1, 5),
)
def test_cuts_are_those_of_a_sort(values: list[tuple[int, float]], amount: float, parts: int) -> None:
    def in_parts() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(parts):
            some = values[start::parts]
            yield (
                torch.tensor([image for image, _ in some], dtype=torch.int64),
                torch.tensor([value for _, value in some], dtype=torch.float64),
            )

    cuts = find_cuts(in_parts, amount, 3, CPU)
    for image in range(3):
        mine = sorted((value for place, value in values if place == image), reverse=True)
        sample = torch.full((len(mine),), image)
        kept = int(mark_above(sample, torch.tensor(mine, dtype=torch.float64), cuts).sum())
        assert kept == count_needed(mine, amount)


@pytest.mark.parametrize(("share", "kept"), [(0.99, 1), (0.9995, 2), (0.999999, 3)])
def test_a_share_is_reached_to_the_last_digits(share: float, kept: int) -> None:
    values = torch.tensor([1e-5, 6e-4, 1.0], dtype=torch.float64)
    cuts = find_cuts(lambda: [(torch.zeros(3, dtype=torch.int64), values)], share, 1, CPU)
    assert int((values.float() >= cuts).sum()) == kept


def count_needed(ordered: list[float], amount: float) -> int:
    """How many of the values above 0, largest first, are as large as the last one that is needed."""
    above = [value for value in ordered if value > 0]
    if isinstance(amount, int):
        needed = min(amount, len(above))
    elif amount == 1:
        needed = len(above)
    else:
        sums = np.cumsum(above)
        needed = int((sums < amount * (1 - 1e-9) * sum(above)).sum()) + 1 if above else 0
    return sum(value >= above[needed - 1] for value in above) if needed else 0


# --- graphs of layers, and their twin -----------------------------------------------------


@dataclass
class Graph:
    """Edges between neurons of layers of three, of one image; the first layer are starts."""

    edges: dict[Ends, float]
    depth: int
    own: torch.Tensor
    images: int = 1
    start: int = 3

    def __post_init__(self) -> None:
        self.width = 3 * self.depth
        self.layers = tuple(slice(3 * n, 3 * n + 3) for n in range(1, self.depth))
        self.goals = torch.arange(self.width) >= self.width - 3

    def iterate_parts(self, number: int) -> Iterator[Part]:
        mine = {e: size for e, size in self.edges.items() if e[1] // 3 == number + 1}
        ends = torch.tensor(list(mine), dtype=torch.int64).reshape(-1, 2)
        size = torch.tensor(list(mine.values()), dtype=torch.float64)
        yield Part(number, torch.zeros_like(ends[:, 0]), ends[:, 0], ends[:, 1], size)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    depth = draw(st.integers(2, 5))
    sizes = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(1e-3, 1e3))
    ends = [(s, t) for t in range(3, 3 * depth) for s in range(3 * (t // 3)) if draw(st.booleans())]
    own = [draw(st.booleans()) and n >= 3 for n in range(3 * depth)]
    return Graph({e: draw(sizes) for e in ends}, depth, torch.tensor(own))


def influences(edges: dict[Ends, float], width: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The influence of nodes and the matrix of edges, [target, source], by the inverse of a dense matrix."""
    sizes = np.zeros((width, width))
    for (source, target), size in edges.items():
        sizes[target, source] = size
    sums = sizes.sum(1, keepdims=True)
    part = np.divide(sizes, sums, out=np.zeros_like(sizes), where=sums > 0)
    nodes = weights @ (np.linalg.inv(np.eye(width) - part) - np.eye(width))
    return nodes, part * (nodes + weights)[:, None]


def threshold(values: np.ndarray, share: float) -> float:
    """The smallest value that is needed for a share of the sum, largest first."""
    ordered = np.sort(values[values > 0])[::-1]
    if len(ordered) == 0 or share == 1:
        return 0.0
    return float(ordered[(np.cumsum(ordered) < share * ordered.sum() * (1 - 1e-9)).sum()])


def prune(graph: Graph, share: float, edge_share: float) -> tuple[set[int], set[Ends], float, float]:
    """The nodes and the edges that circuit-tracer's rule keeps, and the influence at which each is cut."""
    goals = set(range(graph.width - 3, graph.width))
    weights = np.zeros(graph.width)
    for (_, target), size in graph.edges.items():
        weights[target] += size if target in goals else 0
    nodes, _ = influences(graph.edges, graph.width, weights)
    nodes = np.where([n in goals for n in range(graph.width)], 0, nodes)
    cut = threshold(nodes, share)
    kept = {
        n for n in range(graph.width) if n < graph.start or n in goals or (nodes[n] >= cut and nodes[n] > 0)
    }
    inner = {e: size for e, size in graph.edges.items() if set(e) <= kept}
    _, edges = influences(inner, graph.width, weights)
    edge_cut = threshold(edges.flatten(), edge_share)
    return kept, {(s, t) for s, t in inner if edges[t, s] >= edge_cut and edges[t, s] > 0}, cut, edge_cut


SHARES = st.one_of(st.just(1.0), st.floats(0.05, 1))


@settings(max_examples=150, deadline=None)
@given(graphs(), SHARES, SHARES)
def test_nodes_and_edges_are_those_of_dense_matrices(graph: Graph, share: float, edge_share: float) -> None:
    whole = spread_influence(graph)
    weights = whole.entering.where(graph.goals, 0).numpy()
    nodes, edges = influences(graph.edges, graph.width, weights)
    np.testing.assert_allclose(whole.passed.numpy(), nodes + weights, rtol=1e-9, atol=1e-12)
    kept, wanted, cut, edge_cut = prune(graph, share, edge_share)
    ours = mark_influential(graph, whole, share)
    if level(nodes[:-3], cut):
        return  # where one is as good as another, rounding decides
    assert set(ours.nonzero()[:, 0].tolist()) == kept
    pruned = spread_influence(graph, ours, whole.entering.where(graph.goals, 0))
    inner = {e: size for e, size in graph.edges.items() if set(e) <= kept}
    _, edges = influences(inner, graph.width, weights)
    if level(edges.flatten(), edge_cut):
        return
    pruning = Pruning(graph, Influence(share, edge_share, 0))
    assert chosen(graph, pruning.keeps) == wanted
    assert not chosen(graph, pruning.protects)
    for number in range(graph.depth - 1):
        [part] = graph.iterate_parts(number)
        np.testing.assert_allclose(
            pruned.weigh(part), edges[part.targets, part.sources], rtol=1e-9, atol=1e-12
        )


def level(values: np.ndarray, cut: float) -> bool:
    """Whether several values cannot be told apart at the cut."""
    return int(((values > 0) & (np.abs(values - cut) <= 1e-6 * cut)).sum()) > 1


def chosen(graph: Graph, mark: object) -> set[Ends]:
    found: set[Ends] = set()
    for number in range(graph.depth - 1):
        [part] = graph.iterate_parts(number)
        place = mark(part)  # type: ignore[operator]
        found |= set(zip(part.sources[place].tolist(), part.targets[place].tolist(), strict=True))
    return found


@settings(max_examples=150, deadline=None)
@given(graphs(), SHARES, SHARES, SHARES)
def test_a_larger_share_of_edges_keeps_more(graph: Graph, share: float, one: float, other: float) -> None:
    few, many = (
        chosen(graph, Pruning(graph, Influence(share, edge_share, 0)).keeps)
        for edge_share in sorted((one, other))
    )
    assert few <= many


@settings(max_examples=150, deadline=None)
@given(graphs(), SHARES, SHARES)
def test_a_larger_share_of_neurons_keeps_more_of_them(graph: Graph, one: float, other: float) -> None:
    whole = spread_influence(graph)
    few, many = (mark_influential(graph, whole, share) for share in sorted((one, other)))
    assert not (few & ~many).any()
    values = whole.passed.masked_fill(graph.goals, 0)
    assert values[few].sum() >= min(one, other) * values.sum() * (1 - 1e-6)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.one_of(st.integers(1, 4), st.floats(0.05, 0.95)))
def test_a_floor_keeps_edges_of_every_layer_and_a_route_through_each(graph: Graph, floor: float) -> None:
    """Whatever the shares leave: with hardly any."""
    kept = chosen(graph, Pruning(graph, Influence(0.01, 0.01, floor)).protects)
    whole = spread_influence(graph)
    reached = {n for n in range(graph.width) if n < graph.start or bool(graph.own[n])}
    for source, target in sorted(graph.edges, key=lambda edge: edge[1]):
        if source in reached and graph.edges[source, target] > 0:
            reached.add(target)
    largest: set[Ends] = set()
    for number in range(graph.depth - 1):
        [part] = graph.iterate_parts(number)
        value = whole.weigh(part).tolist()
        ends = zip(part.sources.tolist(), part.targets.tolist(), strict=True)
        there = {e: v for e, v in zip(ends, value, strict=True) if v > 0 and e[0] in reached}
        mine = [v for e, v in there.items() if e in kept]
        if isinstance(floor, int):
            assert len(mine) >= min(floor, len(there))
            least = sorted(there.values(), reverse=True)[: floor + 1][-1:]
            largest |= {e for e, v in there.items() if len(there) <= floor or v > least[0] * (1 + 1e-6)}
        else:
            assert sum(mine) >= floor * sum(there.values()) * (1 - 1e-6)
    entered, left = {t for _, t in kept}, {s for s, _ in kept}
    goals = range(graph.width - 3, graph.width)
    assert all(s < graph.start or s in entered or graph.own[s] for s, _ in kept)
    assert all(t in goals or t in left for _, t in kept)
    there, mine = from_image(graph, set(graph.edges)), from_image(graph, kept)
    assert all(s in mine for s, _ in largest if s in there)
    assert chosen(graph, Pruning(graph, Influence(0.01, 0.01, floor), len(kept)).protects) == kept
    cut_short = Pruning(graph, Influence(0.01, 0.01, floor), len(kept) - 1)
    assert not chosen(graph, cut_short.protects) and chosen(graph, cut_short.keeps) >= kept


def from_image(graph: Graph, ends: set[Ends]) -> set[int]:
    """The nodes that routes from the first layer reach along these edges."""
    reached = set(range(graph.start))
    for source, target in sorted(ends, key=lambda edge: edge[1]):
        if source in reached and graph.edges[source, target] > 0:
            reached.add(target)
    return reached


# --- pathways of neurons ------------------------------------------------------------------

NAMES = ("residual", "activation_silu", "tied")
ASKED = (Influence(0.8, 0.95, 3), Influence(0.8, 0.9, 0), Influence(0.3, 0.98, 0.5))
PATHS = {
    "effective_path": lambda batch: effective_path.select(batch, theta=0.9),
    "part of one": lambda batch: effective_path.select(batch, theta=0.9, depth=2),
    "lrp": lambda batch: lrp.select(batch, share=0.9),
    **SELECTIONS,
}


@cache
def held(name: str, images: int = 3) -> Batch:
    return case(name, images)


def in_memory(selection: Selection) -> Selection:
    return Selection(
        EdgesInMemory(selection.blocks, selection.bias_fed),
        selection.sparsity,
        selection.neurons,
        selection.ends,
        selection.from_constants,
        selection.first,
    )


def ends_of(found: Pathways, image: int) -> set[Ends]:
    edges = found.edges if found.maps is None else found.maps
    mine = edges.sample == image
    return set(zip(edges.source[mine].tolist(), edges.target[mine].tolist(), strict=True))


@pytest.mark.parametrize("influence", ASKED)
@pytest.mark.parametrize("method", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_are_whole_routes_and_the_floor(name: str, method: str, influence: Influence) -> None:
    batch = held(name)
    selection = in_memory(PATHS[method](batch))
    layered = NeuronEdges(batch, selection)
    pruned = PrunedEdges(batch, selection, influence)
    every = score_pathways(batch, selection, None, 4)
    found = score_pathways(batch, selection, None, 4, influence)
    own, goals = (table.view(layered.images, -1).numpy() for table in (layered.own, layered.goals))
    for image in range(layered.images):
        kept, all_ends = ends_of(found, image), ends_of(every, image)
        assert kept <= all_ends
        entered, left = {t for _, t in kept}, {s for s, _ in kept}
        assert all(s < layered.start or s in entered or own[image, s] for s, _ in kept)
        assert all(goals[image, t] or t in left for _, t in kept)
        allowed: set[Ends] = set()
        protected: set[Ends] = set()
        for incoming_edges in batch.incoming:
            for block, _ in pruned.iterate_into(incoming_edges):
                mine = block.sample == image
                ends = list(zip(block.source[mine].tolist(), block.target[mine].tolist(), strict=True))
                allowed |= set(ends)
                marks = pruned.protects(block)[mine].tolist()
                protected |= {e for e, mark in zip(ends, marks, strict=True) if mark}
        assert protected <= kept <= allowed
    for column in ("edges_all", "bias", "bias_fed"):
        np.testing.assert_array_equal(getattr(found.balance, column), getattr(every.balance, column))
    np.testing.assert_allclose(found.balance.abs_all, every.balance.abs_all, rtol=1e-12)
    for column in ("sample", "rank", "sign", "log10_abs", "route", "neuron", "position"):
        np.testing.assert_array_equal(getattr(found.routes, column), getattr(every.routes, column))
    if isinstance(influence.amount, int):
        there = np.minimum(influence.amount, count_whole(batch, selection))
        assert (found.balance.edges_kept >= there).all()


def count_whole(batch: Batch, selection: Selection) -> np.ndarray:
    """By image and layer how many edges of some influence are on whole routes."""
    everything = score_pathways(batch, selection, None, 0, Influence(1, 1, 0))
    return everything.balance.edges_kept


@pytest.mark.parametrize("method", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_influence_is_all_whole_routes(name: str, method: str) -> None:
    """What a budget that is no smaller than the selection keeps, but for edges without any score."""
    batch = held(name)
    selection = in_memory(PATHS[method](batch))
    every = score_pathways(batch, selection, 10**6, 0)
    found = score_pathways(batch, selection, None, 0, Influence(1, 1, 0))
    for image in range(batch.held.images):
        mine = (every.edges.sample == image) & (every.edges.score != 0)
        ends = zip(every.edges.source[mine].tolist(), every.edges.target[mine].tolist(), strict=True)
        assert ends_of(found, image) == set(ends)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("method", SELECTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_sieved_selection_gives_the_same_pathways(name: str, method: str) -> None:
    """Of edges that are made part by part, those that influence, budget and floor leave."""
    batch = held(name)
    selection = SELECTIONS[method](batch)
    whole = in_memory(selection)
    for influence in (*ASKED, Influence(1, 1, 1)):
        for budget, routes in ((None, 3), (5, 0), (30, 0), (60, 40)):
            same(
                score_pathways(batch, selection, budget, routes, influence),
                score_pathways(batch, whole, budget, routes, influence),
            )


@pytest.mark.parametrize("method", ("neuron_mct", "all"))
def test_a_budget_cuts_what_the_floor_keeps_last(method: str) -> None:
    batch = held("residual")
    selection = PATHS[method](batch)
    influence = Influence(0.9, 0.99, 2)
    free = score_pathways(batch, selection, None, 0, influence).balance.edges_kept
    budget = int(free.sum(1).min()) - 5
    found = score_pathways(batch, selection, budget, 0, influence)
    kept = found.balance.edges_kept
    assert (kept.sum(1) <= budget).all() and (kept.sum(1) > budget - 5).all()
    assert (kept >= np.minimum(2, count_whole(batch, in_memory(selection)))).all()
    for image in range(batch.held.images):
        assert sorted(found.edges.rank[found.edges.sample == image]) == list(range(1, kept[image].sum() + 1))
    tiny = score_pathways(batch, selection, 3, 0, influence).balance.edges_kept
    assert (tiny.sum(1) <= 3).all()


def test_a_larger_share_keeps_no_less_influence() -> None:
    """The influence is that of the whole selection."""
    batch = held("residual")
    selection = in_memory(SELECTIONS["all"](batch))
    layered = NeuronEdges(batch, selection)
    whole, sums = spread_influence(layered), []
    for share in (0.3, 0.5, 0.8, 0.95, 1.0):
        pruned, total = PrunedEdges(batch, selection, Influence(share, floor=0)), 0.0
        for number, incoming_edges in enumerate(batch.incoming):
            for block, _ in pruned.iterate_into(incoming_edges):
                total += float(whole.weigh(layered.part(number, block)).sum())
        sums.append(total)
    assert sums == sorted(sums) and sums[0] < sums[-1]


# --- pathways of maps ---------------------------------------------------------------------


@pytest.mark.parametrize("budget", (None, 12, 20))
@pytest.mark.parametrize("influence", (*ASKED, Influence(1, 1, 1)))
@pytest.mark.parametrize("name", ("plain", "residual", "concatenations"))
def test_maps_are_pruned_alike(name: str, influence: Influence, budget: int | None) -> None:
    batch = held(name)
    selection = channels.select(batch)
    layered = LayeredMaps(batch, selection)
    number_of = {first: number for number, first in enumerate(selection.planes.first.tolist())}
    every = score_map_pathways(batch, selection, None)
    found = score_map_pathways(batch, selection, budget, influence)
    pruning = Pruning(layered, influence, budget)
    assert found.maps is not None
    own, goals = (table.view(layered.images, -1).numpy() for table in (layered.own, layered.goals))
    for image in range(layered.images):
        kept = {(number_of[s], number_of[t]) for s, t in ends_of(found, image)}
        allowed: set[Ends] = set()
        protected: set[Ends] = set()
        for number in range(len(selection.edges)):
            [part] = layered.iterate_parts(number)
            mine, first = part.sample == image, image * layered.width
            for mark, into in ((pruning.keeps, allowed), (pruning.protects, protected)):
                place = mine & mark(part)
                into |= set(
                    zip(
                        (part.sources[place] - first).tolist(),
                        (part.targets[place] - first).tolist(),
                        strict=True,
                    )
                )
        assert protected <= kept <= allowed
        assert budget is None or len(kept) <= budget
        entered, left = {t for _, t in kept}, {s for s, _ in kept}
        assert all(s < layered.start or s in entered or own[image, s] for s, _ in kept)
        assert all(goals[image, t] or t in left for _, t in kept)
    np.testing.assert_array_equal(found.balance.edges_all, every.balance.edges_all)
    np.testing.assert_allclose(found.balance.abs_all, every.balance.abs_all)
    sizes = pd.Series(np.abs(found.maps.score.astype(float)))
    by_layer = sizes.groupby([found.maps.sample, found.maps.layer]).agg(["size", "sum"])
    for (image, layer), (count, size) in zip(by_layer.index, by_layer.to_numpy(), strict=True):
        assert found.balance.edges_kept[image, layer] == count
        assert found.balance.abs_kept[image, layer] == pytest.approx(size)
    assert found.balance.edges_kept.sum() == len(sizes)


def test_a_map_pathway_is_that_of_dense_matrices() -> None:
    batch = held("residual")
    selection = channels.select(batch)
    found = score_map_pathways(batch, selection, None, Influence(0.7, 0.9, 0))
    planes, first = selection.planes, selection.planes.first.tolist()
    goal = planes.of_site(batch.goal)
    for image in range(batch.held.images):
        edges = {
            (int(s), int(t)): abs(float(score))
            for part in selection.edges
            for i, s, t, score in zip(part.sample, part.source, part.target, part.score, strict=True)
            if i == image
        }
        graph = Graph(edges, 2, torch.zeros(6, dtype=torch.bool))
        graph.width, graph.start = planes.count, planes.of_site(batch.compiled.sites[0]).stop
        assert goal.stop - goal.start == 3 and goal.stop == planes.count  # the last three, as in Graph
        _, wanted, _, _ = prune(graph, 0.7, 0.9)
        ours = ends_of(found, image)
        named = {(first[s], first[t]) for s, t in wanted}
        assert ours <= named
        dropped = named - ours
        while dropped:  # what is on no whole route
            entered, left = {t for _, t in named}, {s for s, _ in named}
            goals = {first[n] for n in range(goal.start, goal.stop)}
            loose = {(s, t) for s, t in named if t not in goals and t not in left}
            own = LayeredMaps(batch, selection).own.view(batch.held.images, -1)[image]
            starts = {first[n] for n in range(planes.count) if n < graph.start or bool(own[n])}
            loose |= {(s, t) for s, t in named if s not in starts and s not in entered}
            assert loose
            named -= loose
            dropped = named - ours
        assert ours == named


# --- a trace ------------------------------------------------------------------------------

METHODS: dict[str, dict[str, float]] = {"effective_path": {"theta": 0.99}, "neuron_mct": {}, "channels": {}}


def net(images: int = 5) -> tuple[torch.nn.Module, torch.Tensor]:
    model, shape = nets.made("residual", 2)
    return model.float(), nets.images(shape, images, 1).float()


@pytest.mark.parametrize("method", METHODS)
def test_the_record_says_what_was_asked_and_batches_do_not_matter(method: str, tmp_path: Path) -> None:
    model, images = net()
    ask = {"method": method, "influence": 0.6, "floor": 4, "max_edges": 300, **METHODS[method]}
    traces = [gp.trace(model, images, batch=n, out=tmp_path / str(n), **ask) for n in (1, 2, 5)]
    table = "channels" if method == "channels" else "edges"
    kept = [
        trace.dataset(table).to_table().to_pandas().sort_values(["pathway", "rank"], ignore_index=True)
        for trace in traces
    ]
    assert len(kept[0]) > 0
    for other in kept[1:]:
        pd.testing.assert_frame_equal(kept[0], other, rtol=1e-4, atol=1e-5)
    asked = {"influence": 0.6, "edge_influence": 0.98, "floor": 4, "max_edges": 300}
    assert asked.items() <= traces[0].run["parameters"].items()
    assert len({trace.id for trace in traces}) == 1
    plain = gp.trace(model, images, method=method, max_edges=300, out=tmp_path / "plain", **METHODS[method])
    assert plain.id != traces[0].id
    assert not {"influence", "edge_influence", "floor"} & plain.run["parameters"].keys()
    assert len(plain.dataset(table).to_table()) > len(kept[0])


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_trace_goes_on(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = net(6)
    ask = {"method": method, "influence": 0.7, "edge_influence": 0.9, "floor": 0.3, **METHODS[method]}
    gp.trace(model, images, batch=2, out=tmp_path / "whole", **ask)
    write = TraceWriter.write_part

    def broken(self: TraceWriter, part: int, rows: object) -> None:
        if part == 1:
            raise Killed
        write(self, part, rows)

    with monkeypatch.context() as patch:
        patch.setattr(TraceWriter, "write_part", broken)
        with pytest.raises(Killed):
            gp.trace(model, images, batch=2, out=tmp_path / "broken", **ask)
    with pytest.raises(RecordError, match="holds the trace of run"):
        gp.trace(model, images, out=tmp_path / "broken", **(ask | {"influence": 0.71}))
    gp.trace(model, images, batch=5, out=tmp_path / "broken", **ask)
    assert files(tmp_path / "broken") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"influence": 0}, "influence=0 is no share"),
        ({"influence": 1.5}, "influence=1.5 is no share"),
        ({"influence": float("nan")}, "influence=nan is no share"),
        ({"influence": True}, "influence=True is no share"),
        ({"influence": 0.8, "edge_influence": 0.0}, "edge_influence=0.0 is no share"),
        ({"influence": 0.8, "edge_influence": -1}, "edge_influence=-1 is no share"),
        ({"influence": 0.8, "floor": -1}, "floor=-1 is no floor"),
        ({"influence": 0.8, "floor": 2.5}, "floor=2.5 is no floor"),
        ({"influence": 0.8, "floor": float("inf")}, "floor=inf is no floor"),
        ({"influence": 0.8, "floor": float("nan")}, "floor=nan is no floor"),
        ({"edge_influence": 0.9}, "edge_influence=0.9 means nothing without influence"),
        ({"floor": 3}, "floor=3 means nothing without influence"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, float], told: str, tmp_path: Path) -> None:
    model, images = net(1)
    with pytest.raises(MethodError, match=told):
        gp.trace(model, images, out=tmp_path / "t", **asked)
    assert not (tmp_path / "t").exists()
