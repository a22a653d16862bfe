"""``graphpath import``."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd

from tests.imports.published import attribution_graph, pack, write_summit


def test_summit_from_a_tar_into_a_store(call, refused, tmp_path: Path) -> None:
    files = write_summit(tmp_path / "json", graphs=3)
    archive, store, out = pack(files, tmp_path / "a.tar.gz"), tmp_path / "a.lbdb", tmp_path / "out" / "record"
    words = ("import", "summit", archive, "--store", store, "--out", out)
    done = call(*words)
    assert done.exit_code == 0, done.output
    assert "3 graphs of 72 nodes and 162 edges" in done.stdout
    assert "min_support is 1 where it is not asked for" in done.stdout
    assert "was loaded already" in call(*words).stdout
    shown = call("query", "categories/similarity", "--store", store, "--csv").stdout
    assert len(pd.read_csv(io.StringIO(shown))) == 3 * 4
    assert "ag-0.json lacks the key" not in refused("import", "summit", tmp_path / "none.json")


def test_a_record_without_a_store_is_loaded_later(call, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    [file] = write_summit(tmp_path / "json", graphs=1)
    done = call("import", "summit", file)
    assert done.exit_code == 0, done.output
    [out] = tmp_path.glob("summit-imagenet-classes-*")
    assert out.name in done.stdout
    assert "run summit" in call("load", out, "--store", tmp_path / "a.lbdb").stdout


def test_a_wrong_file_leaves_no_store(refused, tmp_path: Path) -> None:
    file = tmp_path / "ag-1.json"
    file.write_text('{"mixed3a": [{"channel": 1}]}')
    said = refused("import", "summit", file, "--store", tmp_path / "a.lbdb", "--out", tmp_path / "out")
    assert "ag-1.json: mixed3a[0] lacks the key 'count'" in said
    assert sorted(tmp_path.iterdir()) == [file]


def test_neuronpedias_graph_in_and_out(call, refused, trace, tmp_path: Path) -> None:
    file, out, back = tmp_path / "graph.json", tmp_path / "record", tmp_path / "back.json"
    file.write_text(json.dumps(attribution_graph()))
    done = call("import", "neuronpedia", file, "--out", out, "--store", tmp_path / "a.lbdb")
    assert done.exit_code == 0, done.output
    assert "1 graph of 11 nodes and 11 edges" in done.stdout
    assert call("export", "neuronpedia", out, "--out", back).exit_code == 0
    assert json.loads(back.read_text())["metadata"] == attribution_graph()["metadata"]
    assert "say which one with --pathway" in refused("export", "neuronpedia", trace.path, "--out", back)


def test_a_pathway_as_graphml(call, trace, tmp_path: Path) -> None:
    key = trace.pathways().to_table()["pathway"][2].as_py()
    done = call(
        "export", "graphml", trace.path, "--pathway", key, "--limit", 5, "--out", tmp_path / "a.graphml"
    )
    assert done.exit_code == 0, done.output
    assert "5 edges" in done.stdout and (tmp_path / "a.graphml").read_text().count("<edge ") == 5


def test_an_edge_list_with_its_mapping(call, refused, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("c,a,i,b,j,w\ncat,x,1,y,2,.5\n")
    ends = {"source_layer": "a", "source_channel": "i", "target_layer": "b", "target_channel": "j"}
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"columns": {**ends, "category": "c", "weight": "w"}}))
    words = ("import", "edges", tmp_path / "edges.csv", "--mapping", mapping)
    done = call(*words, "--out", tmp_path / "out", "--store", tmp_path / "a.lbdb")
    assert done.exit_code == 0, done.output
    assert "1 graph of 2 nodes and 1 edge as" in done.stdout
    mapping.write_text(json.dumps({"columns": {**ends, "weight": "strength"}}))
    assert "no column 'strength'" in refused(*words, "--out", tmp_path / "other")
