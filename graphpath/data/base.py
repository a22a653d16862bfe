"""The interface of every source of images, and the parts they share.

Pixels are float32 in [0, 1], shape (C, H, W); normalisation belongs to the model (``models.Normalize``),
so that a pixel means the same in a trace, an attack and a report. A label of -1 means: not labelled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from graphpath.data.rows import choose_balanced, digest_set, read_labels
from graphpath.errors import DataError

Shape = tuple[int, int, int]
"""(channels, height, width)."""

Positions = npt.NDArray[np.int64]
"""Positions of images within their set, shape (n,)."""


@runtime_checkable
class Images(Protocol):
    """A labelled, ordered, re-readable set of images of one shape."""

    @property
    def dataset(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def fingerprint(self) -> str: ...
    def __len__(self) -> int: ...
    def rows(self) -> pa.Table: ...
    def batch(self, start: int, stop: int) -> torch.Tensor: ...


class BaseImages(ABC):
    """The parts of ``Images`` that do not depend on where pixels come from.

    A subclass sets ``dataset``, ``split``, ``scheme``, ``classes`` and ``shape``, and gives ``_sample_rows``
    (the record's table ``samples``) and ``read`` (the pixels at some positions).
    """

    def __init__(
        self, dataset: str, split: str, classes: Sequence[str], shape: Shape, scheme: str | None = None
    ) -> None:
        self.dataset = dataset
        self.split = split
        self.scheme = scheme or dataset
        self.classes = tuple(classes)
        self.shape = shape
        self._table: pa.Table | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _sample_rows(self) -> pa.Table:
        """The samples table, one row per image, in order; called once."""

    @abstractmethod
    def read(self, positions: Positions) -> torch.Tensor:
        """float32 (n, C, H, W): the images at ``positions``, in that order."""

    def rows(self) -> pa.Table:
        """The record's table ``samples``: one row per image, in order."""
        if self._table is None:
            self._table = self._sample_rows()
        return self._table

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the images read so far, one a kind: transparency was dropped ..."""
        return ()

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """int32 (n,): the class of each image, -1 where there is none."""
        return read_labels(self.rows())

    @property
    def fingerprint(self) -> str:
        """A digest of what the set yields: its samples in order, and their shape."""
        return digest_set(self.rows(), self.shape)

    def batch(self, start: int, stop: int) -> torch.Tensor:
        """float32 (n, C, H, W) in [0, 1]: images ``start`` to ``stop``, cut off at the end.

        Raises ``DataError``, naming the file, where one cannot be read.
        """
        if start < 0 or start > stop:
            raise DataError(f"images {start} to {stop} of {self.dataset}: not a range")
        return self.read(np.arange(start, min(stop, len(self)), dtype=np.int64))

    def subset(self, positions: Sequence[int] | Positions) -> SubsetImages:
        """The images at ``positions``, in that order; each keeps its id."""
        return SubsetImages(self, np.asarray(positions, dtype=np.int64))

    def limit(self, count: int | None, seed: int = 0) -> BaseImages:
        """At most ``count`` images, as evenly from all classes as they allow; see ``choose_balanced``."""
        if count is None or count >= len(self):
            return self
        return self.subset(choose_balanced(self.labels, count, seed))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dataset}/{self.split}: {len(self)} images {self.shape}>"


class SubsetImages(BaseImages):
    """Some images of another set, in a chosen order."""

    def __init__(self, images: BaseImages, positions: Positions) -> None:
        super().__init__(images.dataset, images.split, images.classes, images.shape, images.scheme)
        if positions.size and (positions.min() < 0 or positions.max() >= len(images)):
            raise DataError(
                f"a position of the subset is outside the {len(images)} images of {images.dataset}"
            )
        self._images = images
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._images.notes

    def _sample_rows(self) -> pa.Table:
        return self._images.rows().take(pa.array(self._positions))

    def read(self, positions: Positions) -> torch.Tensor:
        return self._images.read(self._positions[positions])
