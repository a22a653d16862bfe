"""Edge lists: one row an edge, in CSV, JSON lines or Parquet, with a mapping that says what the columns are.

An end is a layer and a channel (a map, unit, feature or concept: any name or number). Where a list has a
column of samples, each sample is a pathway of its category; where it has none, each category is one graph
of all that its publisher summed up. An edge's score is its weight; the list says nothing of nodes. A node's
score is the sum of the weights of its outgoing edges, or of its incoming ones where none go out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.imports.listed import EdgeFile, list_files, read_edges
from graphpath.imports.mapping import COLUMNS, ENDS, TEXT_OPTIONS, EdgeMapping
from graphpath.imports.numbered import NumberedEdges, order_layers
from graphpath.imports.packed import list_paths
from graphpath.imports.published import PublishedGraph
from graphpath.imports.recorded import write_trace
from graphpath.imports.rows import WEIGHT, EdgeRows, are_whole_numbers
from graphpath.record import Trace

MOST_CELLS = 1 << 27
"""Graphs times layers: the trace has a row for each layer of each graph."""


def import_edges(
    files: Sequence[str | Path] | str | Path,
    mapping: EdgeMapping | Mapping[str, Any] | str | Path,
    *,
    out: str | Path | None = None,
) -> Trace:
    """The edge lists ``files``, together, as a trace in the directory ``out``. Returns it.

    Args:
        files: separated values (``.csv``, ``.tsv``, ``.txt``), JSON lines, Parquet, or folders of them, also
            packed, all of the same columns. A folder ``class=cat`` is a column of the files in it.
        mapping: a TOML or JSON file, or what it would hold (:class:`EdgeMapping`).
        out: where the record goes; by default a directory named after the run.

    What was guessed in reading a file is in ``run["imported"]["read"]``, a sentence each.

    Raises:
        DataError: a mapping or list that is not what it should be; the message names the file and the key,
            column, line or row.
        RecordError: ``out`` holds something else, or cannot be written.
    """
    description = _read_mapping(mapping)
    paths = list_paths(files)
    found = list_files(paths)
    parts = [read_edges(one, description) for one in found]
    edges = _Edges.concatenate(parts)
    if edges.rows.empty:
        raise DataError(f"{', '.join(map(str, paths))}: there are no edges.")
    return write_trace(_build_graph(edges, description, paths, found), out)


def _read_mapping(given: EdgeMapping | Mapping[str, Any] | str | Path) -> EdgeMapping:
    if isinstance(given, EdgeMapping):
        return given
    return EdgeMapping.from_value(given) if isinstance(given, Mapping) else EdgeMapping.read(given)


@dataclass(frozen=True, eq=False)
class _Edges:
    """The rows of all files, and where each is."""

    parts: Sequence[EdgeRows]
    rows: pd.DataFrame
    """by the mapping's keys: layers as text, weights as float64, the others as int64 or text"""

    @classmethod
    def concatenate(cls, parts: Sequence[EdgeRows]) -> _Edges:
        columns = {
            key: pa.chunked_array(
                [chunk for part in parts for chunk in part.columns[key].chunks], column.type
            )
            for key, column in parts[0].columns.items()
        }
        return cls(parts, pd.DataFrame({key: _to_array(key, column) for key, column in columns.items()}))

    def describe_row(self, number: int) -> str:
        """What messages call an edge: its file and line or row."""
        for part in self.parts:
            count = len(next(iter(part.columns.values())))
            if number < count:
                return f"{part.where}, {part.describe_row(number)}"
            number -= count
        raise IndexError(number)


def _to_array(key: str, column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    named = key == WEIGHT or "layer" in key or not are_whole_numbers(column)
    values: np.ndarray[Any, Any] = (column if named else column.cast(pa.int64())).to_numpy()
    return values


def _build_graph(
    found: _Edges, mapping: EdgeMapping, paths: Sequence[Path], files: Sequence[EdgeFile]
) -> PublishedGraph:
    name = mapping.name or paths[0].resolve().name.partition(".")[0] or "edges"
    rows = found.rows
    rows = rows.assign(
        **{key: default for key, default in (("category", name), ("weight", 1.0)) if key not in rows}
    )
    by_sample = "sample" in rows
    channels = NumberedEdges.number(rows, _order_layers(rows, mapping))
    edges = pd.DataFrame({"source": channels.source, "target": channels.target})
    keys = ["category", "sample"] if by_sample else ["category"]
    graph, samples = _group_graphs(rows, keys)
    edges = edges.assign(graph=graph, weight=rows.weight)
    _check_unique(edges, rows, found, "sample" if by_sample else "category")
    _check_size(channels, len(samples))
    labels, classes = _number_classes(samples.category, mapping)
    notes = (
        {"read": read}
        if (read := [f"{one.where}: {note}" for one in found.parts for note in one.notes])
        else {}
    )
    return PublishedGraph(
        method="edges",
        parameters={"weight": mapping.columns.get("weight", "1")},
        model=mapping.network or name,
        dataset=name,
        split="published",
        scheme=mapping.scheme or name,
        sites=channels.sites,
        samples=pd.DataFrame(
            {"index": range(len(samples)), "label": labels, "detail": _describe_samples(samples)}
        ),
        nodes=_sum_nodes(edges),
        edges=edges,
        classes=classes,
        sha256=digest(
            [one.sha256 for one in files], sorted(mapping.columns.items()), *_list_changes(mapping)
        ),
        min_support=None if by_sample else 1,
        maps=channels.maps,
        notes={"files": len(files), **notes},
    )


def _order_layers(rows: pd.DataFrame, mapping: EdgeMapping) -> tuple[str, ...]:
    """The order that the mapping gives, else that of the edges."""
    pairs = rows[["source_layer", "target_layer"]].drop_duplicates()
    if mapping.layers is None:
        return order_layers(pairs.itertuples(index=False, name=None), mapping.where)
    place = {layer: number for number, layer in enumerate(mapping.layers)}
    for layer in pd.unique(pairs.to_numpy().ravel()):
        if layer not in place:
            raise DataError(f"{mapping.where}: 'layers' lacks {layer!r}, which edges have.")
    backward = pairs[pairs.source_layer.map(place) >= pairs.target_layer.map(place)]
    if len(backward):
        source, target = backward.iloc[0]
        raise DataError(
            f"{mapping.where}: by 'layers' the edges from {source!r} to {target!r} do not run forward."
        )
    return mapping.layers


def _group_graphs(rows: pd.DataFrame, keys: list[str]) -> tuple[pd.Series[int], pd.DataFrame]:
    """The graph of each row, and what each graph is of."""
    grouped = rows.groupby(keys, sort=True)
    samples = grouped.size().reset_index()[keys]
    return grouped.ngroup(), samples


def _number_classes(
    category: pd.Series[Any], mapping: EdgeMapping
) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
    """The label of each graph, and the labels' names."""
    if mapping.classes is None and category.dtype.kind == "i":
        if (wrong := category[(category < 0) | (category >= 1 << 31)]).size:
            raise DataError(
                f"A category's number is from 0 to 2^31 - 1, not {wrong.iloc[0]}: give the categories "
                "names, by 'classes' of the mapping or in the list."
            )
        return category.to_numpy(), {int(label): str(label) for label in category}
    names = list(mapping.classes or sorted(map(str, category.unique())))
    place = {name: label for label, name in enumerate(names)}
    for name in category.astype(str):
        if name not in place:
            raise DataError(f"{mapping.where}: 'classes' lacks {name!r}, which edges have.")
    return category.astype(str).map(place).to_numpy(), dict(enumerate(names))


def _describe_samples(samples: pd.DataFrame) -> list[str]:
    if "sample" not in samples:
        return [json.dumps({"aggregate": str(category)}) for category in samples.category]
    return [json.dumps({"sample": str(sample)}) for sample in samples["sample"]]


def _check_unique(edges: pd.DataFrame, rows: pd.DataFrame, found: _Edges, each: str) -> None:
    """An edge is there once in a graph."""
    if not (twice := edges.duplicated(["graph", "source", "target"])).any():
        return
    number = int(np.argmax(twice))
    row = rows.iloc[number]
    ends = " -> ".join(f"{row[layer]} [{row[channel]}]" for layer, channel in (ENDS[:2], ENDS[2:]))
    raise DataError(
        f"{found.describe_row(number)} has the edge {ends} of {each} {str(row[each])!r} again: sum them, "
        f"or map the column that distinguishes them ({', '.join(COLUMNS)})."
    )


def _check_size(channels: NumberedEdges, graphs: int) -> None:
    layers = len(channels.sites.names)
    if layers * graphs > MOST_CELLS:
        raise DataError(
            f"There are {layers:,} layers and {graphs:,} graphs, more than a record has room for: does the "
            "mapping take another column for that of layers, or of samples?"
        )


def _list_changes(mapping: EdgeMapping) -> list[list[object]]:
    """What the mapping says besides the columns and changes what is read."""
    return [
        [key, getattr(mapping, key)]
        for key in TEXT_OPTIONS
        if getattr(mapping, key) != getattr(EdgeMapping, key)
    ]


def _sum_nodes(edges: pd.DataFrame) -> pd.DataFrame:
    out, into = (
        edges.groupby(["graph", end]).weight.sum().rename_axis(["graph", "neuron"])
        for end in ("source", "target")
    )
    return out.combine_first(into).rename("score").reset_index().assign(activation=0.0)
