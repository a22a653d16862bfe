"""What a network is made of, once PyTorch's many spellings are gone.

Each operation knows two things: how it runs on a batch (``run``), and, if it only moves or averages
numbers, where each element of its result comes from (``views.py``). Parameters are detached: a pass
through these operations leaves nothing on the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of a network on a batch: tensors of shape (N, ...) in, one tensor (N, ...) out."""

    def run(self, *inputs: Tensor) -> Tensor:
        """The operation's value in evaluation mode, with switches and gates held at their values."""
        raise NotImplementedError

    def true(self, *inputs: Tensor) -> Tensor:
        """The same value with the operation's own gradient, nothing held."""
        return self.run(*inputs)

    @property
    def bounded(self) -> bool:
        """Whether the result stays within bounds whatever comes in: what gates are made with."""
        return False


@dataclass(frozen=True, eq=False)
class Opaque(Operation):
    """Any function of one image's tensors, of which only the value is known: it may make gates and
    conditions, and nothing flows through it.

    ``of_one`` takes the operands of one image, without a batch dimension. ``why`` says why it is opaque.
    """

    of_one: Callable[..., Tensor]
    why: str
    limits: bool = False

    def run(self, *inputs: Tensor) -> Tensor:
        return torch.stack([self.of_one(*operands) for operands in zip(*inputs, strict=True)])

    @property
    def bounded(self) -> bool:
        return self.limits


@dataclass(frozen=True)
class Geometry:
    """Windows that slide evenly over a plane, each pair (vertical, horizontal).

    Place y of the result reads the places ``y * stride - before + k * dilation``, k below ``kernel``.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]  # padding above and on the left
    dilation: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Input(Operation):
    """The image, or whatever else the network is given, in ``shape``."""

    shape: tuple[int, ...]

    def run(self, *inputs: Tensor) -> Tensor:
        return inputs[0].reshape(-1, *self.shape)


@dataclass(frozen=True, eq=False)
class Conv(Operation):
    """A two-dimensional convolution with zero padding (other padding modes are a Pad before it)."""

    weight: Tensor  # (O, I / groups, kh, kw)
    bias: Tensor | None  # (O,)
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

    @property
    def geometry(self) -> Geometry:
        """Its windows."""
        high, wide = self.weight.shape[2:]
        return Geometry((high, wide), self.stride, (self.padding[2], self.padding[0]), self.dilation)

    def scaled(self, scale: Tensor, shift: Tensor) -> Conv:
        """The convolution followed by ``* scale + shift`` per output channel (batch norm, folded)."""
        weight = self.weight * scale[:, None, None, None]
        return replace(self, weight=weight, bias=_folded_bias(self.bias, scale, shift))


@dataclass(frozen=True, eq=False)
class Dense(Operation):
    """A fully connected layer on (N, I)."""

    weight: Tensor  # (O, I)
    bias: Tensor | None  # (O,)

    def run(self, *inputs: Tensor) -> Tensor:
        return F.linear(inputs[0], self.weight, self.bias)

    def scaled(self, scale: Tensor, shift: Tensor) -> Dense:
        """The layer followed by ``* scale + shift`` per output (batch norm, folded)."""
        return replace(self, weight=self.weight * scale[:, None], bias=_folded_bias(self.bias, scale, shift))


def _folded_bias(bias: Tensor | None, scale: Tensor, shift: Tensor) -> Tensor:
    return shift if bias is None else bias * scale + shift


@dataclass(frozen=True, eq=False)
class Norm(Operation):
    """Batch norm in evaluation mode: one scale and one shift a channel (dimension 1)."""

    scale: Tensor  # (C,)
    shift: Tensor  # (C,)

    def run(self, *inputs: Tensor) -> Tensor:
        x = inputs[0]
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * self.scale.view(shape) + self.shift.view(shape)


@dataclass(frozen=True, eq=False)
class Activation(Operation):
    """An element-wise function phi, held: ``phi(z) = gate * z + phi(0)`` with gate constant."""

    name: str
    phi: Callable[[Tensor], Tensor]
    at_zero: float = 0.0
    piecewise_linear: bool = True  # the held gradient is the true gradient
    by_channel: bool = False  # phi differs from place to place, by a constant of one image's shape
    limits: bool = False  # phi is bounded

    @property
    def bounded(self) -> bool:
        return self.limits

    def run(self, *inputs: Tensor) -> Tensor:
        z = inputs[0]
        if self.piecewise_linear:
            return self.phi(z)
        with torch.no_grad():
            gate = self.gate(z)
        return z * gate + self.at_zero

    def true(self, *inputs: Tensor) -> Tensor:
        """phi(z), with phi's own gradient."""
        return self.phi(inputs[0])

    def gate(self, z: Tensor) -> Tensor:
        """``(phi(z) - phi(0)) / z``, and 0 where z = 0: same shape and dtype as z."""
        live = z != 0
        return torch.where(live, (self.phi(z) - self.at_zero) / torch.where(live, z, 1), 0)


class Relu(Activation):
    """ReLU, whose gate is 1 or 0."""

    def gate(self, z: Tensor) -> Tensor:
        return (z > 0).to(z.dtype)


RELU = Relu("relu", F.relu)


@dataclass(frozen=True, eq=False)
class Modulation(Operation):
    """``x * scale + shift`` with a scale and a shift that the image itself sets, held."""

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scale and shift (None: 0) for each image of a batch; the scale has the shape of x."""
        raise NotImplementedError

    def run(self, *inputs: Tensor) -> Tensor:
        with torch.no_grad():
            settings = self.settings(*inputs)
        return self.modulated(inputs[0], *settings)

    def modulated(self, x: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        """``x * scale + shift``."""
        return x * scale if shift is None else x * scale + shift

    def true(self, *inputs: Tensor) -> Tensor:
        """The same value, with the gradient of scale and shift too."""
        return self.modulated(inputs[0], *self.settings(*inputs))


@dataclass(frozen=True, eq=False)
class Gate(Modulation):
    """A tensor times another that gates it: squeeze-and-excitation."""

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        return inputs[1].expand_as(inputs[0]), None


@dataclass(frozen=True, eq=False)
class Quotient(Modulation):
    """A tensor divided by another, which is held: a norm over the image, spelled out."""

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        return inputs[1].expand_as(inputs[0]).reciprocal(), None


@dataclass(frozen=True, eq=False)
class Choice(Modulation):
    """A tensor where a condition of the image's is ``when``, ``other`` elsewhere; the condition is held."""

    when: bool
    other: Tensor  # of one image's shape

    def settings(self, *inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        x, condition = inputs
        here = condition.bool().expand_as(x) == self.when
        return here.to(x.dtype), torch.where(here, 0, self.other.to(x.dtype))


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


@dataclass(frozen=True, eq=False)
class Identity(Operation):
    """What makes its input a layer: sums of many neurons that many others read."""

    def run(self, *inputs: Tensor) -> Tensor:
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Mixture(Operation):
    """Places mixed by a matrix that the image sets, held: attention.

    Inputs are x (N, M, K, 1), M maps of K places, and matrices (N, B, R, K): M / B maps share one. The result
    is (N, M, R, 1): place r of a map is the sum over k of ``matrix[r, k]`` times place k.
    """

    def run(self, *inputs: Tensor) -> Tensor:
        return self.mixed(inputs[0], inputs[1].detach())

    def true(self, *inputs: Tensor) -> Tensor:
        return self.mixed(*inputs)

    @staticmethod
    def mixed(x: Tensor, matrix: Tensor) -> Tensor:
        """x (N or 1, M, K, 1) mixed by ``matrix`` (N, B, R, K)."""
        apart = x.reshape(len(x), matrix.shape[1], -1, x.shape[2])
        return torch.matmul(apart, matrix.transpose(2, 3)).reshape(-1, x.shape[1], matrix.shape[2], 1)


@dataclass(frozen=True, eq=False)
class MatrixPair(Operation):
    """The product of two matrices of the image's, of shapes ``one`` and ``two`` for an image.

    It may make gates; what flows through such a product is a sum of mixtures.
    """

    one: tuple[int, ...]
    two: tuple[int, ...]

    def run(self, *inputs: Tensor) -> Tensor:
        left, right = inputs[0].reshape(-1, *self.one), inputs[1].reshape(-1, *self.two)
        found = torch.matmul(left, right)
        return found[:, 0] if found.dim() > 2 and found.shape[1] == 1 else found


@dataclass(frozen=True, eq=False)
class Add(Operation):
    """The sum of two tensors of one shape."""

    def run(self, *inputs: Tensor) -> Tensor:
        return inputs[0] + inputs[1]


@dataclass(frozen=True, eq=False)
class MaxPool(Operation):
    """A max-pool, held at its switches: the first maximum of each window, PyTorch's index."""

    pool: Callable[[Tensor], tuple[Tensor, Tensor]]  # value and index into the flattened plane
    overlapping: bool  # one neuron may win in several windows
    geometry: Geometry | None = None  # None where windows do not slide evenly

    def run(self, *inputs: Tensor) -> Tensor:
        return self.switched(inputs[0])[0]

    def switched(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled tensor and, in its shape (N, C, H', W'), each winner's place in its plane of H * W."""
        return self.pool(x)

    @staticmethod
    def held(x: Tensor, switches: Tensor) -> Tensor:
        """x (M, C, H, W) pooled at the ``switches`` (M, C, H', W') of another tensor; either M may be 1."""
        planes = x.flatten(2).expand(len(switches), -1, -1) if len(x) == 1 else x.flatten(2)
        return planes.gather(2, switches.flatten(2).expand(len(planes), -1, -1)).view(-1, *switches.shape[1:])


@dataclass(frozen=True, eq=False)
class AveragePool(Operation):
    """An average over windows of the two spatial dimensions.

    ``rows`` and ``columns`` give the places that each window covers (-1: none), ``weight`` what each
    place of a window counts: the same for every channel.
    """

    pool: Callable[[Tensor], Tensor]
    places: Tensor  # (T, H', W') int64: place in the flattened plane, -1 where the window has fewer than T
    weights: Tensor  # (T, H', W') float64
    geometry: Geometry | None = None  # None where windows do not slide evenly, or do not all weigh alike

    def run(self, *inputs: Tensor) -> Tensor:
        return self.pool(inputs[0])


@dataclass(frozen=True, eq=False)
class Rearrange(Operation):
    """Elements moved, copied, dropped or padded with zeros: flatten, cat, permute, slices, padding.

    ``move(tensors, fill)`` takes tensors whose first dimension is anything (images of a batch, or taps of a
    view) and pads with ``fill``.
    """

    name: str
    move: Callable[[tuple[Tensor, ...], float], Tensor]

    def run(self, *inputs: Tensor) -> Tensor:
        return self.move(inputs, 0.0)


@dataclass(frozen=True, eq=False)
class Cat(Rearrange):
    """Tensors one behind another along ``axis``, the batch being axis 0.

    ``parts`` are the lengths along it of what lies between them and is 0; None stands for the next tensor.
    """

    axis: int
    parts: tuple[int | None, ...]


def cat(axis: int, parts: tuple[int | None, ...]) -> Cat:
    """Tensors one behind another along ``axis``; see :class:`Cat`."""

    def move(tensors: tuple[Tensor, ...], fill: float) -> Tensor:
        given, like = iter(tensors), tensors[0]

        def filled(length: int) -> Tensor:
            return like.new_full((*like.shape[:axis], length, *like.shape[axis + 1 :]), fill)

        return torch.cat([next(given) if length is None else filled(length) for length in parts], axis)

    return Cat("cat", move, axis, parts)


@dataclass(frozen=True, eq=False)
class Affine(Operation):
    """``x * scale + shift`` with constants that broadcast over one image (normalisation of the input)."""

    scale: Tensor | None
    shift: Tensor | None

    def run(self, *inputs: Tensor) -> Tensor:
        x = inputs[0]
        if self.scale is not None:
            x = x * self.scale.to(x.dtype)
        return x if self.shift is None else x + self.shift.to(x.dtype)


@dataclass(frozen=True, eq=False)
class Permute(Rearrange):
    """Axes in another order; ``order`` counts the batch as 0, which stays in front."""

    order: tuple[int, ...]


def permute(order: tuple[int, ...]) -> Permute:
    """Axes in ``order``, as ``torch.permute`` takes it."""
    return Permute("permute", lambda tensors, fill: tensors[0].permute(order), order)


LINEAR = (Conv, Dense)
"""The operations that mix neurons with weights of their own."""

STRUCTURAL = (MaxPool, AveragePool, Rearrange, Affine, Modulation, Opaque, MatrixPair)
"""The operations that are part of the edge between two sites."""
