"""The windows of average pooling, as places in a plane: integers only, planned once for a shape."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def strided(
    size: int, kernel: int, stride: int, padding: int, ceil_mode: bool, count_include_pad: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The windows of a strided average pool along one dimension.

    Returns places (O, kernel) int64, -1 outside the image, and the length (O,) that the average divides by,
    as PyTorch counts it.
    """
    span = size + 2 * padding - kernel
    count = (math.ceil(span / stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1  # PyTorch drops a last window that starts in the right padding
    start = np.arange(count) * stride - padding
    places = start[:, None] + np.arange(kernel)
    inside = (places >= 0) & (places < size)
    length = np.minimum(start + kernel, size + padding) - start
    return np.where(inside, places, -1), length if count_include_pad else inside.sum(1)


def adaptive(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """The windows of adaptive pooling along one dimension: places (out, T) int64 and lengths (out,)."""
    start = np.arange(out) * size // out
    stop = -(-(np.arange(1, out + 1) * size) // out)
    places = start[:, None] + np.arange((stop - start).max())
    return np.where(places < stop[:, None], places, -1), stop - start


def plane(
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    width: int,
    divisor: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The windows of a plane from those of its rows and columns.

    Returns places (T, H', W') int64 in the flattened plane of the given width (-1: none) and weights
    (T, H', W') float64: one over the window's size, or over ``divisor``.
    """
    (y, tall), (x, wide) = rows, columns
    places = y[:, None, :, None] * width + x[None, :, None, :]
    absent = (y[:, None, :, None] < 0) | (x[None, :, None, :] < 0)
    size = np.full((len(tall), len(wide)), divisor) if divisor else tall[:, None] * wide[None, :]
    weights = np.where(absent, 0.0, 1.0 / size[:, :, None, None])
    shape = (len(tall), len(wide), -1)
    flat = np.where(absent, -1, places).reshape(shape)
    return (
        torch.from_numpy(np.ascontiguousarray(flat.transpose(2, 0, 1))),
        torch.from_numpy(np.ascontiguousarray(weights.reshape(shape).transpose(2, 0, 1))),
    )


def overlap(size: int, out: int) -> bool:
    """Whether the windows of adaptive pooling from ``size`` to ``out`` share places."""
    places, lengths = adaptive(size, out)
    return int(lengths.sum()) > len(np.unique(places[places >= 0]))
