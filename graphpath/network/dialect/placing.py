"""Sums of places: windows folded back, sums scattered by constant indices, grids that are sampled."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.dialect.moves import permuted
from graphpath.network.dialect.products import mixture
from graphpath.network.dialect.registry import aten
from graphpath.network.dialect.resampling import taken
from graphpath.network.dialect.sums import scaled, summed
from graphpath.network.walk import Lowering, Traced


def collected(low: Lowering, x: Traced, axis: int, into: Tensor, size: int) -> Traced:
    """Places of one axis of x summed: ``into`` (in,) int64 says into which of ``size`` places each goes (-1:
    nowhere)."""
    order = torch.argsort(into, stable=True)
    order = order[into[order] >= 0]
    places, _ = _in_ranks(into[order], order, torch.ones(len(order), dtype=torch.float64), size)
    return taken(low, x, axis, places, torch.ones(places.shape, dtype=torch.float64))


def _in_ranks(row: Tensor, source: Tensor, weight: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """What each row takes: places (-1 for none) and weights (T, rows); ``row`` ascends."""
    rank = torch.arange(len(row)) - torch.searchsorted(row, row)
    most = int(rank.max()) + 1 if len(rank) else 1
    places, weights = torch.full((most, rows), -1), torch.zeros((most, rows), dtype=torch.float64)
    places[rank, row], weights[rank, row] = source, weight
    return places, weights


@aten("col2im")
def _fold(
    low: Lowering, x: Traced, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any
) -> Traced:
    """Windows put back where they were, summed where they overlap."""
    high, wide = (int(n) for n in size)
    numbers = torch.arange(1, high * wide + 1, dtype=torch.float64).reshape(1, 1, high, wide)
    into = F.unfold(numbers, kernel, dilation, padding, stride).flatten().long() - 1
    shape = tuple(low.result.shape)
    channels = x.viewed((1, shape[-3], len(into)))
    return collected(low, channels, 2, into, high * wide).viewed(shape)


@aten("index_add")
def _index_add(low: Lowering, base: Any, dim: int, index: Any, x: Any, *, alpha: Any = 1) -> Any:
    if isinstance(index, Traced) or not isinstance(x, Traced):
        return low.unknown("sums at places that the image decides upon")
    axis = dim % len(x.shape)
    return _onto(low, base, collected(low, x, axis, index.long().cpu(), base.shape[axis]), alpha)


@aten("scatter_add")
def _scatter_add(low: Lowering, base: Any, dim: int, index: Any, x: Any) -> Any:
    if isinstance(index, Traced) or not isinstance(x, Traced):
        return low.unknown("sums at places that the image decides upon")
    axis = dim % len(x.shape)
    inside = tuple(slice(n) for n in index.shape)
    numbers = torch.arange(prod(base.shape)).reshape(tuple(base.shape))
    across = tuple(slice(None) if a == axis else part for a, part in enumerate(inside))
    into = torch.full(x.shape, -1)
    into[inside] = numbers[across].gather(axis, index.cpu())
    found = collected(low, x.viewed((1, x.numel)), 1, into.flatten(), prod(base.shape))
    return _onto(low, base, found.viewed(tuple(base.shape)), 1)


def _onto(low: Lowering, base: Any, found: Traced, alpha: Any) -> Any:
    return summed(low, base, found if alpha == 1 else scaled(low, found, alpha))


GRID = 1 << 24
"""The most weights of a grid that the image decides upon: (places read) x (places written)."""


@aten("grid_sampler_2d", "grid_sampler")
def _grid_sample(
    low: Lowering, x: Any, grid: Any, interpolation: int = 0, padding: int = 0, aligned: bool = False
) -> Any:
    """Places of an image weighed by a grid: a constant one, or the image's own, which is held."""
    if not isinstance(x, Traced) or len(x.shape) != 4 or x.shape[0] != 1:
        return low.unknown()
    channels, high, wide = x.shape[1:]
    rows, places = prod(grid.shape[1:3]), high * wide

    def weights(of: Tensor, first: int, last: int) -> Tensor:
        """What the places ``first`` to ``last`` count in each row: (last - first, rows)."""
        unit = torch.zeros((last - first, places), dtype=of.dtype, device=of.device)
        unit[torch.arange(last - first), torch.arange(first, last)] = 1
        planes = unit.reshape(1, -1, high, wide)
        return torch.grid_sampler_2d(planes, of, interpolation, padding, aligned).reshape(-1, rows)

    flat = x.viewed((1, channels, places))
    if not isinstance(grid, Traced):
        found = taken(low, flat, 2, *_taps_of_grid(weights, grid.detach().double().cpu(), places))
        return found.viewed(low.result.shape)
    if rows * places > GRID:
        return low.unknown("samples more places than a grid that the image decides upon may have")
    result = torch.empty((1, rows, places), dtype=low.dtype, device="meta")
    why = "is a grid that the image decides upon, which is held"
    matrix = low.opaque(lambda of: weights(of, 0, places).T[None], (grid,), result, why, limits=True)
    found = mixture(low, matrix, permuted(low, flat, (0, 2, 1)))
    return permuted(low, found, (0, 2, 1)).viewed(low.result.shape)


def _taps_of_grid(
    weights: Callable[[Tensor, int, int], Tensor], grid: Tensor, places: int
) -> tuple[Tensor, Tensor]:
    """The weights other than 0 of each row of a constant grid, as :func:`taken` takes them."""
    found: list[Tensor] = []
    for first in range(0, places, 256):
        part = weights(grid, first, min(first + 256, places))
        source, row = part.nonzero(as_tuple=True)
        found.append(torch.stack([row.double(), source.double() + first, part[source, row]]))
    row, source, weight = torch.cat(found, 1)
    order = row.argsort(stable=True)
    return _in_ranks(row[order].long(), source[order].long(), weight[order], prod(grid.shape[1:3]))
