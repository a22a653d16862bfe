"""Edges between feature maps: the sums of all neuron edges from one map to another, without those edges.

For a convolution the sum over space of ``score = J a df/dz`` from channel i to channel o is ``sum_k W * dW``,
where dW = df/dW of the one image, and that of ``flow = J a`` is W times the sums of its
windows. The same holds for every kind of map into a site; where a channel of what is read holds neurons of
several maps, or the image decides of which, the neuron edges themselves are summed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from graphpath.network.held import Held
from graphpath.network.incoming import IncomingBranch, IncomingEdges
from graphpath.network.mapped import MIXED, Planes
from graphpath.network.maps import ConvMap, DenseMap, DiagonalMap, MixtureMap
from graphpath.network.operations import Conv
from graphpath.network.sites import Network, Site

CHUNK = 1 << 23
"""Values of windows laid out at once: 32 MB of float32."""


@dataclass(frozen=True, eq=False)
class MapEdges:
    """Edges between feature maps into one site, as columns (E,).

    ``sample`` is the image, ``source`` and ``target`` are numbers of maps (``Planes``). ``flow`` and
    ``score`` are the sums over all neuron edges from one map to the other. An edge of score 0 may be there or
    not.
    """

    site: Site
    sample: Tensor
    source: Tensor
    target: Tensor
    flow: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.sample)


class _Columns(NamedTuple):
    """Edges as columns (E,): see :class:`MapEdges`."""

    sample: Tensor
    source: Tensor
    target: Tensor
    flow: Tensor
    score: Tensor

    @classmethod
    def of(cls, source: Tensor, target: Tensor, flow: Tensor, score: Tensor) -> _Columns:
        """Edges in G groups, each from K maps (G, K) to O maps (G, O): sums (N, G, O, K), zeros left out."""
        there = ((flow != 0) | (score != 0)).flatten().nonzero()[:, 0]
        outer, inner = there // flow.shape[3], there % flow.shape[3]
        into = outer % target.numel()
        ends = source.flatten()[into // target.shape[1] * source.shape[1] + inner], target.flatten()[into]
        return cls(outer // target.numel(), *ends, *(sums.flatten()[there] for sums in (flow, score)))


def _together(parts: Iterable[_Columns]) -> _Columns:
    first, *others = parts
    if not others:
        return first
    return _Columns(*(torch.cat(column) for column in zip(first, *others, strict=True)))


class _Behind(NamedTuple):
    """The maps behind the channels that a branch reads, by its groups (G, K): each of ``taps`` channels."""

    maps: Tensor
    taps: int

    @classmethod
    def of(cls, branch_in: IncomingBranch, planes: Planes) -> _Behind:
        maps = planes.of_channels(branch_in.view).reshape(_groups(branch_in), -1)
        ends = (maps[:, 1:] != maps[:, :-1]).any(0).nonzero()[:, 0] + 1
        taps = math.gcd(maps.shape[1], *ends.tolist())
        return cls(maps[:, ::taps], taps)

    def over(self, sums: Tensor) -> Tensor:
        """Sums over the channels of each map (the last dimension)."""
        return sums if self.taps == 1 else sums.unflatten(-1, (-1, self.taps)).sum(-1)


class MapIncoming:
    """All branches into one site, from maps to maps: made once a network."""

    def __init__(self, network: Network, incoming: IncomingEdges, planes: Planes) -> None:
        self._incoming, self._planes = incoming, planes
        self.site = incoming.site
        mine = planes.of_site(self.site)
        self._maps = torch.arange(mine.start, mine.stop, device=network.device)
        self._behind = [_Behind.of(branch_in, planes) for branch_in in incoming.branches]
        every = torch.cat([behind.maps.flatten() for behind in self._behind])
        self._mixed = bool((every == MIXED).any())
        self._repeated = len(every.unique()) < len(every)

    @property
    def sums(self) -> int:
        """A bound on the edges between maps, before those of the same ends are summed."""
        return sum(
            branch_in.map.columns // branch_in.map.places * self.site.shape[0]
            for branch_in in self._incoming.branches
        )

    def edges(self, held: Held) -> MapEdges:
        """The edges of every image of a batch."""
        if self._mixed:
            return self._summed_one_by_one(held)
        before = held.gradient_before(self.site).reshape(-1, *self.site.shape)
        found = _together(
            self._branch(branch_in, branch_in.read(held.values), before, behind, held)
            for branch_in, behind in zip(self._incoming.branches, self._behind, strict=True)
        )
        if self._repeated:
            found = self._merged(found)
        return MapEdges(self.site, *found)

    def _branch(
        self, branch_in: IncomingBranch, x: Tensor, before: Tensor, behind: _Behind, held: Held
    ) -> _Columns:
        if isinstance(branch_in.map, ConvMap):
            return _convolved(branch_in.map.conv, x, before, behind, self._maps)
        if isinstance(branch_in.map, DenseMap):
            return _together(_dense(branch_in.map.weight, x, before, behind, self._maps))
        if isinstance(branch_in.map, MixtureMap):
            matrix = branch_in.matrix(held.settings.matrices)
            assert matrix is not None
            return _mixed(branch_in.map, matrix, x, before, behind, self._maps)
        assert isinstance(branch_in.map, DiagonalMap)
        return _diagonal(branch_in.map, x, before, behind, self._maps)

    def _summed_one_by_one(self, held: Held) -> MapEdges:
        """From the neuron edges, a bounded number at a time."""
        size, images = self.site.size, held.images
        sample = torch.arange(images, device=self._maps.device).repeat_interleave(size)
        target = torch.arange(size, device=self._maps.device).repeat(images)
        before = held.gradient_before(self.site)
        none = sample[:0]
        total = _Columns(none, none, none, before[0, :0], before[0, :0])
        for flow_rows in self._incoming.iterate_rows(held.elements, held.values, sample, target):
            row, column = flow_rows.flow.nonzero(as_tuple=True)
            flow, into = flow_rows.flow[row, column], flow_rows.target[row]
            source = self._planes.of_neurons(flow_rows.sources(row, column))
            ends = (flow_rows.sample[row], source, self._planes.of_neurons(into + self.site.offset))
            part = _Columns(*ends, flow, flow * before[flow_rows.sample[row], into])
            total = self._merged(_together((total, part)))
        return MapEdges(self.site, *total)

    def _merged(self, found: _Columns) -> _Columns:
        """Edges of the same ends summed."""
        maps = self._planes.count
        key = (found.sample * maps + found.source) * maps + found.target
        key, place = key.unique(return_inverse=True)
        sums = (c.new_zeros(len(key)).index_add_(0, place, c) for c in (found.flow, found.score))
        ends = key // maps
        return _Columns(ends // maps, ends % maps, key % maps, *sums)


def _convolved(conv: Conv, x: Tensor, before: Tensor, behind: _Behind, into: Tensor) -> _Columns:
    groups, (out, inner, high, wide) = conv.groups, conv.weight.shape
    padded = F.pad(x, conv.padding)
    weight = conv.weight.reshape(groups, out // groups, inner, high * wide)
    gradient = _weight_gradients(conv, padded, before).reshape(len(x), *weight.shape)
    windows = _window_sums(conv, padded, before.shape[2:]).reshape(len(x), groups, inner, high * wide)
    score = torch.einsum("goik,ngoik->ngoi", weight, gradient)
    flow = torch.einsum("goik,ngik->ngoi", weight, windows)
    return _Columns.of(behind.maps, into.reshape(groups, -1), behind.over(flow), behind.over(score))


def _weight_gradients(conv: Conv, padded: Tensor, before: Tensor) -> Tensor:
    """df/dW of each image: (N, *shape of W)."""
    if (
        len(padded) == 1
    ):  # as fast as autograd's own; in batches its groups are slower than products of windows
        options = (conv.stride, 0, conv.dilation, conv.groups)
        gradient: Tensor = conv2d_weight(padded, conv.weight.shape, before, *options)
        return gradient[None]
    (out, inner, high, wide), groups = conv.weight.shape, conv.groups
    places = before.shape[2] * before.shape[3]
    together = max(1, CHUNK // (inner * groups * high * wide * places))
    parts = []
    for x, sent in zip(padded.split(together), before.split(together), strict=True):
        windows = F.unfold(x, (high, wide), conv.dilation, stride=conv.stride)
        windows = windows.reshape(len(x), groups, inner * high * wide, places)
        sent = sent.reshape(len(x), groups, out // groups, places)
        parts.append(torch.einsum("ngop,ngkp->ngok", sent, windows))
    return torch.cat(parts).reshape(-1, *conv.weight.shape)


def _window_sums(conv: Conv, padded: Tensor, size: torch.Size) -> Tensor:
    """What each tap of the kernel reads, summed over all places: (N, channels, kh, kw)."""
    (high, wide), (down, along) = conv.weight.shape[2:], conv.stride

    def taken(values: Tensor, tap: int, step: int, spread: int, count: int) -> Tensor:
        start = tap * spread
        return values[:, :, start : start + step * (count - 1) + 1 : step].sum(2)

    rows = [taken(padded, tap, down, conv.dilation[0], size[0]) for tap in range(high)]
    both = [[taken(row, tap, along, conv.dilation[1], size[1]) for tap in range(wide)] for row in rows]
    return torch.stack([torch.stack(columns, 2) for columns in both], 2)


def _dense(weight: Tensor, x: Tensor, before: Tensor, behind: _Behind, into: Tensor) -> Iterator[_Columns]:
    """Image by image, into live neurons and from live ones alone: there are few of them among very many."""
    maps, taps = behind.maps[0], behind.taps
    for number, (read, sent) in enumerate(zip(x.flatten(1), before.flatten(1), strict=True)):
        rows = sent.nonzero()[:, 0]
        chosen, source = weight.index_select(0, rows), maps
        if taps == 1:
            live = read.nonzero()[:, 0]
            chosen, source, read = chosen.index_select(1, live), maps[live], read[live]
        flow = torch.einsum("okt,kt->ok", chosen.unflatten(1, (-1, taps)), read.unflatten(0, (-1, taps)))
        score = flow * sent[rows, None]
        ends = source.expand(flow.shape), into[rows, None].expand(flow.shape)
        sample = torch.full_like(ends[0], number)
        yield _Columns(*(column.flatten() for column in (sample, *ends, flow, score)))


def _diagonal(of: DiagonalMap, x: Tensor, before: Tensor, behind: _Behind, into: Tensor) -> _Columns:
    read = x.reshape(len(x), len(into), of.taps, -1)
    flow, score = read.sum(3), (read * before.reshape(len(x), len(into), 1, -1)).sum(3)
    if of.scale is not None:
        flow, score = flow * of.scale[:, None], score * of.scale[:, None]
    flow, score = behind.over(flow), behind.over(score)
    return _Columns.of(behind.maps, into[:, None], flow[:, :, None], score[:, :, None])


def _mixed(
    of: MixtureMap, matrix: Tensor, x: Tensor, before: Tensor, behind: _Behind, into: Tensor
) -> _Columns:
    """Each map into itself, tap by tap."""
    read = x.reshape(len(x), of.maps, of.taps, of.places)
    matrices = matrix.repeat_interleave(of.maps // matrix.shape[1], 1)
    sent = before.reshape(len(x), of.maps, 1, of.into)
    flow = (read * matrices.sum(2)[:, :, None]).sum(3)
    score = (read * torch.matmul(sent, matrices)).sum(3)
    flow, score = behind.over(flow), behind.over(score)
    return _Columns.of(behind.maps, into[:, None], flow[:, :, None], score[:, :, None])


def _groups(branch_in: IncomingBranch) -> int:
    """Groups of channels that do not mix: a convolution's; where each neuron reads its own, channels."""
    if isinstance(branch_in.map, ConvMap):
        return branch_in.map.conv.groups
    return _own(branch_in) if isinstance(branch_in.map, (DiagonalMap, MixtureMap)) else 1


def _own(branch_in: IncomingBranch) -> int:
    return branch_in.view.shape[0] // branch_in.map.taps
