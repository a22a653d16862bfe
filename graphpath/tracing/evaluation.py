"""The caller's module in eval mode, and put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from graphpath.errors import MethodError
from graphpath.modules.state import evaluating


@contextmanager
def in_eval_mode(module: nn.Module, device: str | torch.device | None) -> Iterator[None]:
    """The module on ``device`` (None: where it is), in evaluation mode, with gradients.

    The caller may be in inference mode, where there are none. Raises MethodError for a device that is not
    there.
    """
    with torch.inference_mode(False), _on_device(module, device), evaluating(module):
        yield


@contextmanager
def _on_device(module: nn.Module, device: str | torch.device | None) -> Iterator[None]:
    """The module on ``device`` for a while, then where it was."""
    parameter = next(module.parameters(), None)
    if device is None or parameter is None:
        yield
        return
    home = parameter.device
    try:
        module.to(device)
    except (RuntimeError, AssertionError) as error:  # PyTorch raises either for a device that is not there
        module.to(home)
        raise MethodError(f"device={str(device)!r} cannot be used: {error}") from error
    try:
        yield
    finally:
        module.to(home)
