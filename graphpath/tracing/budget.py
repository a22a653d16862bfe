"""The budget of a pathway: its strongest edges, and only whole routes (DESIGN §3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def strongest(
    source: Ints, target: Ints, strength: Floats, budget: int | None, starts: Bools, goal: Ints
) -> Ints:
    """Places (K,) of the kept edges of one pathway, strongest first, ties to the smaller (source, target).

    All arrays but the last two are (E,). ``budget=None`` keeps every edge. With a budget, edges on no route
    are left out, and where the budget cuts through a group of equally strong edges, those of the group whose
    route would not be whole. ``starts`` (E,) says whether a route may start at an edge's source, ``goal``
    are the neurons at which routes end.
    """
    if budget is None:
        return _ordered(source, target, strength, np.arange(len(strength)))
    alive = np.flatnonzero(np.isfinite(strength))
    if len(alive) <= budget:
        return _ordered(source, target, strength, alive)
    threshold = np.partition(strength[alive], len(alive) - budget)[len(alive) - budget]
    above = alive[strength[alive] > threshold]
    level = alive[strength[alive] == threshold]
    level = level[np.lexsort((target[level], source[level]))][: budget - len(above)]
    kept = np.concatenate([above, level])
    whole = on_whole_routes(source[kept], target[kept], starts[kept], goal)
    return _ordered(source, target, strength, kept[whole])


def on_whole_routes(source: Ints, target: Ints, starts: Bools, goal: Ints) -> Bools:
    """Which edges lie on a route of these edges alone, from a start to a goal: (E,) bool."""
    kept = np.ones(len(source), dtype=bool)
    while True:
        entered = np.unique(target[kept])
        left = np.concatenate([np.unique(source[kept]), goal])
        whole = kept & (starts | np.isin(source, entered)) & np.isin(target, left)
        if whole.sum() == kept.sum():
            return whole
        kept = whole


def _ordered(source: Ints, target: Ints, strength: Floats, place: Ints) -> Ints:
    order = np.lexsort((target[place], source[place], -strength[place]))
    ordered: Ints = place[order]
    return ordered
