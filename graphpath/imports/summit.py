"""Summit's class attribution graphs of InceptionV1 on ImageNet (Hohman et al. 2019), ``ag-N.json`` each.

A file has, per layer and from the last layer down, the channels that matter for the class: ``count``, in how
many of its about 1,300 training images the channel is among the most active; ``pagerank``, by which Summit
chose it; and ``prev_channels``, the edges: ``inf`` is in how many images channel ``prev_channel`` of the
layer before is among those that influence it most. (``attr_channels``, each channel's strongest influences
whether or not they are in the graph, are no edges of it and are left.)

A graph is one pathway, of all the class's images at once: an edge's score is ``inf``, a visit's activation
``count`` and its score ``pagerank``. The classes' numbers are ImageNet's usual ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.imports.documents import Document, read_documents, require_member, to_columns
from graphpath.imports.names import read_class_names
from graphpath.imports.packed import list_paths
from graphpath.imports.published import Ints, PublishedGraph, PublishedLayers
from graphpath.imports.recorded import write_trace
from graphpath.record import Trace

INCEPTION_V1 = {
    "mixed3a": 256,
    "mixed3b": 480,
    "mixed4a": 508,
    "mixed4b": 512,
    "mixed4c": 512,
    "mixed4d": 528,
    "mixed4e": 832,
    "mixed5a": 832,
    "mixed5b": 1024,
}
"""Channels by layer, so that any of the graphs are of one model; others are counted in the files."""

CHANNEL = {"channel": pa.int64(), "count": pa.int64(), "pagerank": pa.float64()}
EDGE = {"prev_channel": pa.int64(), "inf": pa.int64()}


def import_summit(
    files: Sequence[str | Path] | str | Path,
    *,
    out: str | Path | None = None,
    names: str | Path | None = None,
) -> Trace:
    """Summit's class graphs as a trace in the directory ``out``, one sample and pathway a class. Returns it.

    Args:
        files: ``ag-N.json`` files, folders or tars of them; N is the class.
        out: where the record goes; by default a directory named after the run.
        names: a file with the classes' names (:func:`read_class_names`); otherwise its number names a class.

    Each pathway is itself the sum over its class's images, so the trace says ``min_support`` 1: with the
    usual least of 2 samples no edge would be left in a class pathway.

    Raises:
        DataError: a file that is no such graph; the message names it and the key.
        RecordError: ``out`` holds something else.
    """
    named = {} if names is None else read_class_names(names)
    graphs = [_ClassGraph.parse(document) for document in read_documents(list_paths(files))]
    if not graphs:
        raise DataError(f"{list_paths(files)[0]} holds no class graph of Summit.")
    _check_together(graphs)
    nodes, edges = _build_tables(graphs)
    _check(graphs, nodes, edges)
    sites = _build_layers(graphs[0].layers, nodes)
    labels = np.array([graph.label for graph in graphs])
    samples = pd.DataFrame({"index": labels, "label": labels, "detail": [graph.detail for graph in graphs]})
    published = PublishedGraph(
        method="summit",
        parameters={"weight": "inf"},
        model="InceptionV1" if sites.names == tuple(INCEPTION_V1) else "Summit",
        dataset="imagenet-classes",
        split="train",
        scheme="imagenet",
        sites=sites,
        samples=samples,
        nodes=_number_nodes(nodes, sites),
        edges=_number_edges(edges, sites),
        classes={label: named.get(label, str(label)) for label in labels.tolist()},
        sha256=digest(sorted(graph.document.sha256 for graph in graphs)),
        min_support=1,
        notes={"files": len(graphs), **_note_unnamed(names, named, labels)},
    )
    return write_trace(published, out)


def _note_unnamed(path: str | Path | None, named: Mapping[int, str], labels: Ints) -> dict[str, list[str]]:
    """What to say of classes that the file of names leaves out."""
    lacking = [label for label in labels.tolist() if label not in named]
    if path is None or not lacking:
        return {}
    return {
        "read": [
            f"{path} has no name for {len(lacking):,} of {len(labels):,} classes, the first {lacking[0]}."
        ]
    }


@dataclass(frozen=True, eq=False)
class _ClassGraph:
    """One file: its class, and its channels (JSON objects) from the first layer to the last."""

    document: Document
    label: int
    layers: tuple[str, ...]
    sizes: tuple[int, ...]
    channels: list[Any]

    @classmethod
    def parse(cls, document: Document) -> _ClassGraph:
        """The graph in ``document``. Raises DataError."""
        number = re.search(r"(\d{1,9})$", document.stem)
        if number is None:
            raise DataError(
                f"{document.where} is not named after its class: expected a number at the end (ag-356.json)."
            )
        layers = tuple(document.value)[::-1]
        if not layers:
            raise DataError(f"{document.where} holds no layers.")
        lists = [require_member(document.value, layer, list, document.where) for layer in layers]
        channels = [channel for channels in lists for channel in channels]
        return cls(document, int(number[1]), layers, tuple(map(len, lists)), channels)

    @property
    def layer_numbers(self) -> Ints:
        """The layer's place of each channel."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def detail(self) -> str:
        return json.dumps({"aggregate": "class", "file": f"{self.document.stem}.json"})


def _check_together(graphs: Sequence[_ClassGraph]) -> None:
    """Graphs of one network, and of each class one."""
    one, seen = graphs[0], dict[int, _ClassGraph]()
    for graph in graphs:
        if graph.layers != one.layers:
            raise DataError(
                f"{graph.document.where} has the layers {', '.join(graph.layers)}, but {one.document.where} "
                f"has {', '.join(one.layers)}: import the graphs of one network at a time."
            )
        if (other := seen.setdefault(graph.label, graph)) is not graph:
            raise DataError(
                f"{other.document.where} and {graph.document.where} are both of class {graph.label}."
            )


def _build_tables(graphs: Sequence[_ClassGraph]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """nodes (graph, layer, channel, count, pagerank); edges (graph, layer, source, target, inf).

    ``layer_numbers`` is an edge's target's, source and target are channels.
    """
    graph = np.repeat(np.arange(len(graphs)), [len(one.channels) for one in graphs])
    layer = np.concatenate([one.layer_numbers for one in graphs])
    rows = [channel for one in graphs for channel in one.channels]

    def where(place: int) -> str:
        one = graphs[graph[place]]
        within = place - np.searchsorted(graph, graph[place])
        within -= np.searchsorted(one.layer_numbers, layer[place])
        return f"{one.document.where}: {one.layers[layer[place]]}[{within}]"

    found = to_columns(rows, CHANNEL, where)
    into = [
        require_member(row, "prev_channels", list, partial(where, place)) for place, row in enumerate(rows)
    ]
    counts = [len(edges) for edges in into]
    owner = np.repeat(np.arange(len(rows)), counts)
    edges = to_columns([edge for edges in into for edge in edges], EDGE, _edge_describer(where, owner))
    nodes = {name: column.to_numpy() for name, column in found.items()}
    ends = {"source": edges["prev_channel"].to_numpy(), "target": nodes["channel"][owner]}
    return (
        pd.DataFrame({"graph": graph, "layer": layer, **nodes}),
        pd.DataFrame({"graph": graph[owner], "layer": layer[owner], **ends, "inf": edges["inf"].to_numpy()}),
    )


def _edge_describer(where: Callable[[int], str], owner: Ints) -> Callable[[int], str]:
    def describe_edge(number: int) -> str:
        within = number - int(np.searchsorted(owner, owner[number]))
        return f"{where(int(owner[number]))}: prev_channels[{within}]"

    return describe_edge


def _check(graphs: Sequence[_ClassGraph], nodes: pd.DataFrame, edges: pd.DataFrame) -> None:
    """Refuse what is there twice, a negative channel, and an edge from a channel that is not there."""

    def describe_row(row: pd.Series[Any]) -> str:
        graph = graphs[int(row["graph"])]
        return f"{graph.document.where}: {graph.layers[int(row['layer'])]}"

    if (below := nodes.channel < 0).any():
        row = nodes[below].iloc[0]
        raise DataError(f"{describe_row(row)} has 'channel': {int(row.channel)}; channels count from 0.")
    if (twice := nodes.duplicated(["graph", "layer", "channel"])).any():
        row = nodes[twice].iloc[0]
        raise DataError(f"{describe_row(row)} has channel {int(row.channel)} twice.")
    if (twice := edges.duplicated(["graph", "layer", "source", "target"])).any():
        row = edges[twice].iloc[0]
        raise DataError(
            f"{describe_row(row)}: channel {int(row.target)} has 'prev_channel': {int(row.source)} twice."
        )
    keys = ["graph", "layer", "source"]
    known = nodes.assign(layer=nodes.layer + 1, source=nodes.channel)[keys]
    there = edges.merge(known, on=keys, how="left", indicator="there").there == "both"
    if not there.all():
        row = edges[~there.to_numpy()].iloc[0]
        raise DataError(
            f"{describe_row(row)}: channel {int(row.target)} has 'prev_channel': {int(row.source)}, "
            "which the layer before it does not have."
        )


def _build_layers(layers: tuple[str, ...], nodes: pd.DataFrame) -> PublishedLayers:
    most = nodes.groupby("layer").channel.max()
    counted = [int(most.get(place, 0)) + 1 for place in range(len(layers))]
    channels = tuple(max(INCEPTION_V1.get(layer, 1), n) for layer, n in zip(layers, counted, strict=True))
    return PublishedLayers(layers, ("cat",) * len(layers), channels, (1,) * len(layers))


def _number_nodes(nodes: pd.DataFrame, sites: PublishedLayers) -> pd.DataFrame:
    neuron = sites.to_numbers(nodes.layer.to_numpy(), nodes.channel.to_numpy())
    kept = {"graph": nodes.graph, "activation": nodes["count"].astype(np.float64), "score": nodes.pagerank}
    return pd.DataFrame({**kept, "neuron": neuron})


def _number_edges(edges: pd.DataFrame, sites: PublishedLayers) -> pd.DataFrame:
    layer = edges.layer.to_numpy()
    source = sites.to_numbers(layer - 1, edges.source.to_numpy())
    target = sites.to_numbers(layer, edges.target.to_numpy())
    weight = edges["inf"].astype(np.float64)
    return pd.DataFrame({"graph": edges.graph, "source": source, "target": target, "weight": weight})
