"""Factors and shifts that the image itself sets, held: gates, divisors, choices, norms over one image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from graphpath.network.geometry import SAME_PLACE, Geometry
from graphpath.network.operations.base import Operation, Order, Part, Shape
from graphpath.network.operations.moves import before_turning
from graphpath.network.settings import Settings
from graphpath.network.views import Anchor, ScaleAnchor, View


@dataclass(frozen=True, eq=False)
class Modulation(Part):
    """``x * scale + shift`` with a scale and a shift that the image itself sets, held."""

    carried: ClassVar[int | None] = 1

    @abstractmethod
    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scale and shift (None: 0) for each image of a batch; the scale has the shape of x."""

    @property
    def exact(self) -> bool:
        return False

    def run(self, *inputs: Tensor) -> Tensor:
        with torch.no_grad():
            settings = self.settings(*inputs)
        return self.modulated(inputs[0], *settings)

    def modulated(self, x: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        """``x * scale + shift``."""
        return x * scale if shift is None else x * scale + shift

    def true(self, *inputs: Tensor) -> Tensor:
        return self.modulated(inputs[0], *self.settings(*inputs))

    def note(self, operands: Sequence[Tensor], number: int, settings: Settings, true: bool) -> Tensor:
        with torch.set_grad_enabled(true):
            scale, shift = self.settings(*operands)
        settings.scales[number] = scale.detach()
        if shift is not None:
            settings.shifts[number] = shift.detach()
        return self.modulated(operands[0], scale, shift)

    def held(self, operands: Sequence[Tensor], number: int, settings: Settings) -> Tensor:
        return self.modulated(finite(operands[0]), settings.scales[number], settings.shifts.get(number))

    def constant(self, number: int, settings: Settings, shape: Shape) -> Tensor | None:
        return settings.shifts.get(number)

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return SAME_PLACE

    def anchor(self, number: int, base: int, shape: Shape, source: View) -> Anchor | None:
        return ScaleAnchor(number, base, shape, source)


@dataclass(frozen=True, eq=False)
class Gate(Modulation):
    """A tensor times another that gates it: squeeze-and-excitation."""

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        return inputs[1].expand_as(inputs[0]), None

    def turned(self, order: Order) -> Operation | None:
        return self


@dataclass(frozen=True, eq=False)
class Quotient(Modulation):
    """A tensor divided by another, which is held: a norm over the image, spelled out."""

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        return inputs[1].expand_as(inputs[0]).reciprocal(), None

    def turned(self, order: Order) -> Operation | None:
        return self


@dataclass(frozen=True, eq=False)
class Choice(Modulation):
    """A tensor where a condition of the image's is ``when``, ``other`` elsewhere; the condition is held."""

    when: bool
    other: Tensor  # of one image's shape

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        x, condition = inputs
        here = condition.bool().expand_as(x) == self.when
        return here.to(x.dtype), torch.where(here, 0, self.other.to(x.dtype))

    def turned(self, order: Order) -> Operation | None:
        return replace(self, other=before_turning(self.other, order))


def finite(x: Tensor) -> Tensor:
    """x with 0 in place of what is infinite: what a softmax masks out counts for nothing."""
    return torch.where(torch.isfinite(x), x, 0)


@dataclass(frozen=True, eq=False)
class Ratio(Modulation):
    """A function that gives a tensor of its input's shape, held at what it multiplies each element by.

    Where an element is 0 or infinite the function's value is a constant. ``function`` works on a batch.
    """

    function: Callable[[Tensor], Tensor]
    limits: bool = False

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        x = inputs[0]
        value, live = self.function(x), (x != 0) & torch.isfinite(x)
        return torch.where(live, value / torch.where(live, x, 1), 0), torch.where(live, 0, value)

    def modulated(self, x: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        return super().modulated(finite(x), scale, shift)

    @property
    def bounded(self) -> bool:
        return self.limits

    def turned(self, order: Order) -> Operation | None:
        return None


@dataclass(frozen=True, eq=False)
class ImageNorm(Modulation):
    """Normalisation by the image's own mean and variance over ``axes``, then ``* weight + bias``: layer norm,
    and group and instance norm.

    ``axes`` count from 1, the batch being 0; weight and bias broadcast over one image. With ``groups`` the
    first dimension of an image is cut into so many parts, and ``axes`` are those of (N, groups, rest).
    ``centred`` False leaves the mean out: RMS norm.
    """

    axes: tuple[int, ...]
    weight: Tensor | None
    bias: Tensor | None
    eps: float
    groups: int | None = None
    centred: bool = True

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        x = inputs[0]
        parts = x if self.groups is None else x.reshape(len(x), self.groups, -1)
        if self.centred:
            variance, mean = torch.var_mean(parts, self.axes, correction=0, keepdim=True)
        else:
            variance = parts.square().mean(self.axes, keepdim=True)
        scale = torch.rsqrt(variance + self.eps).expand_as(parts)
        shift = (-mean * scale).reshape(x.shape) if self.centred else None
        scale = scale.reshape(x.shape)
        if self.weight is not None:
            scale = scale * self.weight
            shift = None if shift is None else shift * self.weight
        if self.bias is None:
            return scale, shift
        return scale, self.bias.expand_as(x) if shift is None else shift + self.bias

    def turned(self, order: Order) -> Operation | None:
        if self.groups is not None:  # which cut the first dimension, whatever it is
            return self if order == tuple(range(len(order))) else None
        return replace(
            self,
            axes=tuple(sorted(order[axis] for axis in self.axes)),
            weight=None if self.weight is None else before_turning(self.weight, order),
            bias=None if self.bias is None else before_turning(self.bias, order),
        )
