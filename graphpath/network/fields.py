"""Receptive fields: from which pixels anything can flow into a neuron, whatever the image and the weights.

What flows is meant: a max-pool may let any place of its window through, and a gate or a norm over the image
scales what it is given. What only decides a gate, a norm or attention's pattern is held, has no edges, and
does not count. (A squeeze-and-excitation gate is made of the whole image: with it a field were everything.)

Pixels are told by their rows and columns. A field is the smallest box of them that holds all; dilated windows
leave holes in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt

from graphpath.network.operations import MaxPool
from graphpath.network.products import Product
from graphpath.network.relations import Ints, Relation
from graphpath.network.sites import Branch, Network, Site
from graphpath.network.views import Anchor, PoolAnchor, View
from graphpath.shapes import fold

Bounds = npt.NDArray[np.signedinteger]
"""(4, ...): a box for each entry, as its first row, minus its last, its first column and minus its last.

So the box around several is the least of each. ``NONE`` in all four is no pixel."""

NONE: Final = {np.dtype(np.int16): 1 << 14, np.dtype(np.int32): 1 << 30}


@dataclass(frozen=True, eq=False)
class Field:
    """The boxes of a layer's neurons: a neuron's has the rows of its row and the columns of its column.

    The first and last row are (height,) int32, the first and last column (width,). From no pixel is 0 and -1.
    Of neurons of one row of a layer, in any column and map, the rows are those of all together, and likewise
    the columns: only where maps differ, or where places were made channels, has one neuron fewer.
    """

    first_row: Ints
    last_row: Ints
    first_column: Ints
    last_column: Ints


def find_fields(network: Network) -> list[Field]:
    """The fields of every layer of a network, the input's first."""
    return _Fields(network).summaries()


def tabulate_fields(network: Network) -> dict[str, npt.NDArray[np.generic]]:
    """The record's table ``fields`` (:mod:`graphpath.record.schema`)."""
    layer, axis, place, first, last = [], [], [], [], []
    for number, field in enumerate(find_fields(network)):
        for name, low, high in (
            ("y", field.first_row, field.last_row),
            ("x", field.first_column, field.last_column),
        ):
            layer.append(np.full(len(low), number))
            axis.append(np.full(len(low), name, dtype=object))
            place.append(np.arange(len(low)))
            first.append(low)
            last.append(high)
    numbers = {"layer": layer, "place": place, "first": first, "last": last}
    columns = {name: np.concatenate(parts).astype(np.int32) for name, parts in numbers.items()}
    return {**columns, "axis": np.concatenate(axis)}


class _Fields:
    """The boxes of all elements of a network, those of padding in the last place."""

    def __init__(self, network: Network) -> None:
        self._network = network
        dtype = np.dtype(np.int16 if max(network.sites[0].shape) < NONE[np.dtype(np.int16)] else np.int32)
        self._none = NONE[dtype]
        self._known: Bounds = np.full((4, network.neurons + network.pooled + 1), self._none, dtype)
        steps: list[tuple[int, int, Site | Anchor]] = [
            *((site.after, 1, site) for site in network.sites[1:]),
            *((anchor.step, 0, anchor) for anchor in network.anchors),
        ]
        self._put(network.sites[0].span, _pixels(network.sites[0].shape))
        for _, _, origin in sorted(steps, key=lambda step: step[:2]):
            self._put(origin.span, self._into(origin))

    def summaries(self) -> list[Field]:
        """The fields of every layer."""
        return [self._summarise(site) for site in self._network.sites]

    def _summarise(self, site: Site) -> Field:
        bounds = self._known[:, site.span].reshape(4, *site.shape)
        rows, columns = bounds[:2].min((1, 3)), bounds[2:].min((1, 2))
        return Field(*(end for ends in (rows, columns) for end in self._unpack(ends)))

    def _unpack(self, ends: Bounds) -> tuple[Ints, Ints]:
        there = ends[0] < self._none
        first, last = np.where(there, ends, [[0], [1]]).astype(np.int64)
        return first, -last

    def _put(self, span: slice, bounds: Bounds) -> None:
        self._known[:, span] = bounds.reshape(4, -1)

    def _into(self, origin: Site | Anchor) -> Bounds:
        if isinstance(origin, Site):
            first, *others = (self._branch(branch, origin.shape) for branch in origin.branches)
            return reduce(np.minimum, others, first)
        read = self._read(origin.source)
        if isinstance(origin, PoolAnchor):
            read = self._pooled(origin, read)
        return np.moveaxis(read, 1, -1)  # taps last, as anchors number their elements

    def _read(self, view: View) -> Bounds:
        """The boxes of a tensor's elements: (4, taps, *shape)."""
        if view.index is None:
            elements = self._known[:, view.base : view.base + int(np.prod(view.shape))]
            return elements.reshape(4, 1, *view.shape)
        return self._known[:, view.index.cpu().numpy()]

    def _pooled(self, anchor: PoolAnchor, read: Bounds) -> Bounds:
        operation = self._network.program.steps[anchor.step].operation
        assert isinstance(operation, MaxPool)
        (channels, *out), (_, *size) = fold(anchor.shape), fold(anchor.source.shape)
        rows, columns = operation.covers((out[0], out[1]), (size[0], size[1]))
        read = read.reshape(4, -1, channels, *size)
        return self._within(self._within(read, rows, 3), columns, 4)

    def _branch(self, branch: Branch, shape: tuple[int, int, int]) -> Bounds:
        """The boxes of what flows through one branch: (4, *shape)."""
        read, source = self._read(branch.view), fold(branch.view.shape)
        parts = shape if branch.operation is None else branch.operation.parts(shape, source)
        read = np.asarray(read.reshape(4, parts[0], -1, parts[1], parts[2]).min(2))
        if branch.operation is None:
            return read
        every = Product(0, *(Relation.identity(size) for size in parts))
        (product,) = branch.operation.reached([every], shape, source)
        for axis, relation in enumerate((product.channel, product.y, product.x), start=1):
            read = self._within(read, relation, axis)
        return read

    def _within(self, bounds: Bounds, relation: Relation, axis: int) -> Bounds:
        """The boxes around those that ``relation`` relates along an axis."""
        if relation.is_identity:
            return bounds
        bounds = np.moveaxis(bounds, axis, 0)
        alike = len(relation.rows) == relation.shape[0] and bool((relation.cells == relation.cells[:1]).all())
        if alike:
            one = bounds[relation.columns].min(0)
            return np.moveaxis(np.broadcast_to(one, (relation.shape[0], *one.shape)), 0, axis)
        nothing = np.full((1, *bounds.shape[1:]), self._none, bounds.dtype)
        bounds = np.concatenate([bounds, nothing])
        places = _list_places(relation)
        found = bounds[places[0]]
        for place in places[1:]:
            found = np.minimum(found, bounds[place])
        return np.moveaxis(found, 0, axis)


def _list_places(relation: Relation) -> Ints:
    """For each target's coordinate those related to it, -1 where it has fewer: (most, targets)."""
    count = relation.cells.sum(1)
    places = np.full((int(count.max(initial=1)), relation.shape[0]), -1)
    row, column = np.nonzero(relation.cells)
    places[np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count), relation.rows[row]] = (
        relation.columns[column]
    )
    return places


def _pixels(shape: tuple[int, int, int]) -> Bounds:
    """Every pixel its own box: (4, *shape)."""
    _, high, wide = shape
    y, x = np.arange(high)[:, None], np.arange(wide)[None]
    ends = [np.broadcast_to(end, (high, wide)) for end in (y, -y, x, -x)]
    return np.broadcast_to(np.stack(ends)[:, None], (4, *shape))
