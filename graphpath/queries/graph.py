"""Rows of nodes and relationships as a networkx graph.

What an engine returns for a node or relationship reaches this module as a mapping, in LadybugDB's form:

    node            {_ID, _LABEL, properties...}
    relationship    {_SRC, _DST, _LABEL, properties...}      _SRC and _DST are the _ID of its end nodes

A store of another engine puts its own node objects into that form in ``execute``; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

import networkx as nx
import pandas as pd

from graphpath.errors import QueryFailed
from graphpath.schema import NODE

Cell = Mapping[str, Any]
_APART: Final = ("pathway", "class_pathway", "position", "layer", "prediction", "run")
"""What distinguishes two relationships of one type between the same nodes; part of an edge's key."""


def to_graph(frame: pd.DataFrame, returns: Mapping[str, str], query: str) -> nx.MultiDiGraph:
    """The graph of every node and relationship in ``frame``; equal ones are entered once.

    Raises:
        QueryFailed: a relationship's ends are not among the nodes returned.
    """
    made = nx.MultiDiGraph()
    by_kind = {
        kind: [name for name, of in returns.items() if of == kind] for kind in ("node", "relationship")
    }
    scalars = [name for name, kind in returns.items() if kind not in by_kind]
    keys: dict[Hashable, Hashable] = {}
    for cell in _list_cells(frame, by_kind["node"]):
        key = node_key(cell)
        keys[_to_engine_id(cell["_ID"])] = key
        made.add_node(key, type=cell["_LABEL"], **_properties(cell))
    extra: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()} for row in frame[scalars].to_dict("records")
    ]
    for name in by_kind["relationship"]:
        for cell, more in zip(frame[name], extra, strict=True):
            if _is_present(cell):
                _add_cell(made, cell, keys, more, query)
    return made


def node_key(cell: Cell) -> Hashable:
    """A neuron's id, or (label, id): a layer, a feature map and its first neuron have one id."""
    label = str(cell["_LABEL"])
    key: Hashable = cell[NODE[label].key]
    return key if label == "Neuron" else (label, key)


def edge_key(cell: Cell) -> Hashable:
    """A relationship's ends, type, and what distinguishes it from others between the same ends."""
    ends = (_to_engine_id(cell["_SRC"]), _to_engine_id(cell["_DST"]))
    return (*ends, *_distinguish(cell))


def _distinguish(cell: Cell) -> tuple[Hashable, ...]:
    return (str(cell["_LABEL"]), *(cell.get(name) for name in _APART))


def _list_cells(frame: pd.DataFrame, names: list[str]) -> Iterator[Cell]:
    for name in names:
        yield from (cell for cell in frame[name] if _is_present(cell))


def _add_cell(
    made: nx.MultiDiGraph, cell: Cell, keys: Mapping[Hashable, Hashable], more: Cell, query: str
) -> None:
    ends = [keys.get(_to_engine_id(cell[end])) for end in ("_SRC", "_DST")]
    if None in ends:
        raise QueryFailed(f"Query {query} returned a {cell['_LABEL']} without its end nodes.")
    properties = _properties(cell)
    made.add_edge(*ends, key=_distinguish(cell), type=cell["_LABEL"], **{**more, **properties})


def _properties(cell: Cell) -> dict[str, Any]:
    return {name: value for name, value in cell.items() if not name.startswith("_") and value is not None}


def _is_present(cell: object) -> bool:
    """Whether an optional part of the row is there: an engine may give null, or a struct of nulls."""
    return isinstance(cell, Mapping) and cell.get("_LABEL") is not None


def _to_engine_id(value: Any) -> Hashable:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value
