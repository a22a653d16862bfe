"""Sums and products of tensors, arithmetic with constants, gates, and choices between two tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphpath.network.dialect import elementwise
from graphpath.network.dialect.moves import expanded
from graphpath.network.dialect.registry import aten
from graphpath.network.operations import (
    Activation,
    Add,
    Affine,
    Choice,
    Gate,
    Opaque,
    Operation,
    Quotient,
    Rearrange,
)
from graphpath.network.walk import Lowering, Shape, Traced, inner, list_leaves


@aten("add", "add.Tensor")
def _add(low: Lowering, a: Any, b: Any, alpha: Any = 1) -> Any:
    if alpha != 1:
        b = scaled(low, b, alpha) if isinstance(b, Traced) else b * alpha
    return summed(low, a, b)


@aten("sub", "subtract")
def _sub(low: Lowering, a: Any, b: Any, alpha: Any = 1) -> Any:
    return summed(low, a, scaled(low, b, -alpha) if isinstance(b, Traced) else -(b * alpha))


@aten("rsub")
def _rsub(low: Lowering, a: Any, b: Any, alpha: Any = 1) -> Any:
    return summed(low, b, scaled(low, a, -alpha) if isinstance(a, Traced) else -(a * alpha))


@aten("neg", "negative")
def _neg(low: Lowering, x: Traced) -> Any:
    return scaled(low, x, -1)


@aten("mul", "multiply")
def _mul(low: Lowering, a: Any, b: Any) -> Any:
    if not isinstance(a, Traced):
        a, b = b, a
    return multiplied(low, a, b) if isinstance(b, Traced) else scaled(low, a, b)


@aten("div", "divide", "true_divide")
def _div(low: Lowering, a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode is not None:
        return low.unknown("rounds a quotient, which has no gradient")
    if not isinstance(b, Traced):
        return scaled(low, a, 1 / _number(low, b))
    if not isinstance(a, Traced):
        return scaled(low, elementwise.apply(low, "reciprocal", torch.reciprocal, b), a)
    shape = _broadcast(a.shape, b.shape)
    if (own := function_of(low, b, a)) is not None:
        return _times_itself(low, a, lambda z: own(z).reciprocal(), shape)
    x, divisor = expanded(low, a, shape), _aligned(low, b, shape)
    return low.emit(Quotient(), low.standing(x), divisor, shape=shape)


@aten("addcmul")
def _addcmul(low: Lowering, x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    product = _mul(low, a, b) if isinstance(a, Traced) or isinstance(b, Traced) else a * b
    return summed(low, x, scaled(low, product, value) if isinstance(product, Traced) else product * value)


@aten("addcdiv")
def _addcdiv(low: Lowering, x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    quotient = _div(low, a, b) if isinstance(a, Traced) or isinstance(b, Traced) else a / b
    return summed(low, x, scaled(low, quotient, value) if isinstance(quotient, Traced) else quotient * value)


@aten("lerp")
def _lerp(low: Lowering, a: Any, b: Any, weight: Any) -> Any:
    both = isinstance(a, Traced) or isinstance(b, Traced)
    apart = summed(low, b, scaled(low, a, -1) if isinstance(a, Traced) else -a) if both else b - a
    return summed(low, a, _mul(low, apart, weight))


def summed(low: Lowering, a: Any, b: Any) -> Any:
    """a + b, each a tensor of the image's or a constant."""
    if not isinstance(a, Traced):
        a, b = b, a
    if not a.dtype.is_floating_point:
        return low.unknown("adds integers or truth values")
    if not isinstance(b, Traced):
        return _with_constant(low, a, b, lambda constant: Affine(None, constant))
    shape = _broadcast(a.shape, b.shape)
    a, b = expanded(low, a, shape), expanded(low, b, shape)
    return low.emit(Add(), a, low.shaped(b, low.shape_of(a)), shape=shape)


def scaled(low: Lowering, x: Traced, factor: Any) -> Any:
    """x times a constant."""
    if not x.dtype.is_floating_point:
        return low.unknown("multiplies integers or truth values")
    return _with_constant(low, x, factor, lambda constant: Affine(constant, None))


def _with_constant(low: Lowering, x: Traced, constant: Any, make: Any) -> Traced:
    """A step of what ``make`` makes of a constant that broadcasts over one image."""
    value = _number(low, constant)
    if value.dim() == 0 or (value.numel() == 1 and value.dim() <= len(x.shape)):
        return low.emit(make(value.reshape(())), x, shape=x.shape)
    shape = _broadcast(x.shape, tuple(value.shape))
    x = expanded(low, x, shape)
    if value.dim() == 1 and low.shape_of(x)[-1:] == shape[-1:]:
        return low.emit(make(value), x, shape=shape)  # features last, whatever stands before
    if low.shape_of(x) == (*shape[1:2], 1, *shape[2:]) and shape[0] == 1:  # tokens: a plane of one column
        full = value.reshape((1,) * (3 - value.dim()) + tuple(value.shape))
        return low.emit(make(full[0][:, None]), x, shape=shape)
    if shape[0] == 1:
        aligned = value.reshape((1,) * (len(shape) - value.dim()) + tuple(value.shape))[0]
    else:
        aligned = value
    return low.emit(make(aligned), low.shaped(x, inner(shape)), shape=shape)


def _number(low: Lowering, value: Any) -> Tensor:
    """A constant as a tensor. Python's numbers are float64; torch would read 0.1 as the float32 beside it."""
    dtype = torch.float64 if isinstance(value, (int, float)) else None
    constant = torch.as_tensor(value, dtype=dtype, device=low.device).detach()
    return constant if constant.dtype.is_floating_point else constant.to(torch.float64)


def _broadcast(one: Shape, two: Shape) -> Shape:
    return tuple(torch.broadcast_shapes(one, two))


def _aligned(low: Lowering, x: Traced, shape: Shape) -> Traced:
    """x from a step whose shape broadcasts over one image of ``shape``."""
    full = (1,) * (len(shape) - len(x.shape)) + x.shape
    return low.shaped(x, full[1:] if shape[0] == 1 else full)


# --- products of two tensors of the image's ----------------------------------------------


def multiplied(low: Lowering, a: Traced, b: Traced) -> Any:
    """a * b: held at the factor that is a gate; where neither is, each carries half.

    A gate is bounded, or is spread over the other. Half each is the uniform rule of AttnLRP (Achtibat et al.
    2024): ``a b = (a/2) b + (b/2) a``, each factor in brackets held.
    """
    if not (a.dtype.is_floating_point and b.dtype.is_floating_point):
        return _masked(low, a, b)
    shape = _broadcast(a.shape, b.shape)
    if a.step == b.step and a.shape == b.shape:
        square = Activation("square", torch.square, piecewise_linear=False)
        return low.emit(square, a, shape=shape)
    gate = _gate_of(low, a, b, shape)
    if gate is None:
        for x, factor in ((a, b), (b, a)):
            if (own := function_of(low, factor, x)) is not None:
                return _times_itself(low, x, own, shape)
        return half_each(low, a, b, shape)
    x = a if gate is b else b
    own = function_of(low, gate, x)
    return gated(low, x, gate, shape) if own is None else _times_itself(low, x, own, shape)


def _masked(low: Lowering, a: Traced, b: Traced) -> Any:
    """A product with truth values or integers of the image's, which are held."""
    if not (a.dtype.is_floating_point or b.dtype.is_floating_point):
        return low.unknown("multiplies integers or truth values")
    x, mask = (a, b) if a.dtype.is_floating_point else (b, a)
    return gated(low, x, mask, _broadcast(a.shape, b.shape))


def gated(low: Lowering, x: Traced, gate: Traced, shape: Shape, aside: str = "") -> Traced:
    """x times a tensor that is held."""
    if x.shape == gate.shape == shape:
        return low.emit(Gate(), x, low.shaped(gate, low.shape_of(x)), shape=shape, aside=aside)
    standing = low.standing(expanded(low, x, shape))
    return low.emit(Gate(), standing, _aligned(low, gate, shape), shape=shape, aside=aside)


def _gate_of(low: Lowering, a: Traced, b: Traced, shape: Shape) -> Traced | None:
    """The factor that is held; None where both or neither looks like a gate."""
    spread = [one for one in (a, b) if one.numel < (b if one is a else a).numel or _is_spread(low, one)]
    if len(spread) == 1:
        return spread[0]
    bounded = [one for one in (a, b) if is_gate(low, one)]
    return bounded[0] if len(bounded) == 1 else None


def _is_spread(low: Lowering, x: Traced) -> bool:
    operation = low.made_by(x)
    return isinstance(operation, Rearrange) and operation.name == "expand"


def is_gate(low: Lowering, x: Traced) -> bool:
    """Whether a tensor is, constants and moves apart, a bounded function's result, or a sum with one of which
    only the value is known (the hard choice of a straight-through estimator)."""
    operation = _maker(low, x.step)
    return operation.bounded or _is_known_only(low, x.step)


def _maker(low: Lowering, number: int) -> Operation:
    """The operation behind a step, once what only scales, shifts and moves is taken off."""
    step = low.steps[number]
    if isinstance(step.operation, (Affine, Rearrange)) and len(step.inputs) == 1:
        return _maker(low, step.inputs[0])
    return step.operation


def _is_known_only(low: Lowering, step: int) -> bool:
    """Whether something in a sum is known by its value alone, so that nothing can flow through all of it."""
    waiting, seen = [step], set[int]()
    while waiting:
        number = waiting.pop()
        operation = low.steps[number].operation
        if isinstance(operation, Opaque):
            return True
        if number not in seen and isinstance(operation, (Add, Affine, Rearrange)):
            waiting.extend(low.steps[number].inputs)
        seen.add(number)
    return False


Function = Callable[[Tensor], Tensor]


def function_of(low: Lowering, gate: Traced, x: Traced) -> Function | None:
    """The function g of one number with ``gate = g(x)`` element by element; None where there is none."""
    if gate.shape != x.shape or gate.step == x.step:
        return None
    found: list[Operation] = []
    number = gate.step
    while number != x.step:
        step = low.steps[number]
        if len(step.inputs) != 1 or not is_by_element(step.operation):
            return None
        found.append(step.operation)
        number = step.inputs[0]
    found.reverse()

    def function(z: Tensor) -> Tensor:
        for operation in found:
            z = operation.true(z)
        return z

    return function


def is_by_element(operation: Operation) -> bool:
    """Whether an operation does the same to every number."""
    if isinstance(operation, Affine):
        return all(part is None or part.dim() == 0 for part in (operation.scale, operation.shift))
    return isinstance(operation, Activation) and not operation.by_channel


def _times_itself(low: Lowering, x: Traced, own: Function, shape: Shape) -> Traced:
    """``x g(x)``, an activation spelled out: SiLU, Mish, GELU, softsign."""
    activation = Activation("spelled out", lambda z: z * own(z), piecewise_linear=False)
    return low.emit(activation, x, shape=shape)


def half_each(low: Lowering, a: Traced, b: Traced, shape: Shape) -> Any:
    """a * b, of which each carries half."""
    half = Affine(torch.tensor(0.5, dtype=torch.float64, device=low.device), None)
    products = [gated(low, x, held, shape, aside="product") for x, held in ((a, b), (b, a))]
    return summed(low, *(low.emit(half, one, shape=shape, aside="half") for one in products))


# --- choices -----------------------------------------------------------------------------


@aten("maximum", "max.other")
def _maximum(low: Lowering, a: Any, b: Any) -> Any:
    return _larger(low, a, b)


@aten("minimum", "min.other")
def _minimum(low: Lowering, a: Any, b: Any) -> Any:
    if not (isinstance(a, Traced) and isinstance(b, Traced)):
        return elementwise.by_element(low, (a, b), {})
    return scaled(low, _larger(low, scaled(low, a, -1), scaled(low, b, -1)), -1)


@aten("clamp.Tensor", "clip.Tensor", "clamp_min.Tensor", "clamp_max.Tensor")
def _between(low: Lowering, x: Any, *bounds: Any, **named: Any) -> Any:
    """Between two tensors; the upper one wins where they cross."""
    if not list_leaves((bounds, named), Traced):
        return elementwise.by_element(low, (x, *bounds), named)
    least, most = (*bounds, None, None)[:2]
    if low.operation._schema.name.endswith("max"):
        least, most = None, least
    least, most = named.get("min", least), named.get("max", most)
    found = x if least is None else _at_least(low, x, least)
    return found if most is None else _negated(low, _at_least(low, _negated(low, found), _negated(low, most)))


def _at_least(low: Lowering, a: Any, b: Any) -> Any:
    """The larger of two, each a tensor of the image's or a constant."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        return _larger(low, a, b)
    x, bound = (a, b) if isinstance(a, Traced) else (b, a)
    if not isinstance(x, Traced):
        return torch.maximum(x, bound)
    return elementwise.beside(low, "clamp_min", lambda z: torch.maximum(z, bound.to(z)), x, [bound])


def _negated(low: Lowering, x: Any) -> Any:
    return scaled(low, x, -1) if isinstance(x, Traced) else -x


def _larger(low: Lowering, a: Any, b: Any) -> Any:
    """The larger of two, as a max-pool of two planes one below the other."""
    from graphpath.network.dialect.pooling import largest_of_two

    if not (isinstance(a, Traced) and isinstance(b, Traced)):
        return elementwise.by_element(low, (a, b), {})
    shape = _broadcast(a.shape, b.shape)
    return largest_of_two(low, expanded(low, a, shape), expanded(low, b, shape), shape)


def chosen(low: Lowering, condition: Traced, one: Any, two: Any) -> Any:
    """``one`` where a condition of the image's holds, else ``two``; the condition is held."""
    shape = tuple(low.result.shape)
    if isinstance(one, Traced) and isinstance(two, Traced):
        parts = [_where(low, condition, x, 0.0, shape, when) for x, when in ((one, True), (two, False))]
        return summed(low, *parts)
    if isinstance(one, Traced):
        return _where(low, condition, one, two, shape, True)
    if isinstance(two, Traced):
        return _where(low, condition, two, one, shape, False)
    return low.unknown("chooses between constants, which has no gradient")


def _where(low: Lowering, condition: Traced, x: Traced, other: Any, shape: Shape, when: bool) -> Traced:
    """x where a condition is ``when``, a constant elsewhere."""
    constant = _number(low, other)
    if constant.dim() == len(shape) and shape[0] == 1:
        constant = constant[0]
    choice = Choice(when, constant.expand(inner(shape)))
    return low.emit(
        choice, low.standing(expanded(low, x, shape)), _aligned(low, condition, shape), shape=shape
    )
