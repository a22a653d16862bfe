"""Layers whose neurons read their own place and channel alone: batch norms, sums, shortcuts, the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from graphpath.network.geometry import SAME_PLACE, Geometry
from graphpath.network.operations.base import Layer, Operation, Order, Shape, Volume, spread_out
from graphpath.network.operations.map_sums import Behind, Columns
from graphpath.network.operations.maps import Kept, LinearMap
from graphpath.network.settings import Settings


class Diagonal(Layer):
    """A layer that works place by place."""

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return SAME_PLACE

    def linear_map(self, taps: int, shape: Volume, source: Shape, device: torch.device) -> LinearMap:
        return DiagonalMap(None, taps, shape, device)


@dataclass(frozen=True, eq=False)
class Input(Diagonal):
    """The image, or whatever else the network is given, in ``shape``."""

    kind: ClassVar[str] = "input"
    mapped: ClassVar[bool] = False

    shape: tuple[int, ...]

    def run(self, *inputs: Tensor) -> Tensor:
        return inputs[0].reshape(-1, *self.shape)

    def turned(self, order: Order) -> Operation | None:
        return None


@dataclass(frozen=True, eq=False)
class Norm(Diagonal):
    """Batch norm in evaluation mode: one scale and one shift a channel (dimension 1)."""

    kind: ClassVar[str] = "norm"

    scale: Tensor  # (C,)
    shift: Tensor  # (C,)

    def run(self, *inputs: Tensor) -> Tensor:
        x = inputs[0]
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * self.scale.view(shape) + self.shift.view(shape)

    def constant(self, number: int, settings: Settings, shape: Shape) -> Tensor | None:
        return spread_out(self.shift, shape)

    def without_constants(self, added: int = 0) -> Norm:
        return replace(self, shift=torch.zeros_like(self.shift))

    def turned(self, order: Order) -> Operation | None:
        return None

    def linear_map(self, taps: int, shape: Volume, source: Shape, device: torch.device) -> LinearMap:
        return DiagonalMap(self.scale, taps, shape, device)


@dataclass(frozen=True, eq=False)
class Add(Diagonal):
    """The sum of two tensors of one shape."""

    kind: ClassVar[str] = "add"
    mapped: ClassVar[bool] = False

    def run(self, *inputs: Tensor) -> Tensor:
        return inputs[0] + inputs[1]

    def turned(self, order: Order) -> Operation | None:
        return self


@dataclass(frozen=True, eq=False)
class Identity(Diagonal):
    """What makes its input a layer: sums of many neurons that many others read."""

    kind: ClassVar[str] = "pool"
    mapped: ClassVar[bool] = False

    def run(self, *inputs: Tensor) -> Tensor:
        return inputs[0]

    def turned(self, order: Order) -> Operation | None:
        return self


class DiagonalMap(LinearMap):
    """One input a neuron (or T, behind an average pool): a batch norm, an activation or a shortcut alone.

    ``scale`` (C,) is what a channel is multiplied by, None where that is 1.
    """

    one_place = True

    def __init__(self, scale: Tensor | None, taps: int, shape: Volume, device: torch.device) -> None:
        self.columns = self.taps = taps
        self.steps = torch.arange(taps, device=device) * (shape[1] * shape[2])
        self.places = 1
        self._shape = shape
        self.scale = scale

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

    def forward(self, x: Tensor, matrix: Tensor | None, kept: Kept | None = None) -> Tensor:
        summed = x.reshape(x.shape[0], self._shape[0], self.columns, -1).sum(2)
        scale = self.scale
        if kept is not None:
            scale = kept(x.new_ones(self._shape[0]) if scale is None else scale)
        return (summed if scale is None else summed * scale[:, None]).flatten(1)

    def groups(self, channels: int) -> int:
        return channels // self.taps

    def sums(self, x: Tensor, before: Tensor, behind: Behind, into: Tensor, matrix: Tensor | None) -> Columns:
        read = x.reshape(len(x), len(into), self.taps, -1)
        flow, score = read.sum(3), (read * before.reshape(len(x), len(into), 1, -1)).sum(3)
        if self.scale is not None:
            flow, score = flow * self.scale[:, None], score * self.scale[:, None]
        flow, score = behind.over(flow), behind.over(score)
        return Columns.of(behind.maps, into[:, None], flow[:, :, None], score[:, :, None])
