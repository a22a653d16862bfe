"""Edge lists: one row an edge, in CSV, TSV or Parquet, with a mapping that says what the columns are.

An end is a layer and a channel (a map, unit, feature or concept: any name or number). Where a list has a
column of samples, each sample is a pathway of its category; where it has none, each category is one graph
of all that its publisher summed up. An edge's score is its weight; of a node nothing is told, so its score is
the sum of the weights of its edges out, or of those in, where there are none out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.imports.mapping import COLUMNS, ENDS, EdgeMapping
from graphpath.imports.numbered import Channels, ordered
from graphpath.imports.published import Published
from graphpath.imports.recorded import record
from graphpath.record import Trace

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PACKED = (".gz", ".bz2", ".zst")


def import_edges(
    files: Sequence[str | Path],
    mapping: EdgeMapping | Mapping[str, Any] | str | Path,
    *,
    out: str | Path | None = None,
) -> Trace:
    """The edge lists ``files``, together, as a trace in the directory ``out``. Returns it.

    Args:
        files: CSV (``.csv``), TSV (``.tsv``) or Parquet files of the same columns.
        mapping: a TOML or JSON file, or what it would hold (:class:`EdgeMapping`).
        out: where the record goes; by default a directory named after the run.

    Raises:
        DataError: a mapping or list that is not what it should be; the message names the file and the key,
            column or row.
        RecordError: ``out`` holds something else.
    """
    told = _mapping(mapping)
    paths = [Path(file) for file in files]
    rows = pd.concat([_read(path, told).assign(file=str(path)) for path in paths], ignore_index=True)
    if rows.empty:
        raise DataError(f"{', '.join(map(str, paths))}: there are no edges.")
    return record(_published(rows, told, paths), out)


def _mapping(given: EdgeMapping | Mapping[str, Any] | str | Path) -> EdgeMapping:
    if isinstance(given, EdgeMapping):
        return given
    return EdgeMapping.of(given) if isinstance(given, Mapping) else EdgeMapping.read(given)


def _read(path: Path, mapping: EdgeMapping) -> pd.DataFrame:
    """The mapped columns of ``path`` under the mapping's own names, and the ``row`` of each edge."""
    bare = path.name
    for ending in PACKED:
        bare = bare.removesuffix(ending)
    kind = Path(bare).suffix
    if kind not in (*DELIMITERS, ".parquet"):
        raise DataError(f"{path} should be an edge list in .csv, .tsv or .parquet.")
    try:
        table = pq.read_table(path) if kind == ".parquet" else _parsed(path, DELIMITERS[kind])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from error
    for key, column in mapping.columns.items():
        if table.column_names.count(column) != 1:
            raise DataError(
                f"{path} has no column {column!r}, which {mapping.where} says is {key!r}; it has "
                f"{', '.join(table.column_names)}."
            )
    chosen = {key: _column(path, key, table[column]) for key, column in mapping.columns.items()}
    return pd.DataFrame({**chosen, "row": np.arange(1, table.num_rows + 1)})


def _parsed(path: Path, delimiter: str) -> pa.Table:
    return pacsv.read_csv(path, parse_options=pacsv.ParseOptions(delimiter=delimiter))


def _column(path: Path, key: str, column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Layers as text, weights as float64, the others as whole numbers or text."""
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise DataError(f"{path}, row {row + 1} has no {key!r}.")
    numbers = pa.types.is_integer(column.type)
    kind = pa.float64() if key == "weight" else pa.int64() if numbers and "layer" not in key else pa.string()
    try:
        values: np.ndarray[Any, Any] = column.cast(kind).to_numpy()
    except pa.ArrowException as error:
        raise DataError(f"{path}: {key!r} should be {_KINDS[key == 'weight']}, not {column.type}.") from error
    if key == "weight" and not (fits := np.abs(values) <= np.finfo(np.float32).max).all():
        raise DataError(f"{path}, row {int(np.argmin(fits)) + 1} has the 'weight' {values[np.argmin(fits)]}.")
    return values


_KINDS = {True: "numbers", False: "whole numbers or text"}


def _published(rows: pd.DataFrame, mapping: EdgeMapping, paths: Sequence[Path]) -> Published:
    name = mapping.name or paths[0].name.partition(".")[0]
    rows = rows.assign(
        **{key: default for key, default in (("category", name), ("weight", 1.0)) if key not in rows}
    )
    by_sample = "sample" in rows
    channels = Channels.of(rows, _layers(rows, mapping))
    edges = pd.DataFrame({"source": channels.source, "target": channels.target})
    keys = ["category", "sample"] if by_sample else ["category"]
    graph, samples = _graphs(rows, keys)
    edges = edges.assign(graph=graph, weight=rows.weight)
    _check_unique(edges, rows, "sample" if by_sample else "category")
    labels, classes = _classes(samples.category, mapping)
    return Published(
        method="edges",
        parameters={"weight": mapping.columns.get("weight", "1")},
        model=mapping.network or name,
        dataset=name,
        split="published",
        scheme=mapping.scheme or name,
        sites=channels.sites,
        samples=pd.DataFrame({"index": range(len(samples)), "label": labels, "detail": _details(samples)}),
        nodes=_nodes(edges),
        edges=edges,
        classes=classes,
        sha256=digest([_sha256(path) for path in paths], sorted(mapping.columns.items())),
        min_support=None if by_sample else 1,
        maps=channels.maps,
        notes={"files": len(paths)},
    )


def _layers(rows: pd.DataFrame, mapping: EdgeMapping) -> tuple[str, ...]:
    """The order that the mapping gives, else that of the edges."""
    pairs = rows[["source_layer", "target_layer"]].drop_duplicates()
    if mapping.layers is None:
        return ordered(pairs.itertuples(index=False, name=None), mapping.where)
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


def _graphs(rows: pd.DataFrame, keys: list[str]) -> tuple[pd.Series[int], pd.DataFrame]:
    """The graph of each row, and what each graph is of."""
    grouped = rows.groupby(keys, sort=True)
    samples = grouped.size().reset_index()[keys]
    return grouped.ngroup(), samples


def _classes(category: pd.Series[Any], mapping: EdgeMapping) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
    """The label of each graph, and the labels' names."""
    if mapping.classes is None and category.dtype.kind == "i":
        if category.min() < 0 or category.max() >= 1 << 31:
            raise DataError(f"A category's number is from 0 to 2^31 - 1, not {category.min()}.")
        return category.to_numpy(), {int(label): str(label) for label in category}
    names = list(mapping.classes or sorted(map(str, category.unique())))
    place = {name: label for label, name in enumerate(names)}
    for name in category.astype(str):
        if name not in place:
            raise DataError(f"{mapping.where}: 'classes' lacks {name!r}, which edges have.")
    return category.astype(str).map(place).to_numpy(), dict(enumerate(names))


def _details(samples: pd.DataFrame) -> list[str]:
    if "sample" not in samples:
        return [json.dumps({"aggregate": str(category)}) for category in samples.category]
    return [json.dumps({"sample": str(sample)}) for sample in samples["sample"]]


def _check_unique(edges: pd.DataFrame, rows: pd.DataFrame, each: str) -> None:
    """An edge is there once in a graph."""
    if not (twice := edges.duplicated(["graph", "source", "target"])).any():
        return
    row = rows[twice.to_numpy()].iloc[0]
    ends = " -> ".join(f"{row[layer]} [{row[channel]}]" for layer, channel in (ENDS[:2], ENDS[2:]))
    raise DataError(
        f"{row.file}, row {row.row} has the edge {ends} of {each} {row[each]!r} again: sum such rows, or map "
        f"the column that tells them apart ({', '.join(COLUMNS)})."
    )


def _nodes(edges: pd.DataFrame) -> pd.DataFrame:
    out, into = (
        edges.groupby(["graph", end]).weight.sum().rename_axis(["graph", "neuron"])
        for end in ("source", "target")
    )
    return out.combine_first(into).rename("score").reset_index().assign(activation=0.0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
