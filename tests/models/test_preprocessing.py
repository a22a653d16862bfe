"""What is applied to pixels: what belongs to the weights, what was given, what the network does itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torchvision")

import torch
import torchvision.transforms as transforms
from torch import nn
from torchvision import models
from torchvision.transforms import v2

from graphpath.data import TensorImages
from graphpath.errors import ModelError
from graphpath.models import LoadedModel, Normalize, as_loaded, load_model, match_classes
from graphpath.models.inner import find_inner
from graphpath.spoken import on_command_line

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NETS = """
import torchvision
import torchvision.transforms as T
from torch import nn

def bare():
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)

def own():
    return nn.Sequential(T.Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), bare())

def squeezed(classes=1000):
    return torchvision.models.squeezenet1_1(num_classes=classes)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pixel_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def logits(model: LoadedModel | nn.Module, side: int = 8) -> torch.Tensor:
    module = model.module if isinstance(model, LoadedModel) else model
    with torch.no_grad():
        found: torch.Tensor = module.eval()(pixels(side))
    return found


def pixels(side: int = 8) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


# ---- what is given -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "mean", "std"),
    [
        ({"mean": "0.485,0.456,0.406", "std": "0.229, 0.224, 0.225"}, MEAN, STD),
        ({"mean": MEAN, "std": STD}, MEAN, STD),
        ({"mean": "0.5", "std": "(0.25)"}, [0.5], [0.25]),
        ({"mean": 0.5, "std": 0.25}, [0.5], [0.25]),
        ({"normalize": "imagenet"}, MEAN, STD),
        ({"normalize": "cifar10"}, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
        ({"preprocess": "0.485,0.456,0.406/0.229,0.224,0.225"}, MEAN, STD),
    ],
)
def test_what_is_given_is_applied(given: dict[str, Any], mean: list[float], std: list[float]) -> None:
    """Against torchvision's own transform before the same network."""
    loaded, bare = load_model("pixel_nets.py:bare", **given), load_model("pixel_nets.py:bare")
    wide = [values * 3 if len(values) == 1 else values for values in (mean, std)]
    expected = bare.module(transforms.Normalize(*wide)(pixels()))
    torch.testing.assert_close(logits(loaded), expected)
    assert loaded.describe()["preprocessing"]["normalize"] == {"mean": mean, "std": std}  # type: ignore[index]


@pytest.mark.parametrize("given", [{"normalize": "none"}, {"preprocess": "none"}])
def test_none_is_none(given: dict[str, Any]) -> None:
    assert load_model("pixel_nets.py:bare", **given).sha256 == load_model("pixel_nets.py:bare").sha256


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": "0.5"}, "--mean and --std belong together"),
        ({"std": "0.5"}, "--mean and --std belong together"),
        ({"mean": "a", "std": "1"}, "--mean a: expected a number for each channel"),
        ({"mean": "", "std": "1"}, "expected a number for each channel"),
        ({"mean": "0.5,0.5", "std": "1"}, "as many positive std as mean"),
        ({"mean": "0.5", "std": "0"}, "as many positive std as mean"),
        ({"mean": "nan", "std": "1"}, "as many positive std as mean"),
        ({"mean": "123.7,116.3,103.5", "std": "58,57,57"}, r"divide by 255 \(0\.4851,0\.4561,0\.4059\)"),
        ({"normalize": "imagenett"}, "'imagenett' is unknown; expected imagenet, cifar10 or none"),
        ({"normalize": "none", "preprocess": "none"}, "preprocessing is given twice"),
        ({"normalize": "none", "mean": "0", "std": "1"}, "preprocessing is given twice"),
    ],
)
def test_what_is_no_preprocessing_is_refused(given: dict[str, Any], said: str) -> None:
    with on_command_line(), pytest.raises(ModelError, match=said):
        load_model("pixel_nets.py:bare", **given)


def test_a_normalisation_of_other_channels_is_refused() -> None:
    loaded = load_model("pixel_nets.py:bare", mean="0.5,0.5", std="1,1")
    with pytest.raises(ModelError, match="is of 2 channels, and the images of tensor have 3"):
        match_classes(loaded, TensorImages(pixels()))
    match_classes(load_model("pixel_nets.py:bare", mean="0.5", std="1"), TensorImages(pixels()))


# ---- what a network does itself ----------------------------------------------------------------------


class Normalization(nn.Module):
    """As PyTorch's tutorial of neural transfer has it: plain tensors, no buffers."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.mean, self.std = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)

    def forward(self, img: torch.Tensor) -> torch.Tensor:
        return (img - self.mean) / self.std


class Robust(nn.Module):
    """A network that has a mean and a std of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)


@pytest.mark.parametrize(
    ("module", "place", "kind"),
    [
        (lambda: nn.Sequential(transforms.Normalize(MEAN, STD), nn.Flatten()), "0", "Normalize"),
        (lambda: nn.Sequential(v2.Normalize(MEAN, STD), nn.Flatten()), "0", "Normalize"),
        (lambda: nn.Sequential(nn.Identity(), Normalize(MEAN, STD)), "1", "Normalize"),
        (lambda: nn.ModuleDict({"a": nn.Sequential(Normalization(MEAN, STD))}), "a.0", "Normalization"),
        (Robust, "", "Robust"),
    ],
)
def test_normalisation_within_is_found(module: Any, place: str, kind: str) -> None:
    [found] = find_inner(module())
    assert (found.place, found.kind) == (place, kind)
    assert (list(found.mean), list(found.std)) == (MEAN, STD)


@pytest.mark.parametrize(
    "module",
    [
        lambda: nn.BatchNorm2d(3),
        lambda: nn.LayerNorm(4),
        lambda: nn.Sequential(nn.InstanceNorm2d(3)),
        lambda: models.resnet18(),
        lambda: nn.Sequential(nn.ReLU()),
    ],
)
def test_layers_that_normalise_features_are_none(module: Any) -> None:
    assert find_inner(module()) == ()


def test_nothing_is_applied_twice_without_a_word() -> None:
    own = load_model("pixel_nets.py:own")
    assert own.normalisation is None
    assert "and the network normalises them itself: Normalize at 0 (mean 0.5, 0.4, 0.3" in own.to_sentence()
    inner = {"module": "0", "kind": "Normalize", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}
    assert own.describe()["preprocessing"] == {"normalize": None, "within": [inner], "size": None}
    both = load_model("pixel_nets.py:own", normalize="imagenet")
    assert "and then once more by the network itself: Normalize at 1.0 (mean 0.5" in both.to_sentence()
    expected = own.module(transforms.Normalize(MEAN, STD)(pixels()))
    torch.testing.assert_close(logits(both), expected)
    untouched = load_model("pixel_nets.py:own", normalize="none")
    assert torch.equal(logits(untouched), logits(own))  # the network's own is part of it


def test_a_models_normalisation_is_no_inner_one() -> None:
    whole = as_loaded(nn.Sequential(Normalize(MEAN, STD), nn.Flatten()))
    assert whole.inner == () and whole.normalisation is not None


# ---- what weights bring to a torchvision network of a user's code -------------------------------------


@pytest.fixture
def stored(folder: Path) -> Path:
    torch.manual_seed(3)
    torch.save({"model": models.squeezenet1_1().state_dict()}, folder / "mine.pth")
    return folder / "mine.pth"


def test_a_file_says_the_same_by_name_and_by_path(stored: Path) -> None:
    by_name = load_model("squeezenet1_1", weights=stored)
    by_path = load_model("pixel_nets.py:squeezed", weights=stored)
    assert torch.equal(logits(by_name, 64), logits(by_path, 64))
    facts = [
        {key: value for key, value in one.describe().items() if key != "name"} for one in (by_name, by_path)
    ]
    assert facts[0] == facts[1] and by_path.classes == by_name.classes
    assert "neither digest nor name tells whose weights mine.pth holds" in by_path.to_sentence()
    told = load_model("pixel_nets.py:squeezed", weights=stored, normalize="none")
    assert told.normalisation is None and told.classes is not None


@pytest.mark.parametrize("name", ["regnet_y_400mf", "swin_t", "shufflenet_v2_x0_5"])
def test_prefixes_are_stripped_for_networks_that_compute_while_they_are_built(
    folder: Path, name: str
) -> None:
    torch.manual_seed(3)
    net = models.get_model(name, weights=None)
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, "wrapped.pth")
    loaded = load_model(name, weights="wrapped.pth")
    assert loaded.weights == "from wrapped.pth (under state_dict, without the prefix module.)"
    expected = net.eval()(transforms.Normalize(MEAN, STD)(pixels(64)))
    torch.testing.assert_close(logits(loaded, 64), expected)


def test_classes_of_their_own_stay_without_names(folder: Path) -> None:
    torch.save(models.squeezenet1_1(num_classes=4).state_dict(), folder / "four.pth")
    by_path = load_model("pixel_nets.py:squeezed(classes=4)", weights="four.pth")
    by_name = load_model("squeezenet1_1", weights="four.pth")
    assert torch.equal(logits(by_name, 64), logits(by_path, 64))
    assert by_path.classes is by_name.classes is None and by_path.origin == by_name.origin


def test_without_weights_a_users_network_brings_what_it_has() -> None:
    assert load_model("pixel_nets.py:squeezed").normalisation is None


def test_a_name_with_arguments_of_its_own(folder: Path) -> None:
    for spec, said in [
        ("squeezenet1_1(3)", "the argument 3 has no name; write it as in"),
        ("squeezenet1_1(klasses=3)", r"squeezenet1_1\(klasses=3\) cannot be built: .*'klasses'"),
        ("squeezenet1_1(weights='DEFAULT')", "weights= is no argument here; weights are given by weights="),
        ("resnet10t", "unknown"),
    ]:
        with pytest.raises(ModelError, match=said):
            load_model(spec)
    torch.save(nn.Linear(2, 2).state_dict(), folder / "other.pt")
    with pytest.raises(ModelError, match=r"other\.pt: .*none of its 2 names \(weight, bias\)"):
        load_model("squeezenet1_1", weights="other.pt")
    missing = {k: v for k, v in models.squeezenet1_1().state_dict().items() if k != "features.0.bias"}
    torch.save({"model": {f"module.{k}": v for k, v in missing.items()}}, folder / "other.pt")
    with pytest.raises(ModelError, match=r"1 name of the network's 52 missing \(features\.0\.bias\)"):
        load_model("squeezenet1_1", weights="other.pt")
