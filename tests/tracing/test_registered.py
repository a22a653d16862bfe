"""Methods of other packages: found by their entry points, checked, and used as ours are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import graphpath as gp
from graphpath.cli import trace as verb
from graphpath.errors import MethodError
from graphpath.tracing import registry
from graphpath.tracing.registered import Methods
from tests import forked
from tests.plugin import MODULE, write_installed, write_source
from tests.queries.outside import NAME

OWN = {"random": gp.METHODS["random"], "lrp": gp.METHODS["lrp"]}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``found(points, module, name=...)``: the methods where such packages are installed."""
    places = []

    def of(points: dict[str, str], module: str = MODULE, name: str = "loud-ways") -> Methods:
        places.append(write_installed(tmp_path / name, points, module, name))
        monkeypatch.syspath_prepend(str(places[-1]))
        monkeypatch.delitem(sys.modules, name.replace("-", "_"), raising=False)
        return Methods(OWN)

    return of


@pytest.mark.parametrize("value", ["METHOD", "method"])
def test_a_method_is_found_as_it_is_or_by_what_makes_it(found, value: str) -> None:
    methods = found({"loudest": value})
    assert list(methods) == ["random", "lrp", "loudest"] and len(methods) == 3
    method = methods.find("loudest")
    assert method.distribution == ("loud-ways", "1.2") and methods.refused == {}
    assert method.options == {"sparsity": 0.5, "sign": "any"}
    assert repr(methods) == "Methods(random, lrp, loudest)"


def test_its_options_are_typed_as_ours(found) -> None:
    method = found({"loudest": "method"})["loudest"]
    assert method.resolve_options({"sparsity": 0}) == {"sparsity": 0.0, "sign": "any"}
    with pytest.raises(
        MethodError, match=r"Option sign='both' of 'loudest' must be of type 'any', 'positive'"
    ):
        method.resolve_options({"sign": "both"})
    with pytest.raises(MethodError, match="takes no option 'theta'; it takes sparsity, sign"):
        method.resolve_options({"theta": 1})


@pytest.mark.parametrize(
    ("points", "module", "sentence"),
    [
        ({"loudest": "method"}, "import nowhere", r"of loud-ways 1\.2 cannot be had: .* ModuleNotFoundError"),
        ({"loudest": "gone"}, MODULE, r"loud_ways:gone ended in AttributeError"),
        ({"loudest": "method"}, MODULE.replace("return METHOD", "1 / 0"), "ended in ZeroDivisionError"),
        ({"loudest": "method"}, "import sys; sys.exit(3)", "ended in SystemExit: 3"),
        (
            {"loudest": "method"},
            MODULE.replace("return METHOD", "return 7"),
            "gives a int; expected a graphpath",
        ),
        ({"quiet": "METHOD"}, MODULE, "it calls itself 'loudest'; both names must be one"),
        ({"loudest": "METHOD"}, MODULE.replace("float = 0.5", "float"), "its option sparsity has no default"),
        ({"loudest": "METHOD"}, MODULE.replace("sparsity: float", "sparsity"), "sparsity has no type"),
        (
            {"loudest": "METHOD"},
            MODULE.replace("sparsity:", "routes:"),
            "routes has the name of an argument of",
        ),
        (
            {"loudest": "METHOD"},
            MODULE.replace("y: float", "y: list"),
            "sparsity has the type .*expected float",
        ),
        ({"loudest": "METHOD"}, MODULE.replace("y: float", "y: Real"), "no readable signature .*Real"),
    ],
)
def test_one_that_cannot_be_had_breaks_no_other(found, points, module, sentence) -> None:
    methods = found(points, module)
    [name] = points
    with pytest.raises(MethodError, match=sentence):
        methods.find(name)
    assert methods.refused.keys() == {name} and list(methods) == ["random", "lrp"] and name not in methods
    assert methods.find("random") is OWN["random"]


def test_names_that_clash_are_refused_with_their_packages(found) -> None:
    found({"lrp": "METHOD", "loudest": "METHOD"})
    methods = found({"loudest": "METHOD"}, name="other-ways")
    with pytest.raises(MethodError, match=r"'lrp' is graphpath's own, and loud-ways 1\.2 registers another"):
        methods.find("lrp")
    with pytest.raises(MethodError, match=r"registered by loud-ways 1\.2 and other-ways 1\.2: uninstall"):
        methods.find("loudest")
    assert list(methods) == ["random", "lrp"] and methods["lrp"] is OWN["lrp"]
    with pytest.raises(MethodError, match="There is no method 'loud'; there are random, lrp"):
        methods.find("loud")


@pytest.mark.parametrize(
    ("instead", "sentence"),
    [("return None", "selected a NoneType; expected a Selection"), ("1 / 0", "failed: ZeroDivisionError")],
)
def test_what_goes_wrong_in_it_names_its_package(
    found, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, instead: str, sentence: str
) -> None:
    module = MODULE.replace("    output = batch", f"    {instead}\n    output = batch")
    monkeypatch.setattr(registry, "METHODS", found({"loudest": "method"}, module))
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    with pytest.raises(MethodError, match=rf"Method 'loudest' of loud-ways 1\.2 {sentence}"):
        gp.trace(model, torch.rand(2, 1, 6, 6), method="loudest", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            "prepare=lambda compiled, **options: None",
            "prepared a NoneType without each, notes, memory",
        ),
        ("prepare=lambda compiled, **options: 1 / 0", "failed: ZeroDivisionError"),
        ("fit=lambda examples, **options: {1, 2}", "learned what JSON cannot hold"),
        ("fit=lambda examples, **options: 1 / 0", "failed: ZeroDivisionError"),
    ],
)
def test_so_does_what_makes_it_ready(
    found, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: str, sentence: str
) -> None:
    module = MODULE.replace('"a test", False, select)', f'"a test", False, select, {more})')
    monkeypatch.setattr(registry, "METHODS", found({"loudest": "method"}, module))
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    with pytest.raises(MethodError, match=rf"Method 'loudest' of loud-ways 1\.2 {sentence}"):
        gp.trace(model, torch.rand(2, 1, 6, 6), method="loudest", out=tmp_path / "out")


def test_its_package_is_part_of_the_run(found, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    images, runs = torch.rand(2, 1, 6, 6), []
    for name in ("loud-ways", "other-ways"):
        methods = found({"loudest": "method"}, name=name)
        monkeypatch.setattr(registry, "METHODS", methods)
        runs.append(gp.trace(model, images, method="loudest", out=tmp_path / f"out-{name}").run)
        sys.path.remove(str(tmp_path / name))
    assert [run["versions"].get("loud-ways") for run in runs] == ["1.2", None]
    assert runs[0]["id"] != runs[1]["id"]


def test_help_names_our_methods_without_torch() -> None:
    assert tuple(name for name in gp.METHODS if gp.METHODS[name].distribution is None) == verb.OWN


@pytest.mark.slow
def test_a_package_that_pip_installs_works_through_the_command_line(tmp_path: Path) -> None:
    """A method and a query of it, from its source to an answer."""
    site, source = tmp_path / "site", write_source(tmp_path / "source")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--quiet",
    ]
    subprocess.run([*pip, "--target", site, source], check=True, capture_output=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), str(Path(gp.__file__).parents[1])]),
    }

    def graphpath(*words: object) -> str:
        program = "from graphpath.cli import main; main()"
        done = forked.run(program, *words, folder=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    traced, store = tmp_path / "out", tmp_path / "a.lbdb"
    assert "loudest (loud-ways 1.2)" in " ".join(graphpath("trace", "--help").split())
    assert "loud-ways 1.2" in graphpath("trace", "--methods")
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef small():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))\n"
    )
    environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    words = ["--model", "net:small", "--data", "digits", "--limit", 10, "--labels", "by-position"]
    graphpath("trace", *words, "--method", "loudest", "--option", "sign=positive", "--out", traced)
    run = json.loads((traced / "run.json").read_text())
    assert run["method"] == "loudest" and run["versions"]["loud-ways"] == "1.2"
    assert run["parameters"]["sign"] == "positive" and run["parameters"]["sparsity"] == 0.5
    graphpath("load", traced, "--store", store)
    assert "loudest" in graphpath("runs", "--store", store)
    queries = ["--queries", site / "loud" / "queries"]
    assert NAME in graphpath("query", "mine", "--list", *queries)
    assert graphpath("query", NAME, *queries, "--store", store, "--csv").count("\n") == 4
    assert "method loudest" in graphpath("doctor")
    table = graphpath("verify", NAME, *queries, *words, "--store", store, "--draws", 2, "--csv")
    assert table.startswith("set,")
