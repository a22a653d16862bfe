"""``graphpath verify``: from a store to a table and a sentence, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from graphpath.cli import app
from graphpath.stores import open_store

NEURONS = (
    "MATCH (p:Pathway)-[:VISITS]->(n:Neuron) WHERE p.run = $run RETURN p.sample AS sample, n.id AS neuron"
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A net trained a little, eight of its images traced, and the store."""
    root = tmp_path_factory.mktemp("verify")

    def call(*words: object) -> None:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output

    model, store = root / "digits.pt", root / "s.lbdb"
    call("train", "--data", "digits", "--out", model, "--limit", 200, "--epochs", 1)
    common = ["--model", model, "--data", "digits", "--limit", 8]
    call("trace", *common, "--method", "neuron_mct", "--out", root / "critical", "--routes", 0)
    call("load", root / "critical", "--store", store)
    with open_store(store) as opened:
        run = opened.runs().run[0]
    return SimpleNamespace(words=["--store", store, *common, "--draws", 2], store=store, run=run, root=root)


def test_a_named_query_is_verified_and_kept(call, work) -> None:
    result = call("verify", "pathways/hubs", *work.words, "--param", "limit=30")
    assert result.exit_code == 0, result.output
    header, *_, words = result.stdout.strip().splitlines()
    assert header.split("  ")[0].strip() == "set"
    assert " live " in result.stdout and "Removing 30 neurons of each image" in words
    assert words.startswith("Of the query's answer only a part was ablated: limit=30 was reached")
    assert words.endswith("Verdict: cannot tell: 2 draws are too few: at least 19 are needed.")
    shown = call("query", "verdicts/all", "--store", work.store, "--json")
    kept = json.loads(shown.stdout)["rows"]
    assert [(row["query"], row["words"], row["runs"]) for row in kept] == [
        ("pathways/hubs", words, [work.run])
    ]
    listed = call("verify", "pathways/hubs", *work.words, "--param", "limit=31", "--no-record")
    assert listed.exit_code == 0
    with open_store(work.store) as store:
        assert len(store.query("verdicts/all")) == 1


def test_cypher_and_options(call, work) -> None:
    words = ["verify", "--cypher", NEURONS, "--run", work.run[:-2], *work.words, "--no-record", "--csv"]
    table = pd.read_csv(io.StringIO(call(*words, "--mode", "keep", "--baseline", "mean").stdout))
    assert table["set"].drop_duplicates().tolist() == ["answer", "random", "live", "other"]
    assert table.measure.drop_duplicates().tolist() == ["logit", "confidence", "flipped", "accuracy"]
    some = pd.read_csv(io.StringIO(call(*words, "--layers", "2,3").stdout))
    assert 0 < some["size"][0] < table["size"][0]
    each = call("verify", "pathways/neurons", *work.words, "--by", "sample", "--no-record", "--json")
    assert pd.DataFrame(json.loads(each.stdout))["size"][0] == pytest.approx(table["size"][0])
    together = pd.read_csv(io.StringIO(call(*words, "--by", "answer", "--target", "3").stdout))
    assert together["size"][0] > table["size"][0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["categories/none"], "categories/none"),
        (["runs/all"], "expected source and target"),
        (["pathways/hubs", "--param", "layers=99"], "The answer is empty"),
        (["pathways/hubs", "--param", "limit"], "--param NAME=VALUE"),
        (["pathways/hubs", "--param", "limits=3"], "limits"),
        (["pathways/hubs", "--run", "nobody"], "holds no run 'nobody'"),
        (["pathways/hubs", "--run", "latest", "--param", "run=latest"], "both give the run"),
        ([], "give one of query= and cypher="),
        (["pathways/hubs", "--mode", "drop"], "mode='drop' is unknown"),
        (["pathways/hubs", "--target", "3,5"], "verify watches a class"),
        (["pathways/hubs", "--layers", "conv9"], "no layer 'conv9'"),
        (["--cypher", "MATCH (n:Neuron) SET n.layer = 1 RETURN n.id AS neuron"], "SET changes the graph"),
        (
            ["--cypher", "MATCH (p:Pathway) WHERE p.run = $run RETURN p.id AS neuron"],
            "has $run, without a value",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused_in_one_sentence(refused, work, words, said) -> None:
    assert said in refused("verify", *words, *work.words)


def test_a_store_that_is_not_there(refused, work, tmp_path: Path) -> None:
    words = [work.root / "none.lbdb" if word == work.store else word for word in work.words]
    assert "no store" in refused("verify", "pathways/hubs", *words)
