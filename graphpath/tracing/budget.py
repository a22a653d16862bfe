"""The budget of a pathway: its strongest edges, and only whole routes (``graphpath/README.md``, "Budget").

Routes from the image come before those that start at a constant. The latter pass fewer weights, and so are
the stronger ones in a deep network. In a VGG-16 they alone would fill a budget with edges of its last layers,
and nothing would say how the image got there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RouteKind:
    """Routes of one kind: how strong each edge is by them (E,), -inf where none of them passes it; and
    whether one may start at the edge's source (E,)."""

    strength: Floats
    starts: Bools


def select_strongest(
    source: Ints,
    target: Ints,
    kinds: Sequence[RouteKind],
    budget: int | None,
    goal: Ints,
    protected: Bools | None = None,
) -> Ints:
    """Places (K,) of the kept edges of one pathway, strongest first, ties to the smaller (source, target).

    Edges on routes of the first of ``kinds`` come before all others, then those of the second. A route of
    one kind is also of every later kind.

    ``budget=None`` keeps every edge. With a budget, edges on no route are left out. Where the budget cuts
    through a group of equally strong edges, edges of that group whose route would not be whole are left out
    too. ``source`` and ``target`` are (E,), ``goal`` the neurons at which routes end. Edges that are
    ``protected`` (E,), no more than the budget, come before all others.
    """
    if budget is None:
        return _order(source, target, kinds, np.arange(len(source)))
    kept = np.empty(0, np.int64) if protected is None else _find_protected(kinds, protected)
    for kind in kinds:
        alive = np.setdiff1d(np.flatnonzero(np.isfinite(kind.strength)), kept, assume_unique=True)
        if len(alive) > (room := budget - len(kept)):
            kept = np.concatenate([kept, _select_top(source, target, kind.strength, alive, room)])
            starts = kind.starts if protected is None else kinds[-1].starts
            whole = mark_whole_routes(source[kept], target[kept], starts[kept], goal)
            return _order(source, target, kinds, kept[whole])
        kept = np.concatenate([kept, alive])
    return _order(source, target, kinds, kept)


def _find_protected(kinds: Sequence[RouteKind], protected: Bools) -> Ints:
    """Places of the protected edges that are on a route: any is of the last kind."""
    return np.flatnonzero(protected & np.isfinite(kinds[-1].strength))


def _select_top(source: Ints, target: Ints, strength: Floats, place: Ints, count: int) -> Ints:
    """The ``count`` strongest of more edges, ties to the smaller (source, target)."""
    if count == 0:
        return place[:0]
    values = strength[place]
    threshold = np.partition(values, len(place) - count)[len(place) - count]
    above, level = place[values > threshold], place[values == threshold]
    level = level[np.lexsort((target[level], source[level]))][: count - len(above)]
    return np.concatenate([above, level])


def mark_whole_routes(source: Ints, target: Ints, starts: Bools, goal: Ints) -> Bools:
    """Which edges lie on a route of these edges alone, from a start to a goal: (E,) bool."""
    ends, place = np.unique(np.concatenate([source, target]), return_inverse=True)
    tail, head = place[: len(source)], place[len(source) :]
    kept, final = np.ones(len(source), dtype=bool), np.isin(ends, goal)
    while True:
        entered, left = np.zeros(len(ends), dtype=bool), final.copy()
        entered[head[kept]] = left[tail[kept]] = True
        whole = kept & (starts | entered[tail]) & left[head]
        if whole.sum() == kept.sum():
            return whole
        kept = whole


def _order(source: Ints, target: Ints, kinds: Sequence[RouteKind], place: Ints) -> Ints:
    strength, after = np.zeros(len(place)), np.full(len(place), len(kinds))
    for number, kind in reversed(list(enumerate(kinds))):
        values = kind.strength[place]
        alive = np.isfinite(values)
        strength[alive], after[alive] = values[alive], number
    ordered: Ints = place[np.lexsort((target[place], source[place], -strength, after))]
    return ordered
