"""The order of a tree's leaves. (scipy has a function for it that misses the best: its issue 11227.)"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def order_leaves(joints: Sequence[tuple[int, int]], distance: Matrix) -> tuple[int, ...]:
    """The order of a tree's leaves with the smallest sum of distances of neighbours; one of several such.

    Dynamic programming over the tree (Bar-Joseph, Gifford and Jaakkola 2001). For each group and every two
    of its leaves it finds the best order of the group that begins with one and ends with the other.

    Args:
        joints: the two groups of each joint, parts before wholes: leaf ``i`` is group ``i``, of ``n`` leaves,
            and joint ``k`` makes group ``n + k``.
        distance: (n, n), symmetric.
    """
    leaves = [[leaf] for leaf in range(len(distance))]
    costs = [np.zeros((1, 1)) for _ in leaves]
    orders: dict[tuple[int, int], tuple[int, ...]] = {(leaf, leaf): (leaf,) for leaf in range(len(distance))}
    for one, two in joints:
        a, b = leaves[one], leaves[two]
        cost, last, first = _join_costs(costs[one], distance[np.ix_(a, b)], costs[two])
        for (i, start), (j, end) in product(enumerate(a), enumerate(b)):
            middle = first[i, j]
            order = orders[start, a[last[i, middle]]] + orders[b[middle], end]
            orders[start, end], orders[end, start] = order, order[::-1]
        leaves.append(a + b)
        costs.append(_mirror_costs(cost))
    start, end = divmod(int(np.argmin(costs[-1])), len(distance))
    return orders[leaves[-1][start], leaves[-1][end]]


def _join_costs(
    one: Matrix, step: Matrix, two: Matrix
) -> tuple[Matrix, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Costs (i, j) from leaf i of one part to leaf j of the other, and which leaves meet in the middle.

    The second table is (i, k): the last leaf of the first part where the other part begins with k. The third
    is (i, j): that k.
    """
    through = one[:, :, None] + step[None]
    reached = through.min(axis=1)
    whole = reached[:, :, None] + two[None]
    return whole.min(axis=1), through.argmin(axis=1), whole.argmin(axis=1)


def _mirror_costs(cost: Matrix) -> Matrix:
    """Over all leaves of a joint: no order begins and ends in the same part."""
    size = sum(cost.shape)
    both = np.full((size, size), np.inf)
    both[: len(cost), len(cost) :] = cost
    both[len(cost) :, : len(cost)] = cost.T
    return both
