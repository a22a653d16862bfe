"""Pairs of neurons as a union of products: a relation of channels, one of rows and one of columns each.

Convolution, pooling, concatenation and grouping all relate neurons axis by axis, so a few small matrices
say which of 10^9 pairs there are, and how many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
AXES = ("channel", "y", "x")


@dataclass(frozen=True, eq=False)
class Product:
    """The pairs (target, source) whose channels, rows and columns are each related.

    The matrices are (target's coordinates, source's coordinates); ``source`` is a number of the owner's:
    the site or anchor that has the sources.
    """

    source: int
    channel: Matrix
    y: Matrix
    x: Matrix

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return int(self.channel.sum()) * int(self.y.sum()) * int(self.x.sum())

    def after(self, other: Product) -> Product:
        """The pairs of this one's targets with what ``other`` relates to its sources."""
        return Product(
            other.source, after(self.channel, other.channel), after(self.y, other.y), after(self.x, other.x)
        )

    def within(self, y: Matrix, x: Matrix) -> Product:
        """The pairs of the same channels whose rows and columns ``y`` and ``x`` relate to these ones."""
        return Product(self.source, self.channel, after(y, self.y), after(x, self.x))


def after(one: Matrix, two: Matrix) -> Matrix:
    """The relation (a, c) of all a, c with some b between: ``one`` (a, b), then ``two`` (b, c)."""
    found: Matrix = (one.astype(np.float32) @ two.astype(np.float32)) > 0
    return found


def disjoint(products: Sequence[Product]) -> list[Product]:
    """The same pairs of one source, each in one product only; products that are empty go."""
    products = [product for product in products if product.pairs]
    if len(products) < 2 or _never_meet([product.channel for product in products]):
        return products
    found = []
    for channel, some in _apart([product.channel for product in products]):
        for y, few in _apart([products[i].y for i in some]):
            x = np.logical_or.reduce([products[some[i]].x for i in few])
            found.append(replace(products[0], channel=channel, y=y, x=x))
    return found


def _never_meet(masks: list[Matrix]) -> bool:
    """Whether no cell is in two of ``masks``."""
    met = np.zeros(masks[0].shape, bool)
    for mask in masks:
        if bool((met & mask).any()):
            return False
        met |= mask
    return True


def _apart(masks: list[Matrix]) -> Iterator[tuple[Matrix, list[int]]]:
    """The cells that exactly some of ``masks`` have, with which those are; cells of none are left out.

    Sets of masks are told apart by 64-bit hashes.
    """
    code = np.zeros(masks[0].size, np.uint64)
    for key, mask in zip(_hashed(np.arange(1, len(masks) + 1)), masks, strict=True):
        code ^= np.where(mask.ravel(), key, np.uint64(0))
    for value, first in zip(*np.unique(code, return_index=True), strict=True):
        if here := [i for i, mask in enumerate(masks) if mask.flat[first]]:
            yield (code == value).reshape(masks[0].shape), here


def of_pairs(
    source: int, channel: Matrix, to: Ints, back: Ints, shape: tuple[int, int, int, int]
) -> list[Product]:
    """Pairs of places ``to`` and ``back`` (P,) as products, disjoint, all with the channels ``channel``.

    ``shape`` is the height and width of the targets' plane, then those of the sources'.
    """
    high, wide, source_high, source_wide = shape
    cell = _distinct(to * (source_high * source_wide) + back)
    to, back = np.divmod(cell, source_high * source_wide)
    row = to // wide * source_high + back // source_wide
    column = to % wide * source_wide + back % source_wide
    rows, which = np.unique(row, return_inverse=True)
    found = []
    for members, one in alike(which, column, len(rows)):
        y = np.zeros(high * source_high, bool)
        x = np.zeros(wide * source_wide, bool)
        y[rows[members]] = True
        x[column[which == one]] = True
        found.append(Product(source, channel, y.reshape(high, -1), x.reshape(wide, -1)))
    return found


def alike(owner: Ints, item: Ints, owners: int) -> Iterator[tuple[Ints, int]]:
    """Owners (numbers below ``owners``) that have the same items, each group with one of its members.

    Every owner has some item. Sets are compared by sums of 64-bit hashes of their distinct items.
    """
    size = int(item.max(initial=0)) + 1
    pair = _distinct(owner * size + item)
    owner, item = np.divmod(pair, size)
    first = np.searchsorted(owner, np.arange(owners))
    sums = np.add.reduceat(_hashed(item), first) if owners else np.empty(0, np.uint64)
    values, group = np.unique(sums, return_inverse=True)
    for number in range(len(values)):
        members = np.flatnonzero(group == number)
        yield members, int(members[0])


def _distinct(values: Ints) -> Ints:
    """As ``np.unique``, whose hashing takes ten times as long on what is nearly in order."""
    values = np.sort(values)
    return values[np.append(True, values[1:] != values[:-1])] if len(values) else values


def _hashed(item: Ints) -> npt.NDArray[np.uint64]:
    """splitmix64 of each number (Steele, Lea and Flood 2014)."""
    x = item.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def rectangles(matrix: Matrix) -> npt.NDArray[np.int64]:
    """The true cells as disjoint rectangles: (R, 4) of first row, rows, first column, columns."""
    changed = np.append(True, (matrix[1:] != matrix[:-1]).any(1))
    first = np.flatnonzero(changed)
    count = np.diff(np.append(first, len(matrix)))
    edge = np.diff(np.pad(matrix[first].astype(np.int8), ((0, 0), (1, 1))), axis=1)
    block, start = np.nonzero(edge == 1)
    stop = np.nonzero(edge == -1)[1]
    return np.stack([first[block], count[block], start, stop - start], axis=1).astype(np.int64)
