"""Effective Path (Qiu et al. 2019, "Adversarial Defense Through Network Profiling Based Path Extraction").

It goes backward from the target's neurons (a logit, the two of a contrast, or where ``graphpath.at`` points).
Into each important neuron flow contributions v = w * x; their sign is turned where the neuron's
pre-activation is negative. The fewest largest of them whose sum reaches theta of the sum of all are
important, and so are the neurons they come from. Where the sum is not positive, or one input is already a
share of theta (1 / inputs >= theta), only the largest is.

Where the paper and graphpath's laws disagree, the laws hold. A contribution that is not positive is never
chosen. The path ends at a neuron without a positive one, which is counted as fed by its bias. Ties go to the
lower id.

Ptolemy (Gan et al. 2020) adds three options. ``phi``: every contribution of at least phi into an important
neuron is chosen, instead of a share of the sum. ``direction="forward"``: a layer's neurons are important by
their own output, before anything behind them is known; what contributes to them is chosen as above, so the
edges need not meet. ``depth``: only the last so many convolutions and dense layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import Site
from graphpath.network.incoming import FlowRows, IncomingEdges
from graphpath.network.operations import Weighted
from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Selection
from graphpath.tracing.fitting import Examples, Fitted
from graphpath.tracing.methods import thresholds
from graphpath.tracing.topk import topk

FIRST = 14
"""Contributions of a neuron looked at first: enough for nearly all neurons of a VGG-16. Where they are not
enough, four times as many are looked at, and so on."""

Threshold = float | Literal["fitted"]
Direction = Literal["backward", "forward"]
Choice = Callable[[FlowRows, IncomingEdges, Tensor], tuple[Tensor, Tensor]]
"""From flows into neurons of a site, and all its pre-activations, to the (row, column) of those chosen."""


def fit(
    examples: Examples,
    *,
    theta: float = 0.5,
    phi: Threshold | None = None,
    direction: Direction = "backward",
    psi: Threshold = "fitted",
    depth: int | None = None,
) -> Fitted:
    """The thresholds of each layer that are asked for as ``"fitted"``, from the images' paths by theta.

    Returns ``{"phi": {layer: number}, "psi": {layer: number}, "images": how many}``, or nothing where no
    threshold is to be fitted.
    """
    if phi != "fitted" and (direction == "backward" or psi != "fitted"):
        return {}
    return thresholds.fit(examples, lambda batch: select(batch, theta=theta, depth=depth))


def select(
    batch: Batch,
    fitted: Fitted | None = None,
    *,
    theta: float = 0.5,
    phi: Threshold | None = None,
    direction: Direction = "backward",
    psi: Threshold = "fitted",
    depth: int | None = None,
) -> Selection:
    """The effective path of each image of a batch.

    ``fitted`` is what ``fit`` gave for all images.

    Args:
        theta: the share of a neuron's sum of contributions to reach, in (0, 1].
        phi: choose instead every contribution of at least phi; one number for all layers, or ``"fitted"``:
            the mean over images, and over a layer's important neurons, of the least chosen by theta.
        direction: ``"backward"`` from the target, or ``"forward"``, layer by layer; a budget of edges keeps
            only those that meet on whole routes.
        psi: of ``"forward"``, the |output| above which a neuron is important; one number, or ``"fitted"``:
            the mean over images of the |output| above which as many neurons lie as theta finds important.
            Where no neuron is above it, the largest is important.
        depth: stop after so many convolutions and dense layers, counted from the target; None for all. Routes
            then start at the outputs of the layers before them.

    Raises:
        MethodError: an option is out of range, or a threshold is to be fitted and is not.
    """
    _check_options(theta, phi, psi, depth)
    strong = None if direction == "backward" else thresholds.list_thresholds("psi", psi, fitted)
    if phi is None:
        return _extract(
            batch, lambda flow_rows, incoming, z: choose_fewest(flow_rows, incoming, z, theta), strong, depth
        )
    least = thresholds.list_thresholds("phi", phi, fitted)
    return _extract(
        batch,
        lambda flow_rows, incoming, z: choose_at_least(flow_rows, z, least(incoming.site)),
        strong,
        depth,
    )


def _extract(batch: Batch, choose: Choice, strong: thresholds.ByLayer | None, depth: int | None) -> Selection:
    """The edges that ``choose`` takes of important neurons' flows, from the target on.

    With ``strong`` a layer's outputs alone say which neurons are important, else the edges into later layers.
    """
    held, first = batch.held, _find_first(batch, depth)
    important = torch.zeros_like(held.output, dtype=torch.bool)
    important[:, batch.goal.span] = batch.mark_target()
    shape = (held.images, len(batch.compiled.sites))
    bias_fed = torch.zeros(shape, dtype=torch.int64, device=important.device)
    blocks = []
    for incoming in reversed(batch.incoming):
        site, parts = incoming.site, []
        if strong is not None and site is not batch.goal:
            important[:, site.span] = thresholds.mark_strong(held.output[:, site.span], strong(site))
        for flow_rows in batch.iterate_rows(
            incoming, important[:, site.span] & (site.number >= first), held.values
        ):
            row, column = choose(flow_rows, incoming, held.before[site.number])
            sample, source = flow_rows.sample[row], flow_rows.sources(row, column)
            if strong is None:
                important[sample, source] = True
            parts.append((sample, source, flow_rows.target[row] + site.offset, flow_rows.flow[row, column]))
            alone = torch.ones_like(flow_rows.sample, dtype=torch.bool).index_fill_(0, row, False)
            bias_fed[:, site.number] += flow_rows.sample[alone].bincount(minlength=held.images)
        blocks.append(EdgeBlock.join(site, parts, important.device, held.output.dtype))
    blocks.reverse()
    return Selection(
        EdgesInMemory(tuple(blocks), bias_fed), torch.full((held.images,), torch.nan), first=first
    )


def _check_options(theta: float, phi: Threshold | None, psi: Threshold, depth: int | None) -> None:
    if not 0 < theta <= 1:
        raise MethodError(f"theta={theta} is out of range; expected a share above 0 and at most 1.")
    for name, value in (("phi", phi), ("psi", psi)):
        if isinstance(value, float | int) and not value >= 0:
            raise MethodError(f"{name}={value} is out of range; expected a threshold of at least 0.")
    if depth is not None and depth < 1:
        raise MethodError(f"depth={depth} is out of range; expected at least one layer, or None for all.")


def _find_first(batch: Batch, depth: int | None) -> int:
    """The number of the first site to choose edges into."""
    weighted = [incoming.site.number for incoming in batch.incoming if _has_weights(incoming.site)]
    return 1 if depth is None or depth > len(weighted) else weighted[-depth]


def _has_weights(site: Site) -> bool:
    return any(isinstance(branch.operation, Weighted) for branch in site.branches)


def choose_at_least(flow_rows: FlowRows, before: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """The chosen (row, column) of a block of flows: the positive ones of at least ``least``, signed."""
    signed = _sign(flow_rows, before)
    row, column = ((signed >= least) & (signed > 0)).nonzero(as_tuple=True)
    return row, column


def _sign(flow_rows: FlowRows, before: Tensor) -> Tensor:
    """The flows, turned where the neuron's pre-activation (N, size) is negative."""
    negative = before[flow_rows.sample, flow_rows.target] < 0
    return (
        torch.where(negative[:, None], -flow_rows.flow, flow_rows.flow)
        if bool(negative.any())
        else flow_rows.flow
    )


def choose_fewest(
    flow_rows: FlowRows, incoming: IncomingEdges, before: Tensor, theta: float
) -> tuple[Tensor, Tensor]:
    """The chosen (row, column) of a block of flows: the fewest that reach ``theta`` of each row's sum."""
    signed = _sign(flow_rows, before)
    goal = signed.sum(1) * theta
    single = goal <= 0
    if incoming.narrowest <= 1 / theta:
        single |= flow_rows.inputs * theta <= 1
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
        final_choice = (count < value.shape[1]) | (value.shape[1] == signed.shape[1]) | (value[:, -1] <= 0)
        row, place = (torch.arange(value.shape[1], device=goal.device) < count[:, None]).nonzero(
            as_tuple=True
        )
        chosen = _break_ties(flow_rows, signed, left, value, column, count)[row, place]
        final = final_choice[row]
        rows.append(left[row[final]])
        columns.append(chosen[final])
        left = left[~final_choice]
        looked *= 4
    return torch.cat(rows), torch.cat(columns)


def _break_ties(
    flow_rows: FlowRows, signed: Tensor, rows: Tensor, value: Tensor, column: Tensor, count: Tensor
) -> Tensor:
    """``column`` with the choice among values tied at the cut going to the lowest neurons."""
    last = value.gather(1, (count - 1).clamp(min=0)[:, None])
    following = value.gather(1, count.clamp(max=value.shape[1] - 1)[:, None])
    tied = (count > 0) & (count < value.shape[1]) & (last == following)[:, 0]
    if not bool(tied.any()):
        return column
    at = tied.nonzero()[:, 0]
    for row, cut in zip(at.tolist(), last[at, 0].tolist(), strict=True):  # exact ties are rare
        equal = (signed[rows[row]] == cut).nonzero()[:, 0]
        source = flow_rows.sources(rows[row].expand_as(equal), equal)
        above = int((value[row] > cut).sum())
        lowest = equal[source.argsort()][: int(count[row]) - above]
        column[row, above : int(count[row])] = lowest
    return column
