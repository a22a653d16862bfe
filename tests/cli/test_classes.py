"""Classes, weights and numbers as they are given on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import numpy as np
from PIL import Image

NETS = """
import torch
from torch import nn
from graphpath.models import LoadedModel, digest_weights

def fire():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))

def named():
    net = fire()
    return LoadedModel(net, "named", digest_weights(net), ("ant", "bee", "zebra"), (3, 4, 4), "zoo")
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two classes, which are others of the network's three; the current one holds the network."""
    rng = np.random.default_rng(0)
    for name in ("Zebra", "bee"):
        (tmp_path / "zoo" / name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(tmp_path / "zoo" / name / "1.png")
    (tmp_path / "own_zoo_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_labels_are_matched_by_name_and_said(call, zoo: Path) -> None:
    words = ["trace", "--data", "zoo", "--out", "t", "--target", "label", "--routes", 0]
    result = call(*words, "--model", "own_zoo_nets:named")
    assert result.exit_code == 0, result.output
    assert "Model named: pixels in [0, 1] go in as they are; 3 classes (ant, bee, zebra)." in result.stderr
    assert "Found by name among the model's 3 classes: 2 of the images' 2" in result.stderr
    run = json.loads(Path("t", "run.json").read_text())
    assert run["labels"]["matched"] == "by-name" and run["model"]["classes"] == 3
    from graphpath import Trace

    assert sorted(Trace("t").samples().to_table()["label"].to_pylist()) == [1, 2]


def test_a_mismatch_is_refused_or_accepted_by_position(call, refused, zoo: Path) -> None:
    words = ["trace", "--model", "own_zoo_nets:fire", "--data", "zoo", "--size", 4, "--routes", 0]
    assert "3 outputs without names" in refused(*words, "--out", "t")
    assert not Path("t").exists()
    result = call(*words, "--out", "t", "--labels", "by-position")
    assert result.exit_code == 0 and "taken for its outputs in their order" in result.stderr
    Path("names.txt").write_text("cow\nbee\nzebra\n")
    assert call(*words, "--out", "u", "--classes", "names.txt").exit_code == 0
    Path("names.txt").write_text("cow\nbee\nhorse\n")
    assert "'Zebra'" in refused(*words, "--out", "v", "--classes", "names.txt")
    assert "by-name or by-position" in refused(*words, "--out", "v", "--labels", "by-size")


def test_an_attack_is_in_the_models_numbers(call, zoo: Path) -> None:
    words = ["attack", "--model", "own_zoo_nets:named", "--data", "zoo", "--attack", "fgsm", "--out", "a"]
    result = call(*words)
    assert result.exit_code == 0 and "Found by name" in result.stderr
    result = call("trace", "--model", "own_zoo_nets:named", "--data", "a", "--out", "t", "--routes", 0)
    assert result.exit_code == 0 and "by the same names and numbers" in result.stderr


def test_a_module_path_is_no_emoji(refused, zoo: Path) -> None:
    said = refused("trace", "--model", "absent_nets:fire:", "--data", "zoo", "--out", "t")
    assert "absent_nets:fire:" in said


NUMBERS = [
    ("--seed", "-1"),
    ("--seed", 1 << 64),
    ("--seed", "nan"),
    ("--size", 0),
    ("--size", 10**9),
    ("--batch", 0),
    ("--limit", -1),
    ("--routes", -1),
    ("--routes", 10**12),
    ("--theta", "nan"),
    ("--theta", "inf"),
    ("--theta", 0),
    ("--option", "theta=NaN"),
    ("--option", "theta=1e999"),
    ("--max-edges", "nan"),
    ("--influence", "nan"),
    ("--edge-influence", "inf"),
    ("--floor", "-inf"),
    ("--max-edges", "²"),
    ("--max-edges", "9" * 5000),
    ("--target", "--5"),
    ("--target", "²"),
    ("--target", "9" * 5000),
    ("--target", "10000000000"),
    ("--target", "0 [" + "9" * 5000 + "]"),
]


@pytest.mark.parametrize(("option", "value"), NUMBERS)
def test_numbers_that_are_none_are_refused(call, zoo: Path, option: str, value: object) -> None:
    words = ["trace", "--model", "own_zoo_nets:named", "--data", "zoo", "--out", "t", "--routes", 0]
    _refused(call(*words, option, value))


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--data", "digits", "--out", "n.pt", "--rate", "nan"],
        ["train", "--data", "digits", "--out", "n.pt", "--rate", "inf"],
        ["train", "--data", "digits", "--out", "n.pt", "--rate", -1],
        ["train", "--data", "digits", "--out", "n.pt", "--seed", -1],
        ["train", "--data", "digits", "--out", "n.pt", "--epochs", 0],
        ["attack", "--epsilon", "nan"],
        ["attack", "--epsilon", "inf"],
        ["attack", "--epsilon", 0],
        ["attack", "--step-size", "nan"],
        ["attack", "--step-size", "inf"],
        ["attack", "--steps", 0],
        ["attack", "--targeted", "²"],
        ["attack", "--targeted", -1],
        ["attack", "--targeted", "9" * 5000],
        ["attack", "--attack", "cw", "--option", "confidence=NaN"],
        ["detect", "fit", "--store", "s", "--out", "d", "--share", "nan"],
        ["detect", "fit", "--store", "s", "--out", "d", "--false-alarms", "inf"],
        ["neo4j", "start", "--bolt-port", 99999],
        ["neo4j", "start", "--timeout", "nan"],
    ],
)
def test_the_brothers_of_these(call, zoo: Path, words: list[object]) -> None:
    given = ["--model", "own_zoo_nets:named", "--data", "zoo", "--out", "a"] if words[0] == "attack" else []
    _refused(call(words[0], *given, *words[1:]))
    assert not Path("a").exists() and not Path("n.pt").exists()


def _refused(result) -> None:
    assert result.exit_code in (1, 2), result.output
    assert "should not happen" not in result.output and "Traceback" not in result.output
    assert result.stderr.strip()
