"""Pairs of neurons as a union of products: a relation of channels, one of rows and one of columns each.

Convolution, pooling, concatenation and grouping all relate neurons axis by axis, so a few small matrices
say which of 10^9 pairs there are, and how many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphpath.network.relations import Ints, Relation, apart, grouped, hashed, never_meet, union

AXES = ("channel", "y", "x")


@dataclass(frozen=True, eq=False)
class Product:
    """The pairs (target, source) whose channels, rows and columns are each related.

    ``source`` is a number of the owner's: the site or anchor that has the sources.
    """

    source: int
    channel: Relation
    y: Relation
    x: Relation

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.channel.pairs * self.y.pairs * self.x.pairs

    def after(self, other: Product) -> Product:
        """The pairs of this one's targets with what ``other`` relates to its sources."""
        channel = self.channel.after(other.channel)
        return Product(other.source, channel, self.y.after(other.y), self.x.after(other.x))

    def within(self, y: Relation, x: Relation) -> Product:
        """The pairs of the same channels whose rows and columns ``y`` and ``x`` relate to these ones."""
        return replace(self, y=y.after(self.y), x=x.after(self.x))

    def repeated(self, times: int) -> Product:
        """With every target channel ``times`` times."""
        return replace(self, channel=self.channel.repeated(times))


def disjoint(products: Sequence[Product]) -> list[Product]:
    """The same pairs of one source, each in one product only; products that are empty go."""
    products = [product for product in products if product.pairs]
    if len(products) < 2 or never_meet([product.channel for product in products]):
        return products
    found = []
    for channel, some in apart([product.channel for product in products]):
        for y, few in apart([products[i].y for i in some]):
            x = union([products[some[i]].x for i in few])
            found.append(replace(products[0], channel=channel, y=y, x=x))
    return found


def of_pairs(
    source: int, channel: Relation, to: Ints, back: Ints, shape: tuple[int, int, int, int]
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
    for members, columns in alike(which, column, len(rows)):
        y = Relation.of_numbers(rows[members], (high, source_high))
        x = Relation.of_numbers(columns, (wide, source_wide))
        found.append(Product(source, channel, y, x))
    return found


def alike(owner: Ints, item: Ints, owners: int) -> Iterator[tuple[Ints, Ints]]:
    """Owners (numbers below ``owners``) that have the same items: each group, and its items in order.

    Every owner has some item. Sets are compared by sums of 64-bit hashes of their distinct items.
    """
    size = int(item.max(initial=0)) + 1
    pair = _distinct(owner * size + item)
    owner, item = np.divmod(pair, size)
    first = np.searchsorted(owner, np.arange(owners + 1))
    sums = np.add.reduceat(hashed(item), first[:-1]) if owners else np.empty(0, np.uint64)
    values, group = np.unique(sums, return_inverse=True)
    for members in grouped(group, len(values)):
        one = members[0]
        yield members, item[first[one] : first[one + 1]]


def _distinct(values: Ints) -> Ints:
    """As ``np.unique``, whose hashing takes ten times as long on what is nearly in order."""
    values = np.sort(values)
    return values[np.append(True, values[1:] != values[:-1])] if len(values) else values
