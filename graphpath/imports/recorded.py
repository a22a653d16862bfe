"""A published graph as a trace: the Parquet record, so that all that reads traces reads it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from graphpath import __version__
from graphpath.errors import RecordError
from graphpath.ids import block, category_id, sample_id
from graphpath.imports.published import Ints, PublishedGraph
from graphpath.record import Trace, TraceWriter
from graphpath.record.building import build_directory
from graphpath.whole import rename

Columns = dict[str, Any]
KEY = 11
"""Characters at the end of a run's id that distinguish runs, with the hyphen before them."""
LONGEST = 160
"""Bytes of a directory's name: less than file systems take, with room for what is built beside it."""


def write_trace(graph: PublishedGraph, out: str | Path | None = None) -> Trace:
    """Write ``graph`` as a trace into the directory ``out`` (by default one named after the run). Returns it.

    It is built beside ``out`` and renamed into place, so a trace is there whole or not at all; where ``out``
    already holds this run, nothing is done.

    Raises:
        RecordError: ``out`` holds something else, or cannot be written.
    """
    path = Path(_folder_name(graph.run) if out is None else out)
    try:
        if _holds_trace(path):
            return _open_existing(path, graph.run)
        with build_directory(path) as place:
            _write_tables(TraceWriter.open(place, _describe_run(graph)), graph)
            _move(place, path)
    except OSError as error:
        raise RecordError(
            f"{path} cannot be written: {error.strerror or error}. Nothing half imported is left; the same "
            "command imports it when that is mended."
        ) from error
    return _open_existing(path, graph.run)


def _folder_name(run: str) -> str:
    """A name for the directory of ``run``, parts of which its publisher chose: one level, not too long."""
    name = re.sub(r"[^\w.+-]+", "-", run)
    return name if len(name.encode()) <= LONGEST else f"{name[: LONGEST // 4]}{name[-KEY:]}"


def _holds_trace(path: Path) -> bool:
    """Whether ``path`` holds a trace already. Raises RecordError where it holds something else."""
    if (path / "run.json").is_file():
        return True
    for folder in (path, *path.parents):
        if folder.exists() and not folder.is_dir():
            raise RecordError(f"{folder} is a file; a trace is a directory: choose another name (--out).")
    if path.exists() and any(path.iterdir()):
        raise RecordError(f"{path} is not empty and holds no trace: choose another output directory (--out).")
    return False


def _move(place: Path, path: Path) -> None:
    """Move a finished trace to its place, unless another process was first."""
    try:
        rename(place, path)
    except OSError:
        if not _holds_trace(path):
            raise
        shutil.rmtree(place)


def _open_existing(path: Path, run: str) -> Trace:
    found = Trace(path)
    if found.id != run:
        raise RecordError(
            f"{path} holds the trace of run {found.id!r}, not of {run!r}: choose another output directory "
            "(--out), or delete this one."
        )
    return found


def _describe_run(graph: PublishedGraph) -> dict[str, object]:
    """What run.json says."""
    own = {} if graph.min_support is None else {"min_support": graph.min_support}
    return {
        "id": graph.run,
        "method": graph.method,
        "parameters": dict(graph.parameters),
        "model": {"name": graph.model, "sha256": graph.sites.sha256},
        "dataset": {"name": graph.dataset, "split": graph.split, "graphs": len(graph.samples)},
        "seeds": {},
        "versions": {"graphpath": __version__},
        "device": "none",
        "imported": {"sha256": graph.sha256, **graph.notes},
        **own,
    }


def _write_tables(writer: TraceWriter, graph: PublishedGraph) -> None:
    edges, visits = _rank_edges(graph.edges), _tabulate_visits(graph)
    pathways = block(graph.run) + np.arange(len(graph.samples))
    samples = _tabulate_samples(graph)
    first, layer_of = graph.sites.first, graph.sites.find_layers
    part = {
        "samples": samples,
        "predictions": _tabulate_predictions(graph, samples["sample"]),
        "pathways": _tabulate_pathways(graph, pathways, samples["sample"], visits, edges),
        "balance": _tabulate_balance(graph, pathways, edges),
        "visits": {
            "pathway": pathways[visits.graph],
            "neuron": first + visits.neuron.to_numpy(),
            "layer": layer_of(visits.neuron.to_numpy()),
            "activation": visits.activation.to_numpy(np.float32),
            "score": visits.score.to_numpy(np.float32),
        },
        "edges": {
            "source": first + edges.source.to_numpy(),
            "target": first + edges.target.to_numpy(),
            "pathway": pathways[edges.graph],
            "layer": layer_of(edges.target.to_numpy()),
            "flow": edges.weight.to_numpy(np.float32),
            "score": edges.weight.to_numpy(np.float32),
            "rank": edges["rank"].to_numpy(np.int32),
        },
    }
    if graph.maps is not None:
        named = graph.maps
        part["maps"] = {
            "map": first + named["map"].to_numpy(),
            "name": named["name"].tolist(),
            "detail": named["detail"].tolist(),
        }
    writer.write_part(0, part)
    writer.finish(layers=graph.sites.to_table(), categories=_tabulate_categories(graph))


def _rank_edges(edges: pd.DataFrame) -> pd.DataFrame:
    """``edges`` by graph, the strongest first, with their rank in it."""
    keyed = edges.assign(size=-edges.weight.abs()).sort_values(["graph", "size", "source", "target"])
    return keyed.assign(rank=keyed.groupby("graph").cumcount() + 1)


def _tabulate_visits(graph: PublishedGraph) -> pd.DataFrame:
    """The published nodes, and the ends of edges that are none of them, of which nothing is known: 0."""
    keys = ["graph", "neuron"]
    ends = [graph.edges[["graph", end]].set_axis(keys, axis=1) for end in ("source", "target")]
    every = pd.concat([graph.nodes[keys], *ends]).drop_duplicates().sort_values(keys)
    return every.merge(graph.nodes, on=keys, how="left").fillna({"activation": 0.0, "score": 0.0})


def _tabulate_samples(graph: PublishedGraph) -> Columns:
    rows = graph.samples
    named = zip(rows["index"].tolist(), rows.detail.tolist(), strict=True)
    count = len(rows)
    return {
        "sample": [sample_id(graph.dataset, graph.split, index, detail=detail) for index, detail in named],
        "dataset": [graph.dataset] * count,
        "split": [graph.split] * count,
        "index": rows["index"].to_numpy(np.int64),
        "label": rows.label.to_numpy(np.int32),
        "variant": ["original"] * count,
        "parent": [None] * count,
        "detail": rows.detail.tolist(),
    }


def _tabulate_predictions(graph: PublishedGraph, sample: list[int]) -> Columns:
    """What the publisher says, else each graph's own class, of which it is the pathway."""
    predictions = graph.predictions
    if predictions is None:
        predictions = pd.DataFrame({"graph": np.arange(len(sample)), "label": graph.samples.label})
        predictions = predictions.assign(rank=1, confidence=np.nan)
    return {
        "sample": np.asarray(sample)[predictions.graph],
        "rank": predictions["rank"].to_numpy(np.int32),
        "category": category_id(graph.scheme, 0) + predictions.label.to_numpy(np.int64),
        "logit": np.full(len(predictions), np.nan, np.float32),
        "confidence": predictions.confidence.to_numpy(np.float32),
    }


def _tabulate_pathways(
    graph: PublishedGraph, pathways: Ints, sample: list[int], visits: pd.DataFrame, edges: pd.DataFrame
) -> Columns:
    """Whole as published; its logit, and what constants give to it, are unknown."""
    count = len(pathways)
    return {
        "pathway": pathways,
        "sample": sample,
        "target": graph.samples.label.to_numpy(np.int32),
        "origin": [None] * count,
        "neurons": np.bincount(visits.graph, minlength=count),
        "edges": np.bincount(edges.graph, minlength=count),
        "coverage": np.ones(count, np.float32),
        "logit": np.full(count, np.nan),
        "bias": np.full(count, np.nan),
    }


def _tabulate_balance(graph: PublishedGraph, pathways: Ints, edges: pd.DataFrame) -> Columns:
    layers, count = len(graph.sites.names), len(pathways)
    cell = edges.graph.to_numpy() * layers + graph.sites.find_layers(edges.target.to_numpy())
    number = np.bincount(cell, minlength=count * layers)
    mass = np.bincount(cell, edges.weight.abs().to_numpy(), minlength=count * layers)
    return {
        "pathway": np.repeat(pathways, layers),
        "layer": np.tile(np.arange(layers), count),
        "edges_all": number,
        "edges_kept": number,
        "abs_all": mass,
        "abs_kept": mass,
        "bias": np.full(count * layers, np.nan),
        "bias_fed": np.zeros(count * layers, np.int64),
    }


def _tabulate_categories(graph: PublishedGraph) -> Columns:
    labels = sorted(graph.classes)
    return {
        "category": [category_id(graph.scheme, label) for label in labels],
        "scheme": [graph.scheme] * len(labels),
        "label": np.asarray(labels, np.int32),
        "name": [graph.classes[label] for label in labels],
    }
