"""Python that decides from shapes, options and constants."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.network.idioms.registry import dense, idiom


@idiom(3, 8, 8)
class Asserts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 4, "images (N, C, H, W)"
        assert x.shape[1] == 3 and x.size(2) == x.size(3)
        torch._assert(x.shape[2] >= 4, "too small")
        if not torch.jit.is_scripting() and x.ndim != 4:
            raise ValueError("images")
        return self.head(F.relu(self.conv(x)))


@idiom(3, 7, 9)
class ShapeBranches(nn.Module):
    """Pads odd sizes to even ones, chooses by height, computes sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, stride=2)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        x = F.relu(self.conv(x))
        if x.shape[2] > 3:
            x = F.max_pool2d(x, 2, padding=1 if x.shape[3] % 2 else 0)
        return self.head(x)


@idiom(3, 7, 7)
class SamePadding(nn.Module):
    """TensorFlow's padding, computed in ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        ih, iw = x.size()[-2:]
        kh, kw = self.conv.weight.shape[-2:]
        sh, sw = self.conv.stride
        pad_h = max((math.ceil(ih / sh) - 1) * sh + kh - ih, 0)
        pad_w = max((math.ceil(iw / sw) - 1) * sw + kw - iw, 0)
        x = F.pad(x, [pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2])
        return self.head(F.silu(self.conv(x)))


@idiom(3, 8, 8)
class OptionalArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, return_features: bool = False, **options: Any
    ) -> Any:
        x = F.relu(self.conv(x))
        if mask is not None:
            x = x * mask
        if options.get("scale"):
            x = x * options["scale"]
        return (self.head(x), x) if return_features else self.head(x)


@idiom(3, 8, 8)
class VariadicArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = dense(4)

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return self.head(F.relu(self.conv(x)))


@idiom(3, 8, 8)
class TrainingBranch(nn.Module):
    """GoogLeNet's way: more outputs while training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head, self.aux = dense(4), dense(4)

    def forward(self, x: Tensor) -> Any:
        x = F.relu(self.conv(x))
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
            return self.head(x), self.aux(x)
        return self.head(x)


@idiom(3, 8, 8)
class ConfiguredByString(nn.Module):
    def __init__(self, pool: str = "max", act: str = "silu") -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.pool, self.act = pool, getattr(F, act)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        x = {"max": F.max_pool2d, "avg": F.avg_pool2d}[self.pool](x, 2)
        return self.head(x)


@idiom(3, 8, 8)
class WhileShrinking(nn.Module):
    """Pools until the map is small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        while x.shape[-1] > 1:
            x = F.avg_pool2d(F.relu(self.conv(x)), 2)
        return self.fc(x[:, :, 0, 0])


@idiom(3, 8, 8)
class TriesAndNumpy(nn.Module):
    """Sizes by numpy and ``int``; a ``try``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        import numpy as np

        x = F.relu(self.conv(x))
        side = int(np.floor(np.sqrt(x.shape[-1] * x.shape[-2]))) // 3
        try:
            x = F.adaptive_avg_pool2d(x, (side, side))
        except RuntimeError:
            x = F.avg_pool2d(x, 3)
        return self.fc(torch.flatten(x, 1))


@idiom(3, 8, 8)
class SizesOfTensors(nn.Module):
    """``torch.tensor(x.shape)``, ``numel``, ``stride`` of pooling from the shape."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        x = F.avg_pool2d(x, kernel_size=x.size()[2:])
        return self.fc(x.view(x.size(0), x.numel() // x.size(0))) / math.sqrt(x.shape[1])


@idiom(3, 8, 8)
class PositionalGrid(nn.Module):
    """CoordConv: positions made in ``forward`` and concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(5, 4, 3)
        self.head = dense(4)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        ys = torch.linspace(-1, 1, h, dtype=x.dtype, device=x.device)
        xs = torch.linspace(-1, 1, w, dtype=x.dtype, device=x.device)
        grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
        grid = torch.stack([grid_y, grid_x]).unsqueeze(0).expand(n, -1, -1, -1)
        return self.head(F.relu(self.conv(torch.cat([x, grid], 1))))


@idiom(3, 8, 8)
class StochasticDepthAtRest(nn.Module):
    """A random decision only while training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = dense(3)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or torch.rand(1).item() < 0.8:
            x = x + F.relu(self.conv(x)) * (1 if self.training else 0.8)
        return self.head(x)
