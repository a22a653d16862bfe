"""Activations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from graphpath.network.dialect.registry import functions, methods, modules
from graphpath.network.lowering import Lowering, Traced
from graphpath.network.operations import (
    RELU,
)


@modules(nn.ReLU)
def _relu_module(low: Lowering, module: nn.ReLU, x: Traced) -> Traced:
    return _relu(low, x, module.inplace)


@functions(F.relu, torch.relu)
@methods("relu")
def _relu(low: Lowering, input: Traced, inplace: bool = False) -> Traced:
    result = low.emit(RELU, input)
    if inplace:
        low.replace(input, result)
    return result


@functions(torch.relu_, F.relu_)
@methods("relu_")
def _relu_in_place(low: Lowering, input: Traced) -> Traced:
    return _relu(low, input, inplace=True)
