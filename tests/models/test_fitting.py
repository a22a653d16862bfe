"""Names of weights become the network's, whatever was put before them; what does not fit is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from graphpath.errors import ModelError
from graphpath.models.fitting import WRAPPERS, Renaming, fit_names, load_state, strip_wrappers
from graphpath.models.loaded import digest_weights
from graphpath.models.tensors import FoundState, read_states

PARTS = st.sampled_from(["conv1", "bn1", "layer1", "0", "1", "fc", "head", "weight", "bias", "model", "net"])
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=4).map(".".join), min_size=1, max_size=8, unique=True)
PREFIXES = st.lists(st.sampled_from(WRAPPERS), max_size=3).map("".join)
OTHERS = st.sampled_from(["", "backbone.", "encoder.q.", "model.", "lit.net."])


class Net(nn.Module):
    """A small network of the usual layers."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.bn1(self.conv1(x)).relu().mean((2, 3)))


def trained() -> Net:
    torch.manual_seed(3)
    net = Net()
    nn.init.uniform_(net.bn1.weight)
    return net


def fitted(states: dict[str, Any], net: nn.Module | None = None) -> tuple[nn.Module, str]:
    """A fresh network with the weights, and how they were fitted."""
    torch.manual_seed(0)
    fresh = Net() if net is None else net
    return fresh, load_state(fresh, [FoundState("", states)], "net.pt")


# ---- renamings ---------------------------------------------------------------------------------------


@given(NAMES, PREFIXES | OTHERS, OTHERS)
@settings(deadline=None)
def test_any_prefix_on_either_side_is_found(names: list[str], before: str, own: str) -> None:
    """Whatever stands before the file's names and the network's, all are found, by names that end alike."""
    stored, wanted = [before + name for name in names], [own + name for name in names]
    for best in fit_names(stored, wanted):
        table = best.apply(stored)
        assert set(table) >= set(wanted)


@given(NAMES, PREFIXES)
def test_nothing_is_renamed_where_names_agree(names: list[str], before: str) -> None:
    whole = [before + name for name in names]
    assert fit_names(whole, whole)[0] == Renaming()


@given(PREFIXES, NAMES)
def test_wrappers_are_stripped_however_composed(before: str, names: list[str]) -> None:
    found = strip_wrappers([before + name for name in names] + ["n_averaged"])
    assert found.startswith(before)
    rest = found.removeprefix(before)
    assert all(name.startswith(rest) for name in names)


@given(PREFIXES, st.sampled_from(["plain", "parallel", "sequential", "twice"]))
@settings(deadline=None, max_examples=40)
def test_weights_arrive_in_every_kind_of_wrapper(before: str, kind: str) -> None:
    """Against torch itself: the logits are those of the network that the weights were taken from."""
    source = trained()
    net: nn.Module = {
        "plain": lambda: Net(),
        "parallel": lambda: nn.DataParallel(Net()),
        "sequential": lambda: nn.Sequential(Net()),
        "twice": lambda: nn.Sequential(nn.Identity(), nn.DataParallel(Net())),
    }[kind]()
    fitted({before + name: value for name, value in source.state_dict().items()}, net)
    pixels = torch.rand(2, 3, 8, 8)
    assert torch.equal(net.eval()(pixels), source.eval()(pixels))


# ---- what may be missing -----------------------------------------------------------------------------


def test_counters_may_be_missing_or_too_much() -> None:
    state = dict(trained().state_dict())
    del state["bn1.num_batches_tracked"]
    idle = {"conv1.total_ops": torch.zeros(1), "total_params": torch.zeros(1), "n_averaged": torch.tensor(3)}
    net, words = fitted({**state, **idle})
    assert words == "" and torch.equal(net.fc.weight, trained().fc.weight)  # type: ignore[arg-type]


def test_halves_become_the_networks_float32() -> None:
    halves = {k: v.half() if v.is_floating_point() else v for k, v in trained().state_dict().items()}
    net, _ = fitted(halves)
    assert net.fc.weight.dtype == torch.float32  # type: ignore[union-attr]
    assert torch.equal(net.fc.weight, trained().fc.weight.half().float())  # type: ignore[arg-type]


def test_names_beside_a_prefix_are_left_out_and_named() -> None:
    state = {f"model.{k}": v for k, v in trained().state_dict().items()}
    net, words = fitted({**state, "criterion.weight": torch.ones(3)})
    assert digest_weights(net) == digest_weights(trained())
    assert words == "without the prefix model., 1 name beside that prefix left out (criterion.weight)"


def test_a_tied_weight_may_be_there_once() -> None:
    def tied() -> nn.Sequential:
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    state = tied().state_dict()
    for name in ("0.weight", "1.weight"):
        net, _ = fitted({k: v for k, v in state.items() if k != name}, tied())
        assert torch.equal(net[1].weight, state["0.weight"])  # type: ignore[index]
    with pytest.raises(ModelError, match=r"1 name of the network's 4 missing \(0\.bias\)"):
        fitted({k: v for k, v in state.items() if k != "0.bias"}, tied())


def test_the_networks_own_mean_and_std_need_not_be_there() -> None:
    class Robust(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Net()
            self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
            self.register_buffer("std", torch.full((1, 3, 1, 1), 0.2))

    net, words = fitted(dict(trained().state_dict()), Robust())
    assert words == "for what lies below model. in the network, mean, std as the network has them"
    assert torch.equal(net.model.fc.weight, trained().fc.weight)  # type: ignore[union-attr]
    given = {**{f"model.{k}": v for k, v in trained().state_dict().items()}, "mean": torch.ones(1, 3, 1, 1)}
    with pytest.raises(ModelError, match=r"missing \(std\)"):
        fitted(given, Robust())


def test_the_old_names_of_weight_norm_are_read() -> None:
    def normed() -> Net:
        net = trained()
        nn.utils.parametrizations.weight_norm(net.fc)
        return net

    state = dict(normed().state_dict())
    for old, new in (("fc.weight_g", "0"), ("fc.weight_v", "1")):
        state[old] = state.pop(f"fc.parametrizations.weight.original{new}") * 2
    net, _ = fitted(state, normed())
    torch.testing.assert_close(net.fc.weight, 2 * trained().fc.weight)  # type: ignore[arg-type]


def test_a_number_may_be_a_list_of_one() -> None:
    """As torch 0.3 wrote numbers."""

    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.register_buffer("scale", torch.tensor(1.0))

    net, _ = fitted({**Scaled().state_dict(), "scale": torch.tensor([3.0])}, Scaled())
    assert net.scale.item() == 3  # type: ignore[operator, union-attr]
    with pytest.raises(ModelError, match=r"scale is \(2,\) in the file, \(\) in the network"):
        fitted({**Scaled().state_dict(), "scale": torch.tensor([3.0, 4.0])}, Scaled())


def test_a_network_without_values_takes_the_files() -> None:
    with torch.device("meta"):
        empty = Net()
    net, _ = fitted(dict(trained().state_dict()), empty)
    assert digest_weights(net) == digest_weights(trained())


# ---- what is refused ---------------------------------------------------------------------------------


def _without(state: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(start)}


Change = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: _without(s, "fc"), r"2 names of the network's 9 missing \(fc\.weight, fc\.bias\)"),
        (lambda s: _without(s, "bn"), r"missing \(bn1\.weight, bn1\.bias, bn1\.running_mean and 1 more\)"),
        (lambda s: {**s, "aux.w": torch.ones(2)}, r"1 name in it that the network has not \(aux\.w\)"),
        (
            lambda s: dict(Net(5).state_dict()),
            r"2 of another shape \(fc\.weight is \(5, 4\) in the file, \(3, 4\) in the network",
        ),
        (
            lambda s: {**s, "fc.weight": torch.ones(3, 4, dtype=torch.int8)},
            r"1 whole numbers, of a quantised network \(fc\.weight\)",
        ),
        (lambda s: {"a.weight": torch.ones(2)}, r"none of its 1 names \(a\.weight\) is one of .* 8"),
        (
            lambda s: {f"module.{k}": v for k, v in _without(s, "fc.bias").items()},
            r"1 name of the network's 9 missing \(fc\.bias\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(change: Change, said: str) -> None:
    with pytest.raises(ModelError, match=rf"net\.pt: its weights do not fit the network: .*{said}"):
        fitted(change(dict(trained().state_dict())))


def test_a_student_and_its_teacher_are_not_told_apart() -> None:
    state = trained().state_dict()
    both = {f"{who}.{k}": v for who in ("student", "teacher") for k, v in state.items()}
    with pytest.raises(ModelError, match=r"in it 2 times, after student\., teacher\."):
        fitted(both)
    shaped = {f"student.{k}": v for k, v in state.items()} | {
        f"teacher.{k}": v for k, v in Net(5).state_dict().items()
    }
    net, words = fitted(shaped)  # only one has the network's shapes
    assert digest_weights(net) == digest_weights(trained()) and "without the prefix student." in words


# ---- files of training programs ----------------------------------------------------------------------


def written(path: Path, contents: object) -> Path:
    torch.save(contents, path)
    return path


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda s: {"state_dict": s, "epoch": 3}, "under state_dict"),
        (lambda s: {"net": s, "acc": 93.1}, "under net"),
        (
            lambda s: {
                "optimizer_state_dict": {"state": {0: {"step": s["fc.bias"]}}},
                "model_state_dict": s,
            },
            "under model_state_dict",
        ),
        (lambda s: {"generator": s, "discriminator": {"d.weight": s["fc.bias"]}}, "under generator"),
        (lambda s: {"model": {"state_dict": s}}, "under model.state_dict"),
        (lambda s: {"model_ema": s}, "under model_ema"),
        (
            lambda s: {"model_ema": {k: v * 0 for k, v in s.items()}, "model": s},
            "under model; model_ema beside it is not taken",
        ),
        (
            lambda s: {"ema": {k: v * 0 for k, v in s.items()}, "best": s},
            "under best; ema beside it is not taken",
        ),
        (lambda s: {"epoch": 3, **s}, "epoch left out"),
        (lambda s: {**s, "fc._extra_state": {"scale": 3}}, "fc._extra_state left out"),
        (
            lambda s: {
                "state_dict": {f"model.{k}": v for k, v in s.items()},
                "pytorch-lightning_version": "2.4.0",
                "hyper_parameters": {"lr": 0.1},
                "callbacks": {"ModelCheckpoint": {"best_k_models": {"a.ckpt": torch.tensor(1.0)}}},
                "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
            },
            "under state_dict, without the prefix model.",
        ),
    ],
)
def test_weights_are_found_in_what_training_programs_save(tmp_path: Path, wrap: Any, words: str) -> None:
    path = written(tmp_path / "net.ckpt", wrap(dict(trained().state_dict())))
    net = Net()
    assert load_state(net, read_states(path), path) == words
    assert digest_weights(net) == digest_weights(trained())


def test_plain_values_beside_the_weights_are_read(tmp_path: Path) -> None:
    """As timm, torchvision's references and scripts of all kinds save them."""
    import argparse
    import datetime

    import numpy as np

    beside = {
        "args": argparse.Namespace(lr=0.1, out=Path("runs"), when=datetime.timedelta(3)),
        "accuracy": np.float64(93.1),
        "losses": np.arange(3, dtype=np.float32),
    }
    path = written(tmp_path / "net.pth", {"model": dict(trained().state_dict()), **beside})
    net = Net()
    assert load_state(net, read_states(path), path) == "under model"
    assert digest_weights(net) == digest_weights(trained())


class Config:
    """Of a user's program."""


@pytest.mark.parametrize("zipped", [True, False])
def test_other_objects_beside_the_weights_are_refused_with_what_to_do(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "net.ckpt"
    contents = {"state_dict": dict(trained().state_dict()), "config": Config()}
    torch.save(contents, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"beside its weights it holds other objects \(.*Config\)") as caught:
        read_states(path)
    advice = str(caught.value).partition("save the weights alone: ")[2]
    import os

    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        exec(advice, {"torch": torch})  # what it says to do works
    finally:
        os.chdir(here)
    net = Net()
    load_state(net, read_states(tmp_path / "weights.pt"), "weights.pt")
    assert digest_weights(net) == digest_weights(trained())


def test_safetensors_are_read_and_without_the_package_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    path = tmp_path / "net.safetensors"
    save({f"module.{k}": v for k, v in trained().state_dict().items()}, path)
    net = Net()
    assert load_state(net, read_states(path), path) == "without the prefix module."
    assert digest_weights(net) == digest_weights(trained())
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(ModelError, match="a safetensors file, which the package safetensors reads"):
        read_states(path)
