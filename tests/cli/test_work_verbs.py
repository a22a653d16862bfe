"""``train``, ``attack``, ``trace`` and ``report``: the way from images to a page, by command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphpath.record import Trace


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from typer.testing import CliRunner

    from graphpath.cli import app

    path = tmp_path_factory.mktemp("model") / "digits.pt"
    words = ["train", "--data", "digits", "--out", str(path), "--limit", "200", "--epochs", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "right on" in result.stdout
    return path


def test_from_images_to_a_page(call, model, tmp_path) -> None:
    common = ["--model", model, "--limit", 20]
    attacked = call("attack", *common, "--data", "digits", "--attack", "fgsm", "--epsilon", 0.2,
                    "--out", tmp_path / "adv")  # fmt: skip
    assert attacked.exit_code == 0, attacked.output
    for name, data in (("clean", "digits"), ("attacked", tmp_path / "adv")):
        traced = call("trace", *common, "--data", data, "--out", tmp_path / name, "--routes", 4)
        assert traced.exit_code == 0, traced.output
    assert (
        call("load", tmp_path / "clean", tmp_path / "attacked", "--store", tmp_path / "s.lbdb").exit_code == 0
    )
    pixels = ["--data", tmp_path / "adv", "--data", "digits"]
    few = ["--samples", 2, "--pairs", 2]
    page = call("report", "--store", tmp_path / "s.lbdb", "--out", tmp_path / "page", *pixels, *few)
    assert page.exit_code == 0, page.output
    assert "<svg" in (tmp_path / "page" / "report.html").read_text()


def test_options_of_the_method_reach_the_record(call, model, tmp_path) -> None:
    words = ["trace", "--model", model, "--data", "digits", "--limit", 3, "--seed", 5, "--batch", 2]
    call(*words, "--out", tmp_path / "a", "--theta", 0.3, "--max-edges", "all", "--target", "label")
    assert Trace(tmp_path / "a").run["parameters"] == {
        "theta": 0.3, "phi": None, "direction": "backward", "psi": "fitted", "depth": None,
        "target": "label", "routes": 10, "max_edges": None,
    }  # fmt: skip
    call(*words, "--out", tmp_path / "b", "--method", "neuron_mct", "--option", "sparsity=0.8", "--routes", 2)
    found = Trace(tmp_path / "b").run
    assert (found["method"], found["parameters"]["sparsity"], found["parameters"]["routes"]) == (
        "neuron_mct",
        0.8,
        2,
    )
    call(*words, "--out", tmp_path / "c", "--target", "7", "--max-edges", "50")
    assert Trace(tmp_path / "c").run["parameters"]["target"] == 7
    pruned = ("--influence", 0.7, "--edge-influence", 0.9, "--floor", 5)
    assert call(*words, "--out", tmp_path / "d", *pruned).exit_code == 0
    asked = {"influence": 0.7, "edge_influence": 0.9, "floor": 5, "max_edges": 20_000}
    assert asked.items() <= Trace(tmp_path / "d").run["parameters"].items()


def test_the_pathways_of_pixels(call, model, tmp_path) -> None:
    words = ["trace", "--model", model, "--data", "digits", "--limit", 3, "--method", "diffusion"]
    options = ["pixels=[[3,4],[2,4]]", "top=2", "kernel=plus_one", "per_pixel=true", "init=unit"]
    traced = call(*words, "--out", tmp_path / "a", *(w for option in options for w in ("--option", option)))
    assert traced.exit_code == 0, traced.output
    found = Trace(tmp_path / "a")
    assert found.counts["pathways"] == 6 and found.counts["crosses"] > 0
    asked = {"pixels": [[2, 4], [3, 4]], "top": 2, "kernel": "plus_one", "per_pixel": True, "init": "unit"}
    assert asked.items() <= found.run["parameters"].items()
    bright = call(
        *words, "--out", tmp_path / "b", "--option", "pixels=foreground", "--option", "threshold=0.5"
    )
    assert bright.exit_code == 0, bright.output
    assert call("load", tmp_path / "b", "--store", tmp_path / "s.lbdb").exit_code == 0
    counted = call("query", "pathways/counts", "--store", tmp_path / "s.lbdb", "--by", "sample", "--json")
    pixels = sum(row["pixels"] for row in json.loads(counted.stdout)["rows"])
    large = [row for row in Trace(tmp_path / "b").crosses().to_table().to_pylist() if row["rank"] <= 5]
    assert pixels == len(large) > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3,5", {"contrast": [3, 5]}),
        ("own, 5", {"contrast": ["own", 5]}),
        ("layer [12]", {"at": {"channel": 12, "y": None, "x": None}}),
        ("layer[12] 3,4", {"at": {"channel": 12, "y": 3, "x": 4}}),
    ],
)
def test_targets_beside_a_class(call, model, tmp_path, text, said) -> None:
    """A place is written as the graph names neurons and feature maps."""
    words = ["trace", "--model", model, "--data", "digits", "--limit", 2]
    assert call(*words, "--out", tmp_path / "plain").exit_code == 0
    name = Trace(tmp_path / "plain").layers().to_table()["name"][2].as_py()
    if "at" in said:
        said = {"at": {"layer": name, **said["at"]}}
    traced = call(*words, "--out", tmp_path / "t", "--target", text.replace("layer", name))
    assert traced.exit_code == 0, traced.output
    assert Trace(tmp_path / "t").run["parameters"]["target"] == said


def test_a_finished_trace_is_returned_and_no_resume_refuses_it(call, refused, model, tmp_path) -> None:
    words = ["trace", "--model", model, "--data", "digits", "--limit", 2, "--out", tmp_path / "a"]
    assert call(*words).exit_code == 0
    before = (tmp_path / "a" / "run.json").stat().st_mtime_ns
    assert call(*words, "--resume").exit_code == 0
    assert (tmp_path / "a" / "run.json").stat().st_mtime_ns == before
    assert "not empty" in refused(*words, "--no-resume")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "resnet1800"], "resnet1800"),
        (["--model", "nowhere.pt"], "nowhere.pt"),
        (["--data", "digit"], "digits"),
        (["--data", "mnist", "--root", "/nonexistent"], "/nonexistent"),
        (["--method", "effective"], "effective_path"),
        (["--option", "width=3"], "theta"),
        (["--option", "depth"], "NAME=VALUE"),
        (["--method", "diffusion", "--option", "pixels=[[9,9]]"], "[9, 9] lies outside the images of 8 x 8"),
        (["--method", "diffusion", "--option", "pixels=some"], "'foreground' or 'all'"),
        (["--theta", "7"], "theta"),
        (["--max-edges", "few"], "max-edges"),
        (["--influence", "0"], "influence=0.0 is no share"),
        (["--influence", "1.01"], "influence=1.01 is no share"),
        (["--influence", "0.8", "--edge-influence", "2"], "edge_influence=2.0 is no share"),
        (["--influence", "0.8", "--floor", "1.5"], "floor=1.5 is no floor"),
        (["--floor", "9"], "floor=9.0 means nothing without influence"),
        (["--target", "nothing"], "target"),
        (["--target", "3,3"], "difference of a class with itself"),
        (["--target", "1,2,3"], "a contrast is of two classes"),
        (["--target", "features.99 [3]"], "features.99"),
        (["--target", "features.99 [3] 1"], "LAYER [CHANNEL] Y,X"),
        (["--target", "[3]"], "LAYER [CHANNEL] Y,X"),
        (["--device", "abacus"], "abacus"),
        (["--split", "half"], "half"),
    ],
)  # fmt: skip
def test_a_trace_that_cannot_be_is_refused_in_one_sentence(refused, model, tmp_path, words, told) -> None:
    given = {"--model": model, "--data": "digits", "--out": tmp_path / "t", "--limit": 2}
    given.update(dict(zip(words[::2], words[1::2], strict=True)))
    assert told in refused("trace", *(word for pair in given.items() for word in pair))


def test_a_corrupt_image_is_named(refused, model, tmp_path) -> None:
    for name in ("zero", "one"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert "a.png" in refused(
        "trace", "--model", model, "--data", tmp_path / "images", "--out", tmp_path / "t"
    )


def test_truncated_parquet_and_another_schema_are_named(refused, trace, tmp_path) -> None:
    import shutil

    import pyarrow.parquet as pq

    torn = shutil.copytree(trace.path, tmp_path / "torn")
    edges = next((torn / "edges").glob("*.parquet"))
    edges.write_bytes(edges.read_bytes()[:-40])
    assert edges.name in refused("load", torn, "--store", tmp_path / "a.lbdb")
    odd = shutil.copytree(trace.path, tmp_path / "odd")
    pq.write_table(pq.read_table(odd / "samples.parquet").drop_columns(["label"]), odd / "samples.parquet")
    assert "samples.parquet" in refused("load", odd, "--store", tmp_path / "a.lbdb")
    newer = shutil.copytree(trace.path, tmp_path / "newer")
    run = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**run, "schema": "99"}))
    assert "99" in refused("load", newer, "--store", tmp_path / "a.lbdb")


def test_an_attack_that_cannot_be_is_refused(refused, model, tmp_path) -> None:
    words = ["attack", "--model", model, "--data", "digits", "--limit", 2, "--out", tmp_path / "a"]
    assert "pgd" in refused(*words, "--attack", "hope")
    assert "epsilon" in refused(*words, "--epsilon", 3)


def test_a_run_is_named_when_it_is_traced(call, refused, model, tmp_path) -> None:
    words = ["trace", "--model", model, "--data", "digits", "--limit", 3]
    words = [*words, "--out", tmp_path / "named"]
    done = call(*words, "--name", "mine")
    assert done.exit_code == 0, done.output
    trace = Trace(tmp_path / "named")
    assert trace.name == "mine"
    call(*words)
    assert Trace(tmp_path / "named").name == "mine"
    assert "called 'mine', not called 'other'" in refused(*words, "--name", "other")
    assert "cannot name a run" in refused(*words, "--name", "latest")
    call("load", trace.path, "--store", tmp_path / "s.lbdb")
    named = call("query", "pathways/of_run", "--run", "mine", "--store", tmp_path / "s.lbdb", "--csv")
    assert named.exit_code == 0, named.output
