"""Places for drawing a graph of neurons with networkx: a column per layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx


def positions(graph: nx.MultiDiGraph) -> dict[Hashable, tuple[float, float]]:
    """(x, y) of every node that has a ``layer``: x is the layer, y in [0, 1] its order by (channel, y, x).

    What ``networkx.draw(graph, pos=...)`` takes; feature maps stand in channel order, the first on top.
    Nodes without a layer (samples, runs, ...) get a column of their own on the left.
    """
    columns: dict[int, list[Hashable]] = defaultdict(list)
    for node, data in graph.nodes(data=True):
        columns[int(data.get("layer", -1))].append(node)
    return {
        node: (float(layer), 1 - (place + 0.5) / len(nodes))
        for layer, nodes in columns.items()
        for place, node in enumerate(sorted(nodes, key=lambda node: _sort_key(graph.nodes[node], node)))
    }


def _sort_key(data: dict[str, object], node: Hashable) -> tuple[int, int, int, str]:
    channel, y, x = (int(str(data.get(name, 0))) for name in ("channel", "y", "x"))
    return channel, y, x, str(node)
