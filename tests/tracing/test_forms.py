"""Networks and inputs in the forms that people have them: shapes, outputs, wrappers, hooks, state.

Each is traced through the front door, and the module is afterwards what it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms as T
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint
from torchvision.transforms import v2

import graphpath as gp
from graphpath.errors import ModelError, NetworkError

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A small CNN; ``finish`` makes what it returns of its logits and its feature maps."""

    def __init__(self, finish: Callable[[Tensor, Tensor], Any] = lambda logits, maps: logits) -> None:
        super().__init__()
        self.conv, self.fc, self.finish = nn.Conv2d(3, 4, 3), nn.Linear(144, 5), finish

    def forward(self, x: Tensor) -> Any:
        maps = F.relu(self.conv(x))
        return self.finish(self.fc(maps.flatten(1)), maps)


def traced(model: nn.Module, images: Tensor, out: Path, **options: Any) -> gp.Trace:
    """The trace; what the module is must not have changed, whatever it does in its forward."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    held = [dict(vars(part)) for part in model.modules()]
    modes = [part.training for part in model.modules()]
    try:
        return gp.trace(model, images, out=out, **options)
    finally:
        after = model.state_dict()
        for name, value in before.items():
            torch.testing.assert_close(after[name], value, rtol=0, atol=0, equal_nan=True)
        assert [dict(vars(part)) for part in model.modules()] == held
        assert [part.training for part in model.modules()] == modes


def layers(trace: gp.Trace) -> list[tuple[str, str, tuple[int, int, int]]]:
    rows = trace.layers().to_table().sort_by("layer").to_pylist()
    return [(r["name"], r["kind"], (r["channels"], r["height"], r["width"])) for r in rows]


def edges(trace: gp.Trace) -> Any:
    """The edges without what names their run."""
    table = trace.edges().to_table()
    return table.select(
        [name for name in table.column_names if name not in ("pathway", "run", "source", "target")]
    )


@pytest.mark.parametrize("shape", [(10,), (2, 16), (1, 6, 6, 6)], ids=["features", "signal", "volume"])
def test_inputs_of_other_shapes(shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.manual_seed(0)
    made: dict[int, nn.Module] = {
        1: nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        2: nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(28, 3)),
        4: nn.Sequential(nn.Conv3d(1, 2, 3), nn.ReLU(), nn.MaxPool3d(2), nn.Flatten(), nn.Linear(16, 3)),
    }
    wanted = {
        1: [("input", (10, 1, 1)), ("0", (8, 1, 1)), ("3", (3, 1, 1))],
        2: [("input", (2, 16, 1)), ("0", (4, 14, 1)), ("4", (3, 1, 1))],
        4: [("input", (1, 36, 6)), ("0", (2, 16, 4)), ("4", (3, 1, 1))],
    }
    inputs = torch.rand(3, *shape)
    trace = traced(made[len(shape)], inputs, tmp_path / "t", max_edges=None)
    assert [(name, size) for name, _, size in layers(trace)] == wanted[len(shape)]
    own = made[len(shape)].eval()(inputs).argmax(1)
    assert trace.pathways().to_table()["target"].to_pylist() == own.tolist()


@dataclass
class Both:
    hidden: Tensor
    logits: Tensor


Named = namedtuple("Named", "maps scores")
FORMS: dict[str, tuple[Callable[[Tensor, Tensor], Any], str | None]] = {
    "tensor": (lambda y, h: y, None),
    "tuple": (lambda y, h: (h, y), "1 of its outputs (the others: 0)"),
    "list of one": (lambda y, h: [y], None),
    "dictionary": (lambda y, h: {"maps": h, "logits": y}, "logits of its outputs (the others: maps)"),
    "ordered": (lambda y, h: OrderedDict(out=y), None),
    "dataclass": (lambda y, h: Both(h, y), "logits of its outputs (the others: hidden)"),
    "named tuple": (lambda y, h: Named(h, y), "scores of its outputs (the others: maps)"),
    "object": (lambda y, h: SimpleNamespace(y=y, h=h), "y of its outputs (the others: h)"),
    "nested": (lambda y, h: ({"a": h}, (y,)), "1.0 of its outputs (the others: 0.a)"),
    "plane": (lambda y, h: y[:, :, None, None], None),
    "log-softmax": (lambda y, h: F.log_softmax(y, 1), None),
    "softmax of many": (lambda y, h: (F.softmax(y, -1), h), "0 of its outputs (the others: 1)"),
}


@pytest.mark.parametrize("form", FORMS)
def test_outputs_of_other_forms(form: str, tmp_path: Path) -> None:
    """The same pathways as of the network that gives its logits."""
    finish, note = FORMS[form]
    torch.manual_seed(0)
    model, plain = Net(finish), Net()
    plain.load_state_dict(model.state_dict())
    trace, same = traced(model, IMAGES, tmp_path / "t"), traced(plain, IMAGES, tmp_path / "same")
    assert trace.run["model"].get("output") == note
    assert layers(trace) == layers(same)
    assert edges(trace).equals(edges(same))


@pytest.mark.parametrize("single", [lambda y, h: y[:, 0], lambda y, h: y[:, :1]], ids=["(N,)", "(N, 1)"])
def test_one_logit(single: Callable[[Tensor, Tensor], Tensor], tmp_path: Path) -> None:
    assert layers(traced(Net(single), IMAGES, tmp_path / "t"))[-1][2] == (1, 1, 1)


def test_an_output_is_chosen_and_a_wrong_one_refused(tmp_path: Path) -> None:
    model = Net(lambda y, h: {"logits": y, "twice": 2 * y, "maps": h})
    trace = traced(model, IMAGES, tmp_path / "t", output="twice")
    assert trace.run["model"]["output"] == "twice of its outputs (the others: logits, maps)"
    with pytest.raises(ModelError, match=r"no output 'logit'; it returns logits, twice, maps"):
        traced(model, IMAGES, tmp_path / "no", output="logit")
    with pytest.raises(ModelError, match=r"the output 'maps' of Net has the shape \(1, 4, 6, 6\)"):
        traced(model, IMAGES, tmp_path / "no", output="maps")


@pytest.mark.parametrize("wrap", [nn.DataParallel, AveragedModel, torch.compile], ids=lambda w: w.__name__)
def test_wrappers_are_taken_off(wrap: Callable[[nn.Module], nn.Module], tmp_path: Path) -> None:
    model = Net()
    trace, same = gp.trace(wrap(model), IMAGES, out=tmp_path / "t"), traced(model, IMAGES, tmp_path / "same")
    assert trace.id == same.id and layers(trace) == layers(same)


def test_made_in_inference_mode(tmp_path: Path) -> None:
    with torch.inference_mode():
        model = Net()
    assert len(edges(gp.trace(model, IMAGES, out=tmp_path / "t"))) > 0


class Numbers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 0.1) / 0.3 * 1.7 + 0


@pytest.mark.parametrize(
    "first",
    [Numbers(), T.Normalize([0.5] * 3, [0.2] * 3), v2.Normalize([0.5] * 3, [0.2] * 3)],
    ids=["numbers", "Normalize", "v2"],
)
def test_preprocessing_inside(first: nn.Module, tmp_path: Path) -> None:
    trace = traced(nn.Sequential(first, Net()), IMAGES, tmp_path / "t")
    assert [name for name, _, _ in layers(trace)] == ["input", "1.conv", "1.fc"]


class Remembers(Net):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: Tensor) -> Any:
        self.last, self.calls = x * 2, self.calls + 1
        self.seen += 1
        return super().forward(x)


def test_state_that_forward_writes_is_put_back(tmp_path: Path) -> None:
    model = Remembers()
    traced(model, IMAGES, tmp_path / "t")
    assert (model.calls, hasattr(model, "last"), float(model.seen)) == (0, False, 0)


def test_hooks(tmp_path: Path) -> None:
    """Observers are ignored, even where they want numbers; what changes a result is followed."""
    torch.manual_seed(0)
    model = Net()
    plain = traced(model, IMAGES, tmp_path / "plain")
    seen: list[Any] = []
    model.conv.register_forward_hook(lambda module, args, result: seen.append(result.detach().numpy()))
    assert edges(traced(model, IMAGES, tmp_path / "observed")).equals(edges(plain))
    assert seen
    model.conv.register_forward_hook(lambda module, args, result: result * 2)
    with pytest.raises(NetworkError):
        traced(model, IMAGES, tmp_path / "both")  # a hook that changes, beside one that cannot be captured


class Context(Net):
    def __init__(self, forward: Callable[[Context, Tensor], Tensor]) -> None:
        super().__init__()
        self.run = forward

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def _without_gradient(net: Context, x: Tensor) -> Any:
    with torch.no_grad():
        y = x * 2
    return Net.forward(net, y)


def _mixed_precision(net: Context, x: Tensor) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return Net.forward(net, x)


def _checkpointed(net: Context, x: Tensor) -> Any:
    return net.fc(F.relu(checkpoint(net.conv, x, use_reentrant=False)).flatten(1))


@pytest.mark.parametrize("forward", [_without_gradient, _mixed_precision, _checkpointed])
def test_forward_under_other_modes(forward: Callable[[Context, Tensor], Tensor], tmp_path: Path) -> None:
    assert [name for name, _, _ in layers(traced(Context(forward), IMAGES, tmp_path / "t"))][1:] == [
        "conv",
        "fc",
    ]


def _branches(net: Context, x: Tensor) -> Any:
    if x.sum() > 0:
        return Net.forward(net, x)
    return Net.forward(net, -x)


def _leaves_pytorch(net: Context, x: Tensor) -> Any:
    return Net.forward(net, torch.from_numpy(x.detach().numpy()))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (_branches, r"branches on the values of a tensor \(test_forms.py, line \d+: if x.sum\(\) > 0:\)"),
        (_leaves_pytorch, r"must stay within PyTorch"),
        (lambda net, x: Net.forward(net, torch.fft.fft2(x).real), r"makes complex numbers"),
    ],
)
def test_refused_in_a_sentence(forward: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        traced(Context(forward), IMAGES, tmp_path / "t")
    assert "\n" not in str(caught.value) and not (tmp_path / "t").exists()


@pytest.mark.parametrize("images", [IMAGES[0], IMAGES[:, 0]], ids=["one image", "grey images"])
def test_images_without_a_dimension_are_refused_with_what_to_do(images: Tensor, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"shape \(8, 8\): .* as images\[None\], grey ones"):
        traced(Net(), images, tmp_path / "t")


OWN_SCRIPT = """
import torch
from torch import nn
from graphpath.network import take_apart

class Block(torch.jit.ScriptModule):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    @torch.jit.script_method
    def forward(self, x):
        return self.conv(x).relu()

print(len(take_apart(nn.Sequential(Block(), nn.Flatten(), nn.Linear(32, 3)), (1, 6, 6)).sites))
"""


@pytest.mark.parametrize("jit", ("0", "1"))
def test_a_network_that_scripts_itself_is_taken_without_jit(jit: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN_SCRIPT)  # TorchScript reads its source
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(tmp_path / "own.py")],
        env={**os.environ, "PYTORCH_JIT": jit},
        capture_output=True,
        text=True,
        check=False,
    )
    if jit == "0":
        assert ran.stdout.strip() == "3", ran.stderr
    else:
        assert "run with PYTORCH_JIT=0" in ran.stderr


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_torchscript_and_broken_weights_are_refused(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
    with pytest.raises(NetworkError, match="is TorchScript"):
        gp.trace(torch.jit.trace(plain, IMAGES), IMAGES, out=tmp_path / "t")
    nn.init.constant_(plain[3].bias, float("nan"))
    with pytest.raises(ModelError, match=r"3 of 3 weights of 3\.bias are NaN"):
        traced(plain, IMAGES, tmp_path / "t")
