"""Sums of tensors, arithmetic with constants, and gates."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from graphpath.network.dialect.activations import SIGMOID, SILU, SQUASHING
from graphpath.network.dialect.registry import functions, methods
from graphpath.network.operations import Add, Affine, Gate
from graphpath.network.walk import Lowering, Traced


@functions(operator.add, torch.add)
@methods("add")
def _add(low: Lowering, a: Any, b: Any, alpha: float = 1) -> Traced:
    if alpha != 1:
        b = _scaled(low, b, alpha) if isinstance(b, Traced) else b * alpha
    if not isinstance(a, Traced):
        a, b = b, a
    if not isinstance(b, Traced):
        return low.emit(Affine(None, _constant(low, a, b)), a)
    if a.shape != b.shape:
        low.refuse(
            f"adds tensors of the shapes {a.shape} and {b.shape}; broadcasting of two tensors is not traced"
        )
    return low.emit(Add(), a, b)


@functions(operator.iadd)
@methods("add_")
def _add_in_place(low: Lowering, a: Traced, b: Any, alpha: float = 1) -> Traced:
    result = _add(low, a, b, alpha)
    if isinstance(a, Traced):
        low.replace(a, result)
    return result


@functions(operator.sub, torch.sub)
@methods("sub")
def _sub(low: Lowering, a: Any, b: Any) -> Traced:
    if not isinstance(b, Traced):
        return low.emit(Affine(None, -_constant(low, a, b)), a)
    return _add(low, a, _scaled(low, b, -1))


@functions(operator.mul, torch.mul)
@methods("mul")
def _mul(low: Lowering, a: Any, b: Any) -> Traced:
    if not isinstance(a, Traced):
        a, b = b, a
    return _gated(low, a, b) if isinstance(b, Traced) else _scaled(low, a, b)


@functions(operator.imul)
@methods("mul_")
def _mul_in_place(low: Lowering, a: Traced, b: Any) -> Traced:
    result = _mul(low, a, b)
    if isinstance(a, Traced):
        low.replace(a, result)
    return result


def _gated(low: Lowering, a: Traced, b: Traced) -> Traced:
    """A product of two tensors, one of them a gate: the one that is spread over the other, or squashed."""
    if a.shape != b.shape:
        x, gate = (a, b) if _spreads(b, a) else (b, a)
        if not _spreads(gate, x):
            low.refuse(f"multiplies two tensors of the shapes {a.shape} and {b.shape}, neither a gate")
        return low.emit(Gate(), x, gate)
    squashed = [low.made_by(traced).operation in SQUASHING for traced in (a, b)]
    if sum(squashed) != 1:
        low.refuse(
            "multiplies two tensors of one shape, neither or both of them a sigmoid's or tanh's result; "
            "only a gate can be held at its value"
        )
    x, gate = (b, a) if squashed[0] else (a, b)
    made = low.made_by(gate)
    if made.operation is SIGMOID and made.inputs == (x.step,):
        return low.emit(SILU, x)  # SiLU, spelled out
    return low.emit(Gate(), x, gate)


def _spreads(gate: Traced, x: Traced) -> bool:
    """Whether a tensor broadcasts over another of the same rank."""
    pairs = zip(gate.shape, x.shape, strict=False)
    return len(gate.shape) == len(x.shape) and all(one in (1, other) for one, other in pairs)


@functions(operator.truediv, torch.div, torch.true_divide)
@methods("div", "true_divide")
def _div(low: Lowering, a: Any, b: Any) -> Traced:
    if isinstance(b, Traced):
        low.refuse("divides by a tensor, which graphpath cannot take apart")
    return low.emit(Affine(1 / _constant(low, a, b), None), a)


@functions(operator.neg, torch.neg)
@methods("neg")
def _neg(low: Lowering, x: Traced) -> Traced:
    return _scaled(low, x, -1)


def _scaled(low: Lowering, x: Traced, factor: Any) -> Traced:
    return low.emit(Affine(_constant(low, x, factor), None), x)


def _constant(low: Lowering, x: Traced, value: Any) -> Tensor:
    """A constant that broadcasts over one image of ``x``, without the batch dimension."""
    # Python's numbers are float64; torch would read 0.1 as the float32 beside it.
    dtype = torch.float64 if isinstance(value, (int, float)) else None
    constant = torch.as_tensor(value, dtype=dtype, device=x.value.device).detach()
    if constant.dim() == x.value.dim():
        if constant.shape[0] != 1:
            low.refuse("combines the batch with a constant that differs from image to image")
        constant = constant[0]
    if torch.broadcast_shapes(constant.shape, x.shape) != x.shape:
        low.refuse(f"combines {x.shape} with a constant of shape {tuple(constant.shape)}")
    return constant.to(torch.float64) if constant.dtype == torch.int64 else constant
