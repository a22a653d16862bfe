"""Element-wise functions, held: ``phi(z) = gate * z + phi(0)``, and conditions of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx.node import map_aggregate

from graphpath.network.dialect.moves import expanded
from graphpath.network.dialect.registry import aten
from graphpath.network.operations import (
    RELU,
    Activation,
    Add,
    Affine,
    Choice,
    Identity,
    Part,
    Ratio,
    Unseen,
)
from graphpath.network.walk import Lowering, Traced, list_leaves

Phi = Callable[[Tensor], Tensor]

HOMOGENEOUS = ("relu", "leaky_relu", "abs", "prelu", "_prelu_kernel")
"""Functions that are linear on either side of 0: their held gradient is the true one."""

BOUNDED = (
    "sigmoid",
    "tanh",
    "hardsigmoid",
    "hardtanh",
    "relu6",
    "erf",
    "sin",
    "cos",
    "softsign",
    "atan",
    "heaviside",
    "sign",
    "sgn",
)

FUNCTIONS = (
    *("sigmoid", "tanh", "silu", "relu6", "hardswish", "hardsigmoid", "mish", "selu", "gelu", "elu", "celu"),
    *(
        "hardtanh",
        "softplus",
        "log_sigmoid",
        "softshrink",
        "hardshrink",
        "threshold",
        "erf",
        "erfc",
        "erfinv",
    ),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "square", "reciprocal"),
    *("sin", "cos", "tan", "sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "sinc"),
    *("clamp", "clamp_min", "clamp_max", "clip", "pow", "abs", "leaky_relu", "lgamma", "logit", "frac"),
    *("sign", "sgn", "floor", "ceil", "round", "trunc", "fmod", "remainder", "float_power", "nan_to_num"),
    *("special_expit", "i0", "heaviside", "log_sigmoid_forward", "atan2", "xlogy"),
    *("fmax", "fmin", "special_xlogy", "copysign", "digamma"),
    *("fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine_cachemask"),
)
"""Functions whose result at a place depends on what is at that place alone."""


@aten(*FUNCTIONS)
def _function(low: Lowering, *args: Any, **kwargs: Any) -> Any:
    return by_element(low, args, kwargs)


@aten("relu")
def _relu(low: Lowering, x: Traced) -> Traced:
    if may_be_infinite(low, x):
        return apply(low, "relu", torch.relu, x)
    return low.emit(RELU, x, shape=x.shape)


@aten("prelu", "_prelu_kernel")
def _prelu(low: Lowering, x: Traced, weight: Any) -> Any:
    if isinstance(weight, Traced):
        return low.unknown("has slopes that the image decides upon")
    slopes = weight.detach().flatten()
    if slopes.numel() == 1:
        slope = float(slopes)
        held = Activation("prelu", lambda z: torch.where(z > 0, z, slope * z))
        return low.emit(held, x, shape=x.shape)
    x = low.standing(x)
    shaped = slopes.reshape(1, -1, *(1,) * (len(x.shape) - 2))
    held = Activation("prelu", by_place(lambda z: torch.where(z > 0, z, shaped * z), x), by_channel=True)
    return low.emit(held, x, shape=x.shape)


@aten("rrelu")
def _rrelu(low: Lowering, x: Traced, lower: float = 1 / 8, upper: float = 1 / 3, *args: Any) -> Traced:
    slope = (lower + upper) / 2
    return low.emit(Activation("rrelu", lambda z: torch.where(z > 0, z, slope * z)), x, shape=x.shape)


def by_element(low: Lowering, args: Any, kwargs: Any) -> Any:
    """The element-wise operation in hand, of one tensor of the image's and whatever constants."""
    traced = list_leaves((args, kwargs), Traced)
    constants = list_leaves((args, kwargs), Tensor)
    if len({one.step for one in traced}) > 1 or len({one.shape for one in traced}) > 1:
        return low.unknown("is a function of two tensors of the image's that graphpath cannot take apart")
    name = low.operation._schema.name.split("::")[1]
    if not low.first_result.dtype.is_floating_point:
        return low.unknown("gives what has no gradient")
    operation, several = low.operation, isinstance(low.result, tuple)

    def plain(z: Tensor) -> Tensor:
        given = map_aggregate((args, kwargs), lambda leaf: z if isinstance(leaf, Traced) else leaf)
        found = operation(*given[0], **given[1])
        value: Tensor = found[0] if several else found
        return value

    found = beside(low, name, cast(Phi, plain), traced[0], constants)
    return (found, None) if several else found


def beside(low: Lowering, name: str, phi: Phi, x: Traced, constants: list[Tensor]) -> Traced:
    """A step of ``phi``, which reads constants that may differ from place to place."""
    if any(constant.dim() > 0 and constant.numel() > 1 for constant in constants):
        x = _spread(low, x)
        return _by_place(low, name, by_place(phi, x), x)
    return apply(low, name, phi, x)


def apply(low: Lowering, name: str, phi: Phi, x: Traced) -> Traced:
    """A step of ``phi``, which is the same everywhere."""
    zero = torch.zeros(1, dtype=torch.float64, device=low.device)
    at_zero = float(phi(zero).double())
    if not torch.isfinite(torch.tensor(at_zero)):
        at_zero = 0.0  # 1 / z, log z: phi(z) = gate * z
    if may_be_infinite(low, x):
        return low.emit(Ratio(phi, _is_bounded(low, name)), x, shape=x.shape)
    held = Activation(name, phi, at_zero, name in HOMOGENEOUS, limits=_is_bounded(low, name))
    return low.emit(held, x, shape=x.shape)


def may_be_infinite(low: Lowering, x: Traced) -> bool:
    """Whether a constant in a tensor may be infinite: of what is masked, and pooled or moved after that.

    No gate times infinity is a number, so that a function of it has to be held by a :class:`Ratio`.
    """
    waiting, seen = [x.step], set[int]()
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        step = low.steps[number]
        operation = step.operation
        constants = (operation.shift,) if isinstance(operation, Affine) else ()
        constants = (operation.other,) if isinstance(operation, Choice) else constants
        if any(part is not None and not bool(torch.isfinite(part).all()) for part in constants):
            return True
        if isinstance(operation, (Part, Unseen, Add, Identity)) and not operation.bounded:
            waiting.extend(step.carried)
    return False


def _is_bounded(low: Lowering, name: str) -> bool:
    if name in ("clamp", "clip"):
        return all(bound is not None for bound in (*low.arguments[1:], None, None)[:2])
    return name in BOUNDED


def by_place(phi: Phi, x: Traced) -> Phi:
    """``phi``, that works on batches of the shape of x, for batches of any shape with as many elements."""
    size = x.inner

    def shaped(z: Tensor) -> Tensor:
        return phi(z.reshape(-1, *size)).reshape(z.shape)

    return shaped


def _spread(low: Lowering, x: Traced) -> Traced:
    """x in the shape of the result in hand."""
    return expanded(low, x, tuple(low.first_result.shape))


def _by_place(low: Lowering, name: str, phi: Phi, x: Traced) -> Traced:
    """A step of ``phi``, which differs from place to place: phi(0) is added as a constant of its own."""
    x = low.standing(x)
    at_zero = phi(torch.zeros((1, *x.inner), dtype=low.dtype, device=low.device))
    at_zero = torch.where(torch.isfinite(at_zero), at_zero, 0)
    through_zero = Activation(name, lambda z: phi(z) - at_zero.reshape(1, *z.shape[1:]), 0.0, False, True)
    found = low.emit(through_zero, x, shape=x.shape)
    return found if not bool(at_zero.any()) else low.emit(Affine(None, at_zero[0]), found, shape=x.shape)


COMPARISONS = (
    *("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "logical_xor"),
    *("bitwise_and", "bitwise_or", "bitwise_not", "bitwise_xor", "isnan", "isinf", "isfinite", "argmax"),
    *("argmin", "argsort", "any", "all", "signbit", "isclose"),
)
"""Truth values and places: they decide, and nothing flows through them."""


@aten(*COMPARISONS)
def _compared(low: Lowering, *args: Any, **kwargs: Any) -> Any:
    return low.unknown("gives truth values or places, which have no gradient")
