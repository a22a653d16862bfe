"""``load``, ``runs``, ``delete``, ``schema`` and ``doctor``."""

from __future__ import annotations

import io
import shutil

import pandas as pd

from graphpath.schema import NODES
from tests.synthetic import write_trace


def test_load_twice_then_delete(call, refused, trace, tmp_path) -> None:
    store = tmp_path / "pathways.lbdb"
    first = call("load", trace.path, "--store", store, "--min-support", 1)
    assert first.exit_code == 0, first.output
    assert f"{trace.counts['edges']:,} edges" in first.stdout
    assert "already" in call("load", trace.path, "--store", store, "--min-support", 1).stdout
    runs = pd.read_csv(io.StringIO(call("runs", "--store", store, "--csv").stdout))
    assert runs.run.tolist() == ["clean"]
    assert runs.edges.tolist() == [trace.counts["edges"]]
    assert "'another'" in refused("delete", "another", "--store", store)
    assert call("delete", "clean", "--store", store).exit_code == 0
    assert "(no rows)" in call("runs", "--store", store).stdout


def test_what_is_no_trace_is_refused_before_anything_is_loaded(refused, trace, tmp_path) -> None:
    store = tmp_path / "pathways.lbdb"
    assert "run.json" in refused("load", trace.path, tmp_path, "--store", store)
    assert not store.exists()


def test_categories_come_and_go_and_runs_that_are_left_out_are_named(call, refused, trace, tmp_path) -> None:
    store, file = tmp_path / "pathways.lbdb", tmp_path / "kinds.csv"
    few = write_trace(tmp_path / "few", run="few", classes=3, samples=3, weights="few")
    call("load", trace.path, few.path, "--store", store)
    file.write_text("name,category\nclass 3,x\n")
    added = call("categories", "add", file, "--scheme", "kinds", "--store", store)
    assert added.exit_code == 0, added.output
    assert added.stderr.startswith("Run few was left out.") and "names none of the classes" in added.stderr
    assert added.stdout.endswith(f"1 run of {store} has class pathways of scheme kinds now\n")
    assert "kinds,x" in call("categories", "list", "--store", store, "--csv").stdout
    removed = call("categories", "remove", "kinds", "--store", store)
    assert removed.stdout == f"removed scheme kinds from {store}\n"
    assert "no categories but its classes" in call("categories", "list", "--store", store).stdout
    assert "no scheme of categories 'kinds'" in refused("categories", "remove", "kinds", "--store", store)


def test_bulk_is_for_a_server(refused, trace, tmp_path) -> None:
    assert "--bulk" in refused("load", trace.path, "--store", tmp_path / "a.lbdb", "--bulk")


def test_a_database_is_for_a_server(refused, store) -> None:
    assert "--database" in refused("runs", "--store", store, "--database", "neo4j")


def test_schema_names_every_label(call, store) -> None:
    frame = pd.read_csv(io.StringIO(call("schema", "--store", store, "--csv").stdout))
    assert {node.label for node in NODES} <= set(frame.name)


def test_doctor_tells_a_sound_store_from_a_broken_one(call, store, tmp_path) -> None:
    well = call("doctor", "--store", store, "--csv")
    assert well.exit_code == 0, well.output
    frame = pd.read_csv(io.StringIO(well.stdout)).set_index("checked")
    assert frame.state["ladybug"] == "ok"
    assert frame.state["run clean"] == "ok"
    broken = call("doctor", "--store", tmp_path / "none.lbdb", "--csv")
    assert broken.exit_code == 1
    assert pd.read_csv(io.StringIO(broken.stdout)).set_index("checked").state["store"] == "wrong"


def test_doctor_says_that_a_trace_is_gone(call, trace, tmp_path) -> None:
    copy = shutil.copytree(trace.path, tmp_path / "copy")
    call("load", copy, "--store", tmp_path / "a.lbdb")
    shutil.rmtree(copy)
    told = call("doctor", "--store", tmp_path / "a.lbdb")
    assert told.exit_code == 0
    assert "no longer" in told.stdout
