"""Weights that are computed: weight norm, spectral norm, masks, parametrizations; weights made oddly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from tests.network.idioms.registry import dense, idiom


def _small(conv: nn.Module, fc: nn.Module | None = None) -> nn.Module:
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc or nn.Linear(4, 3))


@idiom(3, 6, 6)
def weight_norm_new() -> nn.Module:
    return _small(
        parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), parametrizations.weight_norm(nn.Linear(4, 3))
    )


@idiom(3, 6, 6)
class WeightNormByHand(nn.Module):
    """g * v / ||v||, as before torch had it."""

    def __init__(self) -> None:
        super().__init__()
        self.v, self.g = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Parameter(torch.rand(4, 1, 1, 1) + 0.5)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.g * self.v / self.v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        return self.head(F.relu(F.conv2d(x, weight)))


@idiom(3, 6, 6)
def spectral_norm_old() -> nn.Module:
    return _small(nn.utils.spectral_norm(nn.Conv2d(3, 4, 3)))


@idiom(3, 6, 6)
def spectral_norm_new() -> nn.Module:
    return _small(
        parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), parametrizations.spectral_norm(nn.Linear(4, 3))
    )


@idiom(3, 6, 6)
def orthogonal() -> nn.Module:
    return _small(nn.Conv2d(3, 4, 3), parametrizations.orthogonal(nn.Linear(4, 3)))


class Symmetric(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.triu() + x.triu(1).transpose(-1, -2)


class Positive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x)


@idiom(3, 6, 6)
def own_parametrizations() -> nn.Module:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 3)
    )
    parametrize.register_parametrization(net[4], "weight", Symmetric())
    parametrize.register_parametrization(net[0], "bias", Positive())
    return net


@idiom(3, 6, 6)
def pruned() -> nn.Module:
    net = _small(nn.Conv2d(3, 4, 3))
    prune.random_unstructured(net[0], "weight", amount=0.5)
    prune.ln_structured(net[4], "weight", amount=0.25, n=2, dim=1)
    return net


@idiom(3, 6, 6)
class WeightStandardised(nn.Module):
    """BiT's convolution: its weight standardised in ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        w = self.conv.weight
        v, m = torch.var_mean(w, dim=[1, 2, 3], keepdim=True, unbiased=False)
        return self.head(F.relu(F.conv2d(x, (w - m) / torch.sqrt(v + 1e-10))))


@idiom(3, 6, 6)
class WeightStandardisedByBatchNorm(nn.Module):
    """timm's StdConv2d: the weight through ``F.batch_norm`` in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        w = self.conv.weight
        weight = F.batch_norm(
            w.reshape(1, 4, -1), None, None, training=True, momentum=0.0, eps=1e-6
        ).reshape_as(w)
        return self.head(F.relu(F.conv2d(x, weight, self.conv.bias)))


@idiom(3, 6, 6)
class BinaryWeights(nn.Module):
    """XNOR's weights: signs times a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        w = self.conv.weight
        alpha = w.abs().mean((1, 2, 3), keepdim=True)
        return self.head(F.relu(F.conv2d(x, torch.sign(w) * alpha, self.conv.bias)))


@idiom(3, 6, 6)
class LowRank(nn.Module):
    """LoRA: ``W + B A``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.base = nn.Linear(4, 3)
        self.a, self.b = nn.Parameter(torch.randn(2, 4)), nn.Parameter(torch.randn(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x)).mean((2, 3))
        return F.linear(x, self.base.weight + 0.5 * self.b @ self.a, self.base.bias)


@idiom(3, 6, 6)
class TiedWeights(nn.Module):
    """A decoder with the encoder's weight, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Conv2d(3, 4, 2, 2)
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.encode(x))
        return self.head(F.relu(F.conv_transpose2d(y, self.encode.weight, stride=2)))


@idiom(3, 6, 6)
class HyperNetwork(nn.Module):
    """Weights that another layer makes of a learnt embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.make = nn.Parameter(torch.randn(5)), nn.Linear(5, 4 * 27)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(F.conv2d(x, self.make(self.code).view(4, 3, 3, 3))))


@idiom(3, 6, 6)
class MaskedWeights(nn.Module):
    """A fixed mask on a weight (a centre-masked, PixelCNN's convolution)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        mask = torch.ones(1, 1, 3, 3)
        mask[:, :, 1, 1:] = 0
        mask[:, :, 2] = 0
        self.register_buffer("mask", mask)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv._conv_forward(x, self.conv.weight * self.mask, self.conv.bias)))


@idiom(3, 6, 6)
def made_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return _small(nn.Conv2d(3, 4, 3)).double()


@idiom(3, 6, 6)
def frozen() -> nn.Module:
    net = _small(nn.Conv2d(3, 4, 3))
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    return net


@idiom(3, 6, 6)
class WithoutParameters(nn.Module):
    """Fixed filters as buffers and nothing to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.randn(4, 3, 3, 3))
        self.register_buffer("out", torch.randn(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(x, self.filters)).mean((2, 3)) @ self.out.t()


@idiom(3, 6, 6)
class TensorsAsAttributes(nn.Module):
    """A weight that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = torch.randn(4, 3, 3, 3, dtype=torch.float64)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(F.conv2d(x, self.filters.to(x.dtype))))


@idiom(3, 6, 6)
class EmaOfWeights(nn.Module):
    """Scales made of other scales: exp of a log, softmax over branches."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Conv2d(3, 4, k, padding=k // 2) for k in (1, 3)])
        self.alpha, self.log_scale = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(4))
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.softmax(self.alpha, dim=-1)
        x = sum(w * branch(x) for w, branch in zip(weights, self.branches, strict=True))
        return self.head(F.relu(x) * self.log_scale.exp().view(1, -1, 1, 1))
