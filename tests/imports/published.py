"""Made-up published graphs, as their publishers write them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

LAYERS = ("mixed3a", "mixed3b", "mixed4a", "mixed4b")

Json = dict[str, Any]


def summit_graph(seed: int, channels: int = 6, into: int = 3) -> Json:
    """A class graph as Summit writes it: from the last layer down, some channels and their edges."""
    random = np.random.default_rng(seed)
    chosen = [np.sort(random.choice(12, channels, replace=False)) for _ in LAYERS]
    graph: Json = {}
    for place, layer in reversed(list(enumerate(LAYERS))):
        before = chosen[place - 1] if place else np.empty(0, int)
        graph[layer] = [
            {
                "channel": int(channel),
                "count": int(random.integers(1, 1300)),
                "layer": layer,
                "pagerank": float(random.random()),
                "prev_channels": [
                    {"prev_channel": int(source), "inf": int(random.integers(1, 1300))}
                    for source in random.choice(before, min(into, len(before)), replace=False)
                ],
                "attr_channels": [{"prev_channel": "99", "inf": 1300}],
            }
            for channel in chosen[place]
        ]
    return graph


def write_summit(folder: Path, graphs: int = 5) -> list[Path]:
    """``ag-0.json``, ``ag-2.json``, ... in ``folder``; class 6 has no edges into ``mixed3b``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"ag-{2 * number}.json" for number in range(graphs)]
    for number, file in enumerate(files):
        graph = summit_graph(number)
        for channel in graph["mixed3b"] if number == 3 else ():
            channel["prev_channels"] = []
        file.write_text(json.dumps(graph))
    return files


def pack(files: list[Path], archive: Path) -> Path:
    """A tar.gz of ``files``, as Summit's are packed."""
    with tarfile.open(archive, "w:gz") as made:
        for file in files:
            made.add(file, f"./{file.name}")
    return archive


def summit_edges(graph: Json) -> dict[tuple[str, int, int], float]:
    """(layer of the target, source, target) to inf: read off the JSON, edge by edge."""
    return {
        (layer, edge["prev_channel"], channel["channel"]): float(edge["inf"])
        for layer, channels in graph.items()
        for channel in channels
        for edge in channel["prev_channels"]
    }


def likeness(one: Json, two: Json) -> tuple[int, float | None, float | None]:
    """Shared edges, J and weighted J of two class graphs over all layers, by loops over the JSON.

    A weight is divided by its layer's sum in its graph; J = shared / either; weighted J = sum min / sum max.
    """
    first, second = summit_edges(one), summit_edges(two)

    def share(edges: dict[tuple[str, int, int], float], key: tuple[str, int, int]) -> float:
        return edges.get(key, 0.0) / sum(weight for (layer, _, _), weight in edges.items() if layer == key[0])

    least = most = 0.0
    for key in first.keys() | second.keys():
        sides = [share(edges, key) if key in edges else 0.0 for edges in (first, second)]
        least, most = least + min(sides), most + max(sides)
    shared = len(first.keys() & second.keys())
    either = len(first.keys() | second.keys())
    return shared, shared / either if either else None, least / most if most else None
