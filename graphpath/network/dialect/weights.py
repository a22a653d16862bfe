"""Convolutions, dense layers and norms."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.network.dialect.moves import NUMPY_MODES, padded_by_index
from graphpath.network.dialect.registry import functions, modules, pair
from graphpath.network.operations import Conv, Dense, ImageNorm, Norm, permute
from graphpath.network.walk import Lowering, Traced


@modules(nn.Conv2d)
def _conv_module(low: Lowering, module: nn.Conv2d, x: Traced) -> Traced:
    if module.padding_mode == "zeros":
        return _conv(
            low, x, module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups
        )
    around = _same(module.padding, module.kernel_size, module.dilation)
    padded = padded_by_index(low, x, around, NUMPY_MODES[module.padding_mode])
    return _conv(low, padded, module.weight, module.bias, module.stride, 0, module.dilation, module.groups)


@functions(F.conv2d, torch.conv2d)
def _conv(
    low: Lowering,
    input: Traced,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Traced:
    if len(input.shape) != 3:
        low.refuse(f"is a convolution of a tensor of shape {input.shape}; expected (channels, height, width)")
    around = _same(padding, weight.shape[2:], dilation)
    bias = None if bias is None else bias.detach()
    conv = Conv(weight.detach(), bias, pair(stride), around, pair(dilation), groups)
    return low.emit(conv, input)


def _same(padding: Any, kernel: Any, dilation: Any) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom; "same" puts the odd one right and below, as PyTorch does."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        high, wide = ((size - 1) * step for size, step in zip(kernel, pair(dilation), strict=True))
        return (wide // 2, wide - wide // 2, high // 2, high - high // 2)
    high, wide = pair(padding)
    return (wide, wide, high, high)


@modules(nn.Linear)
def _linear_module(low: Lowering, module: nn.Linear, x: Traced) -> Traced:
    return _linear(low, x, module.weight, module.bias)


@functions(F.linear)
def _linear(low: Lowering, input: Traced, weight: Tensor, bias: Tensor | None = None) -> Traced:
    bias = None if bias is None else bias.detach()
    if len(input.shape) == 1:
        return low.emit(Dense(weight.detach(), bias), input)
    if len(input.shape) != 3:
        low.refuse(
            f"is a linear layer on a tensor of shape {input.shape}; "
            "expected (features,), or (height, width, channels): flatten first"
        )
    mixing = Conv(weight.detach()[:, :, None, None], bias, (1, 1), (0, 0, 0, 0), (1, 1), 1)
    mixed = low.emit(mixing, low.emit(permute((0, 3, 1, 2)), input))
    return low.emit(permute((0, 2, 3, 1)), mixed)


@modules(nn.BatchNorm2d, nn.BatchNorm1d)
def _batch_norm(low: Lowering, module: nn.BatchNorm2d, x: Traced) -> Traced:
    if module.running_mean is None or module.running_var is None:
        low.refuse("is a batch norm without running statistics: it normalises by the batch in hand")
    assert module.running_mean is not None and module.running_var is not None
    scale = torch.rsqrt(module.running_var + module.eps)
    if module.weight is not None:
        scale = scale * module.weight.detach()
    shift = -module.running_mean * scale
    if module.bias is not None:
        shift = shift + module.bias.detach()
    return low.emit(Norm(scale, shift), x)


@modules(nn.LayerNorm)
def _layer_norm_module(low: Lowering, module: nn.LayerNorm, x: Traced) -> Traced:
    return _layer_norm(low, x, module.normalized_shape, module.weight, module.bias, module.eps)


@functions(F.layer_norm)
def _layer_norm(
    low: Lowering,
    input: Traced,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Traced:
    rank = input.value.dim()
    axes = tuple(range(rank - len(normalized_shape), rank))
    if 0 in axes:
        low.refuse("is a layer norm over the images of a batch")
    scale, shift = (None if part is None else part.detach() for part in (weight, bias))
    return low.emit(ImageNorm(axes, scale, shift, eps), input)
