"""Relations of coordinates: which of a target's channels (rows, columns) go with which of a source's.

Windows of attention relate a few of thousands of channels each, so a relation is a matrix of those rows and
columns alone that have something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Relation:
    """Pairs (target's coordinate, source's coordinate), of so many coordinates each (``shape``).

    ``cells`` (R, C) says which of ``rows`` (R,) and ``columns`` (C,), both in order, are pairs. No row and
    no column of it is empty, so equal relations have equal parts.
    """

    shape: tuple[int, int]
    rows: Ints
    columns: Ints
    cells: Matrix

    @classmethod
    def of(cls, matrix: Matrix) -> Relation:
        """The relation whose pairs are the true cells of a matrix."""
        high, wide = matrix.shape
        return _trimmed((high, wide), np.arange(high), np.arange(wide), matrix)

    @classmethod
    def of_pairs(cls, to: Ints, back: Ints, shape: tuple[int, int]) -> Relation:
        """The relation of pairs (P,), in any order and any number of times each."""
        rows, row = _numbered(to, shape[0])
        columns, column = _numbered(back, shape[1])
        cells = np.zeros((len(rows), len(columns)), bool)
        cells[row, column] = True
        return cls(shape, rows, columns, cells)

    @classmethod
    def of_numbers(cls, cell: Ints, shape: tuple[int, int]) -> Relation:
        """The relation of some cells of a matrix of ``shape``, counted row by row."""
        to, back = np.divmod(cell, shape[1])
        return cls.of_pairs(to, back, shape)

    @classmethod
    def identity(cls, size: int) -> Relation:
        """Each coordinate with itself."""
        return cls.of(np.eye(size, dtype=bool))

    @classmethod
    def full(cls, high: int, wide: int) -> Relation:
        """All pairs."""
        return cls.of(np.ones((high, wide), bool))

    @cached_property
    def pairs(self) -> int:
        """How many pairs there are."""
        return int(np.count_nonzero(self.cells))

    @cached_property
    def key(self) -> tuple[bytes, bytes, bytes]:
        """The same for equal relations of one shape, and for no others."""
        return self.rows.tobytes(), self.columns.tobytes(), np.packbits(self.cells).tobytes()

    @cached_property
    def is_identity(self) -> bool:
        """Whether it is each coordinate with itself."""
        high, wide = self.shape
        return high == wide == self.pairs and bool(self.cells.diagonal().sum() == high)

    def dense(self) -> Matrix:
        """All cells, as a matrix of ``shape``."""
        found = np.zeros(self.shape, bool)
        found[np.ix_(self.rows, self.columns)] = self.cells
        return found

    def has(self, to: Ints, back: Ints) -> Matrix:
        """Which of some pairs (P,) are there."""
        row, column = np.searchsorted(self.rows, to), np.searchsorted(self.columns, back)
        found = np.zeros(len(to), bool)
        inside = (row < len(self.rows)) & (column < len(self.columns))
        inside[inside] &= self.rows[row[inside]] == to[inside]
        inside[inside] &= self.columns[column[inside]] == back[inside]
        found[inside] = self.cells[row[inside], column[inside]]
        return found

    def after(self, other: Relation) -> Relation:
        """The pairs (a, c) with some b between: (a, b) here, (b, c) in ``other``."""
        if self.is_identity:
            return other
        mine, theirs = _shared(self.columns, other.rows, self.shape[1])
        one, two = self.cells[:, mine], other.cells[theirs]
        cells = (one.astype(np.float32) @ two.astype(np.float32)) > 0
        return _trimmed((self.shape[0], other.shape[1]), self.rows, other.columns, cells)

    def repeated(self, times: int) -> Relation:
        """Every target's coordinate ``times`` times, one behind the other."""
        rows = (self.rows[:, None] * times + np.arange(times)).ravel()
        shape = (self.shape[0] * times, self.shape[1])
        return Relation(shape, rows, self.columns, self.cells.repeat(times, axis=0))

    def rectangles(self) -> Ints:
        """The pairs as disjoint rectangles: (R, 4) of first row, rows, first column, columns."""
        if not len(self.rows):
            return np.empty((0, 4), np.int64)
        new = (self.cells[1:] != self.cells[:-1]).any(1) | (np.diff(self.rows) != 1)
        first = np.flatnonzero(np.append(True, new))
        count = np.diff(np.append(first, len(self.rows)))
        cells = self.cells[first]
        goes_on = cells[:, 1:] & cells[:, :-1] & (np.diff(self.columns) == 1)
        start, stop = cells.copy(), cells.copy()
        start[:, 1:] &= ~goes_on
        stop[:, :-1] &= ~goes_on
        block, begin = np.nonzero(start)
        begin, end = self.columns[begin], self.columns[np.nonzero(stop)[1]]
        return np.stack([self.rows[first[block]], count[block], begin, end - begin + 1], axis=1)


def union(relations: Sequence[Relation]) -> Relation:
    """The pairs of any of ``relations``, of which there are some, all of one shape."""
    relations = list({relation.key: relation for relation in relations}.values())
    if len(relations) == 1:
        return relations[0]
    found = np.zeros(relations[0].shape, bool)
    for relation in relations:
        found[np.ix_(relation.rows, relation.columns)] |= relation.cells
    return Relation.of(found)


def apart(relations: Sequence[Relation]) -> Iterator[tuple[Relation, list[int]]]:
    """The pairs that exactly some of ``relations`` have, with which those are; pairs of none are left out.

    All are of one shape. Sets of relations are told apart by 64-bit hashes, in whose order they come.
    """
    members: dict[tuple[bytes, bytes, bytes], list[int]] = {}
    for number, relation in enumerate(relations):
        members.setdefault(relation.key, []).append(number)
    some = list(members.values())
    keys = hashed(np.arange(1, len(relations) + 1))
    codes = np.array([np.bitwise_xor.reduce(keys[one]) for one in some], np.uint64)
    distinct = [relations[one[0]] for one in some]
    if never_meet(distinct):
        for number in np.argsort(codes):
            if distinct[number].pairs:
                yield distinct[number], some[number]
        return
    for relation, here in _cut(distinct, codes):
        yield relation, sorted(n for one in here for n in some[one])


def never_meet(relations: Sequence[Relation]) -> bool:
    """Whether no pair is in two of ``relations``, which are of one shape."""
    if len(relations) < 2:
        return True
    met = np.zeros(relations[0].shape, bool)
    for relation in relations:
        here = np.ix_(relation.rows, relation.columns)
        before = met[here]
        if bool((before & relation.cells).any()):
            return False
        met[here] = before | relation.cells
    return True


def _cut(relations: Sequence[Relation], keys: Hashes) -> Iterator[tuple[Relation, list[int]]]:
    """As :func:`apart`, of different relations with a hash each."""
    shape = relations[0].shape
    code = np.zeros(shape, np.uint64)
    for key, relation in zip(keys, relations, strict=True):
        code[np.ix_(relation.rows, relation.columns)] ^= np.where(relation.cells, key, np.uint64(0))
    to, back = np.nonzero(code)
    values, first, group = np.unique(code[to, back], return_index=True, return_inverse=True)
    held = np.stack([relation.has(to[first], back[first]) for relation in relations])
    for number, pairs in enumerate(grouped(group, len(values))):
        yield Relation.of_pairs(to[pairs], back[pairs], shape), np.flatnonzero(held[:, number]).tolist()


def _trimmed(shape: tuple[int, int], rows: Ints, columns: Ints, cells: Matrix) -> Relation:
    """The relation of some rows and columns, without those that are empty."""
    row, column = cells.any(1), cells.any(0)
    if not row.all():
        rows, cells = rows[row], cells[row]
    if not column.all():
        columns, cells = columns[column], cells[:, column]
    return Relation(shape, rows, columns, cells)


def _numbered(items: Ints, below: int) -> tuple[Ints, Ints]:
    """The different numbers among ``items``, all smaller than ``below``, and each one's place among them."""
    there = np.zeros(below, bool)
    there[items] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[items]


def _shared(one: Ints, two: Ints, below: int) -> tuple[Ints, Ints]:
    """The places in ``one`` and in ``two``, both in order, of the numbers that both have."""
    place = np.full(below, -1)
    place[two] = np.arange(len(two))
    theirs = place[one]
    mine = np.flatnonzero(theirs >= 0)
    return mine, theirs[mine]


def grouped(group: Ints, count: int) -> list[Ints]:
    """The places of each number below ``count`` in ``group``, in order."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.searchsorted(group[order], np.arange(1, count)))


def hashed(item: Ints) -> Hashes:
    """splitmix64 of each number (Steele, Lea and Flood 2014)."""
    x = item.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
