"""A graph for notebooks with neo4j-viz: a column per layer, neurons coloured by it, sized by score."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final

from graphpath.errors import GraphpathError
from graphpath.export.graphml import name_node
from graphpath.export.positions import positions
from graphpath.extras import needs_extra
from graphpath.server.style import NODES, PALETTE

if TYPE_CHECKING:
    import networkx as nx
    from neo4j_viz import VisualizationGraph

MOST: Final = 10_000
"""Nodes, and edges, that a browser still moves."""
FOR, AGAINST, OTHER = "#0072B2", "#D55E00", "#90A4AE"
WIDTHS: Final = (0.4, 5.0)
WIDTH, HEIGHT = 900.0, 500.0
"""Pixels that the picture takes at most; neo4j-viz shows 600 in height, around (0, 0)."""
COLUMN, ROW = 300.0, 50.0
"""Pixels between layers, and between the neurons of the fullest one, at most."""
RADII: Final = (0.12, 0.45)
"""Of a node, in rows."""


def to_neo4j_viz(graph: nx.MultiDiGraph, *, limit: int = MOST) -> VisualizationGraph:
    """``graph`` as a ``neo4j_viz.VisualizationGraph``; ``.render(layout="free")`` shows it by layer.

    A node stands in the column of its layer, as :func:`~graphpath.export.positions` says, and has its
    layer's colour. Its area goes with ``|score|``: its own, or the sum over its edges where it has none.
    Edges are blue where their score is positive, orange where negative, and as wide as their share of the
    largest ``|score|``. ``layout="hierarchical"`` arranges the nodes by the edges' direction instead.

    Raises:
        GraphpathError: the graph has more than ``limit`` nodes or edges.
        MissingExtra: neo4j-viz, which is GPL-3.0-only, is not installed.
    """
    with needs_extra("to_neo4j_viz"):
        from neo4j_viz import Node, Relationship, VisualizationGraph
    _check_size(graph, limit)
    nodes = [Node(**fields) for fields in _make_nodes(graph)]
    edges = [Relationship(**fields) for fields in _make_edges(graph)]
    made = VisualizationGraph(nodes=nodes, relationships=edges)
    made.set_legend(nodes={_name_group(data): _choose_colour(data) for _, data in _sort_by_layer(graph)})
    return made


def _check_size(graph: nx.MultiDiGraph, limit: int) -> None:
    for count, what in ((graph.number_of_nodes(), "nodes"), (graph.number_of_edges(), "edges")):
        if count > limit:
            raise GraphpathError(
                f"The graph has {count:,} {what}, and at most {limit:,} are drawn: ask the query for fewer "
                "(limit=), or raise the limit of to_neo4j_viz."
            )


def _make_nodes(graph: nx.MultiDiGraph) -> list[dict[str, Any]]:
    places, strengths = positions(graph), _sum_scores(graph)
    columns = Counter(x for x, _ in places.values())
    if not columns:
        return []
    left, right, fullest = min(columns), max(columns), max(columns.values())
    row, column = min(ROW, HEIGHT / fullest), min(COLUMN, WIDTH / max(1.0, right - left))
    largest = max(strengths.values())
    return [
        {
            "id": name_node(node),
            "caption": str(data.get("name") or name_node(node)),
            "color": _choose_colour(data),
            "size": row * _interpolate(RADII, math.sqrt(_share(strengths[node], largest))),
            "x": column * (places[node][0] - (left + right) / 2),
            "y": row * fullest * (0.5 - places[node][1]),  # the screen's y runs downwards
            "properties": dict(data),
        }
        for node, data in graph.nodes(data=True)
    ]


def _make_edges(graph: nx.MultiDiGraph) -> list[dict[str, Any]]:
    largest = max((_read_score(data) for _, _, data in graph.edges(data=True)), default=0.0)
    return [
        {
            "id": f"e{number}",
            "source": name_node(start),
            "target": name_node(end),
            "caption": str(data.get("rank") or data.get("type") or ""),
            "color": _colour_sign(data),
            "width": _interpolate(WIDTHS, _share(_read_score(data), largest)),
            "properties": dict(data),
        }
        for number, (start, end, data) in enumerate(graph.edges(data=True))
    ]


def _sum_scores(graph: nx.MultiDiGraph) -> dict[Hashable, float]:
    sums: dict[Hashable, float] = defaultdict(float)
    for start, end, data in graph.edges(data=True):
        for node in (start, end):
            sums[node] += _read_score(data)
    return {
        node: _read_score(data) if "score" in data else sums[node] for node, data in graph.nodes(data=True)
    }


def _read_score(data: Mapping[str, Any]) -> float:
    return abs(float(data.get("score") or 0.0))


def _colour_sign(data: Mapping[str, Any]) -> str:
    score = float(data.get("score") or 0.0)
    return OTHER if score == 0 else FOR if score > 0 else AGAINST


def _share(value: float, largest: float) -> float:
    return value / largest if largest else 0.0


def _interpolate(ends: tuple[float, float], share: float) -> float:
    low, high = ends
    return low + (high - low) * share


def _sort_by_layer(graph: nx.MultiDiGraph) -> list[tuple[Hashable, dict[str, Any]]]:
    return sorted(
        graph.nodes(data=True), key=lambda item: (int(item[1].get("layer", -1)), _name_group(item[1]))
    )


def _name_group(data: Mapping[str, Any]) -> str:
    return f"layer {data['layer']}" if "layer" in data else str(data.get("type", ""))


def _choose_colour(data: Mapping[str, Any]) -> str:
    """Its layer's, as in Neo4j Browser, else its label's."""
    if "layer" in data:
        return PALETTE[int(data["layer"]) % len(PALETTE)][0]
    return NODES.get(str(data.get("type")), (OTHER,))[0]
