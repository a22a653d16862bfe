"""Activations: functions of one neuron's value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.network.dialect.registry import functions, methods, modules
from graphpath.network.operations import RELU, Activation
from graphpath.network.walk import Lowering, Traced


def _activated(low: Lowering, activation: Activation, x: Traced, inplace: bool = False) -> Traced:
    result = low.emit(activation, x)
    if inplace:
        low.replace(x, result)
    return result


@modules(nn.ReLU)
def _relu_module(low: Lowering, module: nn.ReLU, x: Traced) -> Traced:
    return _relu(low, x, module.inplace)


@functions(F.relu, torch.relu)
@methods("relu")
def _relu(low: Lowering, input: Traced, inplace: bool = False) -> Traced:
    return _activated(low, RELU, input, inplace)


@functions(torch.relu_, F.relu_)
@methods("relu_")
def _relu_in_place(low: Lowering, input: Traced) -> Traced:
    return _relu(low, input, inplace=True)


# --- without parameters: phi, and phi(0) -------------------------------------------------

SIGMOID = Activation("sigmoid", torch.sigmoid, 0.5, piecewise_linear=False)
TANH = Activation("tanh", torch.tanh, piecewise_linear=False)
SILU = Activation("silu", F.silu, piecewise_linear=False)
RELU6 = Activation("relu6", F.relu6, piecewise_linear=False)
HARDSWISH = Activation("hardswish", F.hardswish, piecewise_linear=False)
HARDSIGMOID = Activation("hardsigmoid", F.hardsigmoid, 0.5, piecewise_linear=False)
MISH = Activation("mish", F.mish, piecewise_linear=False)
SELU = Activation("selu", F.selu, piecewise_linear=False)
SOFTSIGN = Activation("softsign", F.softsign, piecewise_linear=False)

SQUASHING = (SIGMOID, HARDSIGMOID, TANH)
"""What gates are made with."""


def _plain(activation: Activation, classes: tuple[type[nn.Module], ...], *calls: Callable[..., Any]) -> None:
    """Rules for an activation that has no options but in place or not."""

    @modules(*classes)
    def _module(low: Lowering, module: nn.Module, x: Traced) -> Traced:
        return _activated(low, activation, x, bool(getattr(module, "inplace", False)))

    @functions(*calls)
    def _function(low: Lowering, input: Traced, inplace: bool = False) -> Traced:
        return _activated(low, activation, input, inplace)


_plain(SIGMOID, (nn.Sigmoid,), torch.sigmoid, F.sigmoid)
_plain(TANH, (nn.Tanh,), torch.tanh, F.tanh)
_plain(SILU, (nn.SiLU,), F.silu)
_plain(RELU6, (nn.ReLU6,), F.relu6)
_plain(HARDSWISH, (nn.Hardswish,), F.hardswish)
_plain(HARDSIGMOID, (nn.Hardsigmoid,), F.hardsigmoid)
_plain(MISH, (nn.Mish,), F.mish)
_plain(SELU, (nn.SELU,), F.selu)
_plain(SOFTSIGN, (nn.Softsign,), F.softsign)


@methods("sigmoid")
def _sigmoid_method(low: Lowering, x: Traced) -> Traced:
    return low.emit(SIGMOID, x)


@methods("tanh")
def _tanh_method(low: Lowering, x: Traced) -> Traced:
    return low.emit(TANH, x)


# --- with parameters ---------------------------------------------------------------------


@modules(nn.GELU)
def _gelu_module(low: Lowering, module: nn.GELU, x: Traced) -> Traced:
    return _gelu(low, x, module.approximate)


@functions(F.gelu)
def _gelu(low: Lowering, input: Traced, approximate: str = "none") -> Traced:
    phi = _with(F.gelu, approximate=approximate)
    return low.emit(Activation("gelu", phi, piecewise_linear=False), input)


@modules(nn.LeakyReLU)
def _leaky_relu_module(low: Lowering, module: nn.LeakyReLU, x: Traced) -> Traced:
    return _leaky_relu(low, x, module.negative_slope, module.inplace)


@functions(F.leaky_relu)
def _leaky_relu(low: Lowering, input: Traced, negative_slope: float = 0.01, inplace: bool = False) -> Traced:
    phi = _with(F.leaky_relu, negative_slope=negative_slope)
    return _activated(low, Activation("leaky_relu", phi), input, inplace)


@modules(nn.PReLU)
def _prelu_module(low: Lowering, module: nn.PReLU, x: Traced) -> Traced:
    return _prelu(low, x, module.weight)


@functions(F.prelu, torch.prelu)
def _prelu(low: Lowering, input: Traced, weight: Tensor) -> Traced:
    phi = _with(F.prelu, weight=weight.detach())
    return low.emit(Activation("prelu", phi, by_channel=weight.numel() > 1), input)


@modules(nn.ELU)
def _elu_module(low: Lowering, module: nn.ELU, x: Traced) -> Traced:
    return _elu(low, x, module.alpha, module.inplace)


@functions(F.elu)
def _elu(low: Lowering, input: Traced, alpha: float = 1.0, inplace: bool = False) -> Traced:
    return _activated(
        low, Activation("elu", _with(F.elu, alpha=alpha), piecewise_linear=False), input, inplace
    )


@modules(nn.CELU)
def _celu_module(low: Lowering, module: nn.CELU, x: Traced) -> Traced:
    return _celu(low, x, module.alpha, module.inplace)


@functions(F.celu)
def _celu(low: Lowering, input: Traced, alpha: float = 1.0, inplace: bool = False) -> Traced:
    return _activated(
        low, Activation("celu", _with(F.celu, alpha=alpha), piecewise_linear=False), input, inplace
    )


@modules(nn.Hardtanh)
def _hardtanh_module(low: Lowering, module: nn.Hardtanh, x: Traced) -> Traced:
    return _hardtanh(low, x, module.min_val, module.max_val, module.inplace)


@functions(F.hardtanh)
def _hardtanh(
    low: Lowering, input: Traced, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Traced:
    phi = _with(F.hardtanh, min_val=min_val, max_val=max_val)
    activation = Activation("hardtanh", phi, _at_zero(phi), piecewise_linear=False)
    return _activated(low, activation, input, inplace)


@modules(nn.Softplus)
def _softplus_module(low: Lowering, module: nn.Softplus, x: Traced) -> Traced:
    return _softplus(low, x, module.beta, module.threshold)


@functions(F.softplus)
def _softplus(low: Lowering, input: Traced, beta: float = 1.0, threshold: float = 20.0) -> Traced:
    phi = _with(F.softplus, beta=beta, threshold=threshold)
    return low.emit(Activation("softplus", phi, _at_zero(phi), piecewise_linear=False), input)


def _with(function: Callable[..., Tensor], **options: Any) -> Callable[[Tensor], Tensor]:
    return lambda z: function(z, **options)


def _at_zero(phi: Callable[[Tensor], Tensor]) -> float:
    return float(phi(torch.zeros(1, dtype=torch.float64)))
