"""Convolutions, and their maps: a neuron reads a window of every channel of its group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from graphpath.network.geometry import Geometry, slid
from graphpath.network.operations.base import (
    Shape,
    Volume,
    Weighted,
    Windowed,
    by_tap,
    folded_bias,
)
from graphpath.network.operations.map_sums import Behind, Columns
from graphpath.network.operations.maps import Kept, LinearMap
from graphpath.network.products import Product

CHUNK = 1 << 23
"""Values of windows laid out at once: 32 MB of float32."""


@dataclass(frozen=True, eq=False)
class Conv(Weighted, Windowed):
    """A two-dimensional convolution with zero padding: weight (O, I / groups, kh, kw).

    Other padding modes are a move before it.
    """

    kind: ClassVar[str] = "conv"

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]  # left, right, top, bottom, as F.pad takes them
    dilation: tuple[int, int]
    groups: int

    def run(self, *inputs: Tensor) -> Tensor:
        left, right, top, bottom = self.padding
        x, around = inputs[0], (top, left)
        if left != right or top != bottom:
            x, around = F.pad(x, self.padding), (0, 0)
        return F.conv2d(x, self.weight, self.bias, self.stride, around, self.dilation, self.groups)

    def slid(self, x: Tensor, around: tuple[int, int, int, int]) -> Tensor:
        if min(around) < 0:
            x, around = F.pad(x, around), (0, 0, 0, 0)
        return replace(self, padding=around).run(x)

    @property
    def geometry(self) -> Geometry:
        """Its windows."""
        high, wide = self.weight.shape[2:]
        return Geometry((high, wide), self.stride, (self.padding[2], self.padding[0]), self.dilation)

    def scaled(self, scale: Tensor, shift: Tensor) -> Conv:
        weight = self.weight * scale[:, None, None, None]
        return replace(self, weight=weight, bias=folded_bias(self.bias, scale, shift))

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return self.geometry

    def parts(self, shape: Volume, source: Volume) -> Volume:
        return self.groups, *source[1:]

    def reached(self, products: list[Product], shape: Volume, source: Volume) -> list[Product]:
        rows, columns = slid(self.geometry, shape[1:], source[1:])
        times = shape[0] // self.groups
        return [product.within(rows, columns).repeated(times) for product in products]

    def linear_map(self, taps: int, shape: Volume, source: Shape, device: torch.device) -> LinearMap:
        return ConvMap(self, taps, shape, source)


class ConvMap(LinearMap):
    """Rows of a convolution. Columns run over the kernel's places first, then over a group's channels."""

    def __init__(self, conv: Conv, taps: int, shape: Volume, source: Shape) -> None:
        weight = by_tap(conv.weight, taps)
        out, per_group, high, wide = weight.shape
        self.conv = replace(conv, weight=weight, bias=None)
        self.shape, self.source = shape, source
        self.places, self.taps = high * wide, taps
        self.one_place = self.places == 1
        self.columns = per_group * high * wide
        # Places outermost: a pixel's channels then lie together, and rows are copied in long runs.
        self._table = weight.permute(0, 2, 3, 1).reshape(out, self.columns).contiguous()
        self.steps = self._entries_from_start(weight.device)

    def unfold(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        conv, (_, height, width) = self.conv, self.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *conv.padding)).contiguous()
        images, high, wide, channels = padded.shape
        per_group, (kh, kw) = conv.weight.shape[1], conv.weight.shape[2:]
        row, pixel = wide * channels, channels
        windows = padded.as_strided(
            (images, height, width, conv.groups, kh, kw, per_group),
            (
                high * row,
                conv.stride[0] * row,
                conv.stride[1] * pixel,
                per_group,
                conv.dilation[0] * row,
                conv.dilation[1] * pixel,
                1,
            ),
        )
        return windows.reshape(-1, self.columns)

    def rows(self, unfolded: Tensor, sample: Tensor, target: Tensor) -> Tensor:
        plane = self.shape[1] * self.shape[2]
        channel, place = target // plane, target % plane
        group = channel // (self.shape[0] // self.conv.groups)
        return unfolded.index_select(0, (sample * plane + place) * self.conv.groups + group)

    def weights(self, target: Tensor) -> Tensor:
        return self._table.index_select(0, target // (self.shape[1] * self.shape[2]))

    def _entries_from_start(self, device: torch.device) -> Tensor:
        per_group, (high, wide) = self.conv.weight.shape[1], self.conv.weight.shape[2:]
        y = torch.arange(high, device=device)[:, None, None] * self.conv.dilation[0]
        x = torch.arange(wide, device=device)[:, None] * self.conv.dilation[1]
        channel = torch.arange(per_group, device=device)
        return ((channel * self.source[1] + y) * self.source[2] + x).flatten()

    def starts(self, target: Tensor) -> Tensor:
        conv, (out, height, width), (_, high, wide) = self.conv, self.shape, self.source
        channel, place = target // (height * width), target % (height * width)
        left, _, top, _ = conv.padding
        y = place // width * conv.stride[0] - top
        x = place % width * conv.stride[1] - left
        plane = channel // (out // conv.groups) * conv.weight.shape[1]
        return (plane * high + y) * wide + x

    def entries(self, target: Tensor, column: Tensor) -> Tensor:
        conv, (out, height, width), (_, high, wide) = self.conv, self.shape, self.source
        per_group, kernel_width = conv.weight.shape[1], conv.weight.shape[3]
        channel, place = target // (height * width), target % (height * width)
        tap, inner = column // per_group, column % per_group
        left, _, top, _ = conv.padding
        y = place // width * conv.stride[0] + tap // kernel_width * conv.dilation[0] - top
        x = place % width * conv.stride[1] + tap % kernel_width * conv.dilation[1] - left
        plane = channel // (out // conv.groups) * per_group + inner
        inside = (y >= 0) & (y < high) & (x >= 0) & (x < wide)
        return torch.where(inside, (plane * high + y) * wide + x, -1)

    def between(self, entry: Tensor, target: Tensor, image: Tensor, matrix: Tensor | None) -> Tensor:
        conv, (out, height, width), (_, high, wide) = self.conv, self.shape, self.source
        per_group, kh, kw = conv.weight.shape[1:]
        channel, place = target // (height * width), target % (height * width)
        plane, inner = entry // (high * wide), entry % (high * wide)
        left, _, top, _ = conv.padding
        y = inner // wide + top - place // width * conv.stride[0]
        x = inner % wide + left - place % width * conv.stride[1]
        row, column = y // conv.dilation[0], x // conv.dilation[1]
        read = (y % conv.dilation[0] == 0) & (x % conv.dilation[1] == 0)
        read &= (row >= 0) & (row < kh) & (column >= 0) & (column < kw)
        read &= plane // per_group == channel // (out // conv.groups)
        tap = (row.clamp(0, kh - 1) * kw + column.clamp(0, kw - 1)) * per_group + plane % per_group
        return torch.where(read, self._table.flatten()[channel * self.columns + tap], 0)

    def forward(self, x: Tensor, matrix: Tensor | None, kept: Kept | None = None) -> Tensor:
        conv = self.conv if kept is None else replace(self.conv, weight=kept(self.conv.weight))
        return conv.run(x).flatten(1)

    def groups(self, channels: int) -> int:
        return self.conv.groups

    def sums(self, x: Tensor, before: Tensor, behind: Behind, into: Tensor, matrix: Tensor | None) -> Columns:
        # The sum over space of J a df/dz is W dW, dW = df/dW of the one image; that of J a is W times the
        # sums of its windows.
        conv, groups, (out, inner, high, wide) = self.conv, self.conv.groups, self.conv.weight.shape
        padded = F.pad(x, conv.padding)
        weight = conv.weight.reshape(groups, out // groups, inner, high * wide)
        gradient = _weight_gradients(conv, padded, before).reshape(len(x), *weight.shape)
        windows = _window_sums(conv, padded, before.shape[2:]).reshape(len(x), groups, inner, high * wide)
        score = torch.einsum("goik,ngoik->ngoi", weight, gradient)
        flow = torch.einsum("goik,ngik->ngoi", weight, windows)
        return Columns.of(behind.maps, into.reshape(groups, -1), behind.over(flow), behind.over(score))


def _weight_gradients(conv: Conv, padded: Tensor, before: Tensor) -> Tensor:
    """df/dW of each image: (N, *shape of W)."""
    if (
        len(padded) == 1
    ):  # as fast as autograd's own; in batches its groups are slower than products of windows
        options = (conv.stride, 0, conv.dilation, conv.groups)
        gradient: Tensor = conv2d_weight(padded, conv.weight.shape, before, *options)
        return gradient[None]
    (out, inner, high, wide), groups = conv.weight.shape, conv.groups
    places = before.shape[2] * before.shape[3]
    together = max(1, CHUNK // (inner * groups * high * wide * places))
    parts = []
    for x, sent in zip(padded.split(together), before.split(together), strict=True):
        windows = F.unfold(x, (high, wide), conv.dilation, stride=conv.stride)
        windows = windows.reshape(len(x), groups, inner * high * wide, places)
        sent = sent.reshape(len(x), groups, out // groups, places)
        parts.append(torch.einsum("ngop,ngkp->ngok", sent, windows))
    return torch.cat(parts).reshape(-1, *conv.weight.shape)


def _window_sums(conv: Conv, padded: Tensor, size: torch.Size) -> Tensor:
    """What each tap of the kernel reads, summed over all places: (N, channels, kh, kw)."""
    (high, wide), (down, along) = conv.weight.shape[2:], conv.stride

    def taken(values: Tensor, tap: int, step: int, spread: int, count: int) -> Tensor:
        start = tap * spread
        return values[:, :, start : start + step * (count - 1) + 1 : step].sum(2)

    rows = [taken(padded, tap, down, conv.dilation[0], size[0]) for tap in range(high)]
    both = [[taken(row, tap, along, conv.dilation[1], size[1]) for tap in range(wide)] for row in rows]
    return torch.stack([torch.stack(columns, 2) for columns in both], 2)
