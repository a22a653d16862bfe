"""Images composed of others: several objects on a black canvas, none over another, as in M2NIST.

M2NIST (a set made of MNIST) has 5,000 grey images of 64 x 84 pixels with up to three digits, none rotated and
none over another. Here any set of images gives the objects. An image's label is that of its leftmost object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from graphpath.data.base import BaseImages, Positions
from graphpath.data.rows import build_sample_rows
from graphpath.errors import DataError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Placement:
    """Which objects are on which canvas, and where: arrays (objects,), canvas by canvas, from left to right.

    ``canvas`` is the canvas's number, ``source`` the object's position in the set that it comes from, ``top``
    and ``left`` where its upper left corner is.
    """

    canvas: Ints
    source: Ints
    top: Ints
    left: Ints

    def move(self, chosen: npt.NDArray[np.bool_], down: int, right: int) -> Placement:
        """The same with the ``chosen`` objects moved by whole pixels."""
        top, left = self.top + down * chosen, self.left + right * chosen
        return Placement(self.canvas, self.source, top, left)

    def find_leftmost(self) -> npt.NDArray[np.bool_]:
        """Which objects stand furthest left on their canvas."""
        first: npt.NDArray[np.bool_] = np.r_[True, self.canvas[1:] != self.canvas[:-1]]
        return first


def place_objects(
    objects: int, shape: tuple[int, int], canvas: tuple[int, int], counts: Sequence[int], seed: int
) -> Placement:
    """Objects drawn at random, ``counts[i]`` of them on canvas i, at random positions in bands side by side.

    Each of n objects has a band of 1/n of the canvas's width to itself, so none lies over another. Raises
    DataError where a band is narrower than an object.
    """
    height, width = shape
    room = canvas[1] // max(counts, default=1)
    if canvas[0] < height or room < width:
        raise DataError(
            f"a canvas of {canvas[0]} x {canvas[1]} has no room for {max(counts, default=1)} objects of "
            f"{height} x {width} side by side."
        )
    random = np.random.default_rng(seed)
    number = np.repeat(np.arange(len(counts)), counts)
    bands = np.repeat([canvas[1] // count for count in counts], counts)
    order = np.concatenate([np.arange(count) for count in counts]) if len(counts) else number
    source = random.integers(0, objects, len(number))
    top = random.integers(0, canvas[0] - height + 1, len(number))
    return Placement(number, source, top, order * bands + random.integers(0, bands - width + 1))


class ComposedImages(BaseImages):
    """Canvases with the objects of ``where``, painted when they are read; labelled by the leftmost."""

    def __init__(self, images: BaseImages, where: Placement, canvas: tuple[int, int], name: str) -> None:
        shape = (images.shape[0], *canvas)
        super().__init__(name, images.split, images.classes, shape, images.scheme)
        self.objects, self.where = images, where
        self._ends = np.flatnonzero(np.r_[where.find_leftmost(), True])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def notes(self) -> tuple[str, ...]:
        return self.objects.notes

    def _sample_rows(self) -> pa.Table:
        labels = self.objects.labels[self.where.source[self._ends[:-1]]]
        return build_sample_rows(self.dataset, self.split, labels, index=np.arange(len(self)))

    def read(self, positions: Positions) -> torch.Tensor:
        return self.paint(self.where, positions)

    def paint(self, where: Placement, positions: Positions) -> torch.Tensor:
        """float32 (n, C, H, W): canvases with their objects where ``where`` has them, cut off at the edge."""
        _, height, width = self.objects.shape
        channels, *canvas = self.shape
        # A margin as wide as an object takes what is cut off.
        field = torch.zeros(len(positions), channels, canvas[0] + 2 * height, canvas[1] + 2 * width)
        for number, position in enumerate(positions):
            own = slice(self._ends[position], self._ends[position + 1])
            for pixels, top, left in zip(
                self.objects.read(where.source[own]), where.top[own], where.left[own], strict=True
            ):
                y, x = int(top) + height, int(left) + width
                field[number, :, y : y + height, x : x + width] += pixels
        return field[:, :, height : height + canvas[0], width : width + canvas[1]].clamp(0, 1)


def compose(
    images: BaseImages, count: int, canvas: tuple[int, int], objects: Sequence[int], seed: int, name: str
) -> ComposedImages:
    """``count`` images with as many objects as one of ``objects``, drawn at random; see the module."""
    counts = np.random.default_rng([seed, 1]).choice(objects, count)
    _, height, width = images.shape
    where = place_objects(len(images), (height, width), canvas, counts.tolist(), seed)
    return ComposedImages(images, where, canvas, name)
