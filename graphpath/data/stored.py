"""The images of an image set directory, such as an attack writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from graphpath.data.base import BaseImages, Positions
from graphpath.errors import DataError
from graphpath.record.imageset import ImageSet

MOST_CLASSES = 1 << 20
"""No image set may name more."""


class StoredImages(BaseImages):
    """An image set's images; their ids, parents and details are the stored ones.

    One part is in memory at a time.
    """

    def __init__(self, stored: ImageSet) -> None:
        samples = stored.samples()
        if not samples.num_rows:
            raise DataError(f"{stored.path}: the image set is empty")
        self._stored, self._samples = stored, samples
        self._ends = np.cumsum(stored.sizes)
        self._held: tuple[int, torch.Tensor] | None = None
        categories = stored.categories().sort_by("label")
        scheme = categories["scheme"][0].as_py() if categories.num_rows else None
        first = int(np.flatnonzero(stored.sizes)[0])
        channels, height, width = self._read_part(first).shape[1:]
        super().__init__(
            samples["dataset"][0].as_py(),
            samples["split"][0].as_py(),
            _list_names(stored, categories),
            (channels, height, width),
            scheme,
        )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _sample_rows(self) -> pa.Table:
        return self._samples

    def _read_part(self, number: int) -> torch.Tensor:
        if self._held is None or self._held[0] != number:
            pixels = torch.from_numpy(self._stored.pixels(number))
            if self._held is not None and tuple(pixels.shape[1:]) != self.shape:
                raise DataError(
                    f"{self._stored.path}: images of {tuple(pixels.shape[1:])} in part {number}, "
                    f"the first are {self.shape}"
                )
            self._held = number, pixels
        return self._held[1]

    def read(self, positions: Positions) -> torch.Tensor:
        pixels = torch.empty((len(positions), *self.shape))
        parts = np.searchsorted(self._ends, positions, side="right")
        for number in np.unique(parts):
            chosen = np.flatnonzero(parts == number)
            within = positions[chosen] - (self._ends[number - 1] if number else 0)
            pixels[torch.from_numpy(chosen)] = self._read_part(int(number))[torch.from_numpy(within)]
        return pixels


def _list_names(stored: ImageSet, categories: pa.Table) -> list[str]:
    """The classes by label; one that the table leaves out is called by its number."""
    names = dict(zip(categories["label"].to_pylist(), categories["name"].to_pylist(), strict=True))
    most = max(names, default=-1)
    if min(names, default=0) < 0 or most >= MOST_CLASSES:
        raise DataError(
            f"{stored.path}: its categories go up to class {most:,}; expected labels from 0 to "
            f"{MOST_CLASSES - 1:,}"
        )
    return [names.get(label, str(label)) for label in range(most + 1)]


def open_stored(path: Path) -> StoredImages:
    """The image set in ``path``. Raises ``RecordError`` naming a file that is damaged."""
    return StoredImages(ImageSet(path))
