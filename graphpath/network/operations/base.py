"""What every operation of a network owes: its value, and all that is asked of it on the way to edges.

An operation is one of three things. A :class:`Layer` makes neurons. A :class:`Part` moves, averages or
multiplies numbers between two layers and belongs to the edges. An :class:`Unseen` one is known by its value
alone. What is abstract here must be written by each class; ``tests/network/test_operations.py`` holds every
class to all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor

from graphpath.network.geometry import Geometry

if TYPE_CHECKING:
    from graphpath.network.operations.maps import LinearMap
    from graphpath.network.products import Product
    from graphpath.network.settings import Settings
    from graphpath.network.views import Anchor, View

Shape = tuple[int, ...]
Volume = tuple[int, int, int]
"""Channels, height and width."""

Order = tuple[int, ...]
"""Axes in another order, as ``torch.permute`` takes it; the batch is 0 and stays in front."""


@dataclass(frozen=True, eq=False)
class Operation(ABC):
    """One step of a network on a batch: tensors of shape (N, ...) in, one tensor (N, ...) out.

    ``carried`` is how many of its inputs, the first ones, flow into the result (None: all); the others are
    held at their values. Parameters are detached: a pass through operations leaves nothing on the model.
    """

    carried: ClassVar[int | None] = None

    @abstractmethod
    def run(self, *inputs: Tensor) -> Tensor:
        """The operation's value in evaluation mode, with switches and gates held at their values."""

    def true(self, *inputs: Tensor) -> Tensor:
        """The same value with the operation's own gradient, nothing held."""
        return self.run(*inputs)

    @property
    def exact(self) -> bool:
        """Whether the held gradient is the true gradient."""
        return True

    @property
    def bounded(self) -> bool:
        """Whether the result stays within bounds whatever comes in: what gates are made with."""
        return False

    def note(self, operands: Sequence[Tensor], number: int, settings: Settings, true: bool) -> Tensor:
        """The value; what the images set in it goes into ``settings`` by the step's ``number``.

        With ``true`` the value has the operation's own gradient, not the held one.
        """
        return self.true(*operands) if true else self.run(*operands)

    def held(self, operands: Sequence[Tensor], number: int, settings: Settings) -> Tensor:
        """The value of other tensors, with what the images set as ``settings`` have it."""
        return self.run(*operands)

    def constant(self, number: int, settings: Settings, shape: Shape) -> Tensor | None:
        """The value where all that flows in is 0: (1 or N, *shape); None if that is 0."""
        return None

    def without_constants(self, added: int = 0) -> Self:
        """The operation with constants of 0, and ``added`` to each weight of a filter or dense layer."""
        return self

    @abstractmethod
    def turned(self, order: Order) -> Operation | None:
        """What does to a tensor that which this does to the tensor in ``order``; None: nothing does."""

    @abstractmethod
    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        """Which places of its inputs a place of its result reads; None where no windows say it.

        ``inputs`` and ``shape`` are the shapes of one image's operands and result.
        """


class Layer(Operation):
    """An operation whose results are neurons.

    ``kind`` is the kind of layer. An operation that is not ``mapped`` sums what it reads as it is.
    """

    kind: ClassVar[str]
    mapped: ClassVar[bool] = True

    def parts(self, shape: Volume, source: Volume) -> Volume:
        """How possible edges take the tensor that it reads, of shape ``source``: (parts, height, width).

        Its channels are cut into so many parts of which each neuron reads one. ``shape`` is the layer's.
        """
        return shape

    def reached(self, products: list[Product], shape: Volume, source: Volume) -> list[Product]:
        """The neurons that ``products``, which relate parts and places to their sources, then lead to."""
        return products

    @abstractmethod
    def linear_map(self, taps: int, shape: Volume, source: Shape, device: torch.device) -> LinearMap:
        """Its map into a layer of ``shape`` from a tensor of shape ``source`` with ``taps`` spread."""


@dataclass(frozen=True, eq=False)
class Weighted(Layer):
    """A convolution or dense layer: neurons mixed by weights of its own, which may be scaled.

    A sum that alone reads such layers takes them in: they are branches of its one layer.
    """

    weight: Tensor  # (O, I, ...)
    bias: Tensor | None  # (O,)

    def constant(self, number: int, settings: Settings, shape: Shape) -> Tensor | None:
        return None if self.bias is None else spread_out(self.bias, shape)

    def without_constants(self, added: int = 0) -> Self:
        return replace(self, weight=self.weight + added if added else self.weight, bias=None)

    def turned(self, order: Order) -> Operation | None:
        return None

    @abstractmethod
    def scaled(self, scale: Tensor, shift: Tensor) -> Self:
        """The layer followed by ``* scale + shift`` per output (batch norm, folded)."""


def by_tap(weight: Tensor, taps: int) -> Tensor:
    """A weight (O, I, ...) with every input ``taps`` times; itself, no copy, where that is once."""
    return weight if taps == 1 else weight.repeat_interleave(taps, dim=1)


def folded_bias(bias: Tensor | None, scale: Tensor, shift: Tensor) -> Tensor:
    """``bias * scale + shift``, all (O,)."""
    return shift if bias is None else bias * scale + shift


def spread_out(values: Tensor, shape: Shape) -> Tensor:
    """A number a channel (C,) as a constant of one image: (1, *shape)."""
    return values.view(-1, *(1,) * (len(shape) - 1)).expand(1, *shape)


class Part(Operation):
    """An operation that is part of the edges between two layers.

    ``copies`` says whether its view writes down the neurons behind each element; ``taps`` how many elements
    of its input stand behind one of its result, at most.
    """

    copies: ClassVar[bool] = True

    @property
    def taps(self) -> int:
        """Elements of the input behind one of the result."""
        return 1

    def view(self, sources: Sequence[View], shape: Shape) -> View | None:
        """Where the elements of its result come from; None where the image decides (see ``anchor``)."""
        return None

    def anchor(self, number: int, base: int, shape: Shape, source: View) -> Anchor | None:
        """Its result, step ``number``, as elements from ``base`` on that the image decides upon."""
        return None


class Windowed(Operation):
    """An operation that slides one linear window over a plane, whatever the margins."""

    @abstractmethod
    def slid(self, x: Tensor, around: tuple[int, int, int, int]) -> Tensor:
        """Its value on x with other margins than its own: left, right, top, bottom; below 0 they crop."""


class Unseen(Operation):
    """An operation of which only the value is known: it may make gates and conditions."""

    @property
    def exact(self) -> bool:
        return False

    def turned(self, order: Order) -> Operation | None:
        return None

    def footprint(self, inputs: Sequence[Shape], shape: Shape) -> Geometry | None:
        return None
