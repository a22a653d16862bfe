"""The same weights by another road, and files that hold none."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision")

import torch
from torch import nn
from torchvision import models

from graphpath.errors import ModelError
from graphpath.models import LoadedModel, Normalize, as_loaded, load_model
from graphpath.models.checkpoint import save_checkpoint
from graphpath.models.names import read_names


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def kept(hub: Path, name: str, **given: Any) -> Path:
    """Weights where torchvision looks for those of its own."""
    torch.manual_seed(3)
    entry = models.get_model_weights(name).DEFAULT
    net = models.get_model(name, weights=None, **given)
    path = hub / Path(entry.url).name
    torch.save(net.state_dict(), path)
    return path


def same(one: LoadedModel, other: LoadedModel) -> bool:
    """Whether two models give the same logits, and say the same of themselves."""
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = one.module(pixels), other.module(pixels)
    facts = [(m.sha256, m.classes, m.shape, m.scheme, m.wnids) for m in (one, other)]
    return bool(torch.equal(*logits)) and facts[0] == facts[1]


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "densenet121"])
def test_both_roads_to_the_same_weights_agree(hub: Path, tmp_path: Path, name: str) -> None:
    path = kept(hub, name)
    by_name, by_file = load_model(name, weights="DEFAULT"), load_model(name, weights=path)
    assert same(by_name, by_file)
    assert by_name.describe() == by_file.describe()
    assert by_file.classes is not None and len(by_file.classes) == 1000
    assert by_file.normalisation is not None and by_file.scheme == "imagenet"
    elsewhere = path.rename(tmp_path / "mine.pth")
    renamed = load_model(name, weights=elsewhere)
    assert same(by_name, renamed)
    assert "neither digest nor name tells whose weights mine.pth holds" in renamed.to_sentence()


def test_googlenet_is_built_as_for_its_weights(hub: Path, tmp_path: Path) -> None:
    """Its builder transforms the input and drops the auxiliary heads, for weights only."""
    path = kept(hub, "googlenet", init_weights=False, aux_logits=True)
    assert same(load_model("googlenet", weights="DEFAULT"), load_model("googlenet", weights=path))


def test_a_digest_tells_weights_that_were_renamed(hub: Path, tmp_path: Path, monkeypatch: Any) -> None:
    import graphpath.models.vision as vision

    path = kept(hub, "squeezenet1_1").rename(tmp_path / "mine.pth")
    monkeypatch.setattr(vision, "_digest_file", lambda file: "b8a52dc0" + 56 * "0")
    assert load_model("squeezenet1_1", weights=path).name == "squeezenet1_1-IMAGENET1K_V1"


def test_preprocessing_and_classes_can_be_told(hub: Path, tmp_path: Path) -> None:
    path = kept(hub, "squeezenet1_1")
    bare = load_model("squeezenet1_1", weights=path, preprocess="none")
    assert bare.normalisation is None and bare.classes is not None
    assert bare.sha256 != load_model("squeezenet1_1", weights=path).sha256
    assert "but for the preprocessing, which was given" in bare.to_sentence()
    other = load_model("squeezenet1_1", weights=path, preprocess="0.5,0.5,0.5/1,2,3")
    assert other.normalisation is not None and other.normalisation.stds == [1, 2, 3]
    listed = tmp_path / "mine.txt"
    listed.write_text("\n".join(f"class {k}" for k in range(1000)))
    named = load_model("squeezenet1_1", weights=path, classes=listed)
    assert named.classes is not None and named.classes[7] == "class 7"
    assert (named.scheme, named.wnids) == ("mine", None)
    for wrong in ("half", "0.5/0", "nan,0,0/1,1,1", "0,0,0/1,1", "0,0,0/inf,1,1"):
        with pytest.raises(ModelError, match="expected"):
            load_model("squeezenet1_1", preprocess=wrong)


def test_weights_with_classes_of_their_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = models.shufflenet_v2_x0_5(weights=None, num_classes=7).eval()
    path = tmp_path / "tuned.pth"
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, path)
    loaded = load_model("shufflenet_v2_x0_5", weights=path)
    assert loaded.classes is None and loaded.normalisation is not None
    pixels = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(pixels), net(loaded.normalisation(pixels)))
    assert "tuned.pth has 7 classes of its own" in loaded.to_sentence()


# ---- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names", "wnids"),
    [
        ("tench\ngoldfish\n", ("tench", "goldfish"), None),
        ("007\n7\n", ("007", "7"), None),
        (
            "index,wnid,name\n1,n01443537,goldfish\n0,n01440764,tench\n",
            ("tench", "goldfish"),
            ("n01440764", "n01443537"),
        ),
        ("name,colour\ntench,green\ngoldfish,gold\n", ("tench", "goldfish"), None),
        ('["tench", "goldfish"]', ("tench", "goldfish"), None),
        ('{"1": "goldfish", "0": "tench"}', ("tench", "goldfish"), None),
        (
            json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}),
            ("tench", "goldfish"),
            ("n01440764", "n01443537"),
        ),
    ],
)
def test_names_of_classes_in_a_file(tmp_path: Path, text: str, names: object, wnids: object) -> None:
    (tmp_path / "names").write_text(text)
    found = read_names(tmp_path / "names")
    assert (found.names, found.wnids) == (names, wnids)


@pytest.mark.parametrize(
    "text",
    ["", "index,name\n0,a\n2,b\n", "index,name\n0,a\n0,b\n", '{"a": "b"}', "{", '{"0": 7}', "[[]]"],
)
def test_files_without_names_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "names").write_text(text)
    with pytest.raises(ModelError, match="names"):
        read_names(tmp_path / "names")


# ---- files of other kinds ----------------------------------------------------------------------------


class Own(nn.Module):
    """A module whose pickle needs its class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: torch.save(Own(), path), r"a pickle of whole objects \(.*Own\).*state_dict"),
        (lambda path: torch.save(Own(), path, _use_new_zipfile_serialization=False), "a pickle of whole obj"),
        (lambda path: path.write_bytes(pickle.dumps(Own())), "a pickle of whole objects"),
        (lambda path: torch.jit.trace(nn.Linear(2, 2), torch.rand(1, 2)).save(str(path)), "TorchScript"),
        (zipped, "a zip archive, and not one of torch.save"),
        (lambda path: path.write_bytes(gzip.compress(b"x")), "gzip"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + 64 * b"x"), "HDF5"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "a NumPy array"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: torch.save({"a": 1}, path), "a is none"),
        (lambda path: torch.save(torch.rand(3), path), "expected a dict of tensors, found Tensor"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_file_of_another_kind_is_called_by_its_name(
    tmp_path: Path, write: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "net.bin"
    write(path)
    with pytest.raises(ModelError, match=said):
        load_model("shufflenet_v2_x0_5", weights=str(path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architecture", 3),
        ("architecture", ["cnn"]),
        ("arguments", [1]),
        ("arguments", {1: 2}),
        ("arguments", {"shape": "abc", "classes": 3}),
        ("arguments", {"shape": (1, 8, 8), "classes": "3"}),
        ("arguments", {"shape": (1, 8, 8), "classes": -3}),
        ("classes", 5),
        ("classes", [1, 2, 3]),
        ("classes", []),
        ("shape", "abc"),
        ("shape", [1, 8]),
        ("shape", [1, 8, -8]),
        ("scheme", None),
        ("state_dict", [1]),
        ("state_dict", {"0.weight": 3}),
        ("accuracy", "good"),
        ("accuracy", float("nan")),
    ],
)
def test_a_checkpoint_of_wrong_types_is_refused(
    tmp_path: Path,
    contents: dict[str, object],
    key: str,
    value: object,
) -> None:
    path = save_checkpoint(tmp_path / "net.pt", {**contents, key: value})
    with pytest.raises(ModelError, match=r"net\.pt|architecture"):
        load_model(path)


# ---- weights that are no numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path,
    contents: dict[str, Any],
    value: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = contents["state_dict"]
    state["0.weight"][0, 0, 0, 0] = value
    with pytest.raises(ModelError, match=r"1 of 18 weights of 0\.weight are NaN or infinite"):
        load_model(save_checkpoint(tmp_path / "net.pt", contents))
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert isinstance(net[1].running_var, torch.Tensor)
    net[1].running_var[0] = value
    with pytest.raises(ModelError, match=r"1\.running_var"):
        as_loaded(net)
    (tmp_path / "nan_net.py").write_text(
        "import torch\ndef make():\n    net = torch.nn.Linear(2, 2)\n"
        f"    net.bias.data[0] = float('{value}')\n    return net\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="bias are NaN or infinite"):
        load_model("nan_net:make")


@pytest.mark.parametrize("persistent", [False, True])
def test_masks_may_be_infinite_and_nothing_may_be_nan(persistent: bool) -> None:
    """A buffer: a mask of attention, a table of positions; in the state dict or not."""
    net = nn.Linear(2, 2)
    net.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1), persistent=persistent)
    assert as_loaded(net).module is net
    net.register_buffer("table", torch.tensor([0.0, float("nan")]), persistent=persistent)
    with pytest.raises(ModelError, match="1 of 2 weights of table are NaN or infinite"):
        as_loaded(net)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda x: x, "a function, expected a torch.nn.Module"),
        ("resnet18", "load_model"),
        (nn.Linear, r"the class Linear; expected a network: Linear\(...\)"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_module_is_refused(model: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        as_loaded(model)


def test_normalisation_that_is_no_number_is_refused() -> None:
    with pytest.raises(ModelError, match="positive std"):
        Normalize([0.5], [float("nan")])
