"""Windows cut out of tensors, and put back: the footprints of many pixels at once.

Throughout, R is the number of pixels in hand and (h, w) the size of a window. The part of a window that lies
outside the tensor is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.tracing.diffusion.footprints import Window


@dataclass(frozen=True, eq=False)
class PixelRows:
    """Pixels in hand, one a row: the images of the batch they are of, their places, and their tiles."""

    image: Tensor  # (R,) int64
    y: Tensor
    x: Tensor
    tile_y: Tensor
    tile_x: Tensor
    images: slice  # of the batch, that the rows are of
    tiles: tuple[int, int]  # of an image

    @classmethod
    def from_pixels(
        cls, image: Tensor, place: Tensor, shape: tuple[int, int], tile: tuple[int, int]
    ) -> PixelRows:
        """The rows of the pixels ``place = y * width + x`` of images of ``shape`` (height, width)."""
        y, x = place // shape[1], place % shape[1]
        images = slice(int(image.min()), int(image.max()) + 1) if len(image) else slice(0, 1)
        tiles = (-(-shape[0] // tile[0]), -(-shape[1] // tile[1]))
        return cls(image, y, x, y // tile[0], x // tile[1], images, tiles)

    def __len__(self) -> int:
        return len(self.image)

    def take_from_images(self, values: Tensor) -> Tensor:
        """Each row's values, from those of the batch's images (N or 1, ...): (R, ...) or (1, ...) for all."""
        if len(values) == 1 or self.images.stop - self.images.start == 1:
            return values if len(values) == 1 else values[self.images]
        return values.index_select(0, self.image)

    def find_corners(self, window: Window) -> tuple[Tensor, Tensor]:
        """Where each row's window begins: (R,) rows and columns, perhaps outside the tensor."""
        assert window is not None
        rows, columns = window
        return rows.start + self.tile_y * rows.pitch, columns.start + self.tile_x * columns.pitch

    def measure_overhang(self, window: Window, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """How far windows reach beyond a tensor (C, H, W) at most: left, right, top, bottom."""
        assert window is not None
        spans = zip(window, shape[1:], self.tiles, strict=True)
        (top, bottom), (left, right) = (
            (max(0, -span.start), max(0, span.stop + (count - 1) * span.pitch - size))
            for span, size, count in spans
        )
        return left, right, top, bottom


def cut_patches(planes: Tensor, window: Window, rows: PixelRows, fill: int = 0) -> Tensor:
    """Each row's window of its image's ``planes`` (N or 1, C, H, W): (R, C, h, w); without a window, all.

    Where there is no window the result may only spread to the rows.
    """
    if window is None:
        return rows.take_from_images(planes)
    first = 0 if len(planes) == 1 else rows.images.start
    planes = planes if len(planes) == 1 else planes[rows.images]
    around = rows.measure_overhang(window, planes.shape[1:])
    padded = F.pad(planes, around, value=fill) if any(around) else planes
    windows = padded.unfold(2, window[0].size, 1).unfold(3, window[1].size, 1)
    top, left = rows.find_corners(window)
    image = torch.zeros_like(rows.image) if len(planes) == 1 else rows.image - first
    return windows[image, :, top + around[2], left + around[0]]


def embed_patches(values: Tensor, window: Window, rows: PixelRows, shape: tuple[int, ...]) -> Tensor:
    """Windows (R, C, h, w) put into tensors of zeros: (R, *shape)."""
    if window is None:
        return values
    channels, height, width = shape
    y, x, within = _find_places(window, rows, height, width)
    place = torch.where(within, y * width + x, height * width).flatten(1)
    spread = values.new_zeros((len(rows), channels, height * width + 1))  # one place for what is outside
    spread.scatter_(2, place[:, None].expand(-1, channels, -1), values.flatten(2))
    return spread[:, :, :-1].reshape(len(rows), *shape)


def mark_inside(window: Window, rows: PixelRows, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
    """1 where windows lie inside a tensor (C, H, W), 0 elsewhere: (R, 1, h, w); None where all do."""
    if not any(rows.measure_overhang(window, shape)):
        return None
    return _find_places(window, rows, shape[1], shape[2])[2][:, None].to(dtype)


def localise_switches(
    switches: Tensor, before: Window, after: Window, rows: PixelRows, width: int
) -> tuple[Tensor, Tensor]:
    """The switches of a max-pool (N, C, H', W') within windows: (R, C, h', w') each.

    Returns for the places of the windows ``after`` the winners' places in the windows ``before``, of planes
    of the given width, and whether they lie there at all (1 or 0, the same dtype as an index).
    """
    assert before is not None
    won = cut_patches(switches, after, rows, fill=-1)
    top, left = (corner[:, None, None, None] for corner in rows.find_corners(before))
    high, wide = before[0].size, before[1].size
    y, x = won.div(width, rounding_mode="floor") - top, won.remainder(width) - left
    valid = (won >= 0) & (y >= 0) & (y < high) & (x >= 0) & (x < wide)
    return torch.where(valid, y * wide + x, 0), valid


def _find_places(window: Window, rows: PixelRows, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The rows, columns and whether they are inside, of every place of the windows: (R, h, w) each."""
    assert window is not None
    top, left = rows.find_corners(window)
    y = top[:, None] + torch.arange(window[0].size, device=top.device)
    x = left[:, None] + torch.arange(window[1].size, device=left.device)
    within = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    return y[:, :, None].expand_as(within), x[:, None].expand_as(within), within
