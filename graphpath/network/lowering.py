"""From an ``nn.Module`` to a program of graphpath's own operations.

torch.fx gives the network's graph; a walk over it with a small probe batch gives every step's shape and
settles whatever the network computes from shapes. The dialect says what each of PyTorch's spellings means.
At the end the program must give what the module itself gives, or it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.fx
from torch import Tensor, nn

from graphpath.errors import NetworkError
from graphpath.network.dialect import rule_for
from graphpath.network.permutes import move_permutes
from graphpath.network.program import Program
from graphpath.network.walk import Lowering

PROBE = 2
"""Images in the probe batch: two, so that a network made for a batch of one is noticed."""


def lower(module: nn.Module, image: Tensor) -> Program:
    """The program of ``module`` for images like ``image`` (C, H, W); the module is left as it was.

    Raises UnsupportedOperation, which names the operation and its place, or NetworkError where torch.fx
    cannot trace the module, where it cannot take such images, or the program's logits differ from its own.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((PROBE, *image.shape), generator=generator, dtype=torch.float64)
    probe = noise.to(device=image.device, dtype=image.dtype)
    with evaluating(module), _unmarked(module), torch.no_grad():
        graph = _traced(module)
        program = move_permutes(_walked(module, probe, graph).pruned()).folded().named()
        _check(program, module, probe)
    return program


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


@contextmanager
def _unmarked(module: nn.Module) -> Iterator[None]:
    """On leaving, the attributes are gone that torch.fx gives a module whose forward makes tensors."""
    own = set(vars(module))
    try:
        yield
    finally:
        for name in set(vars(module)) - own:
            delattr(module, name)


def _traced(module: nn.Module) -> torch.fx.Graph:
    try:
        return torch.fx.Tracer().trace(module)
    except Exception as error:  # fx raises whatever the network's own code raises on a proxy
        raise NetworkError(
            f"torch.fx cannot trace {type(module).__name__}: {error}. "
            "Its forward must not branch on the values or shapes of tensors."
        ) from error


def _walked(module: nn.Module, probe: Tensor, graph: torch.fx.Graph) -> Program:
    try:
        return Lowering(module, probe, rule_for).walk(graph)
    except RuntimeError:
        _refuse_size(module, probe)
        raise


def _refuse_size(module: nn.Module, probe: Tensor) -> None:
    """Raise NetworkError if the network itself cannot take the images."""
    try:
        module(probe)
    except RuntimeError as error:
        raise NetworkError(
            f"{type(module).__name__} cannot take images of shape {tuple(probe.shape[1:])}: {error}. "
            "Give it images of the size that it is made for."
        ) from error


def _check(program: Program, module: nn.Module, probe: Tensor) -> None:
    ours, theirs = program.run(probe), module(probe)
    tolerance = 1e-3 if probe.dtype != torch.float64 else 1e-9
    scale = float(theirs.abs().max()) or 1.0
    if float((ours - theirs).abs().max()) > tolerance * scale:
        raise NetworkError(
            f"graphpath's reading of {type(module).__name__} gives other logits than the network itself; "
            "it probably changes tensors in place through views, which cannot be followed."
        )
