"""The linear maps into a site, row by row: what every neuron receives from each of its inputs.

A map reads a tensor x (one value an entry, taps already spread into channels) and gives for chosen target
neurons the products ``weight * x`` over their inputs, as a matrix (rows, columns). ``entries`` says which
entry of x a row's column is.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.operations import Conv, Dense, Mixture, Norm


class LinearMap(Protocol):
    """A linear map from a tensor to the pre-activation of a site with ``shape`` (C, H, W)."""

    columns: int
    places: int  # columns are ordered (places, channels, taps): places of the kernel,
    taps: int  #   and taps of one channel of what was pooled
    steps: Tensor  # (columns,): a row's column is entry ``starts + steps`` of the flattened x, unless padding

    def unfold(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """x (N, *shape of x) laid out for ``rows``, once a batch.

        ``matrix`` is what the images set of the map, None where they set nothing.
        """
        ...

    def rows(self, unfolded: Tensor, sample: Tensor, target: Tensor) -> Tensor:
        """The map's inputs of chosen neurons: (R, columns), without the weights.

        ``sample`` and ``target`` are (R,) int64: the image, and the neuron's number within the site.
        """
        ...

    def weights(self, target: Tensor) -> Tensor:
        """The weights of chosen neurons: (R, columns), or what broadcasts to it."""
        ...

    def entries(self, target: Tensor, column: Tensor) -> Tensor:
        """Which entry of the flattened x a column of a neuron's row is (-1: padding), broadcast over both."""
        ...

    def between(self, entry: Tensor, target: Tensor, image: Tensor, matrix: Tensor | None) -> Tensor:
        """The weights from entries of the flattened x to neurons (0 where a neuron does not read the entry).

        The other way round than ``entries``: ``entry``, ``target`` and ``image`` (the number in the batch)
        are int64 of one shape or broadcast to it, which is that of the result.
        """
        ...

    def starts(self, target: Tensor) -> Tensor:
        """What is added to ``steps`` for the rows of chosen neurons: int64, the shape of ``target``."""
        ...

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """The map without constants: (N, *shape of x) to (N, size of the site)."""
        ...


class ConvMap:
    """Rows of a convolution. Columns run over the kernel's places first, then over a group's channels."""

    def __init__(self, conv: Conv, taps: int, shape: tuple[int, int, int], source: tuple[int, ...]) -> None:
        weight = _by_tap(conv.weight, taps)
        out, per_group, high, wide = weight.shape
        self.conv = Conv(weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
        self.shape, self.source = shape, source
        self.places, self.taps = high * wide, taps
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

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        return self.conv.run(x).flatten(1)


class DenseMap:
    """Rows of a fully connected layer."""

    def __init__(self, weight: Tensor) -> None:
        self.columns = weight.shape[1]
        self.places = self.taps = 1
        self.steps = torch.arange(self.columns, device=weight.device)
        self.weight = weight

    def unfold(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        return x.flatten(1)

    def rows(self, unfolded: Tensor, sample: Tensor, target: Tensor) -> Tensor:
        return unfolded.index_select(0, sample)

    def weights(self, target: Tensor) -> Tensor:
        return self.weight.index_select(0, target)

    def starts(self, target: Tensor) -> Tensor:
        return torch.zeros_like(target)

    def entries(self, target: Tensor, column: Tensor) -> Tensor:
        return column.expand(torch.broadcast_shapes(target.shape, column.shape))

    def between(self, entry: Tensor, target: Tensor, image: Tensor, matrix: Tensor | None) -> Tensor:
        return self.weight.flatten()[target * self.columns + entry]

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        return F.linear(x.flatten(1), self.weight)


class DiagonalMap:
    """One input a neuron (or T, behind an average pool): a batch norm, an activation or a shortcut alone."""

    def __init__(
        self, norm: Norm | None, taps: int, shape: tuple[int, int, int], device: torch.device
    ) -> None:
        self.columns = self.taps = taps
        self.steps = torch.arange(taps, device=device) * (shape[1] * shape[2])
        self.places = 1
        self._shape = shape
        self.scale = None if norm is None else norm.scale

    def unfold(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        # (N, C * T, H, W) -> a row of T for every neuron
        channels = self._shape[0]
        return x.reshape(x.shape[0], channels, self.columns, -1).transpose(2, 3).reshape(-1, self.columns)

    def rows(self, unfolded: Tensor, sample: Tensor, target: Tensor) -> Tensor:
        channels, height, width = self._shape
        return unfolded.index_select(0, sample * (channels * height * width) + target)

    def weights(self, target: Tensor) -> Tensor:
        if self.scale is None:
            return torch.ones((1, 1), dtype=torch.int8, device=target.device)
        return self.scale[target // (self._shape[1] * self._shape[2])][:, None]

    def starts(self, target: Tensor) -> Tensor:
        plane = self._shape[1] * self._shape[2]
        return target // plane * self.columns * plane + target % plane

    def entries(self, target: Tensor, column: Tensor) -> Tensor:
        plane = self._shape[1] * self._shape[2]
        return (target // plane * self.columns + column) * plane + target % plane

    def between(self, entry: Tensor, target: Tensor, image: Tensor, matrix: Tensor | None) -> Tensor:
        plane = self._shape[1] * self._shape[2]
        channel = target // plane
        read = (entry // plane // self.columns == channel) & (entry % plane == target % plane)
        return read.to(torch.int8) if self.scale is None else torch.where(read, self.scale[channel], 0)

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        channels = self._shape[0]
        summed = x.reshape(x.shape[0], channels, self.columns, -1).sum(2)
        return (summed if self.scale is None else summed * self.scale[:, None]).flatten(1)


class MixtureMap:
    """Rows of a mixture of places by the images' own matrices: all places of the neuron's own map.

    Rows hold weight times input already, since weights differ from image to image. Columns run over places
    first, then over the taps of the map.
    """

    def __init__(self, taps: int, shape: tuple[int, int, int], source: tuple[int, ...], device: torch.device):
        self.maps, self.into = shape[0], shape[1] * shape[2]
        self.places, self.taps = source[1], taps
        self.columns = self.places * taps
        place, tap = torch.arange(self.places, device=device), torch.arange(taps, device=device)
        self.steps = (place[:, None] + tap * self.places).flatten()

    def unfold(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        assert matrix is not None
        read = x.reshape(len(x), self.maps, self.taps, self.places).transpose(2, 3)
        shared = self.maps // matrix.shape[1]
        mixed = matrix.repeat_interleave(shared, 1)[..., None] * read[:, :, None]
        return mixed.reshape(-1, self.columns)

    def rows(self, unfolded: Tensor, sample: Tensor, target: Tensor) -> Tensor:
        return unfolded.index_select(0, sample * (self.maps * self.into) + target)

    def weights(self, target: Tensor) -> Tensor:
        return torch.ones((1, 1), dtype=torch.int8, device=target.device)

    def starts(self, target: Tensor) -> Tensor:
        return target // self.into * self.columns

    def entries(self, target: Tensor, column: Tensor) -> Tensor:
        place, tap = column // self.taps, column % self.taps
        return target // self.into * self.columns + tap * self.places + place

    def between(self, entry: Tensor, target: Tensor, image: Tensor, matrix: Tensor | None) -> Tensor:
        assert matrix is not None
        own, into = target // self.into, target % self.into
        group = own // (self.maps // matrix.shape[1])
        weight = matrix[image, group, into, entry % self.places]
        return torch.where(entry // self.columns == own, weight, 0)

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        assert matrix is not None
        summed = x.reshape(len(x), self.maps, self.taps, self.places).sum(2)
        return Mixture.mixed(summed[..., None], matrix).flatten(1)


def linear_map(
    operation: Conv | Dense | Norm | Mixture | None,
    taps: int,
    shape: tuple[int, int, int],
    source: tuple[int, ...],
    device: torch.device,
) -> LinearMap:
    """The map of one branch into a site of ``shape``, from a tensor of shape ``source`` with taps spread."""
    if isinstance(operation, Conv):
        return ConvMap(operation, taps, shape, source)
    if isinstance(operation, Dense):
        return DenseMap(_by_tap(operation.weight, taps))
    if isinstance(operation, Mixture):
        return MixtureMap(taps, shape, source, device)
    return DiagonalMap(operation, taps, shape, device)


def _by_tap(weight: Tensor, taps: int) -> Tensor:
    """A weight (O, I, ...) with every input ``taps`` times; itself, no copy, where that is once."""
    return weight if taps == 1 else weight.repeat_interleave(taps, dim=1)
