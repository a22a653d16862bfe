"""One's own network on the command line: what is applied is said and recorded, what is wrong is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from PIL import Image

NETS = """
print("importing")
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3)
        self.act = nn.ReLU()
        self.fc = nn.Linear(4 * width, classes)
    def forward(self, x):
        return self.fc(self.act(self.conv1(x)).flatten(1))

class Looking(nn.Module):
    def __init__(self):
        super().__init__()
        layers = (nn.TransformerEncoderLayer(3, 1, 8, batch_first=True) for _ in range(2))
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(3, 3)
    def forward(self, x):
        return self.fc(self.blocks(x.flatten(2).mT).mean(1)).softmax(1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a file of networks, and images of three classes."""
    rng = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (tmp_path / "images" / name).mkdir(parents=True)
        picture = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
        picture.save(tmp_path / "images" / name / "1.png")
    (tmp_path / "my-nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


TRACE = ["trace", "--data", "images", "--out", "t", "--routes", 0]


def test_what_is_applied_is_said_and_recorded(call, folder: Path) -> None:
    from graphpath.models import load_model

    source = load_model("my-nets.py:Net(width=5)", seed=4)
    saved = {"state_dict": {f"model.{k}": v for k, v in source.module.state_dict().items()}}
    torch.save(saved, "last.ckpt")
    Path("names.txt").write_text("bee\nant\ncat\n")
    own = ["--model", "my-nets.py:Net(width=5)", "--weights", "last.ckpt", "--classes", "names.txt"]
    result = call(*TRACE, *own, "--mean", "0.5,0.4,0.3", "--std", "0.25,0.25,0.25")
    assert result.exit_code == 0, result.output
    assert "importing" not in result.stdout and "importing" in result.stderr
    assert (
        "Model my-nets.py:Net(width=5): pixels are normalised by the mean 0.5, 0.4, 0.3 and std 0.25, 0.25, "
        "0.25; 3 classes (bee, ant, cat). Its weights are from last.ckpt (under state_dict, without the "
        "prefix model.)."
    ) in result.stderr
    assert "Found by name among the model's 3 classes: 3 of the images' 3, 2 with another" in result.stderr
    run = json.loads(Path("t", "run.json").read_text())
    assert run["model"]["name"] == "my-nets.py:Net(width=5)"
    assert run["model"]["weights"] == "from last.ckpt (under state_dict, without the prefix model.)"
    assert run["model"]["preprocessing"] == {
        "normalize": {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.25, 0.25]},
        "within": [],
        "size": None,
    }
    assert run["labels"]["matched"] == "by-name"
    result = call(
        *TRACE[:3], "--out", "u", "--routes", 0, *own, "--normalize", "none", "--labels", "by-position"
    )
    assert result.exit_code == 0, result.output
    assert "pixels in [0, 1] go in as they are" in result.stderr and "by position" in result.stderr


def test_what_is_held_and_cut_is_said(call, folder: Path) -> None:
    result = call(*TRACE, "--model", "my-nets.py:Looking")
    assert result.exit_code == 0, result.output
    assert "The network ends in a softmax: the logits before it are what is traced." in result.stderr
    assert "2 of its layers are attention, the pattern held" in result.stderr
    assert "attention" not in call(*TRACE[:3], "--out", "u", "--model", "my-nets.py:Net").stderr


def test_names_without_weights_say_so(call, folder: Path) -> None:
    pytest.importorskip("torchvision")
    words = ["attack", "--data", "images", "--attack", "fgsm", "--out", "a", "--size", 32]
    result = call(*words, "--model", "squeezenet1_1(num_classes=3)")
    assert result.exit_code == 0, result.output
    assert "Its weights are random (seed 0), as none were given." in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "my-nets.py:Nett"], "my-nets.py has no Nett; did you mean Net?"),
        (["--model", "my-nets.py:Net(width=n)"], "the argument width is n, which is no literal"),
        (["--model", "my-nets.py:Net(depth=3)"], "Net takes (width=4, classes=3)"),
        (["--model", "my-nets.py:Net(width=-3)"], "calling it failed with RuntimeError"),
        (["--model", "my-nets.py"], "say which network of the file, such as my-nets.py:Net"),
        (["--model", "my-nets.py:Net", "--weights", "absent.pt"], "'absent.pt': no such file of weights"),
        (["--model", "my-nets.py:Net", "--weights", "odd.pt"], "1 of another shape (fc.weight is (3, 2) in"),
        (["--model", "my-nets.py:Net", "--mean", "0.5"], "--mean and --std belong together"),
        (["--model", "my-nets.py:Net", "--mean", "0.5,0.5", "--std", "1,1"], "is of 2 channels"),
        (["--model", "my-nets.py:Net", "--normalize", "img"], "--normalize 'img' is unknown; expected"),
        (["--model", "my-nets.py:Net", "--normalize", "none", "--preprocess", "none"], "given twice"),
        (["--model", "my-nets.py:Net", "--classes", "absent.txt"], "absent.txt: names of classes cannot"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(call, folder: Path, words: list[str], said: str) -> None:
    from graphpath.models import load_model

    odd = load_model("my-nets.py:Net").module.state_dict()
    torch.save({**odd, "fc.weight": torch.ones(3, 2)}, "odd.pt")
    result = call(*TRACE, *words)
    assert result.exit_code == 1 and "Traceback" not in result.output
    sentence = [line for line in result.stderr.splitlines() if line != "importing"]
    assert len(sentence) == 1 and sentence[0].startswith("graphpath: ") and said in sentence[0]
    assert not Path("t").exists()
