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
    ends = ends or batch.ends
    forward = Forward(batch, from_constants, first, _mark_met(batch, edges, ends))
    arriving = []
    for part in edges:
        site = part.block.site
        forward.open(site)
        arriving.append(forward.value(part))
        forward.feed(site, part.block.places, arriving[-1])
        forward.close(site)
    backward = Backward(batch, forward, ends)
    found = [
        backward.through(part, value) for part, value in zip(reversed(edges), reversed(arriving), strict=True)
    ]
    return Strengths(tuple(reversed(found)), backward.neurons, forward.born)


def _mark_met(batch: Batch, edges: tuple[Links, ...], ends: Ends) -> Tensor:
    """Which neurons have an edge or end a route: (N, neurons) bool. Of a deep network these are few."""
    met = torch.zeros_like(batch.held.output, dtype=torch.bool)
    for part in edges:
        met[part.block.sample, part.block.source] = True
        met[part.block.sample, part.block.target] = True
    for site, weight in ends:
        met[:, site.span] |= weight != 0
    return met


Places = tuple[Tensor | slice, Tensor | slice]
"""Some neurons of a site, in a table (N, size): rows and columns."""
EVERY: Places = (slice(None), slice(None))


class Forward:
    """The best ways from the starts to every neuron: sites are opened, fed with edges and closed, in order.

    ``met`` (N, neurons) bool are the neurons that are looked at, all by default; no way is known to others.
    ``out`` (N, neurons) float64 is log |best| at the neurons' outputs. For each site ``_best`` (N, size) is
    the same before its activation, and ``_short`` (N, size) how far that ends below phi(0), if it does.
    """

    def __init__(self, batch: Batch, from_constants: bool, first: int, met: Tensor | None = None) -> None:
        self._batch, self._from_constants, self._first, self._met = batch, from_constants, first, met
        held, before = batch.held, batch.compiled.sites[first].offset
        self.out = torch.full(held.output.shape, -torch.inf, dtype=torch.float64, device=held.output.device)
        self.out[:, :before] = held.output[:, :before].double().abs().log()
        self.born = torch.zeros_like(held.output, dtype=torch.bool)
        self._best: dict[int, Tensor] = {}
        self._short: dict[int, Tensor] = {}
        self._places: dict[int, Places] = {}

    def open(self, site: Site) -> None:
        """Before any edge into ``site``: what begins there."""
        if site.number < self._first:  # no edges: routes start at its output as it is
            self._best[site.number] = self.out[:, site.span].clone()
            return
        self._places[site.number] = self._find_met(site)
        self._best[site.number] = self._spread(site, self._start(site), -torch.inf)

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
        at = self._places[site.number]
        start, best = self._start(site), self._best[site.number][at]
        out, floor = best + compute_log_gate(self._batch.held, site, at), self._floor(site)
        if self._from_constants and floor > -torch.inf:
            short = torch.where(out < floor, floor - out, 0)
            self._short[site.number] = self._spread(site, short, 0.0)
        self.born[:, site.span][at] = ((best == start) & torch.isfinite(start)) | (out < floor)
        self.out[:, site.span][at] = out.clamp(min=floor)

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

    def _find_met(self, site: Site) -> Places:
        if self._met is None:
            return EVERY
        row, column = self._met[:, site.span].nonzero(as_tuple=True)
        return row, column

    def _start(self, site: Site) -> Tensor:
        """Where ways to the site's neurons that are looked at begin there: log |constant|, else -inf."""
        constant = self._batch.constants[site.number - 1][self._places[site.number]]
        if self._from_constants:
            return constant.double().abs().log()
        return torch.full_like(constant, -torch.inf, dtype=torch.float64)

    def _spread(self, site: Site, values: Tensor, rest: float) -> Tensor:
        """The values of the neurons that are looked at as a table (N, size), ``rest`` elsewhere."""
        shape = (self.out.shape[0], site.size)
        table = torch.full(shape, rest, dtype=torch.float64, device=self.out.device)
        table[self._places[site.number]] = values
        return table

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


def compute_log_gate(held: Held, site: Site, at: Places = EVERY) -> Tensor:
    """log |gate| of a site's neurons at these places, float64, or a scalar 0 where it has no activation."""
    gate = held.gate(site)
    if gate is None:
        return torch.zeros((), dtype=torch.float64, device=held.output.device)
    return gate[at].double().abs().log()
