"""How much memory a batch takes: about what README promises, whatever the network's size."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import graphpath as gp
from graphpath.tracing import batches

MIB = 1 << 20


class Enough(Exception):
    """The first batch is done."""


def network() -> nn.Module:
    """10,000 neurons and 700 kB of weights: an image takes about 0.8 MiB to trace, and 1.7 by neurons."""
    torch.manual_seed(0)
    layers = [
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 10)),
    ]
    return nn.Sequential(*layers).eval()


def peak_of_a_batch(method: str, out: Path, **options: float) -> tuple[int, int]:
    """The most bytes that torch has allocated at once for the first batch, and the batch's images.

    By torch's own profiler, which counts every byte: what the process holds depends on its allocator.
    """
    sizes: list[int] = []

    def stop(done: int, total: int) -> None:
        sizes.append(done)
        raise Enough

    model, images = network(), torch.rand(64, 3, 16, 16)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled, pytest.raises(Enough):
        gp.trace(model, images, method=method, out=out, progress=stop, **options)
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most, sizes[0]


@pytest.mark.parametrize("options", [{}, {"influence": 0.8}], ids=["a number", "a share"])
@pytest.mark.parametrize("method", ["effective_path", "activation", "channels"])
def test_a_batch_takes_about_the_memory_that_is_promised(
    method: str, options: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundredth of the memory and of the network's size, so that it takes little time."""
    assert batches.MEMORY == 1024 * MIB  # "about one GiB", as README says
    monkeypatch.setattr(batches, "MEMORY", 8 * MIB)
    most, size = peak_of_a_batch(method, tmp_path / "trace", **options)
    assert 1 < size < 64
    assert 2 * MIB < most < 20 * MIB
