"""Pooling: the largest, or the average, of the places of each window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.geometry import Geometry, adapted, slid
from graphpath.network.operations.base import Operation, Order, Part, Shape, Windowed
from graphpath.network.relations import Relation
from graphpath.network.settings import Settings
from graphpath.network.views import NOTHING, Anchor, PoolAnchor, View, compacted


@dataclass(frozen=True, eq=False)
class MaxPool(Part):
    """A max-pool, held at its switches: the first maximum of each window, PyTorch's index."""

    copies: ClassVar[bool] = False

    pool: Callable[[Tensor], tuple[Tensor, Tensor]]  # value and index into the flattened plane
    overlapping: bool  # one neuron may win in several windows
    geometry: Geometry | None = None  # None where windows do not slide evenly

    def run(self, *inputs: Tensor) -> Tensor:
        return self.switched(inputs[0])[0]

    def switched(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled tensor and, in its shape (N, C, H', W'), each winner's place in its plane of H * W."""
        return self.pool(x)

    def covers(self, out: tuple[int, int], size: tuple[int, int]) -> tuple[Relation, Relation]:
        """The rows and the columns that its windows cover: (out, size) each. Adaptive ones are uneven."""
        return adapted(out, size) if self.geometry is None else slid(self.geometry, out, size)

    @staticmethod
    def at(x: Tensor, switches: Tensor) -> Tensor:
        """x (M, C, H, W) pooled at the ``switches`` (M, C, H', W') of another tensor; either M may be 1."""
        planes = x.flatten(2).expand(len(switches), -1, -1) if len(x) == 1 else x.flatten(2)
        return planes.gather(2, switches.flatten(2).expand(len(planes), -1, -1)).view(-1, *switches.shape[1:])

    def note(self, operands: Sequence[Tensor], number: int, settings: Settings, true: bool) -> Tensor:
        value, settings.switches[number] = self.switched(operands[0])
        return value

    def held(self, operands: Sequence[Tensor], number: int, settings: Settings) -> Tensor:
        return self.at(operands[0], settings.switches[number])

    def anchor(self, number: int, base: int, shape: Shape, source: View) -> Anchor | None:
        return PoolAnchor(number, base, shape, source, self.overlapping)

    def turned(self, order: Order) -> Operation | None:
        return None

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return self.geometry


@dataclass(frozen=True, eq=False)
class AveragePool(Part, Windowed):
    """An average over windows of the two spatial dimensions.

    ``places`` are the places that each window covers, ``weights`` what each place of a window counts: the
    same for every channel.
    """

    pool: Callable[[Tensor], Tensor]
    places: Tensor  # (T, H', W') int64: place in the flattened plane, -1 where the window has fewer than T
    weights: Tensor  # (T, H', W') float64
    geometry: Geometry | None = None  # None where windows do not slide evenly, or do not all weigh alike

    @property
    def taps(self) -> int:
        return len(self.places)

    def run(self, *inputs: Tensor) -> Tensor:
        return self.pool(inputs[0])

    def slid(self, x: Tensor, around: tuple[int, int, int, int]) -> Tensor:
        slides = self.geometry
        assert slides is not None
        summed = F.avg_pool2d(F.pad(x, around), slides.kernel, slides.stride, divisor_override=1)
        return summed * float(self.weights.max())

    def view(self, sources: Sequence[View], shape: Shape) -> View | None:
        (view,) = sources
        places = self.places.to(view.indexed().device)
        weights = self.weights.to(places.device)
        channels, taps = view.shape[0], places.shape[0] * view.taps
        inside = places.clamp(min=0).flatten()

        def gathered(planes: Tensor) -> Tensor:  # (t, C, H, W) -> (T * t, C, H', W')
            windows = planes.flatten(2)[:, :, inside].reshape(-1, channels, *places.shape)
            return windows.permute(2, 0, 1, 3, 4).reshape(taps, *shape)

        present = (places >= 0)[:, None, None].expand(-1, view.taps, channels, -1, -1).reshape(taps, *shape)
        index = torch.where(present, gathered(view.indexed()), NOTHING)
        share = weights[:, None, None].expand(-1, view.taps, channels, -1, -1).reshape(taps, *shape)
        weight = torch.where(present, gathered(view.weighted()) * share, 0)
        if taps == 1 and bool((weight[index >= 0] == 1).all()):
            return compacted(View(shape, index=index))
        return View(shape, index=index, weight=weight)

    def turned(self, order: Order) -> Operation | None:
        return None

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return self.geometry
