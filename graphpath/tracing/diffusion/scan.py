"""From where the signals of pixels are to the edges that carry them.

A pixel of a VGG-16 at 32 x 32 has 35 million live edges. The scan looks at those between the large maps of
the pixels, a bounded number at a time, and never holds more than a few times what it keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from graphpath.network import Inlets, Site
from graphpath.network.inlets import Fan
from graphpath.tracing.batch import Batch, Block, Ends, Selection, Wiring

Columns = tuple[Tensor, ...]
"""Edges: pathway, source, target, flow, and how much of the pixels' signals they carry."""


def scan(
    batch: Batch, carrier: Wiring, sites: tuple[Site, ...], mass: Tensor, ends: Ends, limit: int
) -> Selection:
    """The edges that carry the signals of pixels, for a batch with a row for each of Q pathways.

    An edge n -> m is a candidate if its flow ``J * a_n`` is not 0 and both neurons hold some of the pixels'
    signals (``mass`` (Q, neurons)); it carries ``|K * gate_m| * mass_n``, where K is the kernel's weight of
    the edge (``carrier``: J for signed, 1 + w along its taps for plus_one). Site by site, in the order they
    run, the ``limit`` candidates that carry most are kept of those whose source is a pixel or is reached by
    kept edges, ties to the smaller (target, source). Then what leads to no neuron of ``ends`` is dropped, so
    every kept edge lies on a kept route.
    """
    held, last = batch.held, sites[-1].number
    reached = torch.zeros_like(mass, dtype=torch.bool)
    first = sites[0].span
    reached[:, first] = (mass[:, first] > 0) & (held.output[:, first] != 0)
    there = mass.new_zeros((2, held.images, len(batch.wiring.sites)), dtype=torch.float64)
    blocks = []
    wanted = {site.number for site in sites}
    for inlets, kernel in zip(batch.wiring.inlets[:last], carrier.inlets[:last], strict=True):
        if inlets.site.number not in wanted:
            continue
        kept, found = _Scan(batch, inlets, kernel, limit).edges(mass, reached)
        there[:, :, inlets.site.number] = found
        reached[kept[0], kept[2]] = True
        blocks.append(Block(inlets.site, *kept[:4]))
    blocks = _leading_to(blocks, reached, ends)
    return Selection(
        tuple(blocks),
        torch.zeros((held.images, len(batch.wiring.sites)), dtype=torch.int64, device=mass.device),
        torch.full((held.images,), torch.nan),
        ends=ends,
        from_constants=False,
        there=(there[0].long(), there[1]),
    )


@dataclass(eq=False)
class _Scan:
    """The edges into one site."""

    batch: Batch
    inlets: Inlets
    kernel: Inlets
    limit: int
    held: list[Columns] = field(default_factory=list)
    waiting: int = 0

    def edges(self, mass: Tensor, reached: Tensor) -> tuple[Columns, Tensor]:
        """The kept edges, and how many candidates and |score| there were: (2, Q)."""
        batch, site = self.batch, self.inlets.site
        there = mass.new_zeros((2, len(mass)), dtype=torch.float64)
        targets = mass[:, site.span] > 0
        elements = batch.held.elements
        flows = batch.fans(self.inlets, targets, elements.values(batch.held.output * reached))
        carried = batch.fans(self.kernel, targets, elements.values(mass * reached))
        gradient, gate = batch.held.gradient_before(site), batch.held.gate(site)
        for flow, carrying in zip(flows, carried, strict=True):
            at = (flow.sample, flow.target)
            score = flow.flow.double() * gradient[at][:, None]
            strength = carrying.flow.abs() if gate is None else carrying.flow.abs() * gate[at].abs()[:, None]
            live = (flow.flow != 0) & (strength > 0)
            there[0].index_add_(0, flow.sample, live.sum(1).double())
            there[1].index_add_(0, flow.sample, (score.abs() * live).sum(1))
            self._add(flow, strength, live)
        return self._strongest(), there

    def _add(self, fan: Fan, strength: Tensor, live: Tensor) -> None:
        row, column = live.nonzero(as_tuple=True)
        if len(row) == 0:
            return
        source = fan.sources(row, column)
        target = fan.target[row] + fan.site.offset
        self.held.append((fan.sample[row], source, target, fan.flow[row, column], strength[row, column]))
        self.waiting += len(row)
        if self.waiting > 4 * self.limit * len(self.batch.images):
            self.held = [self._strongest()]
            self.waiting = len(self.held[0][0])

    def _strongest(self) -> Columns:
        """The ``limit`` edges of each pathway that carry most."""
        if not self.held:
            none = Block.joined(self.inlets.site, [], self.batch.images.device, self.batch.held.output.dtype)
            return none.sample, none.source, none.target, none.flow, none.flow
        columns = tuple(torch.cat(column) for column in zip(*self.held, strict=True))
        sample, source, target, _, strength = columns
        # Stable sorts from the last key to the first: by pathway, strength, target, source.
        order = source.argsort()
        for key, falling in ((target, False), (strength, True), (sample, False)):
            order = order[torch.argsort(key[order], descending=falling, stable=True)]
        first = torch.searchsorted(sample[order].contiguous(), sample[order].contiguous())
        place = torch.arange(len(order), device=order.device) - first
        order = order[place < self.limit]
        return tuple(column[order] for column in columns)


def _leading_to(blocks: list[Block], reached: Tensor, ends: Ends) -> list[Block]:
    """The blocks without the edges from which no end is reached."""
    leading = torch.zeros_like(reached)
    for site, weight in ends:
        leading[:, site.span] = reached[:, site.span] & (weight != 0)
    kept = []
    for block in reversed(blocks):
        on = leading[block.sample, block.target]
        block = Block(block.site, block.sample[on], block.source[on], block.target[on], block.flow[on])
        leading[block.sample, block.source] = True
        kept.append(block)
    return kept[::-1]
