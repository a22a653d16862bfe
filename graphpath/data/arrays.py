"""Images in memory: the small bundled sets, and a caller's own tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from graphpath.data.base import BaseImages, Positions
from graphpath.data.rows import build_sample_rows
from graphpath.errors import DataError
from graphpath.shapes import fold

Detail = Mapping[str, object]


def as_pixels(stored: torch.Tensor) -> torch.Tensor:
    """Floating pixels: bytes divided by 255, halves widened to float32, float32 and float64 as they are."""
    if stored.dtype == torch.uint8:
        return stored.to(torch.float32) / 255
    return stored if stored.dtype in (torch.float32, torch.float64) else stored.to(torch.float32)


class ArrayImages(BaseImages):
    """A set as one tensor (n, C, H, W), bytes or floats."""

    def __init__(
        self,
        dataset: str,
        split: str,
        classes: Sequence[str],
        pixels: torch.Tensor,
        labels: npt.ArrayLike | None,
        *,
        index: npt.NDArray[np.int64] | None = None,
        scheme: str | None = None,
    ) -> None:
        channels, height, width = pixels.shape[1:]
        super().__init__(dataset, split, classes, (channels, height, width), scheme)
        self._pixels = pixels
        self._labels = labels
        self._index = np.arange(len(pixels)) if index is None else index

    def __len__(self) -> int:
        return len(self._pixels)

    def _sample_rows(self) -> pa.Table:
        return build_sample_rows(self.dataset, self.split, self._labels, index=self._index)

    def read(self, positions: Positions) -> torch.Tensor:
        return as_pixels(self._pixels[torch.from_numpy(positions)])


class TensorImages(ArrayImages):
    """A caller's own tensor of images as a set.

    ``images`` is (n, C, H, W), uint8 or floating; float64 stays float64. Inputs (n, F), (n, C, L) and
    (n, C, D, H, W) are kept as images of (F, 1, 1), (C, L, 1) and (C, D * H, W), with their own shape in
    ``given_shape``. A sample's id includes a digest
    of its pixels, so two tensors of one ``dataset`` name cannot be taken for each other. ``variant``,
    ``parents`` and ``details`` describe derived images, such as adversarial ones made elsewhere.
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: npt.ArrayLike | torch.Tensor | None = None,
        *,
        dataset: str = "tensor",
        split: str = "all",
        classes: Sequence[str] = (),
        scheme: str | None = None,
        variant: str = "original",
        parents: Sequence[int | None] | None = None,
        details: Sequence[Detail] | None = None,
    ) -> None:
        if images.ndim not in (2, 3, 4, 5) or images.is_complex():
            raise DataError(
                f"images of {dataset}: expected a tensor (N, C, H, W), (N, F), (N, C, L) or (N, C, D, H, W), "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        self.given_shape = None if images.ndim == 4 else tuple(images.shape[1:])
        images = images.reshape(len(images), *fold(tuple(images.shape[1:])))
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise DataError(
                f"images of {dataset}: {images.dtype} has no known range; expected uint8, or floats in [0, 1]"
            )
        pixels = images.detach().cpu()
        if pixels.dtype == torch.bfloat16:
            pixels = pixels.float()  # numpy, which digests them, knows no bfloat16
        if pixels.is_floating_point() and not bool(torch.isfinite(pixels).all()):
            raise DataError(f"images of {dataset}: some pixels are not finite")
        known = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else labels
        super().__init__(dataset, split, classes, pixels, known, scheme=scheme)
        self._variant, self._parents, self._details = variant, parents, details

    def _sample_rows(self) -> pa.Table:
        given: Sequence[Detail] = self._details or [{}] * len(self)
        if len(given) != len(self):
            raise DataError(f"details: {len(given)} given for {len(self)} images of {self.dataset}")
        pixels = (pixel_digest(image) for image in self._pixels)
        details = [{**detail, "pixels": key} for detail, key in zip(given, pixels, strict=True)]
        return build_sample_rows(
            self.dataset,
            self.split,
            self._labels,
            index=self._index,
            details=details,
            variant=self._variant,
            parents=self._parents,
        )


def pixel_digest(image: torch.Tensor) -> str:
    """Sixteen hexadecimal digits of a digest of an image's pixels."""
    values = image.contiguous().numpy()
    head = f"{values.dtype} {values.shape}".encode()
    return hashlib.sha256(head + values.tobytes()).hexdigest()[:16]
