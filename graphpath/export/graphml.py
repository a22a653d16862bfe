"""A graph as GraphML, which networkx, Gephi, yEd and Cytoscape read."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphpath.printable import printable
from graphpath.record.files import write_atomically

if TYPE_CHECKING:
    import networkx as nx

Attributes = dict[str, Any]
Kind = type[bool] | type[int] | type[float] | type[str]

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_graphml(graph: nx.MultiDiGraph, path: str | Path) -> Path:
    """Write ``graph`` to ``path``, whole or not at all; gzipped where it ends in ``.gz``. Returns the path.

    Every attribute has one type: boolean, long, double or string; one that holds several is widened, and
    lists become JSON. What is missing (None, NaN) is left out. Nodes are called by their key as text: a
    neuron by its id, another node like ``Layer 7``; edges ``e0``, ``e1``, ... in the graph's order, since
    their own keys need not be unique in a file. ``networkx.read_graphml(path, force_multigraph=True)``
    reads it back.

    Raises:
        GraphpathError: the file cannot be written.
    """
    import networkx as nx

    target = Path(path)
    plain = _make_plain(graph)
    write_atomically(target, lambda temporary: nx.write_graphml(plain, temporary))
    return target


def name_node(node: Hashable) -> str:
    """A node's key as text: ``12`` for a neuron, ``Layer 7`` for (Layer, 7)."""
    return " ".join(map(str, node)) if isinstance(node, tuple) else str(node)


def _make_plain(graph: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """``graph`` with text for keys and, for each attribute, values of one type that GraphML knows."""
    import networkx as nx

    nodes, edges = list(graph.nodes(data=True)), list(graph.edges(data=True))
    made = nx.MultiDiGraph(**_unify_types([graph.graph])[0])
    made.add_nodes_from(
        zip((_clean_name(node) for node, _ in nodes), _unify_types([data for _, data in nodes]), strict=True)
    )
    made.add_edges_from(
        (_clean_name(start), _clean_name(end), f"e{number}", data)
        for number, ((start, end, _), data) in enumerate(
            zip(edges, _unify_types([data for _, _, data in edges]), strict=True)
        )
    )
    return made


def _clean_name(key: Hashable) -> str:
    """A node's key as text that XML may hold, another for each."""
    return _NOT_XML.sub(lambda sign: printable(sign.group()), name_node(key))


def _unify_types(rows: list[Mapping[str, Any]]) -> list[Attributes]:
    cleaned = [_clean_row(row) for row in rows]
    kinds: dict[str, set[Kind]] = defaultdict(set)
    for row in cleaned:
        for name, value in row.items():
            kinds[name].add(type(value))
    chosen = {name: _widen(found) for name, found in kinds.items()}
    return [{name: chosen[name](value) for name, value in row.items()} for row in cleaned]


def _clean_row(row: Mapping[str, Any]) -> Attributes:
    values = ((_clean_name(str(name)), _clean_value(value)) for name, value in row.items())
    return {name: value for name, value in values if value is not None}


def _widen(kinds: Iterable[Kind]) -> Kind:
    """The narrowest type that holds all of ``kinds`` without loss."""
    found = set(kinds)
    if len(found) == 1:
        return found.pop()
    return float if found == {int, float} else str


def _clean_value(value: Any) -> bool | int | float | str | None:
    if hasattr(value, "item"):  # numpy's scalars
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return _NOT_XML.sub("\ufffd", str(value))
