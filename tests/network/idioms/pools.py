"""Pooling of every kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import add, idiom


class Pooled(nn.Module):
    """Convolution, ReLU, a pool, dense layer."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.pool = pool
        self.fc = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(F.relu(self.conv(x))).flatten(1))


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": nn.MaxPool2d(2),
    "max_ceil": nn.MaxPool2d(3, 2, ceil_mode=True),
    "max_padded_dilated": nn.MaxPool2d(3, 2, padding=1, dilation=2),
    "max_with_indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "average": nn.AvgPool2d(2),
    "average_padded": nn.AvgPool2d(3, 2, padding=1),
    "average_padded_uncounted": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    "average_ceil": nn.AvgPool2d(3, 2, ceil_mode=True),
    "average_divisor": nn.AvgPool2d(2, divisor_override=3),
    "adaptive_average_odd": nn.AdaptiveAvgPool2d((3, 5)),
    "adaptive_average_none": nn.AdaptiveAvgPool2d((None, 2)),
    "adaptive_average_larger": nn.AdaptiveAvgPool2d(9),
    "adaptive_max_one": nn.AdaptiveMaxPool2d(1),
    "adaptive_max_odd": nn.AdaptiveMaxPool2d((3, 5)),
    "adaptive_average_and_max": lambda x: 0.5 * (F.adaptive_avg_pool2d(x, 1) + F.adaptive_max_pool2d(x, 1)),
    "adaptive_concatenated": lambda x: torch.cat(
        [F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)], 1
    ),
    "lp_two": nn.LPPool2d(2, 2),
    "lp_three": nn.LPPool2d(3, 3, stride=2),
    "generalised_mean": lambda x: F.avg_pool2d(x.clamp(min=1e-6).pow(3), 7).pow(1 / 3),
    "spatial_pyramid": lambda x: torch.cat([F.adaptive_max_pool2d(x, k).flatten(1) for k in (1, 2, 3)], 1),
    "max_over_channels": lambda x: x.max(dim=1)[0],
    "max_over_channels_kept": lambda x: torch.max(x, dim=1, keepdim=True).values,
    "amax": lambda x: x.amax(dim=(2, 3)),
    "min": lambda x: x.min(dim=2).values,
    "amin": lambda x: torch.amin(x, (1, 2)),
    "median": lambda x: x.flatten(2).median(dim=2).values,
    "topk_mean": lambda x: x.flatten(2).topk(5, dim=2)[0].mean(2),
    "topk": lambda x: torch.topk(x.flatten(2), 3).values,
    "sorted": lambda x: x.flatten(2).sort(dim=2, descending=True).values[..., :4],
    "kthvalue": lambda x: x.flatten(2).kthvalue(40, dim=2).values,
    "logsumexp": lambda x: torch.logsumexp(x, dim=(2, 3)),
    "min_by_negation": lambda x: -F.max_pool2d(-x, 2),
    "max_minus_average": lambda x: F.max_pool2d(x, 2) - F.avg_pool2d(x, 2),
    "soft_pool": lambda x: F.avg_pool2d(x.exp() * x, 7) / F.avg_pool2d(x.exp(), 7),
    "stochastic_at_rest": lambda x: F.avg_pool2d(x * x, 7) / (F.avg_pool2d(x, 7) + 1e-6),
    "mean_and_std": lambda x: torch.cat([x.mean((2, 3)), x.std((2, 3))], 1),
    "variance": lambda x: x.var(dim=(2, 3)),
    "norm": lambda x: x.flatten(2).norm(dim=2),
    "gram_matrix": lambda x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)) / 49,
    "attention_pool": lambda x: (x.flatten(2) * x.flatten(2).mean(1, keepdim=True).softmax(-1)).sum(-1),
    "product_of_two_pools": lambda x: F.avg_pool2d(x, 2) * torch.sigmoid(F.max_pool2d(x, 2)),
}
for _name, _pool in POOLS.items():
    add("pools", _name, (3, 7, 7), lambda pool=_pool: Pooled(pool))


@idiom(3, 8, 8)
class FractionalPool(nn.Module):
    """``FractionalMaxPool2d`` with its samples given, so that it is the same at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("samples", torch.rand(1, 4, 2))
        self.fc = nn.Linear(100, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        samples = self.samples.expand(x.shape[0], -1, -1).to(x.dtype)
        return self.fc(F.fractional_max_pool2d(x, 2, output_size=5, _random_samples=samples).flatten(1))


@idiom(3, 8, 8)
class GeM(nn.Module):
    """Generalised mean with a learnt exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.p = nn.Parameter(torch.ones(1) * 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        x = F.avg_pool2d(x.clamp(min=1e-6).pow(self.p), (x.size(-2), x.size(-1))).pow(1.0 / self.p)
        return self.fc(x.flatten(1))


@idiom(3, 9, 9)
class Maxout(nn.Module):
    """The larger of two convolutions' maps, by view and max."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x.view(x.shape[0], 4, 2, *x.shape[2:]).max(2).values
        return self.fc(x.mean((2, 3)))


@idiom(3, 9, 9)
class MaxFeatureMap(nn.Module):
    """LightCNN's: the larger half, by ``torch.max`` of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.split(self.conv(x), 4, 1)
        return self.fc(torch.max(left, right).mean((2, 3)))
