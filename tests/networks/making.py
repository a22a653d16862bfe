"""A network by corpus and name, in float64, with random weights that leave nothing trivial."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import torch
import torchvision
from torch import Tensor, nn

from graphpath.data.base import Images
from graphpath.models.inputs import adapt
from graphpath.models.loaded import as_loaded
from tests.tracing import nets

SIDE = 64
SIDES = {"inception_v3": 75, "vit_h_14": 70}
"""Images of SIDE by SIDE pixels, or the nearest that a network of torchvision's takes."""
WITHOUT_DRAWING = {"init_weights": False, "aux_logits": False}
OPTIONS: dict[str, dict[str, Any]] = {"googlenet": WITHOUT_DRAWING, "inception_v3": WITHOUT_DRAWING}
CLASSES = 10
Shape = tuple[int, ...]


class OwnFault(Exception):
    """The network does not run by itself, whatever graphpath makes of it."""


def make(corpus: str, name: str) -> tuple[nn.Module, Shape]:
    """A network in evaluation mode and the shape of its images. Raises OwnFault where it does not run."""
    torch.manual_seed(0)
    if corpus == "idioms":
        return _idiom(name)
    model, shape = MAKERS[corpus](name)
    return ready(model, shape), shape


def ready(model: nn.Module, shape: Shape) -> nn.Module:
    """The model in float64, its weights drawn, its batch norms' statistics those of images."""
    draw(model.double())
    know_images(model, nets.images(shape, 4, seed=1))
    return model.eval()


def draw(model: nn.Module) -> None:
    """Draw biases and whatever is constant (scales of norms and of layers, tokens at zero) anew."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point():
                continue
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            first = parameter.flatten()[0]
            if parameter.dim() > 1 and bool((parameter != first).any()):
                continue
            level = float(first) if 0.5 <= abs(float(first)) <= 2 else 0.0
            parameter.copy_(level + (0.2 if level else 0.1) * noise)


def know_images(model: nn.Module, images: Tensor) -> None:
    """Set the statistics of batch norms to those of some images.

    Statistics at random would make a network of a hundred layers that multiplies rounding without bound.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    try:
        with torch.no_grad():
            model(images)
    except Exception as error:
        raise OwnFault(f"{type(error).__name__}: {error}") from error
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    model.eval()


def as_given(model: nn.Module, shape: Shape) -> nn.Module:
    """The module that is taken apart for a network that a user gives."""
    images = SimpleNamespace(shape=shape, given_shape=None)
    return adapt(as_loaded(model), cast(Images, images)).module


def floating(value: object) -> Iterator[Tensor]:
    """Every floating tensor within what a module returns."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from floating(part)
    elif isinstance(value, dict) or hasattr(value, "__dict__"):
        yield from floating(list(value.values() if isinstance(value, dict) else vars(value).values()))


def _torchvision(name: str) -> tuple[nn.Module, Shape]:
    options = OPTIONS.get(name, {})
    side = SIDES.get(name, SIDE)
    if "image_size" in inspect.signature(torchvision.models.get_model_builder(name)).parameters or (
        name.startswith("vit_")
    ):
        options = {**options, "image_size": side}
    if name == "maxvit_t":
        side, options = 224, {"input_size": (224, 224)}
    model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)
    return model, (3, side, side)


def _timm(name: str) -> tuple[nn.Module, Shape]:
    import timm

    failures: list[str] = []
    for options, side in _sizes_of_timm(name):
        try:
            model = timm.create_model(name, pretrained=False, num_classes=CLASSES, **options)
            shape = (int(getattr(model, "in_chans", 3) or 3), side, side)
            with torch.no_grad():
                model.eval()(torch.zeros((2, *shape)))
            return model, shape
        except Exception as error:  # whatever a network raises on images of a size that it does not take
            failures.append(f"{side}: {error}")
    raise OwnFault("; ".join(failures))


def _sizes_of_timm(name: str) -> Iterator[tuple[dict[str, Any], int]]:
    """What to make it with, and the side of its images, smallest first."""
    import timm

    configuration = timm.get_pretrained_cfg(name)
    size = 224 if configuration is None else configuration.input_size[-1]
    fixed = configuration is not None and configuration.fixed_input_size
    for side in (SIDE, 96, 128):
        if side < size:
            yield {"img_size": side}, side
            if not fixed:
                yield {}, side
    yield {}, size


def _pytorchcv(name: str) -> tuple[nn.Module, Shape]:
    from pytorchcv.model_provider import get_model

    own = getattr(get_model(name), "in_size", (224, 224))[-1]
    failures: list[str] = []
    for side in sorted({min(SIDE, own), min(96, own), min(128, own), own}):
        try:
            torch.manual_seed(0)
            model = _sized(get_model, name, side)
            with torch.no_grad():
                model.eval()(torch.zeros(2, 3, side, side))
            return model, (3, side, side)
        except Exception as error:  # whatever a network raises on images of a size that it does not take
            failures.append(f"{side}: {error}")
    raise OwnFault("; ".join(failures))


def _sized(get_model: Callable[..., nn.Module], name: str, side: int) -> nn.Module:
    try:
        model = get_model(name, in_size=(side, side))
    except TypeError:
        return get_model(name)
    last = _last_pool(model)
    if last is not None:
        parent, key = last
        setattr(parent, key, nn.AdaptiveAvgPool2d(1))
    return model


def _last_pool(model: nn.Module) -> tuple[nn.Module, str] | None:
    """Where its final average over the whole of 224 pixels is, which smaller images do not fill."""
    features = getattr(model, "features", None)
    pool = getattr(features, "final_pool", None)
    return (features, "final_pool") if features is not None and isinstance(pool, nn.AvgPool2d) else None


def _idiom(name: str) -> tuple[nn.Module, Shape]:
    from tests.network.idioms import IDIOMS

    return IDIOMS[name].made(), IDIOMS[name].shape


MAKERS: dict[str, Callable[[str], tuple[nn.Module, Shape]]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "pytorchcv": _pytorchcv,
}
