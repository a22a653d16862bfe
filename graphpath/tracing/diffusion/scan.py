"""From where the signals of pixels are to the edges that carry them.

A pixel of a VGG-16 at 32 x 32 has 35 million live edges. The scan looks at those between the large maps of
the pixels, a bounded number at a time, and never holds more than a few times what it keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graphpath.network import IncomingEdges
from graphpath.network.incoming import FlowRows
from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Ends, Selection

Columns = tuple[Tensor, ...]
"""Edges: pathway, source, target, flow, and how much of the pixels' signals they carry."""


def scan_edges(
    batch: Batch, carrier: Mapping[int, IncomingEdges], mass: Tensor, ends: Ends, limit: int
) -> Selection:
    """The edges that carry the signals of pixels, for a batch with a row for each of Q pathways.

    An edge n -> m is a candidate if its flow ``J * a_n`` is not 0 and both neurons hold some of the pixels'
    signals (``mass`` (Q, neurons)); it carries ``|K * gate_m| * mass_n``, where K is the kernel's weight of
    the edge (``carrier``, by the number of the site: J for signed, 1 + w along its taps for plus_one). Site
    by site, in the order they run, the ``limit`` candidates that carry most are kept of those whose source is
    a pixel or is reached by kept edges, ties to the smaller (target, source). Then what leads to no neuron of
    ``ends`` is dropped, so every kept edge lies on a kept route.
    """
    held, sites = batch.held, batch.compiled.sites
    reached = torch.zeros_like(mass, dtype=torch.bool)
    first = sites[0].span
    reached[:, first] = (mass[:, first] > 0) & (held.output[:, first] != 0)
    there = mass.new_zeros((2, held.images, len(sites)), dtype=torch.float64)
    blocks = []
    for number, kernel in sorted(carrier.items()):
        incoming = batch.compiled.incoming[number - 1]
        kept, found = _Scan(batch, incoming, kernel, limit).select_edges(mass, reached)
        there[:, :, number] = found
        reached[kept[0], kept[2]] = True
        blocks.append(EdgeBlock(incoming.site, *kept[:4]))
    blocks = _drop_dead_ends(blocks, reached, ends)
    none_fed = torch.zeros((held.images, len(sites)), dtype=torch.int64, device=mass.device)
    return Selection(
        EdgesInMemory(tuple(blocks), none_fed),
        torch.full((held.images,), torch.nan),
        ends=ends,
        from_constants=False,
        there=(there[0].long(), there[1]),
    )


@dataclass(eq=False)
class _Scan:
    """The edges into one site.

    ``cut`` (Q,) is below what the edges of each pathway carry that can still be kept.
    """

    batch: Batch
    incoming: IncomingEdges
    kernel: IncomingEdges
    limit: int
    cut: Tensor = field(init=False)
    found: list[Columns] = field(default_factory=list)
    waiting: int = 0

    def __post_init__(self) -> None:
        output = self.batch.held.output
        self.cut = torch.zeros(len(output), dtype=output.dtype, device=output.device)

    def select_edges(self, mass: Tensor, reached: Tensor) -> tuple[Columns, Tensor]:
        """The kept edges, and how many candidates and |score| there were: (2, Q)."""
        held, site = self.batch.held, self.incoming.site
        there = mass.new_zeros((2, len(mass)), dtype=torch.float64)
        targets, live = mass[:, site.span] > 0, reached & (mass > 0)
        flows = self.batch.iterate_rows(self.incoming, targets, held.elements.values(held.output * live))
        carried = self.batch.iterate_rows(self.kernel, targets, held.elements.values(mass * live))
        gradient, gate = held.gradient_before(site), held.gate(site)
        for flow, carrying in zip(flows, carried, strict=True):
            at = (flow.sample, flow.target)
            strength = carrying.flow.abs_()
            if gate is not None:
                strength *= gate[at].abs()[:, None]
            strength *= flow.flow != 0
            score = (flow.flow.abs() * (strength > 0)).sum(1) * gradient[at].abs()
            there[0].index_add_(0, flow.sample, strength.count_nonzero(1).double())
            there[1].index_add_(0, flow.sample, score.double())
            self._add(flow, strength)
        return self._select_strongest(), there

    def _add(self, flow_rows: FlowRows, strength: Tensor) -> None:
        """Note the candidates of a block of flows that can still be kept."""
        row, column = (strength > self.cut[flow_rows.sample][:, None]).nonzero(as_tuple=True)
        carried, sample = strength[row, column], flow_rows.sample[row]
        for pathway in flow_rows.sample.unique().tolist():
            self._raise_cut(pathway, carried[sample == pathway])
        kept = carried > self.cut[sample]
        row, column, carried, sample = row[kept], column[kept], carried[kept], sample[kept]
        if len(row) == 0:
            return
        source, target = flow_rows.sources(row, column), flow_rows.target[row] + flow_rows.site.offset
        self.found.append((sample, source, target, flow_rows.flow[row, column], carried))
        self.waiting += len(row)
        if self.waiting > 4 * self.limit * len(self.cut):
            self.found = [self._select_strongest()]
            self.waiting = len(self.found[0][0])

    def _raise_cut(self, pathway: int, carried: Tensor) -> None:
        """Bring a pathway's cut just below the limit-th of these, where there are more."""
        if len(carried) <= self.limit:
            return
        least = carried.kthvalue(len(carried) - self.limit + 1).values
        below = torch.nextafter(least, torch.zeros_like(least))
        self.cut[pathway] = torch.maximum(self.cut[pathway], below)

    def _select_strongest(self) -> Columns:
        """The ``limit`` edges of each pathway that carry most."""
        if not self.found:
            none = EdgeBlock.join(
                self.incoming.site, [], self.batch.images.device, self.batch.held.output.dtype
            )
            return none.sample, none.source, none.target, none.flow, none.flow
        columns = tuple(torch.cat(column) for column in zip(*self.found, strict=True))
        sample, source, target, _, carried = columns
        # Stable sorts from the last key to the first: by pathway, what is carried, target, source.
        order = source.argsort()
        for key, falling in ((target, False), (carried, True), (sample, False)):
            order = order[torch.argsort(key[order], descending=falling, stable=True)]
        ordered = sample[order].contiguous()
        place = torch.arange(len(order), device=order.device) - torch.searchsorted(ordered, ordered)
        order = order[place < self.limit]
        return tuple(column[order] for column in columns)


def _drop_dead_ends(blocks: list[EdgeBlock], reached: Tensor, ends: Ends) -> list[EdgeBlock]:
    """The blocks without the edges from which no end is reached."""
    leading = torch.zeros_like(reached)
    for site, weight in ends:
        leading[:, site.span] = reached[:, site.span] & (weight != 0)
    kept = []
    for block in reversed(blocks):
        on = leading[block.sample, block.target]
        block = EdgeBlock(block.site, block.sample[on], block.source[on], block.target[on], block.flow[on])
        leading[block.sample, block.source] = True
        kept.append(block)
    return kept[::-1]
