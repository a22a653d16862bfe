"""LRP: edges by the relevance that they carry (Bach et al. 2015; Montavon et al. 2017).

Each edge carries ``R(n -> m) = flow / z * R_m`` (the epsilon rule; z-plus counts positive flows only). The
rules are those of ``graphpath/network/relevance.py``.

Selection is by share of relevance, from the target's neurons back. Take all edges into those neurons of a
layer that are on the pathway: the fewest whose |R| reach ``share`` of the sum of all are chosen, and the
neurons they come from are on the pathway too. (NPC's LRP paths choose channels in this way, by layer and
positive relevance.) An effective path asks each neuron for its own largest inputs. Here a layer's neurons
share one budget, so that what is relevant to f has more edges. Ties go to the lower (source, target).

With epsilon 0, R is the edge's score wherever no activation has a constant: in all networks of ReLUs.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network.incoming import FlowRows, IncomingEdges
from graphpath.network.relevance import RULES, Relevance, Rule, relevance
from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Selection, as_array

CANDIDATES = 1 << 24
"""Edges of one layer in memory at once; of more, those that cannot be chosen are dropped first."""

BINS, SHIFT = 1 << 16, 47
"""Bins of |R|: the upper 16 bits of a float64, which are in the order of the numbers, 3 % a bin."""


def select(batch: Batch, *, rule: str = "epsilon", epsilon: float = 1e-6, share: float = 0.5) -> Selection:
    """The relevance pathway of each image of a batch.

    Args:
        rule: "epsilon" or "z_plus".
        epsilon: what keeps the denominator from 0.
        share: of each layer's relevance on the pathway, the share that its edges must carry, in (0, 1].

    Raises:
        MethodError: an option is unknown or out of range.
    """
    if rule not in RULES:
        raise MethodError(f"rule={rule!r} is unknown; expected one of {', '.join(RULES)}.")
    if not 0 < share <= 1:
        raise MethodError(f"share={share} is out of range; expected a share above 0 and at most 1.")
    if not epsilon >= 0:
        raise MethodError(f"epsilon={epsilon} is out of range; expected 0 or more.")
    held, compiled, by = batch.held, batch.compiled, Rule(rule, epsilon)
    found = relevance(held, batch.incoming, by)
    important = torch.zeros_like(held.output, dtype=torch.bool)
    important[:, batch.goal.span] = batch.mark_target()
    bias_fed = torch.zeros((held.images, len(compiled.sites)), dtype=torch.int64, device=important.device)
    blocks = []
    for incoming in reversed(batch.incoming):
        block = _choose_edges(batch, incoming, important, by, found, share)
        important[block.sample, block.source] = True
        fed = torch.zeros_like(important)
        fed[block.sample, block.target] = True
        span = incoming.site.span
        bias_fed[:, incoming.site.number] = (important[:, span] & ~fed[:, span]).sum(1)
        blocks.append(block)
    blocks.reverse()
    return Selection(EdgesInMemory(tuple(blocks), bias_fed), torch.full((held.images,), torch.nan))


def _choose_edges(
    batch: Batch, incoming: IncomingEdges, important: Tensor, rule: Rule, found: Relevance, share: float
) -> EdgeBlock:
    """The edges into one site: the fewest that carry ``share`` of what all into important neurons do."""
    site, targets = incoming.site, important[:, incoming.site.span]
    least, total = torch.zeros((2, len(targets)), dtype=torch.float64, device=targets.device)
    many = int(targets.sum()) * incoming.columns > CANDIDATES
    if many:
        least, total = _sift(batch, incoming, targets, rule, found, share)
    parts = []
    for flow_rows in batch.iterate_rows(incoming, targets, batch.held.values):
        row, source, flow = flow_rows.edges()
        carried = _relevance(flow_rows, row, flow, rule, found)
        sample = flow_rows.sample[row]
        if not many:
            total = total.index_add(0, sample, carried)
        kept = ((carried >= least[sample]) & (carried > 0)).nonzero()[:, 0]
        target = flow_rows.target[row[kept]] + site.offset
        parts.append((sample[kept], source[kept], target, flow[kept], carried[kept]))
    if not parts:
        return EdgeBlock.join(site, (), targets.device, batch.held.output.dtype)
    *columns, carried = (torch.cat(column) for column in zip(*parts, strict=True))
    kept = _choose_fewest(columns[0], columns[1], columns[2], carried, total * share)
    return EdgeBlock(site, *(column[kept] for column in columns))


def _relevance(flow_rows: FlowRows, row: Tensor, flow: Tensor, rule: Rule, found: Relevance) -> Tensor:
    """|R| of edges of a block of flows: (E,) float64."""
    place = (flow_rows.sample, flow_rows.target + flow_rows.site.offset)
    return (rule.part(flow).double() * found.per_flow[place].double()[row]).abs()


def _sift(
    batch: Batch, incoming: IncomingEdges, targets: Tensor, rule: Rule, found: Relevance, share: float
) -> tuple[Tensor, Tensor]:
    """For each image |R| that no chosen edge is below, and the sum of all: (N,) float64 each.

    One sweep over the edges sums |R| by bins of equal size.
    """
    images = len(targets)
    sums = torch.zeros(images * BINS, dtype=torch.float64, device=targets.device)
    for flow_rows in batch.iterate_rows(incoming, targets, batch.held.values):
        row, _, flow = flow_rows.edges()
        carried = _relevance(flow_rows, row, flow, rule, found)
        sums += (flow_rows.sample[row] * BINS + (carried.view(torch.int64) >> SHIFT)).bincount(
            carried, images * BINS
        )
    above = sums.view(images, BINS).flip(1).cumsum(1).flip(1)  # in each bin and all larger ones
    enough = above >= share * above[:, :1] * (1 + 1e-9)  # sums in another order differ in their last bits
    bins = enough.sum(1).sub(1).clamp(min=0)
    return (bins << SHIFT).view(torch.float64), above[:, 0]


def _choose_fewest(sample: Tensor, source: Tensor, target: Tensor, carried: Tensor, goal: Tensor) -> Tensor:
    """Places of each image's fewest edges that carry its ``goal`` (N,); ties: the lower (source, target)."""
    places = []
    for image, wanted in enumerate(goal.tolist()):
        mine = (sample == image).nonzero()[:, 0]
        if len(mine) == 0:
            continue
        size = carried[mine]
        ordered = size.sort(descending=True).values
        count = min(int((ordered.cumsum(0) < wanted).sum()) + 1, len(mine))
        cut = ordered[count - 1]
        above, level = mine[size > cut], mine[size == cut]
        ends = as_array(target[level]), as_array(source[level])
        lowest = torch.from_numpy(np.lexsort(ends)[: count - len(above)]).to(level.device)
        places += [above, level[lowest]]
    return torch.cat(places) if places else torch.empty(0, dtype=torch.int64, device=sample.device)
