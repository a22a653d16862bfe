"""Ranks of edges by the strongest route through them, so that the first of a pathway hang together.

Pathways of a record have ranks of their own. Roll-ups have none: sums over neurons, and over samples, lie on
no recorded route. Here a route's strength is the product, over its edges, of the share that each has of the
weight (sums of ``|score|``) of all edges into its target. Edges on routes from the input to the last layer
come first, the strongest before others; then those on other routes. Of equal ones, which are mostly of one
route, those nearest to the last layer come first: cut anywhere, what is left leads there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphpath.stores.prepare import LoadBuilder

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BATCH = 1_000_000
"""Edges ranked at a time, all of a pathway together."""
NO_WEIGHT = -1e3
"""The logarithm of the share of an edge without weight, which still joins."""
DIGITS = 9
"""Of a route's strength: the same on all its edges, whatever the order of the sum."""


def rank_table(builder: LoadBuilder, name: str, owner: str) -> None:
    """Add the column ``rank`` to table ``name``: from 1 on within each ``owner``.

    The table has the columns ``owner``, source, target, layer and weight.
    """
    builder.run(f"CREATE OR REPLACE TABLE ranks ({owner} BIGINT, source BIGINT, target BIGINT, rank BIGINT)")
    offsets = builder.read_columns('SELECT "offset" FROM layers ORDER BY layer')["offset"]
    for first, last in _list_batches(builder, name, owner):
        found = builder.read_columns(
            f"""SELECT {owner}, source, target, layer, weight FROM {name}
            WHERE {owner} BETWEEN {first} AND {last}"""
        )
        whole = {column: found[column].astype(np.int64) for column in (owner, "source", "target", "layer")}
        edges = Edges(
            whole[owner], whole["source"], whole["target"], whole["layer"], found["weight"].astype(np.float64)
        )
        columns = {owner: edges.owner, "source": edges.source, "target": edges.target}
        builder.append("ranks", {**columns, "rank": rank_edges(edges, offsets.astype(np.int64))})
    builder.add_table(name, f"SELECT t.*, r.rank FROM {name} t JOIN ranks r USING ({owner}, source, target)")
    builder.run("DROP TABLE ranks")


def _list_batches(builder: LoadBuilder, name: str, owner: str) -> list[tuple[int, int]]:
    """The first and last owner of each batch of about ``BATCH`` edges."""
    rows = builder.run(f"SELECT {owner}, count(*) FROM {name} GROUP BY {owner} ORDER BY {owner}")
    if not rows:
        return []
    slot = (np.cumsum([count for _, count in rows]) - 1) // BATCH
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    stops = [*starts[1:], len(rows)]
    return [(rows[start][0], rows[stop - 1][0]) for start, stop in zip(starts, stops, strict=True)]


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of several owners as columns (E,): owner, ends, the target's layer, and weight."""

    owner: Ints
    source: Ints
    target: Ints
    layer: Ints
    weight: Floats


@dataclass(frozen=True, eq=False)
class _Numbered:
    """The ends of edges (E,) as numbers of nodes, of which each owner has its own; and the edges' shares.

    ``share`` is the logarithm of the share that an edge has of the weight into its target.
    """

    nodes: int
    source: Ints
    target: Ints
    layer: Ints
    share: Floats


def rank_edges(edges: Edges, offsets: Ints) -> Ints:
    """The rank (E,) of edges, from 1 on within each owner.

    ``offsets`` (L,) are the first ids of the layers.
    """
    if not len(edges.owner):
        return np.empty(0, np.int64)
    numbered = _number_nodes(edges)
    whole = _join_routes(numbered, *_find_network_ends(edges, numbered, offsets))
    part = _join_routes(numbered, *_find_own_ends(numbered))
    # The last key of lexsort is the first that decides.
    order = np.lexsort((edges.target, edges.source, -edges.layer, -part, -whole, edges.owner))
    owner = edges.owner[order]
    starts = np.flatnonzero(np.diff(owner, prepend=owner[0] - 1))
    size = np.diff(np.append(starts, len(order)))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, size) + 1
    return rank


def _number_nodes(edges: Edges) -> _Numbered:
    ids, place = np.unique(np.concatenate([edges.source, edges.target]), return_inverse=True)
    number = np.unique(edges.owner, return_inverse=True)[1]
    every, node = np.unique(np.tile(number, 2) * len(ids) + place, return_inverse=True)
    source, target = node[: len(number)], node[len(number) :]
    total = np.bincount(target, weights=edges.weight, minlength=len(every))[target]
    share = np.divide(edges.weight, total, out=np.zeros_like(total), where=total > 0)
    with np.errstate(divide="ignore"):
        logarithm = np.maximum(np.log(share), NO_WEIGHT)
    return _Numbered(len(every), source, target, edges.layer, logarithm)


def _find_network_ends(edges: Edges, numbered: _Numbered, offsets: Ints) -> tuple[Bools, Bools]:
    """Which nodes are of the input, and which of the last layer."""
    begins, ends = np.zeros((2, numbered.nodes), bool)
    begins[numbered.source[edges.source < offsets[1]]] = True
    ends[numbered.target[edges.layer == len(offsets) - 1]] = True
    return begins, ends


def _find_own_ends(numbered: _Numbered) -> tuple[Bools, Bools]:
    """Which nodes have no edge in, and which none out."""
    begins, ends = np.ones((2, numbered.nodes), bool)
    begins[numbered.target], ends[numbered.source] = False, False
    return begins, ends


def _join_routes(numbered: _Numbered, begins: Bools, ends: Bools) -> Floats:
    """The logarithm of the strongest route through each edge, from a beginning to an end; -inf for none."""
    source, target, share = numbered.source, numbered.target, numbered.share
    before, behind = np.where(begins, 0.0, -np.inf), np.where(ends, 0.0, -np.inf)
    order = np.argsort(numbered.layer, kind="stable")
    layers = np.split(order, np.flatnonzero(np.diff(numbered.layer[order])) + 1)
    for part in layers:
        np.maximum.at(before, target[part], before[source[part]] + share[part])
    for part in reversed(layers):
        np.maximum.at(behind, source[part], behind[target[part]] + share[part])
    found: Floats = np.round(before[source] + share + behind[target], DIGITS)
    return found
