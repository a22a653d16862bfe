"""The K largest routes of a selection, found exactly (``graphpath/README.md``, "Routes").

Every edge's strength is that of the best route through it. A route passes a site at most once, so the K-th
best route is at least as strong as the K-th strongest neuron of any one site. Edges weaker than that are on
none of the K. K-best dynamic programming over the few that are left is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from graphpath.tracing.batch import Batch, Ends, as_array
from graphpath.tracing.strength import Links, Strengths, compute_log_gate

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SLACK = 1e-9
"""Logarithms are compared with this much room: sums in another order differ in their last bits."""


@dataclass(frozen=True)
class Routes:
    """The largest routes of a batch's images, by image and then rank.

    Columns (R,): ``sample``, ``rank`` (1 is the largest |contribution|), ``sign`` and ``log10_abs`` of the
    contribution. Columns (S,), route by route from the pixel on: ``route`` (a row of the above),
    ``neuron``, ``position`` (0 is the pixel).
    """

    sample: Ints
    rank: Ints
    sign: Ints
    log10_abs: Floats
    route: Ints
    neuron: Ints
    position: Ints


def make_no_routes() -> Routes:
    """Not one route."""
    nothing = np.empty(0, np.int64)
    return Routes(nothing, nothing, nothing, np.empty(0), nothing, nothing, nothing)


def find_largest_routes(
    batch: Batch,
    edges: tuple[Links, ...],
    reached: Strengths,
    count: int,
    ends: Ends | None = None,
    first: int = 1,
) -> Routes:
    """The ``count`` routes of largest |contribution| from a pixel to ``ends``, for each image.

    Routes end at the target's layer by default, and start at the outputs of the sites before ``first``;
    ``reached`` are the strengths by such routes, without those from constants.
    """
    partial, ends = RouteTable(count), ends or batch.ends
    if count > 0:
        bound = _find_bound(batch, reached, count)
        for part, strength in zip(edges, reached.edges, strict=True):
            chosen = (strength >= bound[part.block.sample]) & torch.isfinite(strength)
            _cross(batch, partial, part, chosen, first)
    return _collect_at_ends(batch, partial, ends)


def _find_bound(batch: Batch, reached: Strengths, count: int) -> torch.Tensor:
    """A lower bound of each image's count-th best route, less some slack: (N,) float64."""
    bound = torch.full((batch.held.images,), -torch.inf, dtype=torch.float64, device=reached.neurons.device)
    for site in batch.compiled.sites:
        if site.size >= count:
            at_site = reached.neurons[:, site.span].topk(count, 1).values[:, -1]
            bound = torch.maximum(bound, at_site)
    return bound - SLACK


@dataclass
class RouteTable:
    """The best partial routes from pixels to neurons found so far: at most ``count`` to a neuron.

    Of each partial route ``key`` is the neuron it reaches, ``log`` and ``sign`` its contribution at the
    neuron's output, ``before`` the partial route that it continues (-1 at a pixel). Those to one neuron are
    neighbours, best first. ``known`` (sorted) are the keys there are; ``first`` and ``held`` are where their
    partial routes begin, and how many there are.
    """

    count: int
    key: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    log: Floats = field(default_factory=lambda: np.empty(0))
    sign: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    before: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    known: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    first: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    held: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def start(self, key: Ints, value: Floats) -> None:
        """Begin partial routes at pixels ``key`` with ``value``; pixels met before are left alone."""
        key, place = np.unique(key, return_index=True)
        new = ~np.isin(key, self.known)
        value, nothing = value[place[new]], np.full(int(new.sum()), -1)
        self.add(key[new], np.log(np.abs(value)), np.sign(value).astype(np.int64), nothing, nothing)

    def extend(self, key: Ints) -> tuple[Ints, Ints]:
        """Every partial route to each of the neurons ``key`` (E,): columns (place in ``key``, route)."""
        if len(self.known) == 0:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        place = np.searchsorted(self.known, key).clip(max=len(self.known) - 1)
        held = np.where(self.known[place] == key, self.held[place], 0)
        edge = np.repeat(np.arange(len(key)), held)
        within = np.arange(len(edge)) - np.repeat(np.cumsum(held) - held, held)
        return edge, self.first[place][edge] + within

    def add(self, key: Ints, log: Floats, sign: Ints, before: Ints, source: Ints) -> None:
        """Keep the best ``count`` of new partial routes to each neuron.

        Ties go to the lower source, then rank.
        """
        order = np.lexsort((before, source, -log, key))
        order = order[count_in_runs(key[order]) < self.count]
        new, first, held = np.unique(key[order], return_index=True, return_counts=True)
        known = np.concatenate([self.known, new])
        sorting = np.argsort(known, kind="stable")
        self.first = np.concatenate([self.first, first + len(self.key)])[sorting]
        self.held = np.concatenate([self.held, held])[sorting]
        self.known = known[sorting]
        self.key = np.concatenate([self.key, key[order]])
        self.log = np.concatenate([self.log, log[order]])
        self.sign = np.concatenate([self.sign, sign[order]])
        self.before = np.concatenate([self.before, before[order]])


def _cross(batch: Batch, partial: RouteTable, part: Links, chosen: torch.Tensor, first: int) -> None:
    """Extend the partial routes by the chosen edges into one layer."""
    block, width = part.block, batch.compiled.network.neurons
    sample, source, target = (
        as_array(column[chosen]) for column in (block.sample, block.source, block.target)
    )
    flow = as_array(block.flow[chosen])
    tail = as_array(batch.held.output[block.sample[chosen], block.source[chosen]]).astype(np.float64)
    start = source < batch.compiled.sites[first].offset
    partial.start(sample[start] * width + source[start], tail[start])
    log_turn, sign_turn = _weigh_edges(batch, part, chosen)
    sign_turn = sign_turn * np.sign(flow) * np.sign(tail)
    edge, way = partial.extend(sample * width + source)
    log, sign = partial.log[way] + log_turn[edge], partial.sign[way] * sign_turn[edge].astype(np.int64)
    partial.add(sample[edge] * width + target[edge], log, sign, way, source[edge])


def _weigh_edges(batch: Batch, part: Links, chosen: torch.Tensor) -> tuple[Floats, Floats]:
    """log |J * gate| of the chosen edges, and the gate's sign."""
    block, site = part.block, part.block.site
    weight = part.log_weight[chosen]
    gate = batch.held.gate(site)
    if gate is None:
        return as_array(weight), np.ones(len(weight))
    at = (block.sample[chosen], block.target[chosen] - site.offset)
    return as_array(weight + compute_log_gate(batch.held, site, at)), as_array(gate[at].sign().double())


def _collect_at_ends(batch: Batch, partial: RouteTable, ends: Ends) -> Routes:
    """The best partial routes to the neurons at which routes end, each weighed as the target asks."""
    width = batch.compiled.network.neurons
    way, seed = _list_ended(partial, ends, width)
    sample = partial.key[way] // width
    total = partial.log[way] + np.log(np.abs(seed))
    order = np.lexsort((way, -total, sample))
    rank = count_in_runs(sample[order])
    order, rank = order[rank < partial.count], rank[rank < partial.count]
    steps = _walk_back(way[order], partial.before, partial.key % width)
    sign = partial.sign[way] * np.sign(seed).astype(np.int64)
    log10 = total[order] / np.log(10)
    return Routes(sample[order], rank + 1, sign[order], log10, *steps)


def _list_ended(partial: RouteTable, ends: Ends, width: int) -> tuple[Ints, Floats]:
    """The partial routes that are at an end, and the end's weight in f."""
    sample, neuron = partial.key // width, partial.key % width
    found, weights = [np.empty(0, np.int64)], [np.empty(0)]
    for site, weight in ends:
        here = np.flatnonzero((neuron >= site.offset) & (neuron < site.span.stop))
        weighed = as_array(weight).astype(np.float64)[sample[here], neuron[here] - site.offset]
        found.append(here[weighed != 0])
        weights.append(weighed[weighed != 0])
    return np.concatenate(found), np.concatenate(weights)


def count_in_runs(ordered: Ints) -> Ints:
    """0, 1, 2, ... within each run of equal values."""
    if len(ordered) == 0:
        return np.empty(0, np.int64)
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    runs = np.diff(np.concatenate([begins, [len(ordered)]]))
    places: Ints = np.arange(len(ordered)) - np.repeat(begins, runs)
    return places


def _walk_back(way: Ints, before: Ints, neuron: Ints) -> tuple[Ints, Ints, Ints]:
    """The steps of routes that end with the partial routes ``way``: (route, neuron, position), in order."""
    none = np.empty(0, np.int64)
    routes, neurons, depths = [none], [none], [none]
    route = np.arange(len(way))
    while len(way):
        routes.append(route)
        neurons.append(neuron[way])
        depths.append(np.full(len(way), len(depths) - 1))
        onward = before[way] >= 0
        route, way = route[onward], before[way][onward]
    all_routes, all_neurons, all_depths = map(np.concatenate, (routes, neurons, depths))
    position = np.bincount(all_routes)[all_routes] - 1 - all_depths
    order = np.lexsort((position, all_routes))
    return all_routes[order], all_neurons[order], position[order]
