"""A model's normalisation as its own first module."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from graphpath.errors import ModelError


class Normalize(nn.Module):
    """``(x - mean) / std`` per channel, for x of shape (N, C, H, W) in [0, 1].

    Kept inside the model, so that images, perturbations and traced pixels all live in [0, 1].
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        positive = all(s > 0 and math.isfinite(s) for s in std) and all(map(math.isfinite, mean))
        if len(mean) != len(std) or not mean or not positive:
            raise ModelError(f"Normalize: expected as many positive std as mean, got mean={mean}, std={std}")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))

    @property
    def means(self) -> list[float]:
        """Each channel's mean."""
        return [round(value, 7) for value in self.mean.flatten().tolist()]

    @property
    def stds(self) -> list[float]:
        """Each channel's standard deviation."""
        return [round(value, 7) for value in self.std.flatten().tolist()]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std
