"""Random small networks out of everything supported, held to the twin and to every law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tracing import harness, nets, twins
from tests.tracing.harness import EXACT

SHAPE = (2, 6, 5)


class Residual(nn.Module):
    def __init__(self, channels: int, activated: bool, doubled: bool) -> None:
        super().__init__()
        self.conv, self.norm = nets.conv(channels, channels), nn.BatchNorm2d(channels)
        self.activated, self.doubled = activated, doubled

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        y = y + (x + x if self.doubled else x)
        return F.relu(y) if self.activated else y


class Branches(nn.Module):
    """cat of the tensor, of something made of it, and of the tensor again where ``twice``."""

    def __init__(self, other: nn.Module, twice: bool) -> None:
        super().__init__()
        self.other, self.twice = other, twice

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.other(x), x] if self.twice else [x, self.other(x)], 1)


class Shuffle(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        x = x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
        return x.permute(0, 1, 3, 2)


class Crop(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, 1:, ::2], (1, 0, 0, 1)) * 0.5 + 0.25


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(x)
        x += y
        return x


def convolution(draw: st.DrawFn, channels: int) -> nn.Module:
    groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
    size = draw(st.sampled_from([1, 2, 3, (1, 3)]))
    return nn.Conv2d(
        channels,
        groups * draw(st.integers(1, max(1, 4 // groups))),
        size,
        stride=draw(st.integers(1, 2)),
        padding=draw(st.sampled_from([0, 1])),
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    )


def pool(draw: st.DrawFn) -> nn.Module:
    size, stride, ceil = draw(st.integers(2, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    padding = draw(st.integers(0, 1))
    kind = draw(st.sampled_from(["max", "average", "adaptive max", "adaptive average"]))
    if kind == "max":
        return nn.MaxPool2d(size, stride, padding, ceil_mode=ceil)
    if kind == "average":
        return nn.AvgPool2d(size, stride, padding, ceil_mode=ceil, count_include_pad=draw(st.booleans()))
    out = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    return nn.AdaptiveMaxPool2d(out) if kind == "adaptive max" else nn.AdaptiveAvgPool2d(out)


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    layers: list[nn.Module] = []
    shape = torch.zeros((1, *SHAPE))
    kinds = ["conv", "relu", "norm", "pool", "residual", "branches", "shuffle", "crop", "in place"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=7)):
        channels = shape.shape[1]
        layer: nn.Module = {
            "conv": lambda c=channels: convolution(draw, c),
            "relu": lambda: nn.ReLU(inplace=draw(st.booleans())),
            "norm": lambda c=channels: nn.BatchNorm2d(c, affine=draw(st.booleans())),
            "pool": lambda: pool(draw),
            "residual": lambda c=channels: Residual(c, draw(st.booleans()), draw(st.booleans())),
            "branches": lambda: Branches(
                draw(st.sampled_from([nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1), nn.ReLU()])),
                draw(st.booleans()),
            ),
            "shuffle": lambda c=channels: Shuffle(2 if c % 2 == 0 else 1),
            "crop": Crop,
            "in place": InPlace,
        }[kind]()
        with torch.no_grad():
            try:
                after = layer.eval()(shape)
            except RuntimeError:  # too small for this layer
                continue
        if 0 < after.numel() <= 400:
            layers.append(layer)
            shape = after
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(shape.numel(), 3))
    return nets.randomised(model, draw(st.integers(0, 10_000)))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(model=networks(), seed=st.integers(0, 100))
def test_random_network_is_its_twin_and_keeps_every_law(model: nn.Module, seed: int) -> None:
    batch, classes = harness.held(model, nets.images(SHAPE, 2, seed))
    for image, (edges, target) in enumerate(zip(harness.every_edge(batch), classes, strict=True)):
        ours = harness.numbers(batch, image)
        for law, off in harness.laws(edges, ours, seed).items():
            assert off < EXACT, law
        twin = twins.take_apart(model, batch.images[image])
        np.testing.assert_allclose(ours.a, twin.a, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(
            ours.b[ours.first :], np.concatenate([s.b for s in twin.sites[1:]]), atol=1e-10
        )
        np.testing.assert_allclose(ours.gradient, twin.gradient(target), rtol=1e-10, atol=1e-10)
        assert edges.by_ends() == pytest.approx(twin.flows(), rel=1e-9, abs=1e-12)
