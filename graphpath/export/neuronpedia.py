"""A pathway as an attribution graph of Neuronpedia's format, which its viewer and circuit-tracer's open.

What the viewer needs beyond the format's schema: a layer above 0; positions that are tokens of the prompt;
more tokens than one, for it leaves out features that two thirds of them have; of a logit a clerp that ends
in ``(p=...)``; with ``schema_version`` 1, features that are Cantor pairs of layer and index. An image has no
tokens: its name and its variant are two, and neurons stand at the last, as logits do. A neuron's index is
its place within its layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from graphpath.export.selection import select_rows, select_strongest
from graphpath.record.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.record import Trace

SCHEMA_VERSION: Final = 1
LAST: Final = 1
"""The number of the prompt's last token."""
PARAMETERS: Final = {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""}

Json = dict[str, Any]


def to_neuronpedia(trace: Trace, pathway: int, path: str | Path, *, limit: int | None = None) -> Path:
    """Write pathway ``pathway`` of ``trace`` to ``path``, whole or not at all. Returns the path.

    A graph that was imported from this format is given back as it was, links to float32. Of any other, a
    node is a neuron: ``activation`` its activation, ``influence`` the share of all nodes' ``|score|`` that
    the nodes up to it have, largest first (so the viewer's pruning keeps the most important); a link's
    ``weight`` is the edge's score. ``limit`` keeps the strongest edges and their ends.

    Raises:
        RecordError: the trace has no such pathway.
        GraphpathError: the file cannot be written.
    """
    chosen = select_rows(trace, pathway)
    rows = trace.pathways().to_table(filter=chosen).to_pylist()
    sample = trace.samples().to_table(filter=pc.field("sample") == rows[0]["sample"]).to_pylist()[0]
    strongest = select_strongest(chosen, limit)
    edges = trace.edges().to_table(filter=strongest).to_pandas().sort_values("rank")
    visits = trace.visits().to_table(filter=chosen).to_pandas()
    if limit is not None:
        visits = visits[visits.neuron.isin([*edges.source, *edges.target])]
    own = json.loads(sample["detail"]).get("neuronpedia")
    if own is not None:
        nodes, rest = _read_published_nodes(trace, visits, own["metadata"]["slug"]), own
    else:
        nodes, rest = _make_nodes(trace, rows[0], visits), _describe_pathway(trace, rows[0], sample)
    ids = dict(zip(visits.neuron, (node["node_id"] for node in nodes), strict=True))
    links = [
        {"source": ids[source], "target": ids[target], "weight": weight}
        for source, target, weight in zip(edges.source, edges.target, edges.score.astype(float), strict=True)
    ]
    target = Path(path)
    text = json.dumps({**rest, "nodes": nodes, "links": links}, indent=1)
    write_atomically(target, lambda temporary: temporary.write_text(text, encoding="ascii"))
    return target


def cantor_pair(layer: int, index: int) -> int:
    """The one number by which the format calls feature ``index`` of ``layer``."""
    return (layer + index) * (layer + index + 1) // 2 + index


def _read_published_nodes(trace: Trace, visits: pd.DataFrame, slug: str) -> list[Json]:
    """The nodes of an imported graph, as their publisher wrote them."""
    layers = trace.layers().to_table().to_pandas().set_index("layer")
    details = trace.maps().to_table().to_pandas().set_index("map").detail
    of = layers.loc[visits.layer]
    position = (visits.neuron.to_numpy() - of.offset.to_numpy()) % of.width.to_numpy()
    maps = visits.neuron.to_numpy() - position
    return [
        json.loads(details[key])["neuronpedia"][slug][str(at)] for key, at in zip(maps, position, strict=True)
    ]


def _make_nodes(trace: Trace, pathway: Json, visits: pd.DataFrame) -> list[Json]:
    layers = trace.layers().to_table().to_pandas().set_index("layer")
    last = int(layers.index.max()) if (layers.kind == "logits").any() else None
    named = {} if last is None else _read_classes(trace, pathway["sample"])
    of = layers.loc[visits.layer].reset_index(drop=True)
    index = (visits.neuron.to_numpy() - of.offset.to_numpy()).tolist()
    names = _name_neurons(trace, visits, of)
    share = _compute_influence(visits)
    nodes = []
    columns = (visits.layer.tolist(), index, names, visits.activation.astype(float).tolist(), share)
    for layer, at, name, activation, influence in zip(*columns, strict=True):
        node = _make_node(layer, at, name, activation, influence)
        if layer == last:
            node |= _make_logit(at, named, target=at == pathway["target"])
        nodes.append(node)
    return nodes


def _make_node(layer: int, index: int, name: str, activation: float, influence: float) -> Json:
    return {
        "node_id": f"{layer}_{index}_{LAST}",
        "feature": cantor_pair(layer, index),
        "layer": str(layer),
        "ctx_idx": LAST,
        "feature_type": "neuron",
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{layer}_{index}-0",
        "clerp": name,
        "influence": influence,
        "activation": activation,
    }


def _make_logit(index: int, named: Mapping[int, tuple[str, float]], *, target: bool) -> Json:
    name, share = named.get(index, (str(index), 0.0))
    return {
        "feature": index,
        "feature_type": "logit",
        "token_prob": share,
        "is_target_logit": target,
        "jsNodeId": f"L_{index}-0",
        "clerp": f'Output "{name}" (p={share:.3f})',
    }


def _read_classes(trace: Trace, sample: int) -> dict[int, tuple[str, float]]:
    """Each class's name, and the sample's confidence in it where it is among those that are recorded."""
    rows = trace.predictions().to_table(filter=pc.field("sample") == sample).to_pylist()
    share = {row["category"]: float(np.nan_to_num(row["confidence"])) for row in rows}
    return {
        row["label"]: (row["name"], share.get(row["category"], 0.0))
        for row in trace.categories().to_table().to_pylist()
    }


def _name_neurons(trace: Trace, visits: pd.DataFrame, of: pd.DataFrame) -> list[str]:
    """What the graph calls each neuron: layer [channel] y,x, or its map's own name."""
    within = visits.neuron.to_numpy() - of.offset.to_numpy()
    plane, width = (of.height * of.width).to_numpy(), of.width.to_numpy()
    own = dict(zip(*(trace.maps().to_table()[name].to_pylist() for name in ("map", "name")), strict=True))
    places = zip(
        visits.neuron - within % plane, within // plane, within % plane, plane, width, of.name, strict=True
    )
    return [
        own.get(key, f"{layer} [{channel}]") + ("" if size == 1 else f" {rest // across},{rest % across}")
        for key, channel, rest, size, across, layer in places
    ]


def _compute_influence(visits: pd.DataFrame) -> list[float]:
    """The share of all ``|score|`` up to each node, the largest first."""
    size = visits.score.abs().to_numpy(np.float64)
    order = np.argsort(-size, kind="stable")
    total = size.sum()
    share = np.empty(len(size))
    share[order] = np.cumsum(size[order]) / (total if total > 0 else 1.0)
    return [float(value) for value in np.minimum(share, 1.0)]


def _describe_pathway(trace: Trace, pathway: Json, sample: Json) -> Json:
    """The metadata of a pathway of ours."""
    tokens = [f"{sample['dataset']} {sample['split']} {sample['index']}", f" ({sample['variant']})"]
    metadata = {
        "slug": re.sub(r"[^a-z0-9]+", "-", f"{trace.id}-{pathway['pathway']}".lower()).strip("-"),
        "scan": str((trace.run.get("model") or {}).get("name") or "unknown"),
        "prompt_tokens": tokens,
        "prompt": "".join(tokens),
        "schema_version": SCHEMA_VERSION,
        "info": {
            "description": f"Pathway {pathway['pathway']} of run {trace.id} ({trace.run.get('method')})",
            "generator": {"name": "graphpath"},
        },
    }
    return {"metadata": metadata, "qParams": dict(PARAMETERS)}
