"""A pathway of ours in Neuronpedia's format: by its schema, by what its viewer does, and back again."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graphpath.errors import GraphpathError, RecordError
from graphpath.export import to_neuronpedia
from graphpath.export.neuronpedia import cantor_pair
from graphpath.imports import import_neuronpedia
from tests.synthetic import write_trace

REQUIRED = {
    "metadata": {"slug": str, "scan": str, "prompt_tokens": list, "prompt": str},
    "node": {
        "node_id": str,
        "feature": int,
        "layer": str,
        "ctx_idx": int,
        "feature_type": str,
        "jsNodeId": str,
        "clerp": str,
        "influence": float,
        "activation": float,
    },
    "link": {"source": str, "target": str, "weight": float},
}
"""What Neuronpedia's graph-schema.json (1.0.0) requires, and the types that it allows."""


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("trace") / "clean", run="clean", samples=5)


@pytest.fixture(scope="module")
def pathway(trace):
    return trace.pathways().to_table().to_pylist()[1]


@pytest.fixture(scope="module")
def graph(trace, pathway, tmp_path_factory):
    path = to_neuronpedia(trace, pathway["pathway"], tmp_path_factory.mktemp("graph") / "graph.json")
    return json.loads(path.read_text())


def test_it_has_what_the_schema_requires(graph) -> None:
    assert set(graph) == {"metadata", "qParams", "nodes", "links"}
    for kind, rows in (("metadata", [graph["metadata"]]), ("node", graph["nodes"]), ("link", graph["links"])):
        for row in rows:
            assert {key: type(row[key]) for key in REQUIRED[kind]} == REQUIRED[kind]


def test_it_holds_the_pathway(graph, trace, pathway) -> None:
    assert len(graph["nodes"]) == pathway["neurons"] and len(graph["links"]) == pathway["edges"]
    edges = trace.edges().to_table().to_pandas()
    edges = edges[edges.pathway == pathway["pathway"]].sort_values("rank")
    assert [link["weight"] for link in graph["links"]] == edges.score.tolist()
    layers = trace.layers().to_table().to_pandas().set_index("layer").offset
    nodes = {node["node_id"]: node for node in graph["nodes"]}
    for link, edge in zip(graph["links"], edges.itertuples(), strict=True):
        target = nodes[link["target"]]
        assert target["node_id"] == f"{edge.layer}_{edge.target - layers[edge.layer]}_1"
    names = {node["clerp"] for node in graph["nodes"] if node["feature_type"] == "neuron"}
    assert any(name.startswith("features.0 [") for name in names)


def test_the_viewer_can_lay_it_out(graph, pathway) -> None:
    """What its formatData reads: it fails without each of these."""
    plain = [node for node in graph["nodes"] if node["feature_type"] != "logit"]
    assert max(float(node["layer"]) for node in plain) > 0
    tokens = graph["metadata"]["prompt_tokens"]
    assert all(node["ctx_idx"] == len(tokens) - 1 for node in graph["nodes"])
    assert "".join(tokens) == graph["metadata"]["prompt"]
    # It leaves out what more than two thirds of the tokens have, and so everything where there is one only.
    features = Counter((node["layer"], node["feature"], node["ctx_idx"]) for node in graph["nodes"])
    assert max(features.values()) <= len(tokens) * 2 / 3
    ids = [node["node_id"] for node in graph["nodes"]]
    assert len(set(ids)) == len(ids)
    assert all({link["source"], link["target"]} <= set(ids) for link in graph["links"])
    [logit] = [node for node in graph["nodes"] if node["feature_type"] == "logit"]
    share = float(logit["clerp"].split("(p=")[1].split(")")[0])
    assert share == pytest.approx(logit["token_prob"], abs=5e-4)
    assert logit["is_target_logit"] and logit["feature"] == pathway["target"]
    assert logit["clerp"].startswith(f'Output "class {pathway["target"]}"')


def test_a_feature_is_a_cantor_pair(graph) -> None:
    """Decoded as the viewer does."""
    for node in graph["nodes"]:
        if node["feature_type"] != "logit":
            w = math.floor((math.sqrt(8 * node["feature"] + 1) - 1) / 2)
            index = node["feature"] - (w * w + w) // 2
            assert node["node_id"] == f"{w - index}_{index}_1"
    assert cantor_pair(0, 18753) == 175865634  # a node of circuit-tracer's


def test_influence_prunes_from_the_least(graph, trace, pathway) -> None:
    visits = trace.visits().to_table().to_pandas()
    size = np.sort(visits[visits.pathway == pathway["pathway"]].score.abs().to_numpy(np.float64))[::-1]
    found = sorted(node["influence"] for node in graph["nodes"])
    np.testing.assert_allclose(found, np.cumsum(size) / size.sum(), rtol=1e-9)


def test_it_comes_back(graph, trace, pathway, tmp_path: Path) -> None:
    path = to_neuronpedia(trace, pathway["pathway"], tmp_path / "graph.json")
    back = import_neuronpedia([path], out=tmp_path / "back")
    assert (back.counts["visits"], back.counts["edges"]) == (pathway["neurons"], pathway["edges"])
    scores = back.edges().to_table().sort_by("rank")["score"].to_pylist()
    assert scores == sorted((link["weight"] for link in graph["links"]), key=abs, reverse=True)
    [again] = back.pathways().to_table()["pathway"].to_pylist()
    assert json.loads(to_neuronpedia(back, again, tmp_path / "again.json").read_text()).keys() == graph.keys()


def test_a_limit_keeps_the_strongest_edges_and_their_ends(trace, pathway, tmp_path: Path) -> None:
    path = to_neuronpedia(trace, pathway["pathway"], tmp_path / "graph.json", limit=3)
    few = json.loads(path.read_text())
    ends = {link[end] for link in few["links"] for end in ("source", "target")}
    assert len(few["links"]) == 3 and {node["node_id"] for node in few["nodes"]} == ends


def test_what_cannot_be_is_refused(trace, pathway, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no pathway 7"):
        to_neuronpedia(trace, 7, tmp_path / "graph.json")
    with pytest.raises(GraphpathError, match="cannot be written"):
        to_neuronpedia(trace, pathway["pathway"], tmp_path / "none" / "graph.json")
