"""Elements moved, copied, dropped, padded, or multiplied by constants on their way to a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphpath.network.geometry import SAME_PLACE, Geometry
from graphpath.network.operations.base import Operation, Order, Part, Shape
from graphpath.network.settings import Settings
from graphpath.network.views import NOTHING, View, compacted


@dataclass(frozen=True, eq=False)
class Rearrange(Part):
    """Elements moved, copied, dropped or padded with zeros: flatten, cat, permute, slices, padding.

    ``move(tensors, fill)`` takes tensors whose first dimension is anything (images of a batch, or taps of a
    view) and pads with ``fill``.
    """

    name: str
    move: Callable[[tuple[Tensor, ...], float], Tensor]

    def run(self, *inputs: Tensor) -> Tensor:
        return self.move(inputs, 0.0)

    def view(self, sources: Sequence[View], shape: Shape) -> View | None:
        taps = max(view.taps for view in sources)
        index = self.move(tuple(_filled(view.indexed(), taps, NOTHING) for view in sources), NOTHING)
        if all(view.weight is None for view in sources):
            return compacted(View(shape, index=index))
        weight = self.move(tuple(_filled(view.weighted(), taps, 0) for view in sources), 0)
        return View(shape, index=index, weight=weight)

    def turned(self, order: Order) -> Operation | None:
        return None

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return None


def _filled(planes: Tensor, taps: int, fill: float) -> Tensor:
    missing = taps - planes.shape[0]
    if missing == 0:
        return planes
    return torch.cat([planes, planes.new_full((missing, *planes.shape[1:]), fill)])


def reshape(shape: Shape) -> Rearrange:
    """The same elements in another ``shape`` of one image."""
    return Rearrange("reshape", lambda tensors, fill: tensors[0].reshape(-1, *shape))


def is_reshape(operation: Operation) -> bool:
    """Whether an operation gives its input in another shape and does nothing else."""
    return isinstance(operation, Rearrange) and operation.name == "reshape"


@dataclass(frozen=True, eq=False)
class Cat(Rearrange):
    """Tensors one behind another along ``axis``, the batch being axis 0.

    ``parts`` are the lengths along it of what lies between them and is 0; None stands for the next tensor.
    """

    axis: int
    parts: tuple[int | None, ...]

    def turned(self, order: Order) -> Operation | None:
        return cat(order[self.axis], self.parts)

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        maps = self.axis == 1 and len(shape) == 3 and all(part is None for part in self.parts)
        return SAME_PLACE if maps else None


def cat(axis: int, parts: tuple[int | None, ...]) -> Cat:
    """Tensors one behind another along ``axis``; see :class:`Cat`."""

    def move(tensors: tuple[Tensor, ...], fill: float) -> Tensor:
        given, like = iter(tensors), tensors[0]

        def filled(length: int) -> Tensor:
            return like.new_full((*like.shape[:axis], length, *like.shape[axis + 1 :]), fill)

        return torch.cat([next(given) if length is None else filled(length) for length in parts], axis)

    return Cat("cat", move, axis, parts)


@dataclass(frozen=True, eq=False)
class Permute(Rearrange):
    """Axes in another order; ``order`` counts the batch as 0, which stays in front."""

    order: Order


def permute(order: Order) -> Permute:
    """Axes in ``order``, as ``torch.permute`` takes it."""
    return Permute("permute", lambda tensors, fill: tensors[0].permute(order), order)


@dataclass(frozen=True, eq=False)
class Affine(Part):
    """``x * scale + shift`` with constants that broadcast over one image (normalisation of the input)."""

    scale: Tensor | None
    shift: Tensor | None

    def run(self, *inputs: Tensor) -> Tensor:
        x = inputs[0]
        if self.scale is not None:
            x = x * self.scale.to(x.dtype)
        return x if self.shift is None else x + self.shift.to(x.dtype)

    def constant(self, number: int, settings: Settings, shape: Shape) -> Tensor | None:
        return None if self.shift is None else self.shift.expand(1, *shape)

    def without_constants(self, added: int = 0) -> Affine:
        return replace(self, shift=None)

    def view(self, sources: Sequence[View], shape: Shape) -> View | None:
        (view,) = sources
        if self.scale is None:  # what is added is no element's
            return view
        return View(view.shape, index=view.indexed(), weight=view.weighted() * self.scale.double().cpu())

    def turned(self, order: Order) -> Operation | None:
        scale = None if self.scale is None else before_turning(self.scale, order)
        return Affine(scale, None if self.shift is None else before_turning(self.shift, order))

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        alike = self.scale is None or all(size == 1 for size in self.scale.shape[-2:])
        return SAME_PLACE if alike else None


def before_turning(constant: Tensor, order: Order) -> Tensor:
    """A constant that broadcasts over one image whose axes are in ``order``, for the image before that."""
    if constant.dim() == 0:
        return constant
    rank = len(order) - 1
    full = constant.reshape((1,) * (rank - constant.dim()) + tuple(constant.shape))
    return full.permute([order.index(axis) - 1 for axis in range(1, rank + 1)])
