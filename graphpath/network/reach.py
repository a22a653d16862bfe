"""Which edges a network can have at all: from which neurons a site's neurons can get anything, whatever the
image and the weights: the possible edges of ``graphpath/README.md``, "Comparison".

A max-pool may let any place of its window through and a gate anything, so what images decide is left open:
an edge is possible if some image could have it. The answer is a union of products for each pair of sites.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from graphpath.network.operations import MaxPool
from graphpath.network.products import AXES, Product, alike, disjoint, of_pairs
from graphpath.network.relations import Ints, Relation
from graphpath.network.sites import Branch, Network, Site
from graphpath.network.views import Anchor, PoolAnchor, ScaleAnchor, View

Shape = tuple[int, int, int]
Columns = dict[str, npt.NDArray[np.generic]]


MOST = 1 << 13
"""Products of one tensor's possible edges that are worth writing down; they take seconds and a gigabyte."""


class _TooManyError(Exception):
    """The possible edges are no union of few products."""


def tabulate_reach(network: Network) -> Columns | None:
    """The record's table ``reach``; None where a tensor's possible edges take more than ``MOST`` products.

    Those of some mixers do, where one layer's channels are another's places.
    """
    try:
        return Reach(network).columns()
    except _TooManyError:
        return None


class Reach:
    """The possible edges of a network, site by site."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._scales = [a for a in network.anchors if isinstance(a, ScaleAnchor)]
        pools = [a for a in network.anchors if isinstance(a, PoolAnchor)]
        self._origins: list[tuple[int, Shape, Anchor | None]] = [
            *((site.offset, site.shape, None) for site in network.sites),
            *((anchor.base, _volume(anchor.shape), anchor) for anchor in pools),
        ]
        self._pooled: dict[int, list[Product]] = {}
        self._known: dict[tuple[int, Shape], list[Product]] = {}
        for number, anchor in enumerate(pools, start=len(network.sites)):
            self._pooled[number] = self._behind_pool(anchor)

    def into(self, site: Site) -> list[Product]:
        """The possible edges into a site, each in one product; their sources are numbers of sites."""
        by_source: dict[int, list[Product]] = {}
        for branch in site.branches:
            for product in self._branch(branch, site.shape):
                by_source.setdefault(product.source, []).append(product)
        return [product for source in sorted(by_source) for product in disjoint(by_source[source])]

    def columns(self) -> Columns:
        """The record's table ``reach`` (:mod:`graphpath.record.schema`)."""
        rows: list[npt.NDArray[np.int64]] = []
        known: dict[Hashable, Ints] = {}  # windows relate the same rows and columns over and over
        for site in self._network.sites:
            for term, product in enumerate(self.into(site)):
                for axis, relation in enumerate((product.channel, product.y, product.x)):
                    if relation.key not in known:
                        known[relation.key] = relation.rectangles()
                    found = known[relation.key]
                    ends = np.tile([site.number, product.source, term, axis], (len(found), 1))
                    rows.append(np.concatenate([ends, found], axis=1))
        names = ("layer", "source_layer", "term", "axis", "to_first", "to_count", "from_first", "from_count")
        table = np.concatenate([np.empty((0, len(names)), np.int64), *rows])
        columns: Columns = dict(zip(names, table.T.astype(np.int32), strict=True))
        columns["axis"] = np.array(AXES, dtype=object)[table[:, 3]]
        return columns

    def _branch(self, branch: Branch, shape: Shape) -> list[Product]:
        if branch.operation is None:
            return self._behind(branch, shape)
        source = _volume(branch.view.shape)
        read = self._behind(branch, branch.operation.parts(shape, source))
        return branch.operation.reached(read, shape, source)

    def _behind(self, branch: Branch, shape: Shape) -> list[Product]:
        """What a branch reads; several branches may read one tensor."""
        key = (branch.reads, shape)
        if key not in self._known:
            self._known[key] = self._read(branch.view, shape)
        return self._known[key]

    def _behind_pool(self, anchor: PoolAnchor) -> list[Product]:
        operation = self._network.program.steps[anchor.step].operation
        assert isinstance(operation, MaxPool)
        channels, *out = _volume(anchor.shape)
        _, high, wide = _volume(anchor.source.shape)
        size, plane = (out[0], out[1]), (high, wide)
        rows, columns = operation.covers(size, plane)
        read = self._read(anchor.source, (channels, high, wide))
        return [product.within(rows, columns) for product in read]

    def _read(self, view: View, shape: Shape) -> list[Product]:
        """The sites behind a tensor, as one whose first dimension is cut into ``shape[0]`` parts."""
        found = []
        for product in self._plain(view, shape) or self._decoded(view, shape):
            if product.source in self._pooled:
                found += [product.after(inner) for inner in self._pooled[product.source]]
            else:
                found.append(product)
        return found

    def _plain(self, view: View, shape: Shape) -> list[Product] | None:
        """What is simply some whole feature maps of one origin; None where it is anything else."""
        volume = _volume(view.shape)
        if view.index is not None or shape[1:] != volume[1:]:
            return None
        for number, (base, (channels, high, wide), anchor) in enumerate(self._origins):
            first, rest = divmod(view.base - base, high * wide)
            inside = first >= 0 and first + volume[0] <= channels
            if (
                inside
                and rest == 0
                and (high, wide) == volume[1:]
                and (anchor is None or anchor.source.taps == 1)
            ):
                held = np.arange(volume[0])
                part = held // (volume[0] // shape[0])
                channel = Relation.of_pairs(part, first + held, (shape[0], channels))
                return [Product(number, channel, Relation.identity(high), Relation.identity(wide))]
        return None

    def _decoded(self, view: View, shape: Shape) -> list[Product]:
        """What any tensor holds, element by element."""
        element = self._unscaled(view.indexed().cpu().numpy())
        taps = element.shape[0]
        element = element.reshape(taps, shape[0], -1, shape[1] * shape[2])
        place = np.nonzero(element >= 0)
        origin, channel, at = self._located(element[place])
        found = []
        for number in np.unique(origin):
            mine = origin == number
            columns = (place[1][mine], place[3][mine], channel[mine], at[mine])
            found += self._of_origin(int(number), shape, *columns)
        return found

    def _of_origin(
        self, number: int, shape: Shape, part: Ints, to: Ints, channel: Ints, at: Ints
    ) -> list[Product]:
        """Elements of one origin: the part and place that hold them, and their own channel and place."""
        channels, high, wide = self._origins[number][1]
        owners, owner = np.unique(part * channels + channel, return_inverse=True)
        found = []
        for members, pairs in alike(owner, to * (high * wide) + at, len(owners)):
            related = Relation.of_numbers(owners[members], (shape[0], channels))
            goes, comes = np.divmod(pairs, high * wide)
            found += of_pairs(number, related, goes, comes, (*shape[1:], high, wide))
            if len(found) > MOST:
                raise _TooManyError
        return found

    def _located(self, element: Ints) -> tuple[Ints, Ints, Ints]:
        """The origin, channel and place of elements (E,), those of anchors with several taps included."""
        bases = np.array([base for base, _, _ in self._origins])
        taps = np.array([1 if a is None else a.source.taps for _, _, a in self._origins])
        planes = np.array([shape[1] * shape[2] for _, shape, _ in self._origins])
        origin = np.searchsorted(bases, element, side="right") - 1
        entry = (element - bases[origin]) // taps[origin]
        return origin, entry // planes[origin], entry % planes[origin]

    def _unscaled(self, index: Ints) -> Ints:
        """Elements with what gates and norms of the image multiply in their place."""
        index = index.copy()
        for anchor in reversed(self._scales):
            mine = (index >= anchor.base) & (index < anchor.base + anchor.size)
            if mine.any():
                entry, tap = np.divmod(index[mine] - anchor.base, anchor.source.taps)
                index[mine] = (
                    anchor.source.indexed().cpu().numpy().reshape(anchor.source.taps, -1)[tap, entry]
                )
        return index


def _volume(shape: tuple[int, ...]) -> Shape:
    channels, high, wide = (*shape, 1, 1)[:3]
    return channels, high, wide
