"""Convolutions of one, two and three dimensions and their transposes, and dense layers.

All become :class:`Conv` (two-dimensional) or :class:`Dense`. A convolution of one dimension has a kernel of
width 1. Of three, the windows' depths and rows are laid out first, so that planes stand one below another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from graphpath.network.dialect.arguments import sizes_of
from graphpath.network.dialect.moves import gathered, permuted
from graphpath.network.dialect.registry import aten
from graphpath.network.operations import Conv, Dense, permute
from graphpath.network.walk import Lowering, Traced


@aten("conv1d", "conv2d", "conv3d")
def _conv(
    low: Lowering,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    if isinstance(x, Traced) and isinstance(weight, Traced) and len(weight.shape) == len(x.shape) == 4:
        from graphpath.network.dialect.products import by_own_weights

        around = _around(padding, weight.shape[2:], sizes_of(dilation, 2))
        return by_own_weights(
            low, x, weight, bias, sizes_of(stride, 2), around, sizes_of(dilation, 2), groups
        )
    rank = weight.dim() - 2 if isinstance(weight, Tensor) else 0
    if not isinstance(x, Traced) or not rank or isinstance(bias, Traced):
        return low.unknown("is a convolution with weights that the image decides upon")
    size, spread = weight.shape[2:], sizes_of(dilation, rank)
    around = _around(padding, size, spread)
    return convolved(low, x, weight, bias, sizes_of(stride, rank), around, spread, groups)


@aten("convolution", "_convolution")
def _convolution(
    low: Lowering,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *rest: Any,
) -> Any:
    if transposed:
        return _transposed(low, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return _conv(low, x, weight, bias, stride, padding, dilation, groups)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _transposed(
    low: Lowering,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """As a convolution of the input with zeros between its places, by the filters turned round."""
    if not isinstance(x, Traced) or not isinstance(weight, Tensor) or isinstance(bias, Traced):
        return low.unknown("is a convolution with weights that the image decides upon")
    rank = weight.dim() - 2
    step, around, more, spread = (sizes_of(v, rank) for v in (stride, padding, output_padding, dilation))
    inner, outs = weight.shape[0], weight.shape[1] * groups
    turned = weight.reshape(groups, inner // groups, *weight.shape[1:]).transpose(1, 2)
    turned = turned.reshape(outs, inner // groups, *weight.shape[2:]).flip(tuple(range(2, rank + 2)))
    x = _as_batch(x, rank)
    margins = []
    for size, dil, pad, add in zip(weight.shape[2:], spread, around, more, strict=True):
        before = dil * (size - 1) - pad
        margins.append((before, before + add))
    spaced = _spaced(low, x, step, margins)
    zeros = ((0, 0),) * rank
    return convolved(low, spaced, turned, bias, (1,) * rank, zeros, spread, groups)


def _spaced(low: Lowering, x: Traced, step: tuple[int, ...], margins: list[tuple[int, int]]) -> Traced:
    """x with ``step - 1`` zeros between neighbours and margins (negative: cut) around."""

    def lay_out(values: Tensor) -> Tensor:
        sizes = [(n - 1) * s + 1 for n, s in zip(values.shape[2:], step, strict=True)]
        wide = values.new_zeros((*values.shape[:2], *sizes))
        places: tuple[Any, ...] = (..., *(slice(None, None, s) for s in step))
        wide[places] = values
        flat = [side for margin in reversed(margins) for side in margin]
        return torch.nn.functional.pad(wide, flat)

    if all(s == 1 for s in step) and not any(side for margin in margins for side in margin):
        return x
    found: Traced = gathered(low, lay_out, (x,), aside="windows")
    return found


def _around(padding: Any, size: Sequence[int], spread: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Padding before and behind in each dimension; "same" puts the odd one behind, as PyTorch does."""
    if padding == "valid":
        return ((0, 0),) * len(size)
    if padding == "same":
        total = [(n - 1) * step for n, step in zip(size, spread, strict=True)]
        return tuple((n // 2, n - n // 2) for n in total)
    return tuple((n, n) for n in sizes_of(padding, len(size)))


def _as_batch(x: Traced, rank: int) -> Traced:
    """x (C, ...) without a batch dimension as (1, C, ...)."""
    return x.viewed((1, *x.shape)) if len(x.shape) == rank + 1 else x


def convolved(
    low: Lowering,
    x: Traced,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    around: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Traced:
    """A convolution of x (B, C, ...) in as many dimensions as ``stride`` has."""
    rank, shape = len(stride), tuple(low.result.shape)
    x = _as_batch(x, rank)
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    if rank == 1:
        weight, x = weight[..., None], x.viewed((*x.shape, 1))
        stride, around, dilation = (*stride, 1), (*around, (0, 0)), (*dilation, 1)
        rank = 2
    if rank == 2 and x.shape[0] == 1:
        (top, bottom), (left, right) = around
        plain = Conv(
            weight,
            bias,
            (stride[0], stride[1]),
            (left, right, top, bottom),
            (dilation[0], dilation[1]),
            groups,
        )
        return low.emit(plain, low.shaped(x, x.shape[1:]), shape=shape)
    return _by_planes(low, x, weight, bias, stride, around, dilation, groups, shape)


def _by_planes(
    low: Lowering,
    x: Traced,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    around: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
    shape: tuple[int, ...],
) -> Traced:
    """A convolution of several planes: all dimensions of the windows but the last are laid out as channels.

    Every row of the result reads then a row of K channels a window, K being the windows' places in the
    dimensions but the last; rows of all planes stand one below another.
    """
    batch, channels = x.shape[:2]
    outer = len(stride) - 1
    sides = [side for margin in reversed(around[:outer]) for side in margin]

    def lay_out(values: Tensor) -> Tensor:
        """(B, C, ..., W) to (C * K, B * rows, W)."""
        windows = torch.nn.functional.pad(values, [0, 0, *sides])
        for axis in range(outer):
            size, step, spread = weight.shape[2 + axis], stride[axis], dilation[axis]
            count = (windows.shape[2 + axis] - spread * (size - 1) - 1) // step + 1
            place = torch.arange(count)[:, None] * step + torch.arange(size) * spread
            windows = windows.index_select(2 + axis, place.flatten().to(values.device))
            windows = windows.unflatten(2 + axis, (count, size)).movedim(3 + axis, -1)
        # (B, C, rows ..., W, places ...) -> (C, places ..., B, rows ..., W)
        axes = [1, *range(3 + outer, 3 + 2 * outer), 0, *range(2, 3 + outer)]
        laid = windows.permute(axes)
        return laid.reshape(1, channels * prod(weight.shape[2 : 2 + outer]), -1, values.shape[-1])

    rows = gathered(low, lay_out, (x,), aside="windows")
    # The windows' places lie behind the channels of their group.
    flat = weight.reshape(weight.shape[0], -1, 1, weight.shape[-1])
    last = around[-1]
    planes = Conv(flat, bias, (1, stride[-1]), (*last, 0, 0), (1, dilation[-1]), groups)
    found = low.emit(planes, low.shaped(rows, rows.shape[1:]))
    if batch == 1:
        return found.viewed(shape)
    apart = found.viewed((1, shape[1], batch, prod(shape[2:])))
    return permuted(low, apart, (0, 2, 1, 3)).viewed(shape)


@aten("linear")
def _linear(low: Lowering, x: Any, weight: Any, bias: Any = None) -> Any:
    if not isinstance(x, Traced) or not isinstance(weight, Tensor) or isinstance(bias, Traced):
        return low.unknown("is a dense layer with weights that the image decides upon")
    return mixed(low, x, weight.detach(), None if bias is None else bias.detach())


def mixed(low: Lowering, x: Traced, weight: Tensor, bias: Tensor | None) -> Traced:
    """A dense layer over the last dimension of x (..., I), weight (O, I): (..., O)."""
    shape = (*x.shape[:-1], weight.shape[0])
    rows = x.inner[:-1] if len(x.inner) else ()
    if prod(rows) == 1:
        return low.emit(Dense(weight, bias), low.shaped(x, (x.shape[-1],)), shape=shape)
    high, wide = prod(rows[:-1]) if len(rows) > 1 else rows[0], rows[-1] if len(rows) > 1 else 1
    channels_last = low.shaped(x, (high, wide, x.shape[-1]))
    first = low.emit(permute((0, 3, 1, 2)), channels_last, aside="permute")
    conv = low.emit(Conv(weight[:, :, None, None], bias, (1, 1), (0, 0, 0, 0), (1, 1), 1), first)
    return low.emit(permute((0, 2, 3, 1)), conv, shape=shape, aside="permute")
