"""Nothing that is done to a model stays on it; and a trace that is killed is finished by asking again."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import graphpath as gp
from tests import forked
from tests.tracing import harness, nets
from tests.tracing.test_record import files


def marks(model: nn.Module) -> dict[str, Any]:
    """All that can be seen of a model."""
    state = model.state_dict()
    hooks = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_state_dict_hooks",
    )
    return {
        "bytes": {
            name: value.detach().clone().view(-1).view(torch.uint8).tolist() for name, value in state.items()
        },
        "places": {name: (id(value), value.data_ptr()) for name, value in model.named_parameters()},
        "types": {name: (value.dtype, value.device, value.shape) for name, value in state.items()},
        "training": {name: module.training for name, module in model.named_modules()},
        "classes": {name: type(module) for name, module in model.named_modules()},
        "gradients": {
            name: None if p.grad is None else p.grad.clone().tolist() for name, p in model.named_parameters()
        },
        "requires": {name: p.requires_grad for name, p in model.named_parameters()},
        "leaves": {name: (p.is_leaf, p.grad_fn) for name, p in model.named_parameters()},
        "hooks": {name: [dict(getattr(m, hook)) for hook in hooks] for name, m in model.named_modules()},
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "forward": {name: "forward" in vars(module) for name, module in model.named_modules()},
    }


def mixed(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A model in no particular state: partly training, partly frozen, with gradients on some parameters."""
    model, shape = nets.made(name)
    model.train()
    for place, module in enumerate(model.modules()):
        module.training = place % 3 != 0
    for place, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(place % 2 == 0)
        if place % 4 == 0:
            parameter.grad = torch.full_like(parameter, 0.5)
    return model, nets.images(shape, 3, 0)


@pytest.mark.parametrize(
    "name", ("norm_folded", "residual", "relu_spellings", "paddings_and_normalisation", "dropouts")
)
@pytest.mark.parametrize("method", sorted(gp.METHODS))
def test_nothing_stays_on_the_model(name: str, method: str, tmp_path: Path) -> None:
    model, images = mixed(name)
    before, pixels = marks(model), images.clone()
    random, graded = torch.get_rng_state(), torch.is_grad_enabled()
    gp.trace(model, images, method=method, out=tmp_path / "t", batch=2, **harness.QUICK.get(method, {}))
    assert marks(model) == before
    assert torch.equal(images, pixels)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled() == graded


def test_nothing_stays_when_a_trace_fails(tmp_path: Path) -> None:
    model, images = mixed("norm_folded")
    before = marks(model)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gp.trace(model, images, out=tmp_path / "t", batch=1, progress=stop)
    assert marks(model) == before
    odd = nn.Sequential(model, nets.Refused())
    before = marks(odd)
    with pytest.raises(gp.GraphpathError, match=r"^1\.fft_fft "):
        gp.trace(odd, images, out=tmp_path / "odd")
    assert marks(odd) == before


def test_tracing_under_no_grad_and_with_gradients_wanted(tmp_path: Path) -> None:
    """The caller's autograd mode matters to nothing."""
    model, images = mixed("plain")
    gp.trace(model, images, out=tmp_path / "a")
    with torch.no_grad():
        gp.trace(model, images, out=tmp_path / "b")
    with torch.inference_mode():
        gp.trace(model, images, out=tmp_path / "c")
    gp.trace(model, images.clone().requires_grad_(True), out=tmp_path / "d")
    assert files(tmp_path / "a") == files(tmp_path / "b") == files(tmp_path / "c") == files(tmp_path / "d")


def test_observers_and_backward_hooks_of_the_whole_network_are_kept(tmp_path: Path) -> None:
    model, images = mixed("plain")
    seen: list[int] = []
    model.register_full_backward_hook(lambda module, inner, outer: seen.append(1))
    before = marks(model)
    gp.trace(model, images, out=tmp_path / "t")
    assert marks(model) == before
    assert seen == []


SCRIPT = """
import os, signal, sys, torch
import graphpath as gp
from tests.tracing import nets
out, after, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
model, shape = nets.made("residual", 2)
images = nets.images(shape, 40, 0)
def progress(done, total):
    if done == after:
        os.kill(os.getpid(), signal.SIGKILL)
    if seconds and done == 2:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # its default action ends the process on the spot
gp.trace(model, images, batch=2, max_edges=200, out=out, progress=progress)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_killed_trace_goes_on(tmp_path: Path) -> None:
    """SIGKILL between parts, then timers that end it anywhere; the record is that of an unbroken trace."""

    def run(out: str, after: int, seconds: float) -> int:
        folder = Path(__file__).resolve().parents[2]
        return forked.run(SCRIPT, tmp_path / out, after, seconds, folder=folder).returncode

    assert run("whole", -1, 0) == 0
    assert run("broken", 4, 0) == -signal.SIGKILL
    for seconds in (0.03, 0.11, 0.2):
        assert run("broken", -1, seconds) in (-signal.SIGALRM, 0)
    assert run("broken", -1, 0) == 0
    assert files(tmp_path / "broken") == files(tmp_path / "whole")
