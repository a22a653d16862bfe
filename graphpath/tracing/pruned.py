"""A selection of edges between neurons pruned by influence: which of its edges stay, made when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from graphpath.network import IncomingEdges
from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Selection
from graphpath.tracing.influence import Influence, Part, Pruning
from graphpath.tracing.neurons import InducedEdges


class NeuronEdges:
    """A selection's edges by layer (``LayeredEdges``), numbered as the network's neurons are."""

    def __init__(self, batch: Batch, selection: Selection) -> None:
        held, sites = batch.held, batch.compiled.sites
        self._batch, self._edges = batch, selection.edges
        self.images, self.width = held.images, batch.compiled.network.neurons
        self.layers = tuple(incoming.site.span for incoming in batch.incoming)
        self.start = sites[selection.first].offset
        self.own = self._mark_constants() if selection.from_constants else self._mark_none()
        self.own = self.own.flatten()
        goals = self._mark_none()
        for site, weight in selection.ends or batch.ends:
            goals[:, site.span] |= weight != 0
        self.goals = goals.flatten()

    def iterate_parts(self, number: int) -> Iterator[Part]:
        """The edges into the ``number``-th of the layers; all those of one target are in one part."""
        if isinstance(self._edges, InducedEdges):
            for block, _ in self._edges.iterate_into(self._batch.incoming[number]):
                yield self.part(number, block)
        else:
            yield self.part(number, self._edges.blocks[number])

    def part(self, number: int, block: EdgeBlock) -> Part:
        """Edges into the ``number``-th of the layers with their |score|."""
        slope = self._batch.held.gradient_before(block.site).flatten()[block.places]
        first = block.sample * self.width
        size = (block.flow.double() * slope.double()).abs()
        return Part(number, block.sample, first + block.source, first + block.target, size)

    def _mark_none(self) -> Tensor:
        return torch.zeros_like(self._batch.held.output, dtype=torch.bool)

    def _mark_constants(self) -> Tensor:
        """The neurons at which routes from a constant start: (N, neurons) bool."""
        own = self._mark_none()
        for site, constants in zip(self._batch.compiled.sites[1:], self._batch.constants, strict=True):
            at_zero = site.activation is not None and site.activation.at_zero != 0
            own[:, site.span] = (constants != 0) | at_zero
        return own


class PrunedEdges:
    """The edges of a selection that stay."""

    def __init__(
        self, batch: Batch, selection: Selection, influence: Influence, most: int | None = None
    ) -> None:
        """``most`` is the most edges of an image that the floor of ``influence`` may keep."""
        self._batch, self._all = batch, selection.edges
        self._edges = NeuronEdges(batch, selection)
        self._pruning = Pruning(self._edges, influence, most)
        self._number = {incoming.site.number: n for n, incoming in enumerate(batch.incoming)}

    def iterate_into(self, incoming: IncomingEdges) -> Iterator[tuple[EdgeBlock, Tensor]]:
        """The edges into a site that stay, some at a time, and 0 for each image."""
        number, none = self._number[incoming.site.number], torch.zeros(self._edges.images, dtype=torch.int64)
        for block in self._iterate_all(incoming):
            kept = self._pruning.keeps(self._edges.part(number, block)).nonzero()[:, 0]
            yield block.take(kept), none.to(kept.device)

    def protects(self, block: EdgeBlock) -> Tensor:
        """Which edges the floor keeps: (E,) bool."""
        return self._pruning.protects(self._edges.part(self._number[block.site.number], block))

    def load(self, selection: Selection) -> Selection:
        """``selection`` with the edges that stay, in memory."""
        output, blocks = self._batch.held.output, []
        for incoming in self._batch.incoming:
            parts = [(b.sample, b.source, b.target, b.flow) for b, _ in self.iterate_into(incoming)]
            blocks.append(EdgeBlock.join(incoming.site, parts, output.device, output.dtype))
        return replace(selection, edges=EdgesInMemory(tuple(blocks), selection.bias_fed))

    def _iterate_all(self, incoming: IncomingEdges) -> Iterator[EdgeBlock]:
        if isinstance(self._all, InducedEdges):
            for block, _ in self._all.iterate_into(incoming):
                yield block
        else:
            yield self._all.blocks[self._number[incoming.site.number]]
