"""The idioms by name, and how one is entered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin

from tests.networks.making import draw, floating

Make = Callable[[], nn.Module]
M = TypeVar("M", bound=Make)


@dataclass(frozen=True)
class Idiom:
    """A network as somebody writes it: how to make it, the shape of an image, what a refusal must name.

    ``refused`` is empty where the network must be traced.
    """

    make: Make
    shape: tuple[int, ...]
    refused: tuple[str, ...] = ()

    def made(self) -> nn.Module:
        """The network in evaluation mode and float64, random weights of which two images' answers differ."""
        for seed in range(50):
            torch.manual_seed(seed)
            model = _ready(self.make(), self.shape)
            if self.refused or _distinguishes(model, self.shape):
                return model
        raise AssertionError("the network answers the same whatever its image")


def _ready(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    model.eval()
    tensors = [*model.parameters(), *model.buffers()]
    if any(isinstance(tensor, UninitializedTensorMixin) for tensor in tensors):
        with torch.no_grad():
            model(torch.rand(2, *shape))
    elif any(tensor.is_inference() for tensor in tensors):
        return model
    draw(model.double())
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
                module.running_mean.copy_(0.3 * torch.randn(module.running_mean.shape))
                assert isinstance(module.running_var, Tensor)
                module.running_var.copy_(0.5 + torch.rand(module.running_var.shape))
    return model


def _distinguishes(model: nn.Module, shape: tuple[int, ...]) -> bool:
    with torch.no_grad():
        answers = list(floating(model(torch.rand(2, *shape, dtype=torch.float64))))
    return any(float((a[0] - a[1]).abs().max()) > 1e-3 * float(a.abs().max()) for a in answers if a.dim())


IDIOMS: dict[str, Idiom] = {}


def idiom(*shape: int) -> Callable[[M], M]:
    """Enter a class or function that makes a network of images of ``shape``, which must be traced."""
    return _entered(shape, ())


def refused(*shape: int, names: tuple[str, ...]) -> Callable[[M], M]:
    """Enter a network that must be refused, with the words that its refusal must have."""
    return _entered(shape, names)


def add(family: str, name: str, shape: tuple[int, ...], make: Make) -> None:
    """Enter one network of many that differ little."""
    IDIOMS[f"{family}.{name}"] = Idiom(make, shape)


def _entered(shape: tuple[int, ...], names: tuple[str, ...]) -> Callable[[M], M]:
    def enter(make: M) -> M:
        family = make.__module__.rsplit(".", 1)[-1]
        IDIOMS[f"{family}.{make.__name__}"] = Idiom(make, shape, names)
        return make

    return enter


def dense(channels: int, classes: int = 3) -> nn.Sequential:
    """The usual end: average over space, dense layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
