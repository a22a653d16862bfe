"""Encoded images to pixels, with Pillow."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from graphpath.data.fit import Size, fit
from graphpath.errors import DataError

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files that are taken for images, by their lower-case suffix."""

MOST_PIXELS = 1 << 26
"""No image may have more: a small file can claim to be any size."""

_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode(data: bytes, name: str, size: Size | None = None, channels: int | None = None) -> torch.Tensor:
    """float32 (C, H, W) in [0, 1]: colour, unless ``channels`` is 1; brought to ``size``.

    Raises ``DataError`` with ``name`` where ``data`` is not a whole image.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(f"{name}: {image.width}x{image.height} pixels are more than {MOST_PIXELS}")
            pixels = _pixels(image)
    except _UNREADABLE as error:
        raise DataError(f"{name}: not a readable image ({error}); replace or remove it") from error
    return fit(pixels.unsqueeze(0), size, channels or 3)[0]


def _pixels(image: Image.Image) -> torch.Tensor:
    if image.mode.startswith("I"):
        # Sixteen-bit grey: Pillow's own conversion to eight bits would clip it.
        return torch.from_numpy(np.asarray(image, dtype=np.float32) / 65535).clamp(0, 1).unsqueeze(0)
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    values = torch.from_numpy(np.array(image, dtype=np.uint8))
    planes = values.unsqueeze(0) if values.ndim == 2 else values.permute(2, 0, 1)
    return planes.to(torch.float32) / 255
