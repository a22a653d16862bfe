"""timm's networks by name, with what belongs to their weights."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("timm", reason="the extra timm is not installed")

import timm
import torch
import torchvision.transforms as transforms

from graphpath.errors import ModelError
from graphpath.models import LoadedModel, load_model

NAME, TAG = "test_resnet", "test_resnet.r160_in1k"
"""A small one, whose mean and std are not ImageNet's."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    return tmp_path


def network(**given: Any) -> torch.nn.Module:
    torch.manual_seed(3)
    made: torch.nn.Module = timm.create_model(NAME, **given)
    return made.eval()


def same(one: LoadedModel, other: LoadedModel) -> bool:
    facts = [(m.sha256, m.classes, m.shape, m.scheme, m.wnids) for m in (one, other)]
    return facts[0] == facts[1]


def test_a_name_without_weights_says_that_they_are_random() -> None:
    first = load_model(f"timm:{NAME}")
    assert first.sha256 == load_model(f"timm:{NAME}").sha256 != load_model(f"timm:{NAME}", seed=1).sha256
    assert first.normalisation is not None and first.normalisation.means == [0.5, 0.5, 0.5]
    assert (first.shape, first.classes) == ((3, 160, 160), None)
    assert "Its weights are random (seed 0), as none were given." in first.to_sentence()
    assert "the pretrained_cfg of timm's test_resnet." in first.to_sentence()
    assert same(first, load_model(f"timm.models:{NAME}"))


def test_a_file_brings_what_belongs_to_it(folder: Path) -> None:
    net = network()
    torch.save(net.state_dict(), f"{TAG}.pth")
    loaded = load_model(f"timm:{NAME}", weights=f"{TAG}.pth")
    pixels = torch.rand(2, 3, 160, 160)
    with torch.no_grad():
        expected = net(transforms.Normalize([0.5] * 3, [0.5] * 3)(pixels))
        torch.testing.assert_close(loaded.module(pixels), expected)
    assert loaded.name == TAG and loaded.scheme == "imagenet"
    assert loaded.classes is not None and loaded.classes[340] == "zebra" and len(loaded.classes) == 1000
    assert loaded.wnids is not None and loaded.wnids[340] == "n02391049"
    assert same(loaded, load_model(f"timm:{TAG}", weights=f"{TAG}.pth"))


def test_training_checkpoints_and_unknown_names_are_said(folder: Path) -> None:
    """As timm's own train.py saves them."""
    state = network().state_dict()
    saved = {
        "epoch": 3,
        "arch": NAME,
        "state_dict": {f"module.{k}": v for k, v in state.items()},
        "state_dict_ema": {k: v * 0 for k, v in state.items()},
        "args": argparse.Namespace(lr=0.1),
    }
    torch.save(saved, "model_best.pth.tar")
    torch.save(state, f"{TAG}.pth")
    loaded = load_model(f"timm:{NAME}", weights="model_best.pth.tar")
    assert same(loaded, load_model(f"timm:{NAME}", weights=f"{TAG}.pth"))
    said = loaded.to_sentence()
    assert f"timm's {TAG}, the default for {NAME}; neither digest nor name tells whose weights" in said
    assert "under state_dict, without the prefix module.; state_dict_ema beside it is not taken" in said


def test_weights_by_a_tag_are_those_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and by path the answers are the same; nothing is fetched."""
    for weights in ("r160_in1k", TAG, "DEFAULT"):
        with pytest.raises(ModelError, match=rf"weights of timm:{TAG} are not on this machine"):
            load_model(f"timm:{NAME}", weights=weights)
    kept = folder / "cache" / "model.safetensors"
    kept.parent.mkdir()
    pytest.importorskip("safetensors.torch").save_file(network().state_dict(), kept)
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache",
        lambda place, name: str(kept) if (place, name) == (f"timm/{TAG}", kept.name) else None,
    )
    by_name = load_model(f"timm:{NAME}", weights="r160_in1k")
    assert same(by_name, load_model(f"timm:{NAME}", weights=kept))
    assert same(by_name, load_model(f"timm:{NAME}", weights="DEFAULT"))
    assert by_name.name == TAG and by_name.origin == f"the pretrained_cfg of timm's {TAG}"


def test_other_classes_and_channels_follow_the_weights(folder: Path) -> None:
    torch.save(network(num_classes=7).state_dict(), "seven.pth")
    loaded = load_model(f"timm:{NAME}", weights="seven.pth")
    assert loaded.classes is None and "the weights have 7 classes of their own" in loaded.to_sentence()
    assert loaded.module(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    torch.save(network(in_chans=1).state_dict(), "grey.pth")
    grey = load_model(f"timm:{NAME}", weights="grey.pth")
    assert grey.shape == (1, 160, 160) and grey.module(torch.rand(1, 1, 64, 64)).shape == (1, 1000)
    assert grey.normalisation is not None and grey.normalisation.means == [0.5]
    asked = load_model(f"timm:{NAME}(num_classes=7, in_chans=1)")
    assert asked.shape == (1, 160, 160) and asked.module(torch.rand(1, 1, 64, 64)).shape == (1, 7)


def test_names_of_the_networks_own_authors_are_read(folder: Path) -> None:
    """As ConvNeXt's own repository has them; timm's filter of the family knows them."""
    import re

    net = timm.create_model("test_convnext").eval()
    old = {}
    for name, value in net.state_dict().items():
        for new, theirs in [
            (r"^stem\.", "downsample_layers.0."),
            (r"^stages\.(\d+)\.downsample\.", r"downsample_layers.\1."),
            (r"^stages\.(\d+)\.blocks\.", r"stages.\1."),
            (r"\.conv_dw\.", ".dwconv."),
            (r"\.mlp\.fc", ".pwconv"),
            (r"^head\.norm\.", "norm."),
            (r"^head\.fc\.", "head."),
        ]:
            name = re.sub(new, theirs, name)
        old[name] = value
    assert not old.keys() & net.state_dict().keys() & {"head.fc.weight", "stem.0.weight"}
    torch.save({"model": old}, "theirs.pth")
    loaded = load_model("timm:test_convnext", weights="theirs.pth")
    pixels = torch.rand(1, 3, 64, 64)
    assert loaded.normalisation is not None
    with torch.no_grad():
        torch.testing.assert_close(loaded.module(pixels), net(loaded.normalisation(pixels)))


def test_a_network_that_normalises_itself_is_brought_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "self.py").write_text(
        f"import timm\ndef make():\n    net = timm.create_model({NAME!r})\n"
        "    net.mean, net.std = (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)\n    return net\n"
    )
    loaded = load_model("self.py:make")
    assert loaded.normalisation is None
    assert "the network normalises them itself: ResNet (mean 0.5, 0.4, 0.3" in loaded.to_sentence()


def test_a_users_code_that_builds_one_brings_its_config(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "mine.py").write_text(
        f"import timm\ndef make(**given):\n    return timm.create_model({NAME!r}, **given)\n"
    )
    torch.save(network().state_dict(), "mine.pth")
    loaded = load_model("mine.py:make", weights="mine.pth")
    assert same(loaded, load_model(f"timm:{NAME}", weights="mine.pth"))
    assert loaded.origin == f"the pretrained_cfg of timm's {TAG}"
    assert load_model("mine.py:make", normalize="none").normalisation is None
    other = load_model("mine.py:make(num_classes=7)")
    assert other.classes is None and other.normalisation is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"spec": "timm:test_resnett"}, r"unknown to timm .*: did you mean timm:test_resnet"),
        ({"spec": "timm:xyzzy"}, "unknown to timm .* has its names"),
        ({"spec": "timm:hf-hub:timm/resnet18"}, "unknown to timm"),
        ({"spec": "timm:"}, "unknown to timm"),
        ({"spec": f"timm:{NAME}.b9"}, "timm has no weights 'b9' of test_resnet; it has r160_in1k"),
        ({"spec": f"timm:{NAME}(colour=3)"}, r"test_resnet\(colour=3\) cannot be built: .*'colour'"),
        ({"spec": f"timm:{NAME}(3)"}, "the argument 3 has no name"),
        ({"spec": f"timm:{NAME}(pretrained=True)"}, "pretrained= is no argument here"),
        ({"spec": f"timm:{NAME}", "weights": "b9"}, "there are DEFAULT, r160_in1k"),
        ({"spec": f"timm:{NAME}", "weights": "absent.pth"}, "absent.pth: no such file of weights"),
        ({"spec": NAME}, r"model 'test_resnet' is unknown: timm has it, did you mean timm:test_resnet\?"),
    ],
)
def test_what_timm_has_not_is_said(folder: Path, arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_model(**arguments)  # type: ignore[arg-type]


def test_weights_that_do_not_fit_are_named(folder: Path) -> None:
    state = network().state_dict()
    torch.save({k: v for k, v in state.items() if k != "fc.bias"}, "net.pth")
    with pytest.raises(ModelError, match=r"net\.pt.*1 name of the network's \d+ missing \(fc\.bias\)"):
        load_model(f"timm:{NAME}", weights="net.pth")
    torch.save({**state, "conv1.0.weight": torch.full_like(state["conv1.0.weight"], float("nan"))}, "net.pth")
    with pytest.raises(ModelError, match=r"weights of conv1\.0\.weight are NaN or infinite"):
        load_model(f"timm:{NAME}", weights="net.pth")


def test_without_timm_it_is_told_what_to_install() -> None:
    program = (
        "import sys; sys.modules['timm'] = None\n"
        "from graphpath.cli import main\n"
        "sys.argv = ['graphpath', 'trace', '--model', 'timm:resnet18', '--data', 'digits', '--out', 'x']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "graphpath: timm:resnet18 needs timm, which is not installed: pip install 'graphpath[timm]'.\n"
    )
