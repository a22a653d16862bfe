"""Which pixels of an image are sent through the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import Held

NAMES = ("foreground", "all")
"""The pixels brighter than a threshold in some channel, or every one."""

_EXPECTED = f"{' or '.join(map(repr, NAMES))}, a mask (height, width), or a list of [y, x] or y * width + x"

Pixels = str | list[Any]
"""One of ``NAMES``, or places: ``[[y, x], ...]``, or numbers ``y * width + x``."""


def parse_pixels(pixels: Any) -> Any:
    """What users may write for pixels, in the form that is kept: a name, or sorted [y, x] pairs or numbers.

    A mask (H, W) of bool, as an array or tensor, becomes the places where it is True. Raises MethodError.
    """
    if isinstance(pixels, str):
        return check_pixels(pixels)
    if hasattr(pixels, "nonzero") and hasattr(pixels, "tolist"):
        return _parse_array(pixels)
    if not isinstance(pixels, Iterable):
        raise MethodError(f"pixels={pixels!r} is unknown; expected {_EXPECTED}.")
    return _sort([list(p) if isinstance(p, Iterable) else p for p in pixels])


def check_pixels(pixels: Pixels) -> Pixels:
    """``pixels``, if it is a list or a known name. Raises MethodError."""
    if isinstance(pixels, str) and pixels not in NAMES:
        raise MethodError(f"pixels={pixels!r} is unknown; expected {_EXPECTED}.")
    return pixels


def choose_pixels(pixels: Pixels, threshold: float, held: Held) -> tuple[Tensor, Tensor]:
    """The chosen pixels of a batch: their images and places ``y * width + x``, (R,) int64 each, in order.

    The foreground are the pixels whose intensity, as it is fed to the network, exceeds ``threshold`` in some
    channel. Raises MethodError for an unknown name, or places that the images have not.
    """
    site = held.network.sites[0]
    _, height, width = site.shape
    if isinstance(pixels, str):
        image = held.output[:, site.span].view(held.images, site.shape[0], -1)
        mask = image.amax(1) > threshold if pixels == "foreground" else torch.ones_like(image[:, 0])
        found = mask.nonzero(as_tuple=True)
        return found[0], found[1]
    place = torch.tensor(number_pixels(pixels, height, width), device=held.output.device)
    image = torch.arange(held.images, device=place.device).repeat_interleave(len(place))
    return image, place.repeat(held.images)


def number_pixels(pixels: list[Any], height: int, width: int) -> list[int]:
    """A list of pixels as numbers ``y * width + x``. Raises MethodError for one outside the image."""
    found = set()
    for pixel in pixels:
        y, x = pixel if isinstance(pixel, list) else divmod(pixel, width)
        if not (0 <= y < height and 0 <= x < width):
            raise MethodError(f"pixels: {pixel} lies outside the images of {height} x {width} pixels.")
        found.add(y * width + x)
    return sorted(found)


def _parse_array(pixels: Any) -> list[Any]:
    values = torch.as_tensor(pixels).cpu()
    if values.dtype == torch.bool and values.dim() == 2:
        return _sort(values.nonzero().tolist())
    if values.dtype.is_floating_point or values.dtype == torch.bool or values.dim() not in (1, 2):
        raise MethodError(
            f"pixels has the shape {tuple(values.shape)} and holds {values.dtype}; expected {_EXPECTED}."
        )
    return _sort(values.tolist())


def _sort(pixels: list[Any]) -> list[Any]:
    pairs = all(isinstance(p, list) and len(p) == 2 and all(type(n) is int for n in p) for p in pixels)
    if not pixels or not (pairs or all(type(p) is int for p in pixels)):
        raise MethodError(f"pixels={str(pixels)[:80]} is no list of places; expected {_EXPECTED}.")
    unique = {tuple(p) if isinstance(p, list) else p for p in pixels}
    return [list(p) if isinstance(p, tuple) else p for p in sorted(unique)]
