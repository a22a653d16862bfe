"""Images brought to the shape that a model takes."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import torch
import torch.nn.functional as F

from graphpath.data.base import BaseImages, Positions
from graphpath.errors import DataError

Size = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True)
class PixelFormat:
    """How encoded images are brought to pixels: None leaves as it is; ``exif`` applies their orientation."""

    size: Size | None = None
    channels: int | None = None
    exif: bool = False


def as_size(size: int | Size | None) -> Size | None:
    """``size`` as (height, width); one number means a square."""
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise DataError(f"size {size}: expected positive numbers of pixels")
    return height, width


def fit(pixels: torch.Tensor, size: Size | None, channels: int | None) -> torch.Tensor:
    """``pixels`` (n, C, H, W) in [0, 1] brought to ``channels`` and ``size``; None leaves as it is.

    Resizing keeps the aspect ratio: the image is scaled until it just covers ``size`` (bilinear, with
    antialiasing), then the centre is cut out.
    """
    return _resize(_recolour(pixels, channels), size)


def _recolour(pixels: torch.Tensor, channels: int | None) -> torch.Tensor:
    have = pixels.shape[1]
    if channels is None or channels == have:
        return pixels
    if (have, channels) == (1, 3):
        return pixels.expand(-1, 3, -1, -1)
    if (have, channels) == (3, 1):
        luma = torch.tensor([0.299, 0.587, 0.114], dtype=pixels.dtype)  # ITU-R BT.601
        return torch.einsum("nchw,c->nhw", pixels, luma).unsqueeze(1).clamp(0, 1)
    raise DataError(f"channels={channels}: images of {have} channels can only become grey (1) or colour (3)")


def _resize(pixels: torch.Tensor, size: Size | None) -> torch.Tensor:
    height, width = pixels.shape[2:]
    if size is None or size == (height, width):
        return pixels
    scale = max(size[0] / height, size[1] / width)
    scaled = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    grown = F.interpolate(pixels, size=scaled, mode="bilinear", antialias=True, align_corners=False)
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return grown[:, :, top : top + size[0], left : left + size[1]].clamp(0, 1)


class FittedImages(BaseImages):
    """Another set, its images brought to one size and number of channels."""

    def __init__(self, images: BaseImages, size: Size | None, channels: int | None) -> None:
        have_channels, height, width = images.shape
        new_height, new_width = size or (height, width)
        shape = (channels or have_channels, new_height, new_width)
        super().__init__(images.dataset, images.split, images.classes, shape, images.scheme)
        self._images, self._size, self._channels = images, size, channels

    def __len__(self) -> int:
        return len(self._images)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._images.notes

    def _sample_rows(self) -> pa.Table:
        return self._images.rows()

    def read(self, positions: Positions) -> torch.Tensor:
        return fit(self._images.read(positions), self._size, self._channels)


def fit_images(images: BaseImages, size: Size | None, channels: int | None) -> BaseImages:
    """``images`` brought to ``size`` and ``channels``, or as they are where they have them already."""
    have_channels, *have_size = images.shape
    if channels in (None, have_channels) and (size is None or list(size) == have_size):
        return images
    return FittedImages(images, size, channels)
