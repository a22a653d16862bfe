"""From neurons to edges: the common rule of all methods that select neurons (DESIGN §4)."""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.tracing.batch import Batch, Block, Selection


def thresholded(batch: Batch) -> Tensor:
    """The neurons that methods threshold: (neurons,) bool.

    They are those of the sites with an activation that lie on a way to the goal. Raises MethodError where
    there are none.
    """
    network, goal = batch.wiring.network, batch.goal
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
    pool = thresholded(batch)
    mask = torch.zeros_like(score, dtype=torch.bool)
    mask[:, pool] = above(score[:, pool], sparsity)
    return mask


def above(score: Tensor, sparsity: float) -> Tensor:
    """What is above each row's percentile ``sparsity``, and above 0: (N, K) bool."""
    rank = score.shape[1] - quota(score.shape[1], sparsity)
    # Above the rank-th smallest and above the interpolated percentile are the same.
    cut = score.kthvalue(rank, 1).values[:, None] if rank > 0 else 0
    return (score > cut) & (score > 0)


def quota(count: int, sparsity: float) -> int:
    """How many of ``count`` different scores are above their percentile ``sparsity``; at 0, all of them.

    Raises MethodError where ``sparsity`` is out of range.
    """
    if not 0 <= sparsity < 1:
        raise MethodError(f"sparsity={sparsity} is out of range; expected a share from 0 to below 1.")
    return count if sparsity == 0 else count - int(sparsity * (count - 1)) - 1


def join(batch: Batch, selected: Tensor) -> Selection:
    """The edges among selected neurons (N, neurons) bool: every flow from one to another.

    Pixels and the neurons of sites without an activation all take part; of the goal's, the target's.
    """
    held, wiring = batch.held, batch.wiring
    pool = thresholded(batch)
    taking_part = selected | ~pool
    taking_part[:, batch.goal.span] = batch.wanted()
    values = held.elements.values(held.output * taking_part)
    bias_fed = torch.zeros((held.images, len(wiring.sites)), dtype=torch.int64, device=pool.device)
    blocks = []
    for inlets in batch.inlets:
        site, parts = inlets.site, []
        for fan in batch.fans(inlets, taking_part[:, site.span], values):
            row, source, flow = fan.edges()
            sample, target = (ends.index_select(0, row) for ends in (fan.sample, fan.target + site.offset))
            parts.append((sample, source, target, flow))
            alone = torch.ones_like(fan.sample, dtype=torch.bool).index_fill_(0, row, False)
            bias_fed[:, site.number] += fan.sample[alone].bincount(minlength=held.images)
        blocks.append(Block.joined(site, parts, pool.device, held.output.dtype))
    sparsity = 1 - (selected & pool).sum(1).double() / pool.sum()
    return Selection(tuple(blocks), bias_fed, sparsity, selected & pool)
