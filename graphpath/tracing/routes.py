"""The K largest routes of a selection, found exactly (DESIGN §3).

Every edge's strength is that of the best route through it. The K-th best route is at least as strong as
the K-th strongest neuron of any one site, since a route passes a site at most once; so edges weaker than
that are on none of the K, and K-best dynamic programming over the few that are left is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from graphpath.tracing.batch import Batch
from graphpath.tracing.strength import Links, Strengths, log_gate, strengths

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


def largest(batch: Batch, edges: tuple[Links, ...], count: int) -> Routes:
    """The ``count`` routes of largest |contribution| from a pixel to the logit, for each image."""
    if count < 1:
        return _Table(batch, count).routes()
    reached = strengths(batch, edges, from_constants=False)
    table = _Table(batch, count)
    bound = _bound(batch, reached, count)
    for part, strength in zip(edges, reached.edges, strict=True):
        table.cross(part, (strength >= bound[part.block.sample]) & torch.isfinite(strength))
    return table.routes()


def _bound(batch: Batch, reached: Strengths, count: int) -> torch.Tensor:
    """What the count-th best route of each image at least is, less some slack: (N,) float64."""
    bound = torch.full((batch.held.images,), -torch.inf, dtype=torch.float64, device=reached.neurons.device)
    for site in batch.wiring.sites:
        if site.size >= count:
            at_site = reached.neurons[:, site.span].topk(count, 1).values[:, -1]
            bound = torch.maximum(bound, at_site)
    return bound - SLACK


@dataclass
class _Table:
    """The best ways to each neuron found so far: at most ``count`` entries a neuron, best first.

    An entry is a way from a pixel to a neuron's output: its log |contribution|, sign, and the entry that it
    continues (-1 at the pixel). ``_first`` and ``_held`` give a neuron's entries, by its key in the batch.
    """

    batch: Batch
    count: int
    _log: list[Floats] = field(default_factory=list)
    _sign: list[Ints] = field(default_factory=list)
    _before: list[Ints] = field(default_factory=list)
    _key: list[Ints] = field(default_factory=list)
    _entries: int = 0
    _known: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # keys with entries, sorted
    _first: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _held: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def cross(self, part: Links, chosen: torch.Tensor) -> None:
        """Take the chosen edges into one site."""
        block, width = part.block, self.batch.wiring.network.neurons
        sample, source, target = (_numpy(column[chosen]) for column in (block.sample, block.source, block.target))
        if len(sample) == 0:
            return
        output = self.batch.held.output
        tail, flow = _numpy(output[block.sample[chosen], block.source[chosen]]), _numpy(block.flow[chosen])
        if block.site.number > 0:
            self._enter_pixels(sample, source, tail)
        log_weight = _numpy(part.log_weight[chosen])
        edge, entry = self._continued(sample * width + source)
        gate_log, gate_sign = self._gate(block.site.number, sample, target)
        log = np.concatenate([np.empty(0), *self._log])[entry] + log_weight[edge] + gate_log[edge]
        turned = np.sign(flow) * np.sign(tail) * gate_sign
        sign = np.concatenate([np.empty(0, np.int64), *self._sign])[entry] * turned[edge].astype(np.int64)
        self._enter(sample[edge] * width + target[edge], log, sign, entry, source[edge])

    def routes(self) -> Routes:
        """The best ways to the logits."""
        key, log, sign, before = (
            np.concatenate([np.empty(0, kind), *column])
            for kind, column in (
                (np.int64, self._key),
                (np.float64, self._log),
                (np.int64, self._sign),
                (np.int64, self._before),
            )
        )
        width, last = self.batch.wiring.network.neurons, self.batch.wiring.sites[-1]
        entry = np.flatnonzero(key % width >= last.offset)
        sample, logit = key[entry] // width, key[entry] % width - last.offset
        seed = _numpy(self.batch.held.seed).astype(np.float64)[sample, logit]
        total = log[entry] + np.log(np.abs(seed))
        order = np.lexsort((entry, -total, sample))
        rank = _places(sample[order])
        order = order[rank < self.count]
        entry, rank = entry[order], rank[rank < self.count]
        route, neuron, position = _walked(entry, before, key % width)
        return Routes(
            sample[order],
            rank + 1,
            sign[entry] * np.sign(seed[order]).astype(np.int64),
            total[order] / np.log(10),
            route,
            neuron,
            position,
        )

    def _enter_pixels(self, sample: Ints, source: Ints, tail: npt.NDArray[np.floating]) -> None:
        """Entries for pixels met for the first time."""
        width = self.batch.wiring.network.neurons
        pixel = source < self.batch.wiring.sites[0].size
        key, first = np.unique(sample[pixel] * width + source[pixel], return_index=True)
        new = ~np.isin(key, self._known)
        value = tail[pixel][first][new].astype(np.float64)
        nothing = np.full(int(new.sum()), -1)
        self._enter(key[new], np.log(np.abs(value)), np.sign(value).astype(np.int64), nothing, nothing)

    def _continued(self, key: Ints) -> tuple[Ints, Ints]:
        """For edges from neurons ``key``: each with every entry of its neuron, as (edge, entry) columns."""
        place = np.searchsorted(self._known, key).clip(max=max(len(self._known) - 1, 0))
        known = self._known[place] == key
        held = np.where(known, self._held[place], 0)
        edge = np.repeat(np.arange(len(key)), held)
        within = np.arange(len(edge)) - np.repeat(np.cumsum(held) - held, held)
        return edge, self._first[place][edge] + within

    def _gate(self, number: int, sample: Ints, target: Ints) -> tuple[Floats, Floats]:
        site = self.batch.wiring.sites[number]
        gate = self.batch.held.gate(site)
        if gate is None:
            return np.zeros(len(sample)), np.ones(len(sample))
        local = target - site.offset
        log = _numpy(log_gate(self.batch.held, site))[sample, local]
        return log, np.sign(_numpy(gate)[sample, local]).astype(np.float64)

    def _enter(self, key: Ints, log: Floats, sign: Ints, before: Ints, source: Ints) -> None:
        """Keep the best ``count`` of the new ways to each neuron; ties to the lower source."""
        order = np.lexsort((before, source, -log, key))
        order = order[_places(key[order]) < self.count]
        for column, new in (
            (self._key, key),
            (self._log, log),
            (self._sign, sign),
            (self._before, before),
        ):
            column.append(new[order])  # type: ignore[attr-defined]
        neuron, first, held = np.unique(key[order], return_index=True, return_counts=True)
        self._known, place = _merged(self._known, neuron)
        self._first = np.concatenate([self._first, first + self._entries])[place]
        self._held = np.concatenate([self._held, held])[place]
        self._entries += len(order)


def _merged(known: Ints, new: Ints) -> tuple[Ints, Ints]:
    joined = np.concatenate([known, new])
    order = np.argsort(joined, kind="stable")
    return joined[order], order


def _places(sorted_keys: Ints) -> Ints:
    """0, 1, 2, ... within each run of equal keys."""
    if len(sorted_keys) == 0:
        return np.empty(0, np.int64)
    begins = np.flatnonzero(np.concatenate([[True], sorted_keys[1:] != sorted_keys[:-1]]))
    runs = np.diff(np.concatenate([begins, [len(sorted_keys)]]))
    places: Ints = np.arange(len(sorted_keys)) - np.repeat(begins, runs)
    return places


def _walked(entry: Ints, before: Ints, neuron: Ints) -> tuple[Ints, Ints, Ints]:
    """The steps of routes that end with ``entry``: columns (route, neuron, position), ordered."""
    routes, neurons, depths = [], [], []
    route, depth = np.arange(len(entry)), 0
    while len(entry):
        routes.append(route)
        neurons.append(neuron[entry])
        depths.append(np.full(len(entry), depth))
        onward = before[entry] >= 0
        route, entry = route[onward], before[entry][onward]
        depth += 1
    if not routes:
        return (np.empty(0, np.int64),) * 3
    all_routes, all_neurons, all_depths = map(np.concatenate, (routes, neurons, depths))
    length = np.bincount(all_routes)
    position = length[all_routes] - 1 - all_depths
    order = np.lexsort((position, all_routes))
    return all_routes[order], all_neurons[order], position[order]


def _numpy(tensor: torch.Tensor) -> npt.NDArray[np.float64]:
    array: npt.NDArray[np.float64] = tensor.detach().cpu().numpy()
    return array
