"""A caller's module put into evaluation mode, and what its forward changes put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """On leaving, modes, attributes and buffers of the module and all its sub-modules are what they were."""
    kept = [(part, dict(vars(part)), _registered(part), _contents(part)) for part in module.modules()]
    try:
        yield
    finally:
        for part, own, registered, contents in kept:
            vars(part).clear()
            vars(part).update(own)
            for name, members in registered.items():
                vars(part)[name].clear()
                vars(part)[name].update(members)
            for tensor, version, copy in contents:
                if tensor._version != version:
                    with torch.no_grad():
                        tensor.copy_(copy)


def _registered(part: nn.Module) -> dict[str, dict[str, Any]]:
    return {name: dict(vars(part)[name]) for name in ("_parameters", "_buffers", "_modules")}


def _contents(part: nn.Module) -> list[tuple[Tensor, int, Tensor]]:
    """The buffers of one module, their versions and copies: a forward may count in them."""
    buffers = [b for b in part._buffers.values() if b is not None and not b.is_inference()]
    return [(buffer, buffer._version, buffer.detach().clone()) for buffer in buffers]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode; on leaving, every sub-module's own mode is back."""
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes.items():
            child.training = mode
