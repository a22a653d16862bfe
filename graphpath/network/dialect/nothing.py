"""What does nothing in evaluation mode, and questions about shapes."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import nn
from torchvision.ops import stochastic_depth

from graphpath.network.dialect.registry import functions, methods, modules
from graphpath.network.walk import Lowering, Traced


@modules(
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
def _nothing_module(low: Lowering, module: nn.Module, x: Traced) -> Traced:
    return x


@methods("clone")
def _clone(low: Lowering, x: Traced, **options: Any) -> Traced:
    return Traced(
        x.step, x.value
    )  # another tensor: what is done to either in place does not show in the other


@methods("contiguous", "detach")
def _nothing_method(low: Lowering, x: Traced, **options: Any) -> Traced:
    return x


@functions(F.dropout, F.dropout2d, F.alpha_dropout, F.feature_alpha_dropout)
def _dropout(
    low: Lowering, input: Traced, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Traced:
    if training and p > 0:
        low.refuse("drops at random even in evaluation mode; pass training=self.training")
    return input


@functions(stochastic_depth)
def _stochastic_depth(low: Lowering, input: Traced, p: float, mode: str, training: bool = True) -> Traced:
    if training and p > 0:
        low.refuse("drops whole branches at random even in evaluation mode; pass training=self.training")
    return input


@methods("size")
def _size(low: Lowering, x: Traced, dim: int | None = None) -> Any:
    return x.value.shape if dim is None else x.value.shape[dim]


@methods("dim")
def _dim(low: Lowering, x: Traced) -> int:
    return x.value.dim()


@functions(getattr)
def _getattr(low: Lowering, x: Any, name: str) -> Any:
    if not isinstance(x, Traced):
        return getattr(x, name)
    if name not in ("shape", "dtype", "device", "ndim"):
        low.refuse(f"reads the attribute {name!r} of a tensor")
    return getattr(x.value, name)
