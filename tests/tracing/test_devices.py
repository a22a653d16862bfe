"""CPU and CUDA agree: the same edges but for a few whose choice hangs on rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import graphpath as gp
from tests.tracing import harness

LEAST_OVERLAP = 0.999
ITERATIVE = {"greedy", "dgr"}
"""In these a choice that hangs on rounding decides what is chosen next, so they are compared in float64."""


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(16, 24, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(24 * 9, 10),
    )


def _edges(trace: gp.Trace) -> set[tuple[int, int, int]]:
    between = trace.channels() if trace.run["method"] == "channels" else trace.edges()
    table = between.to_table(columns=["pathway", "source", "target"])
    return set(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", sorted(gp.METHODS))
def test_cuda_agrees_with_cpu(method: str, tmp_path: Path) -> None:
    module, images = _network(), torch.rand(32, 3, 24, 24)
    if method in ITERATIVE:
        module = module.double()
    ask = {"method": method, "max_edges": None, **harness.QUICK.get(method, {})}
    on_cpu = gp.trace(module, images, out=tmp_path / "cpu", **ask)
    on_cuda = gp.trace(module, images, out=tmp_path / "cuda", device="cuda", **ask)
    ours, theirs = _edges(on_cpu), _edges(on_cuda)
    assert len(ours & theirs) / len(ours | theirs) >= LEAST_OVERLAP
    assert next(module.parameters()).device.type == "cpu"


def test_a_model_goes_back_where_it_was(tmp_path: Path) -> None:
    module = _network().double()
    trace = gp.trace(module, torch.rand(4, 3, 16, 16), out=tmp_path / "trace", device="cpu")
    assert next(module.parameters()).dtype == torch.float64
    assert np.isfinite(trace.pathways().to_table()["logit"].to_numpy()).all()


def test_a_device_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(gp.GraphpathError, match="device='cuda'"):
        gp.trace(_network(), torch.rand(1, 3, 16, 16), out=tmp_path / "trace", device="cuda")
