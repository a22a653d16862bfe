"""From neurons to edges: the common rule of all methods that select neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import IncomingEdges
from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Selection


def mark_thresholded(batch: Batch) -> Tensor:
    """The neurons that methods threshold: (neurons,) bool.

    They are those of the sites with an activation that lie on a way to the goal. Raises MethodError where
    there are none.
    """
    network, goal = batch.compiled.network, batch.goal
    mask = torch.zeros(network.neurons, dtype=torch.bool, device=network.device)
    for site in network.sites[: goal.number]:
        mask[site.span] = site.activation is not None and batch.held.leads[site.number]
    if not bool(mask.any()):
        where = "The network has" if goal.kind == "logits" else f"Before {goal.name} there is"
        raise MethodError(f"{where} no activation, so there are no neurons to select among.")
    return mask


def most(batch: Batch, score: Tensor, sparsity: float) -> Tensor:
    """The neurons whose score is above the percentile ``sparsity`` of all thresholded ones, layers pooled.

    ``score`` (N, neurons); one threshold for each image (Khakzar et al. 2021). A score of zero is never
    selected, so fewer than 1 - sparsity may be. Returns (N, neurons) bool.
    """
    pool = mark_thresholded(batch)
    mask = torch.zeros_like(score, dtype=torch.bool)
    mask[:, pool] = mark_above(score[:, pool], sparsity)
    return mask


def mark_above(score: Tensor, sparsity: float) -> Tensor:
    """The values above their row's percentile ``sparsity`` and above 0: (N, K) bool."""
    rank = score.shape[1] - count_above(score.shape[1], sparsity)
    # Above the rank-th smallest and above the interpolated percentile are the same.
    cut = score.kthvalue(rank, 1).values[:, None] if rank > 0 else 0
    return (score > cut) & (score > 0)


def count_above(count: int, sparsity: float) -> int:
    """How many of ``count`` different scores are above their percentile ``sparsity``; at 0, all of them.

    Raises MethodError where ``sparsity`` is out of range.
    """
    if not 0 <= sparsity < 1:
        raise MethodError(f"sparsity={sparsity} is out of range; expected a share from 0 to below 1.")
    return count if sparsity == 0 else count - int(sparsity * (count - 1)) - 1


@dataclass(frozen=True, eq=False)
class InducedEdges:
    """The edges among neurons ``taking_part`` (N, neurons) bool of a batch: every flow from one to another.

    There may be hundreds of millions: they are made when asked for, those into one site part by part.
    """

    batch: Batch
    taking_part: Tensor

    def iterate_into(self, incoming: IncomingEdges) -> Iterator[tuple[EdgeBlock, Tensor]]:
        """The edges into a site, some at a time, and how many of their neurons have none: (N,) int64."""
        site, images = incoming.site, self.batch.held.images
        for flow_rows in self.batch.iterate_rows(incoming, self.taking_part[:, site.span], self._values):
            row, source, flow = flow_rows.edges()
            sample, target = (
                ends.index_select(0, row) for ends in (flow_rows.sample, flow_rows.target + site.offset)
            )
            alone = torch.ones_like(flow_rows.sample, dtype=torch.bool).index_fill_(0, row, False)
            yield (
                EdgeBlock(site, sample, source, target, flow),
                flow_rows.sample[alone].bincount(minlength=images),
            )

    @property
    def blocks(self) -> tuple[EdgeBlock, ...]:
        """All of them."""
        return self._at_hand.blocks

    @property
    def bias_fed(self) -> Tensor:
        """How many neurons that take part have no edge into them: (N, sites) int64."""
        return self._at_hand.bias_fed

    @cached_property
    def _values(self) -> Tensor:
        held = self.batch.held
        return held.elements.values(held.output * self.taking_part)

    @cached_property
    def _at_hand(self) -> EdgesInMemory:
        output, sites = self.batch.held.output, self.batch.compiled.sites
        bias_fed = torch.zeros((len(output), len(sites)), dtype=torch.int64, device=output.device)
        blocks = []
        for incoming in self.batch.incoming:
            parts = []
            for block, alone in self.iterate_into(incoming):
                parts.append((block.sample, block.source, block.target, block.flow))
                bias_fed[:, incoming.site.number] += alone
            blocks.append(EdgeBlock.join(incoming.site, parts, output.device, output.dtype))
        return EdgesInMemory(tuple(blocks), bias_fed)


def join(batch: Batch, selected: Tensor) -> Selection:
    """The edges among selected neurons (N, neurons) bool: every flow from one to another.

    Pixels and the neurons of sites without an activation all take part; of the goal's, the target's.
    """
    pool = mark_thresholded(batch)
    taking_part = selected | ~pool
    taking_part[:, batch.goal.span] = batch.mark_target()
    sparsity = 1 - (selected & pool).sum(1).double() / pool.sum()
    return Selection(InducedEdges(batch, taking_part), sparsity, selected & pool)
