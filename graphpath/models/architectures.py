"""The networks that ``graphpath train`` makes: two small enough for two CPU cores, and VGG-16."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from torch import nn

from graphpath.errors import ModelError

Shape = tuple[int, int, int]


def cnn(shape: Shape, classes: int, widths: Sequence[int] = (16, 32), hidden: int = 64) -> nn.Sequential:
    """conv-relu per width, pooled to quarter the pixels, then fc-relu-fc.

    Images below 16 pixels are pooled after the last convolution only: on the 8x8 digits this is the toy of
    ``graphpath/tracing/README.md`` (3,136 neurons). Larger ones are pooled after every convolution.
    """
    channels, height, width = shape
    early = min(height, width) >= 16
    layers: list[nn.Module] = []
    for number, wide in enumerate(widths, start=1):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU()]
        channels = wide
        if early or number == len(widths):
            layers.append(nn.MaxPool2d(2))
            height, width = _halve("cnn", shape, height, width)
    flat = channels * height * width
    head = [nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers, *head)


def vgg(
    shape: Shape,
    classes: int,
    stages: Sequence[Sequence[int]] = ((24,), (48, 48), (96, 96)),
    hidden: int = 128,
) -> nn.Sequential:
    """A slim VGG (Simonyan and Zisserman 2015) with batch norm (Ioffe and Szegedy 2015).

    Each stage is conv-bn-relu per width, then a 2x2 max pool; then fc-relu-fc.
    """
    channels, height, width = shape
    layers: list[nn.Module] = []
    for stage in stages:
        for wide in stage:
            layers += [nn.Conv2d(channels, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
            channels = wide
        layers.append(nn.MaxPool2d(2))
        height, width = _halve("vgg", shape, height, width)
    flat = channels * height * width
    head = [nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers, *head)


def vgg16(shape: Shape, classes: int, hidden: int = 512) -> nn.Sequential:
    """VGG-16 with batch norm as it is used on 32x32 images: thirteen convolutions, then fc-relu-fc.

    The network of both papers' own setting; images of at least 32 pixels.
    """
    stages = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
    return vgg(shape, classes, stages, hidden)


def _halve(name: str, shape: Shape, height: int, width: int) -> tuple[int, int]:
    if min(height, width) < 2:
        raise ModelError(f"{name}: images of {shape[1]}x{shape[2]} pixels are too small; give a larger size")
    return height // 2, width // 2


ARCHITECTURES: dict[str, Callable[..., nn.Sequential]] = {"cnn": cnn, "vgg": vgg, "vgg16": vgg16}


def build(name: str, arguments: dict[str, object]) -> nn.Sequential:
    """The network called ``name``, freshly initialised. Raises ``ModelError`` on an unknown one."""
    make = ARCHITECTURES.get(name)
    if make is None:
        raise ModelError(f"architecture {name!r} is unknown; there are {', '.join(sorted(ARCHITECTURES))}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # torch's, of layers without units
            return make(**arguments)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError, UserWarning) as error:
        raise ModelError(f"architecture {name!r} does not take {arguments}: {error}") from error
