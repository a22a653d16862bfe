"""Whatever a caller gives as images, as one of graphpath's sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from graphpath.data.arrays import TensorImages
from graphpath.data.base import BaseImages, Images
from graphpath.data.loader import LoaderImages
from graphpath.data.stored import StoredImages
from graphpath.errors import DataError
from graphpath.record.imageset import ImageSet

Given = Tensor | np.ndarray | Sequence[Any] | Image.Image | DataLoader[Any] | Dataset[Any] | ImageSet | Images
"""What ``images=`` may be: (N, C, H, W) as a tensor or array, a list of images, a Dataset, ..."""

Labels = Tensor | np.ndarray | Sequence[int] | None

KINDS = (
    "a tensor or array (N, C, H, W), a list of images of one size, a torch Dataset or DataLoader, an image "
    "set, or what graphpath.data.open_images gives"
)


def as_images(
    images: Given,
    labels: Labels = None,
    dataset: str | None = None,
    classes: Sequence[str] | None = None,
) -> Images:
    """Any of the kinds of images that ``trace`` takes, as one of graphpath's sets.

    Raises DataError where there are none, where labels come twice, or for what is no images.
    """
    found = _wrap_images(images, labels, dataset, classes)
    if len(found) == 0:
        raise DataError("There are no images to trace.")
    return found


def _wrap_images(images: Given, labels: Labels, dataset: str | None, classes: Sequence[str] | None) -> Images:
    stacked = _stack(images, dataset or "images")
    if stacked is not None:
        return TensorImages(stacked, labels, dataset=dataset or "tensor", classes=classes or ())
    if labels is not None:
        raise DataError("labels= is for a tensor of images; a DataLoader or a set of images carries its own.")
    if isinstance(images, ImageSet):
        return StoredImages(images)
    if isinstance(images, DataLoader):
        return LoaderImages(images, dataset=dataset, classes=classes)
    if isinstance(images, Dataset | list | tuple):
        return LoaderImages(DataLoader(images), dataset=dataset, classes=classes)  # type: ignore[arg-type]
    if isinstance(images, str | Path):
        raise DataError(
            f"images={str(images)!r} is a name; graphpath.data.open_images({str(images)!r}) opens the images."
        )
    if isinstance(images, BaseImages) or (hasattr(images, "rows") and hasattr(images, "batch")):
        return cast("Images", images)
    raise DataError(f"images are a {type(images).__name__}; expected {KINDS}.")


def _stack(images: Given, name: str) -> Tensor | None:
    """(N, C, H, W), where ``images`` are in memory; None where they are of another kind."""
    if isinstance(images, Tensor):
        return images
    if isinstance(images, np.ndarray):
        return _from_array(images, name)
    if isinstance(images, Image.Image):
        return _from_picture(images, name).unsqueeze(0)
    if not isinstance(images, list | tuple) or not images:
        return None
    kinds = Tensor | np.ndarray | Image.Image
    if not all(isinstance(image, kinds) for image in images):
        return None
    return _from_list(images, name)


def _from_list(images: Sequence[Any], name: str) -> Tensor:
    tensors = [_from_single(image, name) for image in images]
    kinds = {(tuple(image.shape), image.dtype) for image in tensors}
    if len(kinds) > 1 or tensors[0].ndim != 3:
        found = ", ".join(sorted({f"{dtype} {shape}" for shape, dtype in kinds})[:3])
        raise DataError(f"{name}: expected a list of images (C, H, W) of one size and kind, got {found}")
    return torch.stack(tensors)


def _from_single(image: Any, name: str) -> Tensor:
    if isinstance(image, Image.Image):
        return _from_picture(image, name)
    return image if isinstance(image, Tensor) else _from_array(image, name)


def _from_array(values: np.ndarray, name: str) -> Tensor:
    if values.ndim == 4 and values.shape[1] not in (1, 3) and values.shape[3] in (1, 3):
        raise DataError(
            f"{name}: an array {values.shape} has its channels last; expected (N, C, H, W), which is "
            "images.transpose(0, 3, 1, 2)"
        )
    try:
        native = values.astype(values.dtype.newbyteorder("="))  # a copy: views and read-only memory too
        return torch.from_numpy(np.ascontiguousarray(native))
    except TypeError as error:
        raise DataError(f"{name}: an array of {values.dtype}; expected uint8, or floats in [0, 1]") from error


def _from_picture(image: Image.Image, name: str) -> Tensor:
    """uint8 (C, H, W): grey or colour, as torchvision's ``ToTensor`` has it but for the scale."""
    if image.mode[0] in "IF":
        raise DataError(
            f"{name}: a Pillow image of mode {image.mode}, whose range is not known; give a tensor in [0, 1]"
        )
    shown = image if image.mode in ("L", "RGB") else image.convert("RGB")
    values = torch.from_numpy(np.array(shown, dtype=np.uint8))
    return values.unsqueeze(0) if values.ndim == 2 else values.permute(2, 0, 1).contiguous()
