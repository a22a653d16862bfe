"""Effective Path (Qiu et al. 2019, "Adversarial Defense Through Network Profiling Based Path Extraction").

Backward from the target's neurons (a logit, the two of a contrast, or where ``graphpath.at`` points): of the
contributions v = w * x into each important neuron, with their sign turned where the neuron's pre-activation
is negative, the fewest largest whose sum reaches theta of the sum of all are important, and so are the
neurons they come from. Where the sum is not positive, or one input is already a share of theta
(1 / inputs >= theta), the single largest is.

Where the paper and graphpath's laws part (DESIGN §4): a contribution that is not positive is never chosen;
a neuron without a positive one ends there and is counted as fed by its bias; ties go to the lower id.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network.inlets import Fan, Inlets
from graphpath.tracing.batch import Batch, Block, Selection
from graphpath.tracing.topk import topk

FIRST = 8
"""Contributions of a neuron looked at first; four times as many as long as they do not suffice."""


def select(batch: Batch, *, theta: float = 0.5) -> Selection:
    """The effective path of each image of a batch.

    Args:
        theta: the share of a neuron's sum of contributions to reach, in (0, 1].

    Raises:
        MethodError: theta is out of range.
    """
    if not 0 < theta <= 1:
        raise MethodError(f"theta={theta} is out of range; expected a share above 0 and at most 1.")
    held, wiring = batch.held, batch.wiring
    important = torch.zeros_like(held.output, dtype=torch.bool)
    important[:, batch.goal.span] = batch.wanted()
    bias_fed = torch.zeros((held.images, len(wiring.sites)), dtype=torch.int64, device=important.device)
    blocks = []
    for inlets in reversed(batch.inlets):
        site, parts = inlets.site, []
        for fan in batch.fans(inlets, important[:, site.span], held.values):
            row, column = fewest(fan, inlets, held.before[site.number], theta)
            sample, source = fan.sample[row], fan.sources(row, column)
            important[sample, source] = True
            parts.append((sample, source, fan.target[row] + site.offset, fan.flow[row, column]))
            alone = torch.ones_like(fan.sample, dtype=torch.bool).index_fill_(0, row, False)
            bias_fed[:, site.number] += fan.sample[alone].bincount(minlength=held.images)
        blocks.append(Block.joined(site, parts, important.device, held.output.dtype))
    blocks.reverse()
    return Selection(tuple(blocks), bias_fed, torch.full((held.images,), torch.nan))


def fewest(fan: Fan, inlets: Inlets, before: Tensor, theta: float) -> tuple[Tensor, Tensor]:
    """The chosen (row, column) of a fan's flows: the fewest that reach ``theta`` of each row's sum."""
    signed = fan.flow
    negative = before[fan.sample, fan.target] < 0
    if bool(negative.any()):
        signed = torch.where(negative[:, None], -signed, signed)
    goal = signed.sum(1) * theta
    single = goal <= 0
    if inlets.narrowest <= 1 / theta:
        single |= fan.inputs * theta <= 1
    goal[single] = 0  # the largest alone reaches it
    rows, columns = [], []
    left = torch.arange(len(goal), device=goal.device)
    looked = FIRST
    while len(left):
        among = signed if looked == FIRST else signed[left]
        value, column = topk(among, min(looked, signed.shape[1]))
        reached = value.clamp(min=0).cumsum(1) >= goal[left, None]
        count = ((~reached).sum(1) + 1).clamp(max=(value > 0).sum(1))
        # One more than chosen must be in sight, to know whether the last one chosen is tied.
        settled = (count < value.shape[1]) | (value.shape[1] == signed.shape[1]) | (value[:, -1] <= 0)
        row, place = (torch.arange(value.shape[1], device=goal.device) < count[:, None]).nonzero(
            as_tuple=True
        )
        chosen = _untied(fan, signed, left, value, column, count)[row, place]
        final = settled[row]
        rows.append(left[row[final]])
        columns.append(chosen[final])
        left = left[~settled]
        looked *= 4
    return torch.cat(rows), torch.cat(columns)


def _untied(fan: Fan, signed: Tensor, rows: Tensor, value: Tensor, column: Tensor, count: Tensor) -> Tensor:
    """``column`` with the choice among values tied at the cut going to the lowest neurons."""
    last = value.gather(1, (count - 1).clamp(min=0)[:, None])
    following = value.gather(1, count.clamp(max=value.shape[1] - 1)[:, None])
    tied = (count > 0) & (count < value.shape[1]) & (last == following)[:, 0]
    if not bool(tied.any()):
        return column
    at = tied.nonzero()[:, 0]
    for row, cut in zip(at.tolist(), last[at, 0].tolist(), strict=True):  # exact ties are rare
        equal = (signed[rows[row]] == cut).nonzero()[:, 0]
        source = fan.sources(rows[row].expand_as(equal), equal)
        above = int((value[row] > cut).sum())
        lowest = equal[source.argsort()][: int(count[row]) - above]
        column[row, above : int(count[row])] = lowest
    return column
