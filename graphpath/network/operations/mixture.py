"""Places mixed by matrices that the image sets: attention, and products of two of the image's matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from graphpath.network.geometry import Geometry
from graphpath.network.operations.base import Layer, Operation, Order, Shape, Unseen, Volume
from graphpath.network.operations.map_sums import Behind, Columns
from graphpath.network.operations.maps import Kept, LinearMap
from graphpath.network.products import Product
from graphpath.network.relations import Relation
from graphpath.network.settings import Settings


@dataclass(frozen=True, eq=False)
class Mixture(Layer):
    """Places mixed by a matrix that the image sets, held: attention.

    Inputs are x (N, M, K, 1), M maps of K places, and matrices (N, B, R, K): M / B maps share one. The result
    is (N, M, R, 1): place r of a map is the sum over k of ``matrix[r, k]`` times place k.
    """

    carried: ClassVar[int | None] = 1
    kind: ClassVar[str] = "attention"

    def run(self, *inputs: Tensor) -> Tensor:
        return self.mixed(inputs[0], inputs[1].detach())

    def true(self, *inputs: Tensor) -> Tensor:
        return self.mixed(*inputs)

    @property
    def exact(self) -> bool:
        return False

    @staticmethod
    def mixed(x: Tensor, matrix: Tensor) -> Tensor:
        """x (N or 1, M, K, 1) mixed by ``matrix`` (N, B, R, K)."""
        apart = x.reshape(len(x), matrix.shape[1], -1, x.shape[2])
        return torch.matmul(apart, matrix.transpose(2, 3)).reshape(-1, x.shape[1], matrix.shape[2], 1)

    def note(self, operands: Sequence[Tensor], number: int, settings: Settings, true: bool) -> Tensor:
        settings.matrices[number] = operands[1].detach()
        return super().note(operands, number, settings, true)

    def held(self, operands: Sequence[Tensor], number: int, settings: Settings) -> Tensor:
        return self.mixed(operands[0], settings.matrices[number])

    def turned(self, order: Order) -> Operation | None:
        return None

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return None

    def parts(self, shape: Volume, source: Volume) -> Volume:
        return shape[0], source[1], 1

    def reached(self, products: list[Product], shape: Volume, source: Volume) -> list[Product]:
        every, one = Relation.full(shape[1], source[1]), Relation.identity(1)
        return [product.within(every, one) for product in products]

    def linear_map(self, taps: int, shape: Volume, source: Shape, device: torch.device) -> LinearMap:
        return MixtureMap(taps, shape, source, device)


class MixtureMap(LinearMap):
    """Rows of a mixture of places by the images' own matrices: all places of the neuron's own map.

    Rows hold weight times input already, since weights differ from image to image. Columns run over places
    first, then over the taps of the map.
    """

    def __init__(self, taps: int, shape: Volume, source: tuple[int, ...], device: torch.device):
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

    def forward(self, x: Tensor, matrix: Tensor | None, kept: Kept | None = None) -> Tensor:
        assert matrix is not None
        summed = x.reshape(len(x), self.maps, self.taps, self.places).sum(2)
        return Mixture.mixed(summed[..., None], matrix if kept is None else kept(matrix)).flatten(1)

    def groups(self, channels: int) -> int:
        return channels // self.taps

    def sums(self, x: Tensor, before: Tensor, behind: Behind, into: Tensor, matrix: Tensor | None) -> Columns:
        # Each map into itself, tap by tap.
        assert matrix is not None
        read = x.reshape(len(x), self.maps, self.taps, self.places)
        matrices = matrix.repeat_interleave(self.maps // matrix.shape[1], 1)
        sent = before.reshape(len(x), self.maps, 1, self.into)
        flow = (read * matrices.sum(2)[:, :, None]).sum(3)
        score = (read * torch.matmul(sent, matrices)).sum(3)
        flow, score = behind.over(flow), behind.over(score)
        return Columns.of(behind.maps, into[:, None], flow[:, :, None], score[:, :, None])


@dataclass(frozen=True, eq=False)
class MatrixPair(Unseen):
    """The product of two matrices of the image's, of shapes ``one`` and ``two`` for an image.

    It may make gates; what flows through such a product is a sum of mixtures.
    """

    one: tuple[int, ...]
    two: tuple[int, ...]

    def run(self, *inputs: Tensor) -> Tensor:
        left, right = inputs[0].reshape(-1, *self.one), inputs[1].reshape(-1, *self.two)
        found = torch.matmul(left, right)
        return found[:, 0] if found.dim() > 2 and found.shape[1] == 1 else found
