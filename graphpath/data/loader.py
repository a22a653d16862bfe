"""The images of a PyTorch DataLoader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, SubsetRandomSampler

from graphpath.data.arrays import as_pixels, pixel_digest
from graphpath.data.base import BaseImages, Positions
from graphpath.data.rows import UNLABELLED, build_sample_rows
from graphpath.errors import DataError


class LoaderImages(BaseImages):
    """What a DataLoader draws from, in the order of its data set, so that reading again gives the same.

    Items are (image, label) or an image alone; images are (C, H, W) tensors. The loader's sampler decides
    which items, its shuffling is not followed, its batches and workers are not used. One pass, when ``rows``
    is first asked for, finds labels and a digest of each image's pixels, which is part of the sample's id.
    """

    def __init__(
        self,
        loader: DataLoader[Any],
        *,
        dataset: str | None = None,
        split: str = "all",
        classes: Sequence[str] | None = None,
        scheme: str | None = None,
    ) -> None:
        self._source: Any = loader.dataset
        name = dataset or type(self._source).__name__
        if not (hasattr(self._source, "__getitem__") and hasattr(self._source, "__len__")):
            raise DataError(
                f"{name}: it can only be gone through once; give a data set with items, or a tensor"
            )
        self._items = _list_items(loader, name)
        if not len(self._items):
            raise DataError(f"{name}: the DataLoader has no images")
        pixels, _ = self._read_item(int(self._items[0]), name)
        found = classes if classes is not None else getattr(self._source, "classes", ())
        channels, height, width = pixels.shape
        super().__init__(name, split, [str(c) for c in found], (channels, height, width), scheme)

    def __len__(self) -> int:
        return len(self._items)

    def _read_item(self, item: int, name: str) -> tuple[torch.Tensor, int]:
        try:
            got = self._source[item]
        except OSError as error:
            raise DataError(f"{name}: item {item} cannot be read ({error})") from error
        image, label = got, UNLABELLED
        if isinstance(got, (tuple, list)) and got:
            image, label = got[0], _to_label(got[1], item, name) if len(got) > 1 else UNLABELLED
        if not isinstance(image, torch.Tensor) or image.ndim != 3:
            raise DataError(
                f"{name}: item {item} is a {type(image).__name__}, expected a tensor (C, H, W); "
                "give the data set transform=torchvision.transforms.ToTensor()"
            )
        pixels = as_pixels(image)
        if not bool(torch.isfinite(pixels).all()):
            raise DataError(f"{name}: some pixels of item {item} are not finite")
        return pixels, label

    def _sample_rows(self) -> pa.Table:
        labels, details = [], []
        for item in self._items:
            pixels, label = self._read_item(int(item), self.dataset)
            labels.append(label)
            details.append({"pixels": pixel_digest(pixels)})
        return build_sample_rows(self.dataset, self.split, labels, index=self._items, details=details)

    def read(self, positions: Positions) -> torch.Tensor:
        if not len(positions):
            return torch.empty((0, *self.shape))
        images = [self._read_item(int(item), self.dataset)[0] for item in self._items[positions]]
        if wrong := [tuple(i.shape) for i in images if tuple(i.shape) != self.shape]:
            raise DataError(f"{self.dataset}: an image of shape {wrong[0]}, the first has {self.shape}")
        return torch.stack(images)


def _to_label(value: Any, item: int, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}: item {item} has the label {value!r}; expected the number of its class, or -1 for none"
        ) from error
    if number != value:
        raise DataError(f"{name}: item {item} has the label {value!r}; expected a whole number")
    return number


def _list_items(loader: DataLoader[Any], name: str) -> npt.NDArray[np.int64]:
    """The items of the data set that the loader's sampler draws from, without its shuffling."""
    sampler: Any = loader.sampler
    if isinstance(sampler, SubsetRandomSampler):
        return np.sort(np.asarray(sampler.indices, dtype=np.int64))
    if isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler) and not sampler.replacement and len(sampler) == len(loader.dataset)  # type: ignore[arg-type]
    ):
        return np.arange(len(loader.dataset), dtype=np.int64)  # type: ignore[arg-type]
    raise DataError(
        f"{name}: which items its {type(sampler).__name__} draws is not fixed; "
        "give a DataLoader that does not sample, or a tensor"
    )
