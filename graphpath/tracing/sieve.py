"""Of more edges than memory takes, those that a budget and the largest routes can need.

The edges among the neurons that a method chooses are hundreds of millions in a VGG-16 at 224 x 224, of which
a pathway keeps some thousands. They are made twice, part by part: forward, to know the best way to every
neuron, and backward, to know the best route through every edge. An edge is dropped if so many others are
stronger that neither the budget nor the K largest routes can reach it.

That leaves everything else as it was. A route is at most as strong as its weakest edge. So all edges of the
best route through an edge that stays are as strong as that edge, and stay too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphpath.network import IncomingEdges, Site
from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Selection
from graphpath.tracing.neurons import InducedEdges
from graphpath.tracing.pruned import PrunedEdges
from graphpath.tracing.strength import Backward, Forward

SLACK = 1e-5
"""For each site, how far logarithms may be off: flows' are taken in single precision."""

LEAST = torch.finfo(torch.float64).min
"""Less than the logarithm of any strength; that of no route at all is less still."""

ROOM = 1 << 21
"""Edges that may wait, beside four times the budget, until those that cannot be kept are dropped."""


def sieve_selection(
    batch: Batch, selection: Selection, joining: InducedEdges | PrunedEdges, budget: int, routes: int
) -> Selection:
    """``selection`` with those edges alone that ``budget`` or the ``routes`` largest routes can need.

    What there was beside them is counted in ``there`` and ``bias_fed``.
    """
    log = batch.held.output.double().abs().log()
    kinds = [_Strengths(batch, log, from_constants) for from_constants in (False, True)]
    tally = _EdgeTally(batch)
    for incoming in batch.incoming:
        site = incoming.site
        for kind in kinds:
            kind.forward.open(site)
        for part, alone in _iterate_parts(batch, joining, incoming):
            tally.add(part, alone)
            for kind in kinds:
                kind.forward.feed(site, part.places, kind.value(part))
        for kind in kinds:
            kind.close(site)
    blocks = _select_needed(batch, joining, kinds, budget, routes)
    return replace(selection, edges=EdgesInMemory(blocks, tally.bias_fed), there=(tally.edges, tally.scores))


@dataclass(frozen=True, eq=False)
class _Part:
    """Some edges into a site: places of the sources in a table (N, neurons) laid out flat, of the targets in
    one (N, size), and log |flow|."""

    block: EdgeBlock
    sources: Tensor
    places: Tensor
    log_flow: Tensor


def _iterate_parts(
    batch: Batch, joining: InducedEdges | PrunedEdges, incoming: IncomingEdges
) -> Iterator[tuple[_Part, Tensor]]:
    width = batch.compiled.network.neurons
    for block, alone in joining.iterate_into(incoming):
        sources = block.source if batch.held.images == 1 else block.sample * width + block.source
        yield _Part(block, sources, block.places, block.flow.abs().log_()), alone


class _EdgeTally:
    """Of each image and site (N, sites): neurons without an edge, edges, and their |score|."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        shape, device = (batch.held.images, len(batch.compiled.sites)), batch.held.output.device
        self.bias_fed, self.edges = torch.zeros((2, *shape), dtype=torch.int64, device=device)
        self.scores = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(self, part: _Part, alone: Tensor) -> None:
        site, sample, images = part.block.site, part.block.sample, len(self.edges)
        slope = self._batch.held.gradient_before(site).flatten().index_select(0, part.places)
        score = slope.mul_(part.block.flow).abs_().double()
        self.bias_fed[:, site.number] += alone
        self.edges[:, site.number] += sample.bincount(minlength=images)
        self.scores[:, site.number] += sample.bincount(score, minlength=images)


class _Strengths:
    """The strengths of edges by routes of one kind, and the bounds (N,) below which no edge is needed.

    ``bound`` is what the budget needs, ``bound_of_routes`` what the largest routes need.

    ``_ahead`` (N * neurons,) is log |best way to a neuron's output / its output|. Added to log |flow| of an
    edge it gives the best way that ends with that edge. ``_behind`` (N * size of a site,) is log |best route
    through a neuron / best way into it|, for the site whose edges are being met.
    """

    def __init__(self, batch: Batch, log: Tensor, from_constants: bool) -> None:
        """``log`` (N, neurons) is log |output|."""
        self.forward = Forward(batch, from_constants, 1)
        self._batch, self._log, images = batch, log, batch.held.images
        self._ahead = torch.full_like(log, -torch.inf)
        self.close(batch.compiled.sites[0])
        self.bound = torch.full((images,), LEAST, dtype=torch.float64, device=self._log.device)
        self.bound_of_routes = torch.full_like(self.bound, torch.inf)
        self._slack = SLACK * len(batch.compiled.sites)

    def value(self, part: _Part) -> Tensor:
        """log |best way that ends with each edge|: (E,)."""
        return self._ahead.view(-1).index_select(0, part.sources).add_(part.log_flow)

    def close(self, site: Site) -> None:
        """After all edges into ``site``."""
        if site.number > 0:
            self.forward.close(site)
        ahead = self.forward.out[:, site.span] - self._log[:, site.span]
        self._ahead[:, site.span] = torch.where(self._log[:, site.span].isfinite(), ahead, -torch.inf)

    def turn(self) -> None:
        """From forward to backward."""
        self._backward = Backward(self._batch, self.forward, self._batch.ends)

    def meet(self, site: Site) -> None:
        """Before the edges into ``site``, when all out of it were met."""
        neurons = self._backward.neurons[:, site.span]
        behind = neurons - self.forward.list_bests(site)
        self._behind = torch.where(neurons.isfinite(), behind, -torch.inf).flatten()

    def through(self, part: _Part) -> Tensor:
        """log |best route through each edge|, -inf where none passes: (E,)."""
        strength = self.value(part).add_(self._behind.index_select(0, part.places))
        self._backward.neurons.view(-1).scatter_reduce_(0, part.sources, strength, "amax")
        return strength

    def mark_needed(self, sample: Tensor, strength: Tensor) -> Tensor:
        """Which edges are as strong as a bound of their image: (E,) bool."""
        bound = torch.minimum(self.bound, self.bound_of_routes) - self._slack
        return strength >= bound.index_select(0, sample)

    def bound_by_neurons(self, site: Site, count: int) -> None:
        """A route passes a site once, so the ``count`` best are as strong as its ``count``-th best neuron."""
        if site.size >= count:
            best = self._backward.neurons[:, site.span].topk(count, 1).values[:, -1]
            self.bound_of_routes = torch.maximum(self.bound_of_routes, best)

    def bound_by_edges(self, sample: Tensor, strength: Tensor, count: int) -> None:
        """No edge is needed for a budget of ``count`` that is weaker than ``count`` others."""
        order = strength.argsort(descending=True)
        order = order[sample[order].argsort(stable=True)]
        met = sample.bincount(minlength=len(self.bound))
        enough = met >= count
        last = (met.cumsum(0) - met + count - 1)[enough]
        self.bound[enough] = torch.maximum(self.bound[enough], strength[order[last]])


def _select_needed(
    batch: Batch, joining: InducedEdges | PrunedEdges, kinds: list[_Strengths], budget: int, routes: int
) -> tuple[EdgeBlock, ...]:
    """The edges that are needed, a block for each layer of the batch's incoming edges."""
    waiting = _CandidateEdges(kinds, budget, 4 * budget * batch.held.images + ROOM)
    from_image = kinds[0]
    if routes:
        from_image.bound_of_routes.fill_(LEAST)
    for kind in kinds:
        kind.turn()
    for incoming in reversed(batch.incoming):
        for kind in kinds:
            kind.meet(incoming.site)
        if routes:
            from_image.bound_by_neurons(incoming.site, routes)
        for part, _ in _iterate_parts(batch, joining, incoming):
            strength = [kind.through(part) for kind in kinds]
            if isinstance(joining, PrunedEdges):  # what a floor keeps comes before all others
                strength[0].masked_fill_(joining.protects(part.block), torch.inf)
            waiting.add(part.block, strength)
    output = batch.held.output
    return tuple(waiting.block(incoming.site, output.device, output.dtype) for incoming in batch.incoming)


class _CandidateEdges:
    """Edges that may be needed, as far as is known."""

    def __init__(self, kinds: list[_Strengths], budget: int, room: int) -> None:
        self._kinds, self._budget, self._room = kinds, budget, room
        self._parts: list[tuple[EdgeBlock, list[Tensor]]] = []
        self._count = 0

    def add(self, block: EdgeBlock, strength: list[Tensor]) -> None:
        """Take edges with their strengths of each kind."""
        part = self._mark_needed(block, strength)
        self._parts.append(part)
        self._count += len(part[0])
        if self._count > self._room:
            self._drop_unneeded()
            self._room = max(self._room, 2 * self._count)  # many are equally strong

    def block(self, site: Site, device: torch.device, dtype: torch.dtype) -> EdgeBlock:
        """The edges into a site that are needed."""
        mine = [
            self._mark_needed(block, strength)[0] for block, strength in self._parts if block.site is site
        ]
        return EdgeBlock.join(site, [(b.sample, b.source, b.target, b.flow) for b in mine], device, dtype)

    def _drop_unneeded(self) -> None:
        sample = torch.cat([block.sample for block, _ in self._parts])
        for number, kind in enumerate(self._kinds):
            strength = torch.cat([strengths[number] for _, strengths in self._parts])
            kind.bound_by_edges(sample, strength, self._budget)
        from_image, every = self._kinds
        every.bound[from_image.bound > LEAST] = torch.inf  # a budget that is filled already
        self._parts = [self._mark_needed(*part) for part in self._parts]
        self._count = sum(len(block) for block, _ in self._parts)

    def _mark_needed(self, block: EdgeBlock, strength: list[Tensor]) -> tuple[EdgeBlock, list[Tensor]]:
        here = self._kinds[0].mark_needed(block.sample, strength[0])
        for kind, values in zip(self._kinds[1:], strength[1:], strict=True):
            here |= kind.mark_needed(block.sample, values)
        place = here.nonzero()[:, 0]
        return block.take(place), [values.index_select(0, place) for values in strength]
