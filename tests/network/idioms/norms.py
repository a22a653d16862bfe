"""Normalisations, by module and by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import add, dense, idiom


class Normed(nn.Module):
    """Convolution, a norm, ReLU, convolution, head."""

    def __init__(self, norm: Callable[[Tensor], Tensor], act: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = norm
        self.act = act or nn.ReLU()
        self.again = nn.Conv2d(4, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.again(self.act(self.norm(self.conv(x))))))


class ChannelsLastNorm(nn.Module):
    """ConvNeXt's LayerNorm over channels, in its first spelling."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class PermutedLayerNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class RmsByHand(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6)
        return x * scale * self.weight[None, :, None, None]


class Grn(nn.Module):
    """ConvNeXt V2's global response normalisation (N, C, H, W)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, dim, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        gx = torch.norm(x, p=2, dim=(2, 3), keepdim=True)
        nx = gx / (gx.mean(dim=1, keepdim=True) + 1e-6)
        return self.gamma * (x * nx) + self.beta + x


class FilterResponse(nn.Module):
    """Filter response normalisation with a thresholded linear unit."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma, self.beta, self.tau = (nn.Parameter(torch.zeros(1, dim, 1, 1)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        nu2 = torch.mean(x.pow(2), dim=[2, 3], keepdim=True)
        x = x * torch.rsqrt(nu2 + 1e-6)
        return torch.max((1 + self.gamma) * x + self.beta, self.tau)


class FrozenNorm(nn.Module):
    """Detection's frozen batch norm: all in buffers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        for name, value in (("weight", 0.5), ("bias", 0.1), ("running_mean", 0.1), ("running_var", 0.7)):
            self.register_buffer(name, value + 0.2 * torch.rand(dim))

    def forward(self, x: Tensor) -> Tensor:
        w, b = self.weight.reshape(1, -1, 1, 1), self.bias.reshape(1, -1, 1, 1)
        scale = w * (self.running_var.reshape(1, -1, 1, 1) + 1e-5).rsqrt()
        return x * scale + (b - self.running_mean.reshape(1, -1, 1, 1) * scale)


class WhitenedByHand(nn.Module):
    """``(x - x.mean()) / x.std()`` of each image."""

    def forward(self, x: Tensor) -> Tensor:
        mean, std = x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True)
        return (x - mean) / (std + 1e-5)


class MinMax(nn.Module):
    """Each map scaled to [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        least, most = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return (x - least) / (most - least + 1e-6)


class Standardised(nn.Module):
    """``torch.var_mean``, biased or not."""

    def forward(self, x: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, unbiased=False)
        return (x - mean) * torch.rsqrt(var + 1e-5)


NORMS: dict[str, Callable[[], nn.Module]] = {
    "batch": lambda: nn.BatchNorm2d(4),
    "batch_not_affine": lambda: nn.BatchNorm2d(4, affine=False),
    "batch_synchronised": lambda: nn.SyncBatchNorm(4),
    "batch_lazy": lambda: nn.LazyBatchNorm2d(),
    "group": lambda: nn.GroupNorm(2, 4),
    "group_of_one": lambda: nn.GroupNorm(1, 4),
    "group_not_affine": lambda: nn.GroupNorm(4, 4, affine=False),
    "instance": lambda: nn.InstanceNorm2d(4),
    "instance_affine": lambda: nn.InstanceNorm2d(4, affine=True),
    "instance_tracked": lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    "layer_over_all": lambda: nn.LayerNorm([4, 6, 6]),
    "layer_over_space": lambda: nn.LayerNorm([6, 6]),
    "layer_permuted": lambda: PermutedLayerNorm(4),
    "layer_by_hand": lambda: ChannelsLastNorm(4),
    "rms_over_space": lambda: nn.RMSNorm([6, 6]),
    "rms_by_hand": lambda: RmsByHand(4),
    "response_local": lambda: nn.LocalResponseNorm(3),
    "response_local_wide": lambda: nn.LocalResponseNorm(5, alpha=0.5, beta=0.5, k=2.0),
    "response_global": lambda: Grn(4),
    "filter_response": lambda: FilterResponse(4),
    "frozen": lambda: FrozenNorm(4),
    "whitened_by_hand": WhitenedByHand,
    "min_max": MinMax,
    "standardised": Standardised,
}
for _name, _norm in NORMS.items():
    add("norms", _name, (3, 6, 6), lambda norm=_norm: Normed(norm()))


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "normalize": lambda x: F.normalize(x, dim=1),
    "normalize_l1": lambda x: F.normalize(x, p=1.0, dim=1),
    "normalize_space": lambda x: F.normalize(x.flatten(2), dim=-1).view_as(x),
    "layer_functional": lambda x: F.layer_norm(x, x.shape[1:]),
    "group_functional": lambda x: F.group_norm(x, 2),
    "instance_functional": lambda x: F.instance_norm(x),
    "rms_functional": lambda x: F.rms_norm(x, x.shape[2:]),
    "by_norm": lambda x: x / x.norm(dim=1, keepdim=True).clamp(min=1e-6),
    "by_linalg_norm": lambda x: x / (1e-6 + torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True)),
    "by_maximum": lambda x: x / x.abs().amax((1, 2, 3), keepdim=True),
    "by_sum": lambda x: x.abs() / x.abs().sum(1, keepdim=True),
    "centred": lambda x: x - x.mean((2, 3), keepdim=True),
    "power": lambda x: torch.sign(x) * torch.sqrt(torch.abs(x) + 1e-6),
    "divided_by_std": lambda x: x / x.std(dim=1, keepdim=True).add(0.1),
    "cross_response": lambda x: x / (1 + 0.1 * F.avg_pool2d(x**2, 3, 1, 1)).pow(0.75),
}
for _name, _function in FUNCTIONS.items():
    add("norms", _name, (3, 6, 6), lambda function=_function: Normed(function))


@idiom(3, 6, 6)
class PreActivation(nn.Module):
    """Norm and ReLU before each convolution; the sum is read by both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        return self.head(x + y)


@idiom(3, 6, 6)
class ConditionalNorm(nn.Module):
    """A norm whose scale and shift come from the image (FiLM, SPADE)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.InstanceNorm2d(4)
        self.film = nn.Linear(3, 8)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        gamma, beta = self.film(x.mean((2, 3))).chunk(2, dim=1)
        y = self.norm(self.conv(x)) * (1 + gamma[:, :, None, None]) + beta[:, :, None, None]
        return self.head(F.relu(y))


@idiom(3, 6, 6)
class BlurPool(nn.Module):
    """Antialiased down-sampling by a fixed depthwise filter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filter", (taps[:, None] * taps / 16)[None, None].repeat(4, 1, 1, 1))
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(F.relu(self.conv(x)), (1, 1, 1, 1), mode="reflect")
        return self.head(F.relu(F.conv2d(x, self.filter, stride=2, groups=4)))
