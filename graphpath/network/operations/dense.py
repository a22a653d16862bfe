"""Fully connected layers, and their maps: a neuron reads everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.geometry import Geometry
from graphpath.network.operations.base import (
    Shape,
    Volume,
    Weighted,
    by_tap,
    folded_bias,
)
from graphpath.network.operations.map_sums import Behind, Columns
from graphpath.network.operations.maps import Kept, LinearMap
from graphpath.network.products import Product


@dataclass(frozen=True, eq=False)
class Dense(Weighted):
    """A fully connected layer on (N, I), weight (O, I)."""

    kind: ClassVar[str] = "linear"

    def run(self, *inputs: Tensor) -> Tensor:
        return F.linear(inputs[0], self.weight, self.bias)

    def scaled(self, scale: Tensor, shift: Tensor) -> Dense:
        return replace(self, weight=self.weight * scale[:, None], bias=folded_bias(self.bias, scale, shift))

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return None

    def parts(self, shape: Volume, source: Volume) -> Volume:
        return 1, 1, 1

    def reached(self, products: list[Product], shape: Volume, source: Volume) -> list[Product]:
        return [product.repeated(shape[0]) for product in products]

    def linear_map(self, taps: int, shape: Volume, source: Shape, device: torch.device) -> LinearMap:
        return DenseMap(by_tap(self.weight, taps))


class DenseMap(LinearMap):
    """Rows of a fully connected layer."""

    by_channel = False

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

    def forward(self, x: Tensor, matrix: Tensor | None, kept: Kept | None = None) -> Tensor:
        return F.linear(x.flatten(1), self.weight if kept is None else kept(self.weight))

    def groups(self, channels: int) -> int:
        return 1

    def sums(self, x: Tensor, before: Tensor, behind: Behind, into: Tensor, matrix: Tensor | None) -> Columns:
        return Columns.together(self._image_sums(x, before, behind, into))

    def _image_sums(self, x: Tensor, before: Tensor, behind: Behind, into: Tensor) -> Iterator[Columns]:
        """Image by image, into live neurons and from live ones alone: there are few among very many."""
        maps, taps = behind.maps[0], behind.taps
        for number, (read, sent) in enumerate(zip(x.flatten(1), before.flatten(1), strict=True)):
            rows = sent.nonzero()[:, 0]
            chosen, source = self.weight.index_select(0, rows), maps
            if taps == 1:
                live = read.nonzero()[:, 0]
                chosen, source, read = chosen.index_select(1, live), maps[live], read[live]
            flow = torch.einsum("okt,kt->ok", chosen.unflatten(1, (-1, taps)), read.unflatten(0, (-1, taps)))
            score = flow * sent[rows, None]
            ends = source.expand(flow.shape), into[rows, None].expand(flow.shape)
            sample = torch.full_like(ends[0], number)
            yield Columns(*(column.flatten() for column in (sample, *ends, flow, score)))
