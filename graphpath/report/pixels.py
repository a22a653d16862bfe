"""Where the report gets a sample's pixels: the record keeps those that a pathway visits, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from graphpath.record.imageset import ImageSet

if TYPE_CHECKING:
    from graphpath.data.base import BaseImages

Image = npt.NDArray[np.float32]
"""(C, H, W) in [0, 1]; NaN where a pixel is not known."""


class Pixels(Protocol):
    """Pixels by sample id."""

    def find(self, sample: int) -> Image | None:
        """The image of ``sample``, or None where it is not among these."""
        ...


class ImageSetPixels:
    """The images of an image set, such as ``graphpath attack`` writes. Needs no torch."""

    def __init__(self, stored: ImageSet) -> None:
        self._stored = stored
        numbers = stored.samples()["sample"].to_pylist()
        self._place = {sample: place for place, sample in enumerate(numbers)}
        self._ends = np.cumsum(stored.sizes)
        self._held: dict[int, Image] = {}

    def find(self, sample: int) -> Image | None:
        place = self._place.get(sample)
        if place is None:
            return None
        part = int(np.searchsorted(self._ends, place, side="right"))
        if part not in self._held:
            self._held = {part: self._stored.pixels(part)}
        image: Image = self._held[part][place - (int(self._ends[part - 1]) if part else 0)]
        return image


class ImagesPixels:
    """Any of graphpath's sets of images (``graphpath.data``)."""

    def __init__(self, images: BaseImages) -> None:
        self._images = images
        numbers = images.rows()["sample"].to_pylist()
        self._place = {sample: place for place, sample in enumerate(numbers)}

    def find(self, sample: int) -> Image | None:
        place = self._place.get(sample)
        if place is None:
            return None
        image: Image = self._images.batch(place, place + 1)[0].numpy()
        return image


def find_pixels(sources: Sequence[Pixels], sample: int) -> Image | None:
    """The image of ``sample`` in the first of ``sources`` that has it."""
    for source in sources:
        image = source.find(sample)
        if image is not None:
            return image
    return None


def pixels_from_visits(visits: Any, shape: tuple[int, int, int]) -> Image:
    """What a pathway's visits say of its image: the pixels that it starts from, NaN elsewhere.

    Args:
        visits: rows of ``pathways/neurons`` in layer 0.
        shape: (C, H, W) of the input.
    """
    image = np.full(shape, np.nan, dtype=np.float32)
    image[visits.channel, visits.y, visits.x] = visits.activation
    return image
