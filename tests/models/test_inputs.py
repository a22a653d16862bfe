"""A model and images brought together: how often the network is run and captured for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

import graphpath as gp
from graphpath.data import TensorImages
from graphpath.errors import DataError, NetworkError
from graphpath.models import LoadedModel, digest_weights, match_classes
from graphpath.models.inputs import bring_together
from graphpath.network import lowering


class Counting(nn.Module):
    """Counts the batches that it is run on; two outputs where ``both``."""

    def __init__(self, both: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        self.both, self.seen = both, [0]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        self.seen[0] += 1
        logits = self.layers(x)
        return (x, logits) if self.both else logits


def loaded(module: nn.Module) -> LoadedModel:
    return LoadedModel(module.eval(), "net", digest_weights(module))


def images(classes: int = 3) -> TensorImages:
    names = [f"class {number}" for number in range(classes)]
    return TensorImages(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), classes=names, dataset="some")


@pytest.mark.parametrize("both", [False, True])
def test_a_network_is_run_once_to_see_what_it_gives(both: bool) -> None:
    module = Counting(both)
    model, matched = bring_together(loaded(module), images())
    again, same = bring_together(model, matched)
    assert module.seen == [1]
    assert again.module is model.module and same is matched


def test_what_it_gave_is_of_one_size_of_images() -> None:
    module = Counting()
    model, _ = bring_together(loaded(module), images())
    other = TensorImages(torch.rand(1, 1, 5, 5), dataset="others")
    bring_together(model, other)  # of which it gives nothing: lowering says why
    assert module.seen == [2]


def test_outputs_that_are_known_are_those_that_there_are() -> None:
    for module in (Counting(), Counting(both=True)):
        with pytest.raises(DataError, match="3 outputs without names"):
            bring_together(loaded(module), images(classes=4))
    model = replace(loaded(Counting()), classes=("a", "b", "c"))
    assert match_classes(model, images(), "by-position").numbered.how == "by-position"


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
def test_a_script_is_refused_and_not_run() -> None:
    module = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)))
    with pytest.raises(NetworkError, match="TorchScript"):
        bring_together(loaded(module), images())
    assert match_classes(loaded(module), images()).numbered.how == "by-position"


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    found: list[str] = []
    own = lowering.capture

    def counted(module, *args):
        found.append(type(module).__name__)
        return own(module, *args)

    monkeypatch.setattr(lowering, "capture", counted)
    yield found


@pytest.mark.parametrize("target", ["predicted", gp.at("layers.0", channel=1)])
def test_a_trace_captures_a_network_once(target: object, captures: list[str], tmp_path: Path) -> None:
    gp.trace(Counting(), images(), target=target, out=tmp_path / "trace")
    assert captures == ["Counting"]
