"""Edges between feature maps: the sums of all neuron edges from one map to another, without those edges.

For a convolution the sum over space of ``score = J a df/dz`` from channel i to channel o is ``sum_k W * dW``,
where dW = df/dW of the one image, and that of ``flow = J a`` is W times the sums of its
windows. The same holds for every kind of map into a site; where a channel of what is read holds neurons of
several maps, or the image decides of which, the neuron edges themselves are summed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network.held import Held
from graphpath.network.incoming import IncomingBranch, IncomingEdges
from graphpath.network.mapped import MIXED, Planes
from graphpath.network.operations.map_sums import Behind, Columns
from graphpath.network.sites import Network, Site


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

    def take(self, place: Tensor) -> MapEdges:
        """The edges at ``place`` (K,) int64."""
        columns = (self.sample, self.source, self.target, self.flow, self.score)
        return MapEdges(self.site, *(column.index_select(0, place) for column in columns))


class MapIncoming:
    """All branches into one site, from maps to maps: made once a network."""

    def __init__(self, network: Network, incoming: IncomingEdges, planes: Planes) -> None:
        self._incoming, self._planes = incoming, planes
        self.site = incoming.site
        mine = planes.of_site(self.site)
        self._maps = torch.arange(mine.start, mine.stop, device=network.device)
        self._behind = [_behind(branch_in, planes) for branch_in in incoming.branches]
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
        found = Columns.together(
            branch_in.map.sums(
                branch_in.read(held.values),
                before,
                behind,
                self._maps,
                branch_in.matrix(held.settings.matrices),
            )
            for branch_in, behind in zip(self._incoming.branches, self._behind, strict=True)
        )
        if self._repeated:
            found = self._merged(found)
        return MapEdges(self.site, *found)

    def _summed_one_by_one(self, held: Held) -> MapEdges:
        """From the neuron edges, a bounded number at a time."""
        size, images = self.site.size, held.images
        sample = torch.arange(images, device=self._maps.device).repeat_interleave(size)
        target = torch.arange(size, device=self._maps.device).repeat(images)
        before = held.gradient_before(self.site)
        none = sample[:0]
        total = Columns(none, none, none, before[0, :0], before[0, :0])
        for flow_rows in self._incoming.iterate_rows(held.elements, held.values, sample, target):
            row, column = flow_rows.flow.nonzero(as_tuple=True)
            flow, into = flow_rows.flow[row, column], flow_rows.target[row]
            source = self._planes.of_neurons(flow_rows.sources(row, column))
            ends = (flow_rows.sample[row], source, self._planes.of_neurons(into + self.site.offset))
            part = Columns(*ends, flow, flow * before[flow_rows.sample[row], into])
            total = self._merged(Columns.together((total, part)))
        return MapEdges(self.site, *total)

    def _merged(self, found: Columns) -> Columns:
        """Edges of the same ends summed."""
        maps = self._planes.count
        key = (found.sample * maps + found.source) * maps + found.target
        key, place = key.unique(return_inverse=True)
        sums = (c.new_zeros(len(key)).index_add_(0, place, c) for c in (found.flow, found.score))
        ends = key // maps
        return Columns(ends // maps, ends % maps, key % maps, *sums)


def _behind(branch_in: IncomingBranch, planes: Planes) -> Behind:
    maps = planes.of_channels(branch_in.view)
    maps = maps.reshape(branch_in.map.groups(len(maps)), -1)
    ends = (maps[:, 1:] != maps[:, :-1]).any(0).nonzero()[:, 0] + 1
    taps = math.gcd(maps.shape[1], *ends.tolist())
    return Behind(maps[:, ::taps], taps)
