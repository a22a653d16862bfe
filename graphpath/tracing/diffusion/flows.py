"""What pixels send from feature map to feature map: the channel-level edges of diffusion pathways.

For a set S of pixels, ``E(c -> o) = sum over i in S and places of |gate_o * (K[o, c] * PS_i[c])|``: what of
PS_i[o] comes through one filter, before the filters are summed, K the kernel's weights. This is graphpath's
choice; the paper's abstract speaks of largest pathways only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.errors import UnsupportedOperation
from graphpath.network import Held, Site
from graphpath.network.mapped import MIXED, NONE, Planes
from graphpath.network.operations import Conv, Mixture, Norm, Operation
from graphpath.network.sites import Branch
from graphpath.tracing.diffusion.patches import embed_patches
from graphpath.tracing.diffusion.plan import DiffusionPlan
from graphpath.tracing.diffusion.sections import Wave, carry

CHUNK = 1 << 24
"""Numbers held at once while filters are taken apart: 64 MB of float32."""


@dataclass(frozen=True, eq=False)
class MapFlows:
    """Flows into a site from the maps of one tensor that it reads, for S sets of pixels.

    ``log2`` (S, O, J) float64 are logarithms of E, -inf where nothing flows; O are the site's maps, J those
    that are read: ``sources`` (J,) int64 has the number of each one's first neuron within the network.
    """

    site: Site
    sources: Tensor
    log2: Tensor


def compute_map_flows(
    plan: DiffusionPlan, held: Held, image: Tensor, place: Tensor, owner: Tensor, sets: int, init: str
) -> Iterator[MapFlows]:
    """The flows of pixels (R,), ``owner`` (R,) being the one of ``sets`` sets that each belongs to.

    Where several filters lead from one map to another (a shortcut beside a convolution, a map that is
    concatenated with itself), each has flows of its own.

    Raises UnsupportedOperation where a tensor on the way has no feature maps, or mixes them in a channel.
    """
    planes = Planes(held.network)
    readers: dict[int, list[tuple[Site, Branch]]] = {}
    for site in sorted((s for sites in plan.sites.values() for s in sites), key=lambda s: s.number):
        for branch in site.branches:
            readers.setdefault(branch.reads, []).append((site, branch))
    for step, wave, rows in carry(plan, held, image, place, init):
        for site, branch in readers.get(step, ()):
            sources = _list_sources(planes, branch, site)
            x = embed_patches(wave.values, wave.window, rows, plan.find_shape(step))
            gate = held.gate(site)
            gates = x.new_ones((1, site.size)) if gate is None else rows.take_from_images(gate).abs()
            operation = None if branch.linear is None else plan.operations[branch.linear]
            flows = _compute_by_rows(operation, x, gates.view(-1, *site.shape), site)
            yield MapFlows(site, sources, _sum_logs(flows, wave, owner, sets))


def _list_sources(planes: Planes, branch: Branch, site: Site) -> Tensor:
    """The maps that a branch reads, by the numbers of their first neurons: (J,) int64, -1 for padding."""
    maps = planes.of_channels(branch.view).view(-1, branch.taps)
    highest = maps.amax(1)
    several = (maps != highest[:, None]) & (maps != NONE)
    if len(branch.view.shape) != 3 or bool((several | (maps == MIXED)).any()):
        raise UnsupportedOperation(
            f"{site.name} reads a tensor whose channels are no feature maps, or mix several; flows between "
            "feature maps are not defined there."
        )
    return torch.where(highest >= 0, planes.first[highest.clamp(min=0)], NONE)


def _compute_by_rows(operation: Operation | None, x: Tensor, gates: Tensor, site: Site) -> Tensor:
    """E of each row alone: (R, O, J) from x (R, J, H, W) and |gates| (R or 1, O, H', W')."""
    if isinstance(operation, Conv):
        return _compute_by_filters(operation, x, gates)
    if isinstance(operation, Mixture):
        raise UnsupportedOperation(
            f"{site.name} mixes places by the image's own attention; chains run through filters."
        )
    if isinstance(operation, Norm):
        x = x * operation.scale[:, None, None]
    elif operation is not None:
        raise UnsupportedOperation(f"{site.name} is fully connected; chains run through feature maps.")
    return torch.diag_embed((x.abs() * gates).sum((2, 3)))


def _compute_by_filters(conv: Conv, x: Tensor, gates: Tensor) -> Tensor:
    """E of each row through the filters of a convolution, one filter at a time: (R, O, J)."""
    rows, channels = x.shape[:2]
    outs, per_group, high, wide = conv.weight.shape
    group_outs, taps = outs // conv.groups, high * wide
    # A channel's filters: those of its group, for the outputs of the group.
    filters = conv.weight.view(conv.groups, group_outs, per_group, taps).permute(0, 2, 1, 3)
    filters = filters.reshape(channels, group_outs, taps)
    at_once = max(1, CHUNK // (group_outs * gates[0, 0].numel() * rows))
    found = x.new_zeros((rows, conv.groups, group_outs, conv.groups, per_group))
    for start in range(0, channels, at_once):
        part = slice(start, min(start + at_once, channels))
        unfolded = _unfold(conv, x[:, part])  # (R, c, taps, L)
        sent = torch.einsum("cot,rctl->rcol", filters[part], unfolded).abs_()
        group = torch.arange(part.start, part.stop, device=x.device) // per_group
        grouped = gates.view(len(gates), conv.groups, group_outs, -1)[:, group]
        summed = (sent * grouped).sum(3)  # (R, c, o)
        inner = torch.arange(part.start, part.stop, device=x.device) % per_group
        found[:, group, :, group, inner] = summed.transpose(0, 1)
    return found.view(rows, outs, channels)


def _unfold(conv: Conv, x: Tensor) -> Tensor:
    """The places that a convolution's windows cover: (R, c, taps, L)."""
    padded = F.pad(x, conv.padding)
    size = conv.weight.shape[2:]
    columns = F.unfold(padded, size, dilation=conv.dilation, stride=conv.stride)
    return columns.view(len(x), x.shape[1], size[0] * size[1], -1)


def _sum_logs(flows: Tensor, wave: Wave, owner: Tensor, sets: int) -> Tensor:
    """log2 of the flows summed over the rows of each set: (S, O, J) from (R, O, J)."""
    exponent = torch.zeros_like(owner) if wave.exponent is None else wave.exponent
    common = torch.full((sets,), -(1 << 30), device=owner.device).scatter_reduce(0, owner, exponent, "amax")
    shift = np.ldexp(1.0, (exponent - common[owner]).cpu().numpy())
    factor = torch.from_numpy(shift).to(flows.device)
    total = torch.zeros((sets, *flows.shape[1:]), dtype=torch.float64, device=flows.device)
    total.index_add_(0, owner, flows.double() * factor[:, None, None])
    return total.log2() + common[:, None, None]
