"""How strong an edge is: the largest |contribution| of a route through it within the selection.

Max-product over the selection, in logarithms, because 10^-18 is usual in a VGG-16. The forward pass finds the
best way to every neuron, the backward pass the best route through every edge. An edge's strength is its
target's, less what the edge falls short of the best edge there. So edges of one best route have equal
strength to the bit, and cutting at any strength leaves whole routes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network import Held, Site
from graphpath.tracing.batch import Batch, EdgeBlock, Ends, Selection


@dataclass(frozen=True, eq=False)
class Links:
    """A block of edges with, for each, log |J|, where J is the edge's weight in the held network."""

    block: EdgeBlock
    log_weight: Tensor  # (E,) float64


@dataclass(frozen=True, eq=False)
class Strengths:
    """Logarithms of strengths, -inf where no route passes.

    ``edges`` has a tensor (E,) float64 for each block. ``neurons`` (N, neurons) float64 is the strongest
    route through each neuron, ``born`` (N, neurons) bool whether the best way to it starts at its constant.
    """

    edges: tuple[Tensor, ...]
    neurons: Tensor
    born: Tensor


def weigh_selection(batch: Batch, selection: Selection) -> tuple[Links, ...]:
    """The edges of a selection with the logarithms of their weights |flow / a|."""
    return tuple(weigh_edges(batch, block) for block in selection.blocks)


def weigh_edges(batch: Batch, block: EdgeBlock) -> Links:
    """Edges with the logarithms of their weights |flow / a|."""
    tail = batch.held.output[block.sample, block.source].double().abs().log()
    return Links(block, block.flow.double().abs().log() - tail)


def compute_strengths(
    batch: Batch, edges: tuple[Links, ...], from_constants: bool, ends: Ends | None = None, first: int = 1
) -> Strengths:
    """The strength of every edge and neuron of a selection.

    Routes start at the outputs of the sites before number ``first``, by default at pixels, and with
    ``from_constants`` also at any later neuron's constant; they end at ``ends``, by default the goal.
    """
    forward = Forward(batch, from_constants, first)
    arriving = []
    for part in edges:
        site = part.block.site
        forward.open(site)
        arriving.append(forward.value(part))
        forward.feed(site, part.block.places, arriving[-1])
        forward.close(site)
    backward = Backward(batch, forward, ends or batch.ends)
    found = [
        backward.through(part, value) for part, value in zip(reversed(edges), reversed(arriving), strict=True)
    ]
    return Strengths(tuple(reversed(found)), backward.neurons, forward.born)


class Forward:
    """The best ways from the starts to every neuron: sites are opened, fed with edges and closed, in order.

    ``out`` (N, neurons) float64 is log |best| at the neurons' outputs. For each site ``_best`` (N, size) is
    the same before its activation, and ``_short`` (N, size) how far that ends below phi(0), if it does.
    """

    def __init__(self, batch: Batch, from_constants: bool, first: int) -> None:
        self._batch, self._from_constants, self._first = batch, from_constants, first
        held, before = batch.held, batch.compiled.sites[first].offset
        self.out = torch.full(held.output.shape, -torch.inf, dtype=torch.float64, device=held.output.device)
        self.out[:, :before] = held.output[:, :before].double().abs().log()
        self.born = torch.zeros_like(held.output, dtype=torch.bool)
        self._best: dict[int, Tensor] = {}
        self._short: dict[int, Tensor] = {}

    def open(self, site: Site) -> None:
        """Before any edge into ``site``: what begins there."""
        early = site.number < self._first  # no edges: routes start at its output as it is
        self._best[site.number] = self.out[:, site.span].clone() if early else self._start(site)

    def value(self, part: Links) -> Tensor:
        """log |best way that ends with each edge|, before the activation of its target: (E,)."""
        return self.out[part.block.sample, part.block.source] + part.log_weight

    def feed(self, site: Site, places: Tensor, value: Tensor) -> None:
        """Take edges into the open site, with values, by their targets' places (``EdgeBlock.places``)."""
        self._best[site.number].view(-1).scatter_reduce_(0, places, value, "amax")

    def close(self, site: Site) -> None:
        """After all edges into ``site``: the best ways to the outputs of its neurons."""
        if site.number < self._first:
            return
        start, best = self._start(site), self._best[site.number]
        out, floor = best + compute_log_gate(self._batch.held, site), self._floor(site)
        if self._from_constants and floor > -torch.inf:
            self._short[site.number] = torch.where(out < floor, floor - out, 0)
        self.born[:, site.span] = ((best == start) & torch.isfinite(start)) | (out < floor)
        self.out[:, site.span] = out.clamp(min=floor)

    def measure_gap(self, part: Links, value: Tensor) -> Tensor:
        """How far each edge falls short of the best way to its target, exactly 0 for the best, (E,)."""
        number, places = part.block.site.number, part.block.places
        gap = self._best[number].view(-1)[places] - value
        short = self._short.get(number)
        return gap if short is None else gap + short.view(-1)[places]

    def list_bests(self, site: Site) -> Tensor:
        """What ways into a closed site are compared with: the best, or phi(0) if that is more, (N, size)."""
        short, best = self._short.get(site.number), self._best[site.number]
        return best if short is None else best + short

    def _start(self, site: Site) -> Tensor:
        if self._from_constants:
            return self._batch.constants[site.number - 1].double().abs().log()
        shape = (self.out.shape[0], site.size)
        return torch.full(shape, -torch.inf, dtype=torch.float64, device=self.out.device)

    def _floor(self, site: Site) -> float:
        at_zero = 0.0 if site.activation is None else abs(site.activation.at_zero)
        if not self._from_constants or at_zero == 0:
            return -torch.inf
        return float(torch.tensor(at_zero, dtype=torch.float64).log())


class Backward:
    """The best routes through every neuron: edges are met site by site, from the ends back.

    ``neurons`` (N, neurons) float64 is log |best|, final for a site when all edges out of it were met.
    """

    def __init__(self, batch: Batch, forward: Forward, ends: Ends) -> None:
        self._forward = forward
        self.neurons = torch.full_like(forward.out, -torch.inf)
        for site, weight in ends:
            self.neurons[:, site.span] = forward.out[:, site.span] + weight.double().abs().log()

    def through(self, part: Links, value: Tensor) -> Tensor:
        """log |best route through each edge|, -inf where none passes: (E,)."""
        block = part.block
        strength = self.neurons[block.sample, block.target] - self._forward.measure_gap(part, value)
        strength = torch.where(torch.isfinite(value), strength, -torch.inf)
        place = block.sample * self.neurons.shape[1] + block.source
        self.neurons.view(-1).scatter_reduce_(0, place, strength, "amax")
        return strength


def compute_log_gate(held: Held, site: Site) -> Tensor:
    """log |gate| of a site's neurons: (N, size) float64, or a scalar 0 where it has no activation."""
    gate = held.gate(site)
    if gate is None:
        return torch.zeros((), dtype=torch.float64, device=held.output.device)
    return gate.double().abs().log()
