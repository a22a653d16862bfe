"""Max and average pooling."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.network import windows
from graphpath.network.dialect.moves import flatten
from graphpath.network.dialect.registry import functions, methods, modules, pair
from graphpath.network.operations import AveragePool, Geometry, MaxPool
from graphpath.network.walk import Lowering, Traced


@modules(nn.MaxPool2d)
def _max_pool_module(low: Lowering, module: nn.MaxPool2d, x: Traced) -> Traced:
    if module.return_indices:
        low.refuse("is a max-pool that returns indices, which only unpooling networks use")
    return _max_pool(
        low, x, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
    )


@functions(F.max_pool2d, torch.max_pool2d)
def _max_pool(
    low: Lowering,
    input: Traced,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Traced:
    kernel, step, spread = pair(kernel_size), pair(stride or kernel_size), pair(dilation)
    around = pair(padding)
    overlapping = any(k > 1 and (k - 1) * d >= s for k, s, d in zip(kernel, step, spread, strict=True))

    def pool(x: Tensor) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(x, kernel, step, around, spread, ceil_mode, return_indices=True)

    return low.emit(MaxPool(pool, overlapping, Geometry(kernel, step, around, spread)), input)


@modules(nn.AdaptiveMaxPool2d)
def _adaptive_max_pool_module(low: Lowering, module: nn.AdaptiveMaxPool2d, x: Traced) -> Traced:
    return _adaptive_max_pool(low, x, module.output_size)


@functions(F.adaptive_max_pool2d)
def _adaptive_max_pool(
    low: Lowering, input: Traced, output_size: Any, return_indices: bool = False
) -> Traced:
    size = _out_size(input, output_size)
    overlapping = any(windows.overlap(n, out) for n, out in zip(input.shape[1:], size, strict=True))

    def pool(x: Tensor) -> tuple[Tensor, Tensor]:
        return F.adaptive_max_pool2d(x, size, return_indices=True)

    return low.emit(MaxPool(pool, overlapping), input)


def _out_size(x: Traced, output_size: Any) -> tuple[int, int]:
    pair = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    height, width = (int(n if out is None else out) for n, out in zip(x.shape[1:], pair, strict=True))
    return height, width


@modules(nn.AvgPool2d)
def _average_pool_module(low: Lowering, module: nn.AvgPool2d, x: Traced) -> Traced:
    return _average_pool(
        low,
        x,
        module.kernel_size,
        module.stride,
        module.padding,
        module.ceil_mode,
        module.count_include_pad,
        module.divisor_override,
    )


@functions(F.avg_pool2d)
def _average_pool(
    low: Lowering,
    input: Traced,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Traced:
    kernel, step, around = pair(kernel_size), pair(stride or kernel_size), pair(padding)
    _, height, width = input.shape
    rows = windows.strided(height, kernel[0], step[0], around[0], ceil_mode, count_include_pad)
    columns = windows.strided(width, kernel[1], step[1], around[1], ceil_mode, count_include_pad)

    def pool(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, kernel, step, around, ceil_mode, count_include_pad, divisor_override)

    places, weights = windows.plane(rows, columns, width, divisor_override)
    even = bool((weights[places >= 0] == weights.max()).all())
    slides = Geometry(kernel, step, around, (1, 1)) if even else None
    return low.emit(AveragePool(pool, places, weights, slides), input)


@modules(nn.AdaptiveAvgPool2d)
def _adaptive_average_module(low: Lowering, module: nn.AdaptiveAvgPool2d, x: Traced) -> Traced:
    return _adaptive_average(low, x, module.output_size)


@functions(F.adaptive_avg_pool2d)
def _adaptive_average(low: Lowering, input: Traced, output_size: Any) -> Traced:
    size = _out_size(input, output_size)
    _, height, width = input.shape
    places = windows.plane(windows.adaptive(height, size[0]), windows.adaptive(width, size[1]), width)
    return low.emit(AveragePool(lambda x: F.adaptive_avg_pool2d(x, size), *places), input)


@functions(torch.mean)
@methods("mean")
def _mean(low: Lowering, x: Traced, dim: Any = None, keepdim: bool = False) -> Traced:
    axes = () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if {axis % 4 for axis in axes} != {2, 3} or len(x.shape) != 3:
        low.refuse(f"is a mean over the dimensions {dim}; expected both spatial dimensions of (N, C, H, W)")
    pooled = _adaptive_average(low, x, 1)
    return pooled if keepdim else flatten(low, pooled, 1)
