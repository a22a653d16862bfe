"""Linear maps that weigh places: interpolation, volumes' averages, running sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.dialect.pooling import in_rows, out_of_rows
from graphpath.network.dialect.registry import aten
from graphpath.network.operations import AveragePool
from graphpath.network.walk import Lowering, Shape, Traced


@aten(
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d"),
    *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
)
def _upsample(low: Lowering, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    operation, rank = low.operation, len(x.shape) - 2

    def resize(values: Tensor) -> Tensor:
        found: Tensor = operation(values, *args, **kwargs)
        return found

    first = len(x.shape) - rank
    matrices = [_matrix(resize, x.shape[first:], axis) for axis in range(rank)]
    return weighed(low, x, matrices).viewed(low.result.shape)


def weighed(low: Lowering, x: Traced, matrices: Sequence[Tensor]) -> Traced:
    """Matrices (out, in), each applied along one of the last axes of x."""
    first = len(x.shape) - len(matrices)
    for axis, matrix in enumerate(matrices):
        if not torch.equal(matrix, torch.eye(matrix.shape[1], dtype=matrix.dtype)):
            x = along(low, x, first + axis, matrix)
    return x


def matrix_of(axis: tuple[np.ndarray, np.ndarray], size: int, summing: bool = False) -> Tensor:
    """The matrix (out, in) of windows along one axis (:mod:`graphpath.network.windows`): means, or sums."""
    places, lengths = axis
    matrix = torch.zeros((len(places), size), dtype=torch.float64)
    row, tap = np.nonzero(places >= 0)
    weight = np.ones(len(row)) if summing else 1 / lengths[row]
    matrix[torch.from_numpy(row), torch.from_numpy(places[row, tap])] = torch.from_numpy(weight)
    return matrix


def _matrix(resize: Callable[[Tensor], Tensor], space: Shape, axis: int) -> Tensor:
    """The weights (out, in) along one axis, read off unit vectors along it that are the same in the others.

    ``resize`` takes (B, C, *space) and keeps what is the same everywhere.
    """
    size = space[axis]
    unit = [size if a == axis else 1 for a in range(len(space))]
    units = torch.eye(size, dtype=torch.float64).reshape(1, size, *unit)
    with torch.no_grad():
        found = resize(units.expand(1, size, *space).contiguous())
    middle = tuple(slice(None) if a == axis else found.shape[2 + a] // 2 for a in range(len(space)))
    return found[(0, slice(None), *middle)].T.contiguous()


def along(low: Lowering, x: Traced, axis: int, matrix: Tensor) -> Traced:
    """A matrix (out, in) applied along one axis of x."""

    def pool(values: Tensor) -> Tensor:
        return F.linear(values, matrix.to(device=values.device, dtype=values.dtype))

    return taken(low, x, axis, *_taps(matrix), pool)


def taken(
    low: Lowering,
    x: Traced,
    axis: int,
    places: Tensor,
    weights: Tensor,
    pool: Callable[[Tensor], Tensor] | None = None,
) -> Traced:
    """Weighted sums of the places of one axis of x: ``places`` and ``weights`` (T, out), -1 for no place.

    ``pool`` computes them along the last axis, by default place by place.
    """
    rows = in_rows(low, x, (axis,))
    _, count, size = low.shape_of(rows)
    first = (torch.arange(count) * size)[None, :, None]
    index = torch.where(places[:, None] >= 0, places[:, None] + first, -1)
    weigh = weights[:, None].expand(-1, count, -1)
    pool = pool or _place_by_place(places, weights)
    found = low.emit(AveragePool(pool, index.contiguous(), weigh.contiguous()), rows)
    return out_of_rows(low, found, x.shape, axis, places.shape[1])


def _place_by_place(places: Tensor, weights: Tensor) -> Callable[[Tensor], Tensor]:
    """Weighted sums along the last axis."""
    weights = torch.where(places >= 0, weights, 0)

    def pool(values: Tensor) -> Tensor:
        total = values.new_zeros(())
        for place, weight in zip(places.clamp(min=0), weights, strict=True):
            total = total + values[..., place.to(values.device)] * weight.to(values)
        return total

    return pool


def _taps(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The weights other than 0 of each row: places (T, out), -1 where a row has fewer, and weights."""
    live = matrix != 0
    most = max(1, int(live.sum(1).max()))
    order = (~live).to(torch.int8).sort(dim=1, stable=True).indices[:, :most]
    weights = matrix.gather(1, order)
    places = torch.where(live.gather(1, order), order, -1)
    return places.T.contiguous(), weights.T.contiguous()
