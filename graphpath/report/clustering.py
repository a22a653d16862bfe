"""Which classes are alike: groups joined two by two, and an order in which neighbours are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphpath.report.ordering import Matrix, order_leaves

if TYPE_CHECKING:
    import pandas as pd

LEAST = 3
"""Of fewer things every order has the same neighbours."""


@dataclass(frozen=True)
class Group:
    """One thing, or two groups that were joined."""

    members: tuple[str, ...]
    """From the first leaf to the last."""
    place: float
    """Where it stands among the leaves: leaf ``i`` at ``i + 0.5``, a joint midway between its parts."""
    likeness: float = 1.0
    """Mean likeness of one part's members to the other's."""
    parts: tuple[Group, ...] = ()


def square_matrix(frame: pd.DataFrame, names: Sequence[str], value: str) -> Matrix:
    """``value`` of the pairs (category1, category2) in ``frame``: (n, n) over ``names``, symmetric.

    NaN where the frame has no such pair, and on the diagonal.
    """
    place = {name: order for order, name in enumerate(names)}
    known = frame[frame.category1.isin(place) & frame.category2.isin(place)]
    one, two = (known[column].map(place).to_numpy(np.int64) for column in ("category1", "category2"))
    matrix = np.full((len(names), len(names)), np.nan)
    matrix[one, two] = matrix[two, one] = known[value].to_numpy(np.float64)
    return matrix


def cluster(names: Sequence[str], likeness: Matrix) -> list[Group]:
    """Every joint of the tree over ``names``, the least alike last; of fewer than ``LEAST`` names none.

    ``likeness`` is (n, n) and symmetric, in [0, 1], NaN where it is not known.

    The tree is that of average linkage (UPGMA; Sokal and Michener 1958) of the distances 1 - ``likeness``.
    An unknown likeness counts as 0. A tree allows several orders of its leaves: the one taken has the
    nearest neighbours, and is read from the end with the smaller name. Ties go by name, so the order in
    which the names are given does not matter.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(names) < LEAST:
        return []
    by_name = sorted(range(len(names)), key=names.__getitem__)
    distance = np.clip(1 - np.nan_to_num(likeness[np.ix_(by_name, by_name)]), 0, None)
    joints = linkage(squareform(distance, checks=False), "average")
    order = order_leaves([(int(one), int(two)) for one, two in joints[:, :2]], distance)
    return _read_joints([names[i] for i in by_name], order if order[0] < order[-1] else order[::-1], joints)


def _read_joints(names: Sequence[str], order: Sequence[int], joints: Matrix) -> list[Group]:
    """scipy's table of joints (the numbers of two groups, their distance and size) as groups."""
    places = np.argsort(order) + 0.5
    groups = [Group((name,), float(place)) for name, place in zip(names, places, strict=True)]
    for one, two, distance, _ in joints:
        first, second = sorted((groups[int(one)], groups[int(two)]), key=lambda part: part.place)
        middle = (first.place + second.place) / 2
        members = first.members + second.members
        groups.append(Group(members, middle, max(1 - float(distance), 0.0), (first, second)))
    return groups[len(names) :]
