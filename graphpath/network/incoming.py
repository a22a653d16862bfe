"""What flows into a site: its branches made ready, and the flows into chosen neurons, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from graphpath.network.elements import Elements
from graphpath.network.operations import Conv, Dense, DiagonalMap
from graphpath.network.operations.maps import LinearMap
from graphpath.network.overlaps import Repeats, repeats, shared_roots
from graphpath.network.sites import Branch, Network, Site
from graphpath.network.views import View

CHUNK = {"cpu": 1 << 20}
"""Candidate edges held at once, by device: on a CPU what its caches hold, 4 MB of float32."""
LARGE_CHUNK = 1 << 24
"""On any other device: enough to keep it busy."""


@dataclass(frozen=True, eq=False)
class FlowRows:
    """The flows into some neurons of a site, one row a neuron, zero where a column is no edge.

    ``sample`` and ``target`` (R,) are the image and the neuron's number within the site; ``flow`` (R, K).
    An edge stands in one column only: parallel taps are summed.
    """

    site: Site
    sample: Tensor
    target: Tensor
    flow: Tensor
    _incoming: IncomingEdges
    _elements: Elements
    _sources: Tensor | None

    def sources(self, row: Tensor, column: Tensor) -> Tensor:
        """The neurons, numbers within the network, at the tails of the edges (flow other than 0) there."""
        if self._sources is not None:
            return self._sources[row, column]
        element = self._incoming.elements(self.target, row, column)
        return self._elements.behind(self.sample[row], element)

    def edges(self) -> tuple[Tensor, Tensor, Tensor]:
        """All edges: the row, the neuron at the tail (a number within the network), the flow; row by row."""
        present = self.flow != 0
        rows, columns = present.shape
        row = torch.arange(rows, device=present.device).repeat_interleave(present.sum(1))
        place = present.flatten().nonzero()[:, 0]  # faster than two indices or a mask
        flow = self.flow.flatten().index_select(0, place)
        if self._sources is not None:
            return row, self._sources.flatten().index_select(0, place), flow
        return row, self.sources(row, place.sub_(row * columns)), flow

    @cached_property
    def inputs(self) -> Tensor:
        """How many different neurons each row could have an edge from, flow or none: (R,) int64."""
        source = self._sources
        if source is None:
            source = self._incoming.wired(self._elements, self.sample, self.target)
        source = source.sort(1).values
        first = torch.ones_like(source, dtype=torch.bool)
        first[:, 1:] = source[:, 1:] != source[:, :-1]
        return (first & (source >= 0)).sum(1)


class IncomingBranch:
    """One branch into a site: the map, and the elements it reads."""

    def __init__(self, network: Network, site: Site, branch: Branch) -> None:
        branch = _without_copies(branch)
        self.view, self.step = branch.view, branch.linear
        self.map = _linear_map(branch, site, network)
        self.repeats = repeats(network, self.view, branch.taps, self.map)
        if self.repeats is Repeats.IN_CHANNEL and self.map.places * self.map.taps == 1:
            self.repeats = Repeats.NONE  # one place of each channel: it cannot meet itself
        self._index = None if self.view.index is None else self.view.index.flatten()
        self._weight = _weight(self.view, network)

    def read(self, values: Tensor) -> Tensor:
        """The tensor that the map reads, from element values (N, E): (N, *shape), constants apart."""
        if self._index is None:
            count = torch.Size(self.view.shape).numel()
            return values[:, self.view.base : self.view.base + count].reshape(-1, *self.view.shape)
        read = values.index_select(1, self._index.clamp(min=0))
        if self._weight is not None:
            read = read * self._weight
        return read.reshape(-1, *self.view.shape)

    def matrix(self, matrices: Mapping[int, Tensor]) -> Tensor | None:
        """What the images set of the branch's map, of all that they set; None: nothing."""
        return None if self.step is None else matrices.get(self.step)

    def wired(self, target: Tensor) -> Tensor:
        """The elements in all columns of neurons' rows (R, columns), -1 for padding."""
        column = torch.arange(self.map.columns, device=target.device)
        entry = self.map.entries(target[:, None], column[None])
        return torch.where(entry >= 0, self.behind(entry.clamp(min=0)), -1)

    def behind(self, entry: Tensor) -> Tensor:
        """The elements behind entries of the tensor that the map reads."""
        return entry + self.view.base if self._index is None else self._index[entry]

    def merged(self, flow: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Flows and sources (R, K) with parallel taps summed."""
        if self.repeats is Repeats.ANYWHERE:
            return merged(flow, source)
        rows, columns = flow.shape
        places, taps = self.map.places, self.map.taps
        channels = columns // (places * taps)

        def by_channel(matrix: Tensor) -> Tensor:
            return matrix.reshape(rows, places, channels, taps).transpose(1, 2).reshape(rows * channels, -1)

        summed = merged(by_channel(flow), by_channel(source))
        return summed[0].reshape(rows, columns), summed[1].reshape(rows, columns)


class IncomingEdges:
    """All branches into one site."""

    def __init__(self, network: Network, site: Site) -> None:
        self.site = site
        self.branches = [IncomingBranch(network, site, branch) for branch in site.branches]
        self._parallel = shared_roots(network, [branch_in.view for branch_in in self.branches])

    @property
    def repeated(self) -> bool:
        """Whether a neuron may reach another by several taps, which are then summed."""
        return self._parallel or any(branch_in.repeats is not Repeats.NONE for branch_in in self.branches)

    @property
    def columns(self) -> int:
        """Candidate edges into one neuron."""
        return sum(branch_in.map.columns for branch_in in self.branches)

    @property
    def narrowest(self) -> int:
        """A bound from below on the different neurons that any neuron has edges from, flow or none."""
        return max(
            branch_in.map.columns // (branch_in.map.places * branch_in.map.taps)
            for branch_in in self.branches
        )

    def forward(self, values: Tensor, matrices: Mapping[int, Tensor]) -> Tensor:
        """The sum of the flows into every neuron: (N, size of the site), from element values (N, E).

        ``matrices`` are those that the images set.
        """
        parts = (b.map.forward(b.read(values), b.matrix(matrices)) for b in self.branches)
        total: Tensor = sum(parts)  # type: ignore[assignment]
        return total

    def iterate_rows(
        self, elements: Elements, values: Tensor, sample: Tensor, target: Tensor, limit: int | None = None
    ) -> Iterator[FlowRows]:
        """The flows into neurons ``target`` of images ``sample`` (R,), a bounded number of edges at a time.

        ``values`` (N, E) are the elements' values; those set to zero have no edge.
        """
        unfolded = [b.map.unfold(b.read(values), b.matrix(elements.matrices)) for b in self.branches]
        limit = CHUNK.get(values.device.type, LARGE_CHUNK) if limit is None else limit
        rows = max(1, limit // self.columns)
        for start in range(0, len(sample), rows):
            part = slice(start, start + rows)
            yield self._make_rows(elements, unfolded, sample[part], target[part])

    def _make_rows(
        self, elements: Elements, unfolded: list[Tensor], sample: Tensor, target: Tensor
    ) -> FlowRows:
        flows: list[Tensor] = []
        sources: list[Tensor] = []
        explicit = self.repeated
        for branch_in, x in zip(self.branches, unfolded, strict=True):
            flow = branch_in.map.rows(x, sample, target).mul_(branch_in.map.weights(target))
            if explicit:
                wired = branch_in.wired(target)
                source = elements.behind(sample[:, None].expand_as(wired), wired)
                flow, source = (
                    branch_in.merged(flow, source)
                    if branch_in.repeats is not Repeats.NONE
                    else (flow, source)
                )
                sources.append(source)
            flows.append(flow)
        flow = flows[0] if len(flows) == 1 else torch.cat(flows, 1)
        source_table = torch.cat(sources, 1) if explicit else None
        if self._parallel and source_table is not None:
            flow, source_table = merged(flow, source_table)
        return FlowRows(self.site, sample, target, flow, self, elements, source_table)

    def elements(self, target: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """The elements behind edges, before parallel taps are summed: (E,).

        ``target`` (R,) are the rows' neurons, ``row`` and ``column`` (E,) the edges' places.
        """
        element = torch.empty_like(column)
        start = 0
        for branch_in in self.branches:
            here: Tensor | slice = slice(None)
            if len(self.branches) > 1:
                here = ((column >= start) & (column < start + branch_in.map.columns)).nonzero()[:, 0]
            steps = branch_in.map.steps.index_select(0, column[here] - start)
            entry = steps.add_(branch_in.map.starts(target).index_select(0, row[here]))
            element[here] = branch_in.behind(entry)
            start += branch_in.map.columns
        return element

    def wired(self, elements: Elements, sample: Tensor, target: Tensor) -> Tensor:
        """The neurons in all columns of rows (R, columns), flow or none; -1 for padding."""
        element = torch.cat([branch_in.wired(target) for branch_in in self.branches], 1)
        return elements.behind(sample[:, None].expand_as(element), element)


def merged(flow: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of flows with equal sources summed: (R, K) both; places left over have flow 0 and source -1."""
    order = source.sort(stable=True, dim=1)
    first = torch.ones_like(source, dtype=torch.bool)
    first[:, 1:] = order.values[:, 1:] != order.values[:, :-1]
    place = first.cumsum(1) - 1
    summed = torch.zeros_like(flow).scatter_add_(1, place, flow.gather(1, order.indices))
    kept = torch.full_like(source, -1).scatter_(1, place, order.values)
    return torch.where(kept >= 0, summed, 0), kept


def _linear_map(branch: Branch, site: Site, network: Network) -> LinearMap:
    if branch.operation is None:
        return DiagonalMap(None, branch.taps, site.shape, network.device)
    return branch.operation.linear_map(branch.taps, site.shape, branch.view.shape, network.device)


def _weight(view: View, network: Network) -> Tensor | None:
    if view.index is None:
        return None
    present = view.index.flatten() >= 0
    if view.weight is None and bool(present.all()):
        return None
    return torch.where(present, view.weighted().flatten(), 0).to(network.dtype)


def _without_copies(branch: Branch) -> Branch:
    """A dense layer that reads the same elements many times (behind an upsampling average) reads them once.

    Its weights are summed over the copies: VGG at 32 x 32 repeats each neuron 49 times before its classifier.
    So are those of a convolution whose kernel covers all that it reads.
    """
    view, weight = branch.view, _dense_weight(branch)
    if weight is None or view.index is None:
        return branch
    index = view.index.flatten()
    unique, place = index.unique(return_inverse=True)
    if len(unique) == len(index):
        return branch
    share = view.weighted().flatten().to(weight.dtype)
    entry, plane = torch.arange(len(index), device=index.device), torch.Size(view.shape[1:]).numel()
    column = entry // plane // branch.taps * plane + entry % plane  # of the weight
    copies = torch.sparse_coo_tensor(
        torch.stack([place, column]), share, (len(unique), weight.shape[1]), check_invariants=False
    )
    folded = torch.sparse.mm(copies, weight.T).T.contiguous()  # without the weight once a copy
    view = View((len(unique),), index=unique[None])
    return replace(branch, operation=Dense(folded, None), view=view, taps=1)


def _dense_weight(branch: Branch) -> Tensor | None:
    """The weight (O, I) of a layer of which every neuron reads everything, None of any other."""
    layer, plane = branch.operation, branch.view.shape[1:]
    if isinstance(layer, Dense):
        return layer.weight
    if not isinstance(layer, Conv) or layer.groups > 1 or any(layer.padding):
        return None
    return layer.weight.flatten(1) if tuple(layer.weight.shape[2:]) == plane else None
