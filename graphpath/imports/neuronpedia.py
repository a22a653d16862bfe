"""Attribution graphs as Neuronpedia shows and circuit-tracer writes them: one JSON a prompt.

``nodes`` are features of a transcoder, errors, tokens and output logits, each at a position of the prompt
(``ctx_idx``); ``links`` are direct effects. A feature is a feature map here and its positions are the map's
neurons, so that graphs of many prompts meet in the features that they share. What names a feature is its
``node_id`` without the position: ``feature`` is coded differently by each tool (Cantor pairs, digits, -1).
Layers are split by ``feature_type``, for attention and transcoder features of one layer may be linked.

A link's score is its ``weight``; a visit's activation and score are the node's ``activation`` and
``influence`` (0 where there is none). The class of a graph is the token whose logit it explains.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.imports.documents import (
    Document,
    has_lone_surrogate,
    read_documents,
    require_member,
    to_columns,
)
from graphpath.imports.packed import list_paths
from graphpath.imports.published import PublishedGraph, PublishedLayers
from graphpath.imports.recorded import write_trace
from graphpath.record import Trace

NODE = {"node_id": pa.string(), "ctx_idx": pa.int64(), "feature_type": pa.string()}
LINK = {"source": pa.string(), "target": pa.string(), "weight": pa.float64()}
OUTPUT = re.compile(r"""^[^"']*["'](?P<token>.*)["']\s*\(p=""", re.DOTALL)
"""A logit's clerp: Output " world" (p=0.750)."""
PREDICTIONS = 5
FLOAT32 = float(np.finfo(np.float32).max)


def import_neuronpedia(files: Sequence[str | Path] | str | Path, *, out: str | Path | None = None) -> Trace:
    """Attribution graphs of one model as a trace in the directory ``out``, a sample and pathway a prompt.

    Args:
        files: JSON files, folders or tars of them.
        out: where the record goes; by default a directory named after the run.

    All that a graph holds is kept: :func:`graphpath.export.to_neuronpedia` gives it back.

    Raises:
        DataError: a file that is no such graph; the message names it and the key.
        RecordError: ``out`` holds something else.
    """
    graphs = [_PromptGraph.parse(document) for document in read_documents(list_paths(files))]
    if not graphs:
        raise DataError(
            f"{list_paths(files)[0]} holds no graph, but the list of those in its folder: import the folder."
        )
    _check_together(graphs)
    nodes = pd.concat([one.nodes.assign(graph=place) for place, one in enumerate(graphs)], ignore_index=True)
    links = pd.concat([one.links.assign(graph=place) for place, one in enumerate(graphs)], ignore_index=True)
    sites, nodes = _number_nodes(graphs, nodes)
    predictions = _tabulate_predictions(nodes)
    labels = (
        predictions[predictions["rank"] == 1]
        .set_index("graph")
        .label.reindex(range(len(graphs)), fill_value=-1)
    )
    scan = graphs[0].scan
    published = PublishedGraph(
        method="neuronpedia",
        parameters={"weight": "links.weight"},
        model=scan,
        dataset=scan,
        split="prompts",
        scheme=f"{scan} tokens",
        sites=sites,
        samples=pd.DataFrame(
            {"index": range(len(graphs)), "label": labels, "detail": [graph.detail for graph in graphs]}
        ),
        nodes=nodes[["graph", "neuron", "activation", "score"]],
        edges=_tabulate_edges(graphs, nodes, links),
        classes=dict(zip(predictions.label.tolist(), predictions.token.tolist(), strict=True)),
        sha256=digest([graph.document.sha256 for graph in graphs]),
        min_support=1,
        predictions=predictions,
        maps=_tabulate_maps(graphs, nodes),
        notes={"files": len(graphs)},
    )
    return write_trace(published, out)


@dataclass(frozen=True, eq=False)
class _PromptGraph:
    """One file: what it says of itself, its nodes and links."""

    document: Document
    slug: str
    scan: str
    tokens: int
    nodes: pd.DataFrame
    """node_id, ctx_idx, feature_type, layer, feature, activation, influence, and raw: the JSON object"""
    links: pd.DataFrame
    """source, target (ids), weight"""

    @classmethod
    def parse(cls, document: Document) -> _PromptGraph:
        """The graph in ``document``. Raises DataError."""
        where = document.where
        metadata = require_member(document.value, "metadata", dict, where)
        slug, scan = (require_member(metadata, key, str, f"{where}: metadata") for key in ("slug", "scan"))
        tokens = require_member(metadata, "prompt_tokens", list, f"{where}: metadata")
        rows = require_member(document.value, "nodes", list, where)
        if not rows:
            raise DataError(f"{where} has no nodes.")
        links = require_member(document.value, "links", list, where)
        ends = to_columns(links, LINK, lambda place: f"{where}: links[{place}]")
        made = cls(
            document,
            slug,
            scan,
            len(tokens),
            _tabulate_nodes(rows, where),
            pd.DataFrame({name: column.to_pandas() for name, column in ends.items()}),
        )
        made._check()
        return made

    def _check(self) -> None:
        where, ids = self.document.where, self.nodes.node_id
        if (twice := ids.duplicated()).any():
            raise DataError(f"{where}: nodes have the 'node_id' {ids[twice].iloc[0]!r} twice.")
        if (before := self.nodes.ctx_idx < 0).any():
            raise DataError(f"{where}: nodes[{int(np.argmax(before))}] has 'ctx_idx' below 0.")
        for end in ("source", "target"):
            if (lost := ~self.links[end].isin(ids)).any():
                place = int(np.argmax(lost))
                raise DataError(
                    f"{where}: links[{place}] has the {end} {self.links[end][place]!r}, which is no node."
                )
        if (twice := self.links.duplicated(["source", "target"])).any():
            raise DataError(f"{where}: links[{int(np.argmax(twice))}] joins the same nodes as one before it.")
        if (large := self.links.weight.abs() > FLOAT32).any():
            raise DataError(f"{where}: links[{int(np.argmax(large))}] has a 'weight' out of range.")

    @property
    def detail(self) -> str:
        """All of the file but its nodes and links."""
        rest = {key: value for key, value in self.document.value.items() if key not in ("nodes", "links")}
        return json.dumps({"neuronpedia": rest})


def _tabulate_nodes(rows: list[Any], where: str) -> pd.DataFrame:
    found = to_columns(rows, NODE, lambda place: f"{where}: nodes[{place}]")
    for place, row in enumerate(rows):
        layer = row.get("layer")
        if not isinstance(layer, str | int) or isinstance(layer, bool) or has_lone_surrogate(str(layer)):
            raise DataError(f"{where}: nodes[{place}] should have a 'layer' that is a text or whole number.")
    numbers = {
        name: [_to_number(row.get(key), f"{where}: nodes[{place}]", key) for place, row in enumerate(rows)]
        for name, key in (("activation", "activation"), ("score", "influence"), ("token_prob", "token_prob"))
    }
    return pd.DataFrame(
        {
            **{name: column.to_pandas() for name, column in found.items()},
            "layer": [str(row["layer"]) for row in rows],
            **numbers,
            "raw": rows,
        }
    )


def _to_number(value: object, where: str, key: str) -> float:
    """0 for what is missing."""
    if value is None:
        return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= FLOAT32:
        return float(value)
    raise DataError(f"{where} has {key!r}: {json.dumps(value)[:40]}, which is no number.")


def _check_together(graphs: Sequence[_PromptGraph]) -> None:
    """Graphs of one model, each with a name of its own."""
    one, seen = graphs[0], dict[str, _PromptGraph]()
    for graph in graphs:
        if graph.scan != one.scan:
            raise DataError(
                f"{graph.document.where} is of {graph.scan!r} ('scan'), but {one.document.where} of "
                f"{one.scan!r}: import the graphs of one model at a time."
            )
        if (other := seen.setdefault(graph.slug, graph)) is not graph:
            raise DataError(
                f"{other.document.where} and {graph.document.where} have the same 'slug', {graph.slug!r}."
            )


def _number_nodes(
    graphs: Sequence[_PromptGraph], nodes: pd.DataFrame
) -> tuple[PublishedLayers, pd.DataFrame]:
    """The layers in order, and the nodes with the number of their map and neuron."""
    tail = "_" + nodes.ctx_idx.astype(str)
    ends = [name.endswith(end) for name, end in zip(nodes.node_id, tail, strict=True)]
    keys = [
        name[: -len(end)] if cut else name for name, end, cut in zip(nodes.node_id, tail, ends, strict=True)
    ]
    nodes = nodes.assign(key=keys)
    places = sorted(set(zip(nodes.layer, nodes.feature_type, strict=True)), key=_layer_key)
    place = {found: number for number, found in enumerate(places)}
    site = [place[found] for found in zip(nodes.layer, nodes.feature_type, strict=True)]
    width = max(*(graph.tokens for graph in graphs), int(nodes.ctx_idx.max()) + 1)
    known = nodes.assign(site=site)[["site", "key"]].drop_duplicates().sort_values(["site", "key"])
    known["channel"] = known.groupby("site").cumcount()
    sites = PublishedLayers(
        tuple(f"{layer} {kind}" for layer, kind in places),
        tuple(kind for _, kind in places),
        tuple((known.groupby("site").channel.max() + 1).tolist()),
        (width,) * len(places),
        digest(known.site.tolist(), known.key.tolist()),
    )
    nodes = nodes.assign(site=site).merge(known, on=["site", "key"], how="left")
    layer, channel = nodes.site.to_numpy(np.int64), nodes.channel.to_numpy(np.int64)
    first = sites.to_numbers(layer, channel)
    return sites, nodes.assign(map=first, neuron=first + nodes.ctx_idx.to_numpy(np.int64))


def _layer_key(place: tuple[str, str]) -> tuple[bool, float, bool, str, str]:
    """Tokens, then layers by number, in each attention first, and the logits last."""
    layer, kind = place
    number = float(layer) if re.fullmatch(r"-?\d+", layer) else -1.0 if layer == "E" else math.inf
    return kind == "logit", number, "lorsa" not in kind, kind, layer


def _tabulate_predictions(nodes: pd.DataFrame) -> pd.DataFrame:
    """graph, rank, label, confidence, token: the logits of each graph, the one that it explains first."""
    logits = nodes[nodes.feature_type == "logit"]
    wanted = [row.get("is_target_logit") is True for row in logits.raw]
    logits = logits.assign(wanted=wanted, label=[_label(row) for row in logits.raw])
    logits = logits.assign(token=[_token(row) for row in logits.raw], confidence=logits.token_prob)
    logits = logits.sort_values(
        ["graph", "wanted", "token_prob", "label"], ascending=[True, False, False, True]
    )
    logits = logits.drop_duplicates(["graph", "label"])
    logits = logits.assign(rank=logits.groupby("graph").cumcount() + 1)
    kept = logits[logits["rank"] <= PREDICTIONS]
    return kept[["graph", "rank", "label", "confidence", "token"]].reset_index(drop=True)


def _label(logit: Mapping[str, Any]) -> int:
    """The token's number, where the publisher gives one; else one of 28 bits of what it is called."""
    number = logit.get("feature")
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 31:
        return number
    return int(digest(_token(logit))[:7], 16)


def _token(logit: Mapping[str, Any]) -> str:
    said = str(logit.get("clerp") or "")
    found = OUTPUT.match(said)
    return _replace_surrogates(found["token"] if found else said or str(logit["node_id"]))


def _replace_surrogates(text: str) -> str:
    """``text`` without the halves of characters that tokens may be."""
    return text.encode(errors="replace").decode()


def _tabulate_edges(graphs: Sequence[_PromptGraph], nodes: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    number = nodes[["graph", "node_id", "neuron"]]
    ends = {
        end: links[["graph", end]]
        .merge(number, left_on=["graph", end], right_on=["graph", "node_id"], how="left")
        .neuron.to_numpy(np.int64)
        for end in ("source", "target")
    }
    return pd.DataFrame({"graph": links.graph, **ends, "weight": links.weight})


def _tabulate_maps(graphs: Sequence[_PromptGraph], nodes: pd.DataFrame) -> pd.DataFrame:
    """Each map with a name, and the JSON objects of its nodes by graph and position."""
    slugs = [graph.slug for graph in graphs]
    rows: list[dict[str, Any]] = []
    for number, group in nodes.sort_values(["map", "graph", "ctx_idx"]).groupby("map"):
        detail: dict[str, dict[str, Any]] = {}
        for graph, position, raw in zip(group.graph, group.ctx_idx, group.raw, strict=True):
            detail.setdefault(slugs[graph], {})[str(position)] = raw
        said = _replace_surrogates(next((str(raw["clerp"]) for raw in group.raw if raw.get("clerp")), ""))
        rows.append(
            {
                "map": number,
                "name": f"{group.key.iloc[0]} {said}".rstrip(),
                "detail": json.dumps({"neuronpedia": detail}),
            }
        )
    return pd.DataFrame(rows)
