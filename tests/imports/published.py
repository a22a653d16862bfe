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


def attribution_graph(
    seed: int = 0, slug: str = "a-graph", tokens: tuple[str, ...] = ("<bos>", "1", "2")
) -> Json:
    """A graph as circuit-tracer writes it for Neuronpedia: tokens, features, errors and logits.

    Features are Cantor pairs, errors -1; a feature is at two positions; one node has no links.
    """
    random = np.random.default_rng(seed)

    def node(layer: str, index: int, at: int, kind: str, feature: int, **more: Any) -> Json:
        return {
            "node_id": f"{layer}_{index}_{at}",
            "feature": feature,
            "layer": layer,
            "ctx_idx": at,
            "feature_type": kind,
            "token_prob": 0.0,
            "is_target_logit": False,
            "run_idx": 0,
            "reverse_ctx_idx": 0,
            "jsNodeId": f"{layer}_{index}-0",
            "clerp": "",
            "influence": float(np.float32(random.random())),
            "activation": None,
            **more,
        }

    def transcoder(layer: int, index: int, at: int, **more: Any) -> Json:
        pair = (layer + index) * (layer + index + 1) // 2 + index
        strength = {"activation": float(np.float32(random.normal()))}
        return node(str(layer), index, at, "cross layer transcoder", pair, **strength, **more)

    nodes = [
        transcoder(0, 98_303, 1, clerp="a digit"),
        transcoder(0, 98_303, 2, clerp="a digit"),
        transcoder(0, 17, 2),
        transcoder(10, 4, 2, clerp='counting "up" \ud83d'),
        transcoder(2, 4, 2),
        node("2", -1, 2, "mlp reconstruction error", -1, jsNodeId="2_-1-2"),
        *(node("E", 235_274 + at, at, "embedding", at) for at in range(len(tokens))),
        *(
            node(
                "11",
                token,
                2,
                "logit",
                token,
                token_prob=share,
                is_target_logit=share == 0.5,
                clerp=f'Output "{word}" (p={share:.3f})',
                influence=None,
            )
            for token, word, share in ((235_310, "3", 0.5), (6, "\n4", 0.25))
        ),
    ]
    ids = [one["node_id"] for one in nodes]
    ends = [(6, 0), (7, 1), (8, 2), (0, 4), (1, 3), (2, 3), (4, 3), (5, 9), (3, 9), (3, 10), (8, 10)]
    weights = np.float32(random.normal(size=len(ends)))
    return {
        "metadata": {
            "slug": slug,
            "scan": "gemma-2-2b",
            "transcoder_list": [],
            "prompt_tokens": list(tokens),
            "prompt": "".join(tokens),
            "node_threshold": 0.5,
            "schema_version": 1,
            "info": {"creator_name": "Anonymous"},
        },
        "qParams": {"pinnedIds": [ids[3]], "supernodes": [["digits", *ids[:2]]], "linkType": "both"},
        "nodes": nodes,
        "links": [
            {"source": ids[source], "target": ids[target], "weight": float(weight)}
            for (source, target), weight in zip(ends, weights, strict=True)
        ],
    }
