"""Neuronpedia's attribution graphs: in, queried, and out again as they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphpath.errors import DataError
from graphpath.export import to_neuronpedia
from graphpath.imports import import_neuronpedia
from graphpath.record import Trace
from graphpath.stores import open_store
from tests.imports.published import Json, attribution_graph


def write(folder: Path, *graphs: Json) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.json" for number in range(len(graphs))]
    for file, graph in zip(files, graphs, strict=True):
        file.write_text(json.dumps(graph))
    return files


def pathways(trace: Trace) -> list[int]:
    return trace.pathways().to_table()["pathway"].to_pylist()


def in_order(graph: Json) -> Json:
    return {
        **graph,
        "nodes": sorted(graph["nodes"], key=lambda node: node["node_id"]),
        "links": sorted(graph["links"], key=lambda link: (link["source"], link["target"])),
    }


@pytest.fixture
def graphs() -> list[Json]:
    return [attribution_graph(), attribution_graph(1, "another", ("<bos>", "1", "2", "3"))]


def test_graphs_come_out_as_they_went_in(graphs, tmp_path: Path) -> None:
    trace = import_neuronpedia(write(tmp_path / "json", *graphs), out=tmp_path / "trace")
    for pathway, graph in zip(pathways(trace), graphs, strict=True):
        back = json.loads(to_neuronpedia(trace, pathway, tmp_path / "back.json").read_text())
        assert in_order(back) == in_order(graph)
    assert trace.counts["visits"] == sum(len(graph["nodes"]) for graph in graphs)
    assert trace.counts["edges"] == sum(len(graph["links"]) for graph in graphs)


def test_layers_run_from_tokens_to_logits(graphs, tmp_path: Path) -> None:
    trace = import_neuronpedia(write(tmp_path / "json", *graphs), out=tmp_path / "trace")
    rows = trace.layers().to_table().to_pandas()
    assert rows["name"].tolist() == [
        "E embedding",
        "0 cross layer transcoder",
        "2 cross layer transcoder",
        "2 mlp reconstruction error",
        "10 cross layer transcoder",
        "11 logit",
    ]
    assert rows.width.eq(4).all()  # the longest prompt
    assert rows.channels.tolist() == [4, 2, 1, 1, 1, 2]  # features, whatever their positions


def test_the_graph_answers_queries(graphs, tmp_path: Path) -> None:
    trace = import_neuronpedia(write(tmp_path / "json", *graphs), out=tmp_path / "trace")
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        asked = store.query("pathways/of_run")
        assert asked.target_name.tolist() == ["3", "3"] and asked.confidence.tolist() == [0.5, 0.5]
        assert asked.correct.all()
        names = set(store.cypher("MATCH (f:FeatureMap) RETURN f.name AS name").name)
        assert {"0_98303 a digit", "0_17", "2_-1", '11_6 Output "\n4" (p=0.250)'} <= names
        shared = store.query("categories/shared_edges", min_categories=1)
        ends = [{(link["source"], link["target"]) for link in graph["links"]} for graph in graphs]
        assert len(shared) == len(ends[0] | ends[1])
        assert (shared.support == 2).sum() == len(ends[0] & ends[1]) > 0
        digit = store.cypher(
            "MATCH (n:Neuron)-[:IN_MAP]->(f:FeatureMap) WHERE f.name = $name "
            "RETURN n.name AS name ORDER BY name",
            name="0_98303 a digit",
        )
        assert digit.name.tolist() == ["0_98303 a digit 0,1", "0_98303 a digit 0,2"]
        assert len(store.graph("browse/pathway", pathway=pathways(trace)[0]).edges) == len(graphs[0]["links"])


def test_activation_and_influence_are_the_nodes_own(graphs, tmp_path: Path) -> None:
    trace = import_neuronpedia(write(tmp_path / "json", graphs[0]), out=tmp_path / "trace")
    visits = trace.visits().to_table().to_pandas()
    known = [(node["activation"] or 0.0, node["influence"] or 0.0) for node in graphs[0]["nodes"]]
    assert sorted(zip(visits.activation, visits.score, strict=True)) == sorted(known)


def test_other_tools_write_less_and_otherwise(tmp_path: Path) -> None:
    """Layers that are numbers, features that are null, ids without a position, no influence, no logits."""
    nodes = [
        {"node_id": "in", "feature": None, "layer": "E", "ctx_idx": 0, "feature_type": "embedding"},
        {"node_id": "attn", "feature": 9, "layer": 3, "ctx_idx": 0, "feature_type": "lorsa"},
        {"node_id": "mlp", "feature": 2**60, "layer": 3, "ctx_idx": 0, "feature_type": "transcoder"},
    ]
    links = [
        {"source": "in", "target": "attn", "weight": 1},
        {"source": "attn", "target": "mlp", "weight": 2},
    ]
    metadata = {"slug": "s", "scan": "m", "prompt_tokens": [], "prompt": ""}
    graph = {"metadata": metadata, "qParams": {}, "nodes": nodes, "links": links}
    trace = import_neuronpedia(write(tmp_path / "json", graph), out=tmp_path / "trace")
    assert trace.layers().to_table()["name"].to_pylist() == ["E embedding", "3 lorsa", "3 transcoder"]
    back = json.loads(to_neuronpedia(trace, pathways(trace)[0], tmp_path / "back.json").read_text())
    assert in_order(back) == in_order(graph)
    with open_store(tmp_path / "a.lbdb") as store:
        assert store.load(trace).counts["FLOWS_TO"] == 2
        assert "ClassPathway" not in store.load(trace).counts


def _set(*keys: Any, to: object):
    def change(graph: Json) -> None:
        value: Any = graph
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return change


WRONG = {
    "no metadata": (lambda graph: graph.pop("metadata"), "lacks the key 'metadata'"),
    "no slug": (lambda graph: graph["metadata"].pop("slug"), "metadata lacks the key 'slug'"),
    "links no list": (_set("links", to={}), "'links' should be a JSON list"),
    "no nodes": (_set("nodes", to=[]), "has no nodes"),
    "a node without id": (
        lambda graph: graph["nodes"][2].pop("node_id"),
        r"nodes\[2\] lacks the key 'node_id'",
    ),
    "half a position": (_set("nodes", 1, "ctx_idx", to=0.5), r"nodes\[1\] has 'ctx_idx': 0.5"),
    "a negative position": (_set("nodes", 1, "ctx_idx", to=-1), r"nodes\[1\] has 'ctx_idx' below 0"),
    "no layer": (lambda graph: graph["nodes"][3].pop("layer"), r"nodes\[3\] should have a 'layer'"),
    "text for influence": (_set("nodes", 0, "influence", to="high"), r"nodes\[0\] has 'influence': \"high\""),
    "a node twice": (lambda graph: graph["nodes"].append(graph["nodes"][0]), "'node_id' '0_98303_1' twice"),
    "no weight": (lambda graph: graph["links"][1].pop("weight"), r"links\[1\] lacks the key 'weight'"),
    "an unknown end": (
        _set("links", 4, "target", to="x"),
        r"links\[4\] has the target 'x', which is no node",
    ),
    "a link twice": (
        lambda graph: graph["links"].append(graph["links"][0]),
        r"links\[11\] joins the same nodes",
    ),
    "no float": (_set("links", 0, "weight", to=1e300), r"links\[0\] has a 'weight' out of range"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_is_named_and_nothing_is_left(wrong: str, graphs, tmp_path: Path) -> None:
    change, said = WRONG[wrong]
    change(graphs[1])
    with pytest.raises(DataError, match=said) as error:
        import_neuronpedia(write(tmp_path / "json", *graphs), out=tmp_path / "out" / "trace")
    assert "1.json" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_graphs_of_two_models_or_one_name_are_refused(graphs, tmp_path: Path) -> None:
    graphs[1]["metadata"]["slug"] = "a-graph"
    with pytest.raises(DataError, match="same 'slug'"):
        import_neuronpedia(write(tmp_path / "json", *graphs), out=tmp_path / "trace")
    graphs[1]["metadata"]["scan"] = "qwen"
    with pytest.raises(DataError, match="one model at a time"):
        import_neuronpedia(write(tmp_path / "json", *graphs), out=tmp_path / "trace")


def test_float32_is_all_that_is_lost(tmp_path: Path) -> None:
    graph = attribution_graph()
    graph["links"][0]["weight"] = 1 / 3
    trace = import_neuronpedia(write(tmp_path / "json", graph), out=tmp_path / "trace")
    back = json.loads(to_neuronpedia(trace, pathways(trace)[0], tmp_path / "back.json").read_text())
    weights = {(link["source"], link["target"]): link["weight"] for link in back["links"]}
    first = graph["links"][0]
    assert weights[first["source"], first["target"]] == np.float32(1 / 3)
