"""Networks by name, checkpoints, and the digest of their weights."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from graphpath.errors import ModelError, RecordError
from graphpath.models import LoadedModel, Normalize, as_loaded, digest_weights, load_checkpoint, load_model
from graphpath.models.checkpoint import save_checkpoint


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3))


# ---- checkpoints -------------------------------------------------------------------------------------


def test_a_checkpoint_comes_back_whole(tmp_path: Path, contents: dict[str, object]) -> None:
    path = save_checkpoint(tmp_path / "new" / "net.pt", contents)
    loaded = load_model(path)
    assert (loaded.name, loaded.classes, loaded.shape, loaded.scheme) == (
        "net",
        ("a", "b", "c"),
        (1, 8, 8),
        "letters",
    )
    assert not any(part.training for part in loaded.module.modules())
    for name, value in loaded.module.state_dict().items():
        assert torch.equal(value, contents["state_dict"][name])  # type: ignore[index]
    assert loaded.sha256 == digest_weights(loaded.module) == load_model(path).sha256
    assert [file.name for file in path.parent.iterdir()] == ["net.pt"]


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, contents: dict[str, object], share: float) -> None:
    path = save_checkpoint(tmp_path / "net.pt", contents)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=r"net.pt: .*truncated"):
        load_model(path)


def test_foreign_files_are_refused(tmp_path: Path, contents: dict[str, object]) -> None:
    torch.save(contents["state_dict"], tmp_path / "state.pt")
    with pytest.raises(ModelError, match="not a checkpoint of graphpath train"):
        load_model(tmp_path / "state.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="expected a dict"):
        load_model(tmp_path / "list.pt")
    with pytest.raises(ModelError, match=r"missing.pt: no such file"):
        load_model(tmp_path / "missing.pt")


@pytest.mark.parametrize("data", [b"hello", bytes(range(256)), b"PK\x03\x04 no zip", b"\x80\x02}q\x00."])
def test_bytes_of_any_kind_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "net.pt").write_bytes(data)
    with pytest.raises(ModelError, match=r"net.pt: not"):
        load_model(tmp_path / "net.pt")


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("torch_format", [False, True])
def test_nothing_in_a_file_is_executed(tmp_path: Path, torch_format: bool) -> None:
    trap = {"state": _Trap(str(tmp_path / "sprung"))}
    if torch_format:
        torch.save(trap, tmp_path / "net.pt")
    else:
        (tmp_path / "net.pt").write_bytes(pickle.dumps(trap))
    with pytest.raises(ModelError, match=r"net.pt: not a file of tensors"):
        load_model(tmp_path / "net.pt")
    assert not (tmp_path / "sprung").exists()


FOUR = {"shape": (1, 8, 8), "classes": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"graphpath.checkpoint": 2}, "version 2"),
        ({"architecture": "resnet"}, "'resnet' is unknown; there are cnn, vgg"),
        ({"arguments": {"shape": (1, 8, 8), "classes": 3, "depth": 3}}, "does not take"),
        ({"arguments": FOUR}, "4 classes with the names of 3"),
        ({"arguments": {"shape": (1, 9, 9), "classes": 3}}, "images of .1, 9, 9. with the shape .1, 8, 8."),
        ({"arguments": FOUR, "classes": ["a", "b", "c", "d"]}, "do not fit the network"),
        ({"arguments": {"shape": (1, 1, 1), "classes": 3}, "shape": (1, 1, 1)}, "too small"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_named(
    tmp_path: Path, contents: dict[str, object], change: dict[str, object], message: str
) -> None:
    path = save_checkpoint(tmp_path / "net.pt", {**contents, **change})
    with pytest.raises(ModelError, match=message):
        load_checkpoint(path)


def test_a_checkpoint_without_its_classes_is_refused(tmp_path: Path, contents: dict[str, object]) -> None:
    del contents["classes"]
    with pytest.raises(ModelError, match="lacks classes"):
        load_checkpoint(save_checkpoint(tmp_path / "net.pt", contents))


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint(tmp_path / "net.pt", {"state_dict": lambda: None})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "net.pt", {})


# ---- module:function ---------------------------------------------------------------------------------

SOURCE = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))

def number():
    return 7

def broken():
    raise ValueError("no weights here")

def needs(argument):
    return argument

class Holder:
    make = staticmethod(make)

constant = 3
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_own_nets.py").write_text(SOURCE)
    (tmp_path / "my_broken_nets.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "my_wrong_nets.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("spec", ["my_own_nets:make", "my_own_nets:Holder.make"])
def test_a_function_in_the_current_directory(nets: Path, spec: str) -> None:
    loaded = load_model(spec)
    assert loaded.name == spec and not loaded.module.training
    assert loaded.sha256 == load_model(spec).sha256 != load_model(spec, seed=1).sha256


def test_a_functions_network_takes_a_file_of_weights(nets: Path) -> None:
    state = load_model("my_own_nets:make", seed=5)
    torch.save(state.module.state_dict(), nets / "state.pt")
    assert load_model("my_own_nets:make", weights=nets / "state.pt").sha256 == state.sha256
    torch.save({"1.weight": torch.zeros(2, 4)}, nets / "state.pt")
    with pytest.raises(ModelError, match=r"state.pt: its weights do not fit.*1\.bias"):
        load_model("my_own_nets:make", weights=nets / "state.pt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("my_absent_nets:make", "no module my_absent_nets"),
        ("my_own_nets.inner:make", "no module my_own_nets.inner"),
        ("my_broken_nets:make", "importing my_broken_nets failed.*a_module_that_is_not_there"),
        ("my_wrong_nets:make", "importing my_wrong_nets failed with ZeroDivisionError"),
        ("my_own_nets:absent", "module my_own_nets has no absent"),
        ("my_own_nets:constant", "constant is a int"),
        ("my_own_nets:number", "expected it to return a torch.nn.Module, it returned int"),
        ("my_own_nets:broken", "ValueError: no weights here"),
        ("my_own_nets:needs", r"missing a required argument: 'argument'; needs takes \(argument\)"),
        (":make", "expected module:function"),
        ("my_own_nets:", "expected module:function"),
    ],
)
def test_what_is_wrong_with_a_function_is_named(nets: Path, spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(spec)


# ---- torchvision -------------------------------------------------------------------------------------


def test_torchvision_names_are_initialised_by_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    first = load_model("squeezenet1_1")
    torch.rand(3)
    assert first.sha256 == load_model("squeezenet1_1").sha256 != load_model("squeezenet1_1", seed=1).sha256
    assert first.shape == (3, 224, 224) and first.classes is None
    assert not any(part.training for part in first.module.modules())
    torch.random.set_rng_state(before)


def test_loading_leaves_the_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    load_model("squeezenet1_1")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "resnet19"}, "'resnet19' is unknown: did you mean resnet1"),
        ({"spec": "xyzzy"}, "expected a name such as resnet18"),
        ({"spec": "squeezenet1_1", "weights": "IMAGENET9"}, "there are IMAGENET1K_V1"),
        ({"spec": "squeezenet1_1", "device": "cuda:99"}, "device 'cuda:99' cannot be used"),
    ],
)
def test_unknown_names_are_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(**arguments)  # type: ignore[arg-type]


def test_pretrained_weights_are_used_where_they_are_and_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(ModelError, match="IMAGENET1K_V1 of squeezenet1_1 are not on this machine"):
        load_model("squeezenet1_1", weights="DEFAULT")

    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    net = squeezenet1_1(weights=None).eval()
    cached = tmp_path / "checkpoints" / Path(SqueezeNet1_1_Weights.DEFAULT.url).name
    cached.parent.mkdir()
    torch.save(net.state_dict(), cached)
    loaded = load_model("squeezenet1_1", weights="IMAGENET1K_V1")
    assert loaded.classes is not None and len(loaded.classes) == 1000 and loaded.scheme == "imagenet"
    x = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = net((x - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(loaded.module(x), expected)


# ---- facts about a network ---------------------------------------------------------------------------


def test_the_digest_tells_weights_names_and_dtypes_apart() -> None:
    module = small()
    digest = digest_weights(module)
    assert digest == digest_weights(small())
    assert digest != digest_weights(small().double())
    assert digest != digest_weights(nn.ModuleDict({"inner": small()}))
    with torch.no_grad():
        module[3].weight[0, 0] += 1e-6
    assert digest_weights(module) != digest
    changed = small()
    changed[1].running_mean += 1  # type: ignore[operator]
    assert digest_weights(changed) != digest


def test_a_plain_module_is_named_after_its_class() -> None:
    module = small()
    loaded = as_loaded(module)
    assert (loaded.name, loaded.sha256) == ("Sequential", digest_weights(module))
    assert as_loaded(loaded) is loaded and isinstance(loaded, LoadedModel)


def test_normalize_is_plain_and_traceable() -> None:
    norm = Normalize([0.5, 0.25], [0.5, 0.125])
    x = torch.tensor([0.5, 0.5]).view(1, 2, 1, 1)
    assert norm(x).flatten().tolist() == [0.0, 2.0]
    traced = torch.fx.symbolic_trace(nn.Sequential(norm, nn.ReLU()))
    assert torch.equal(traced(x), norm(x).relu())
    for mean, std in (([0.5], [0.5, 0.5]), ([0.5], [0.0])):
        with pytest.raises(ModelError, match="positive std"):
            Normalize(mean, std)


def test_a_checkpoint_on_a_full_disk_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """The system refuses after the first 4,000 bytes: the older checkpoint stays, nothing else lies there."""
    import resource
    import signal

    path = tmp_path / "net.pt"
    path.write_bytes(b"older")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))
    try:
        with pytest.raises(RecordError, match=r"net.pt cannot be written: File too large\."):
            save_checkpoint(path, {"state_dict": {"a": torch.zeros(10_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["net.pt"]
