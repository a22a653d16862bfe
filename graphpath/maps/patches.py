"""Receptive fields cut from images, all of a layer's in one size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Patch = npt.NDArray[np.float32]


def cut_patch(image: Patch, box: tuple[int, int, int, int], size: tuple[int, int], fill: float) -> Patch:
    """The pixels (C, height, width) of ``box`` in ``image`` (C, H, W), padded with ``fill`` to ``size``.

    ``box`` is (first row, last row, first column, last column), both included. A field that the border of the
    image cuts is smaller than others of its layer: what is missing is added at that border, or on both sides
    where it touches both. So the neuron's own place stays in the middle.
    """
    y0, y1, x0, x1 = box
    top = _pad_before(y0, y1, size[0], image.shape[1])
    left = _pad_before(x0, x1, size[1], image.shape[2])
    patch = np.full((len(image), *size), fill, np.float32)
    patch[:, top : top + y1 - y0 + 1, left : left + x1 - x0 + 1] = image[:, y0 : y1 + 1, x0 : x1 + 1]
    return patch


def _pad_before(first: int, last: int, size: int, side: int) -> int:
    """How many of the missing places are added before the first."""
    missing = size - (last - first + 1)
    before, after = first == 0, last == side - 1
    if before == after:
        return missing // 2
    return missing if before else 0
