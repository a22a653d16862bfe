"""Encoded images to pixels, with Pillow: the same as torchvision's ``ImageFolder`` gives.

Its loader is ``Image.open(file).convert("RGB")``: an EXIF orientation is not applied, transparency is
dropped, and of several frames the first is taken. Grey images of more than eight bits, which it would clip
or cut, are scaled by what they declare (``ranges``).
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from graphpath.data.fit import Size, fit
from graphpath.data.notes import Notes
from graphpath.data.ranges import Values, check_colours, is_deep, scale_samples
from graphpath.errors import DataError

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files that are taken for images, by their lower-case suffix."""

MOST_PIXELS = 1 << 26
"""No image may have more: a small file can claim to be any size."""

FLAT = 1 / 32
"""Images whose brightest and darkest values are closer than this are spoken of."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, whatever a file's name ends in. Pillow's others include some that start programs."""

_AS_TORCHVISION = "as in torchvision's ImageFolder"
ORIENTED = (
    f"images whose EXIF orientation was not applied, {_AS_TORCHVISION} (--exif or exif=True applies it)"
)
CLEAR = f"images with transparency, of which the colours alone were taken, {_AS_TORCHVISION}"
SEVERAL = "images of several frames or pages, of which the first was taken"
CONSTANT = "nearly constant images"

_ORIENTATION = 274
_TURNS: dict[int, Callable[[Values], Values]] = {
    2: np.fliplr,
    3: lambda values: np.rot90(values, 2),
    4: np.flipud,
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: np.rot90(values, -1),
    7: lambda values: np.rot90(values, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""By EXIF orientation, what brings an image (H, W, ...) upright (Exif 2.32, 4.6.4.A)."""


logging.getLogger("PIL").addHandler(logging.NullHandler())  # its remarks name no file; ours are the notes


def decode(
    data: bytes,
    name: str,
    size: Size | None = None,
    channels: int | None = None,
    *,
    exif: bool = False,
    notes: Notes | None = None,
) -> torch.Tensor:
    """float32 (C, H, W) in [0, 1]: colour, unless ``channels`` is 1; brought to ``size``.

    ``exif`` applies the orientation that EXIF gives. Sentences about the image are added to ``notes``.
    Raises ``DataError`` with ``name`` where ``data`` is not a whole image, or its range is not known.
    """
    if not data:
        raise DataError(f"{name}: not a readable image (the file is empty); replace or remove it")
    met = Notes() if notes is None else notes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, which name no file; ours are the notes
            pixels = _open_image(data, name, exif, met)
    except DataError:
        raise
    except Exception as error:
        # Pillow's readers raise what they please on damaged files: struct.error, KeyError, MemoryError ...
        raise DataError(
            f"{name}: not a readable image ({_describe_error(error)}); replace or remove it"
        ) from error
    if float(pixels.max() - pixels.min()) < FLAT:
        met.add(CONSTANT, name)
    return fit(pixels.unsqueeze(0), _check_scale(size, pixels, name), channels or 3)[0]


def _describe_error(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no known format, or damaged at its beginning"
    return str(error) or type(error).__name__


def _open_image(data: bytes, name: str, exif: bool, notes: Notes) -> torch.Tensor:
    with Image.open(io.BytesIO(data), formats=_list_formats()) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(f"{name}: {image.width}x{image.height} pixels are more than {MOST_PIXELS}")
        image.load()
        values = (
            scale_samples(image, data, name, notes)
            if is_deep(image)
            else _to_bytes(image, name) / np.float32(255)
        )
        turn = _find_rotation(image)
        if turn is not None and not exif:
            notes.add(ORIENTED, name)
        _note_properties(image, name, notes)
        return _to_planes(turn(values) if exif and turn is not None else values)


@cache
def _list_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _to_bytes(image: Image.Image, name: str) -> Values:
    check_colours(image, name)
    return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))


def _find_rotation(image: Image.Image) -> Callable[[Values], Values] | None:
    """What brings the image upright. Pillow turns a TIFF by its own tag when it loads it."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF that cannot be read orients nothing
        return None


def _note_properties(image: Image.Image, name: str, notes: Notes) -> None:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        notes.add(CLEAR, name)
    if _has_several_frames(image):
        notes.add(SEVERAL, name)


def _has_several_frames(image: Image.Image) -> bool:
    try:
        return (
            bool(getattr(image, "is_animated", False)) and image.format != "MPO"
        )  # a photo with its preview
    except Exception:  # there is something behind the first frame, and it is damaged
        return True


def _to_planes(values: Values) -> torch.Tensor:
    planes = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32))


def _check_scale(size: Size | None, pixels: torch.Tensor, name: str) -> Size | None:
    """``size``, where what the image is scaled to before it is cut is not beyond all measure."""
    if size is not None:
        height, width = pixels.shape[1:]
        scale = max(size[0] / height, size[1] / width)
        if height * width * scale**2 > max(MOST_PIXELS, height * width):
            raise DataError(
                f"{name}: {width}x{height} pixels are too narrow to be cut to {size[1]}x{size[0]}"
            )
    return size
