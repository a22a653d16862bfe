"""Max-pools and largest elements, held at their switches; average pools."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network import windows
from graphpath.network.dialect.arguments import axes_of, rank_of_pool, sizes_of
from graphpath.network.dialect.moves import permuted
from graphpath.network.dialect.registry import aten
from graphpath.network.dialect.sums import scaled
from graphpath.network.operations import AveragePool, Geometry, MaxPool, cat
from graphpath.network.walk import Lowering, Shape, Traced

Pair = tuple[int, int]


def _planes(low: Lowering, x: Traced, rank: int) -> tuple[Traced, Shape]:
    """x (..., *space) as planes (C, H, W) of a step, and the sizes of its space."""
    space = x.shape[len(x.shape) - rank :]
    outer = prod(x.shape[: len(x.shape) - rank])
    plane = (outer, prod(space[:-1]), space[-1]) if rank > 1 else (outer, space[0], 1)
    return low.shaped(x, plane), space


# --- the largest -------------------------------------------------------------------------


@aten(
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "max_pool1d_with_indices",
)
def _max_pool(
    low: Lowering,
    x: Traced,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    rank = rank_of_pool(low.operation)
    size = sizes_of(kernel, rank)
    step = sizes_of(stride, rank) if not _is_empty(stride) else size
    around, spread = sizes_of(padding, rank), sizes_of(dilation, rank)
    several, shape = isinstance(low.result, tuple), tuple(low.first_result.shape)
    if rank == 1:
        size, step, around, spread = (*size, 1), (*step, 1), (*around, 0), (*spread, 1)
    found = _pooled(low, x, rank, size, step, around, spread, ceil_mode, shape)
    return (found, low.opaque_places(x)) if several else found


def _is_empty(value: Any) -> bool:
    return value is None or (not isinstance(value, int) and len(value) == 0)


def _pooled(
    low: Lowering,
    x: Traced,
    rank: int,
    size: tuple[int, ...],
    step: tuple[int, ...],
    around: tuple[int, ...],
    spread: tuple[int, ...],
    ceil_mode: bool,
    shape: Shape,
) -> Traced:
    overlapping = any(k > 1 and (k - 1) * d >= s for k, s, d in zip(size, step, spread, strict=True))
    planes, space = _planes(low, x, rank)
    if rank < 3:
        pair = [(v[0], v[1]) for v in (size, step, around, spread)]

        def pool(values: Tensor) -> tuple[Tensor, Tensor]:
            found = torch.ops.aten.max_pool2d_with_indices(values, *pair, ceil_mode)
            return found[0], found[1]

        return low.emit(MaxPool(pool, overlapping, Geometry(*pair)), planes, shape=shape)

    def volumes(values: Tensor) -> tuple[Tensor, Tensor]:
        found = F.max_pool3d(
            values.reshape(*values.shape[:2], *space),
            size,
            step,
            around,
            spread,
            ceil_mode,
            return_indices=True,
        )
        deep = found[0].shape
        return (
            found[0].reshape(*deep[:2], deep[2] * deep[3], deep[4]),
            found[1].reshape(*deep[:2], deep[2] * deep[3], deep[4]),
        )

    return low.emit(MaxPool(volumes, overlapping, anywhere(planes_of(low, planes))), planes, shape=shape)


def planes_of(low: Lowering, x: Traced) -> Pair:
    """Height and width of a step's planes."""
    _, high, wide = low.shape_of(x)
    return high, wide


def anywhere(size: Pair) -> Geometry:
    """Windows that may let any place of their plane through."""
    return Geometry(size, (0, 0), (0, 0), (1, 1))


@aten("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max_pool(low: Lowering, x: Traced, output_size: Any) -> Any:
    shape = tuple(low.result[0].shape)
    rank = rank_of_pool(low.operation)
    planes, space = _planes(low, x, rank)
    size = shape[len(shape) - rank :]
    if rank == 3:

        def volumes(values: Tensor) -> tuple[Tensor, Tensor]:
            found = F.adaptive_max_pool3d(
                values.reshape(*values.shape[:2], *space), size, return_indices=True
            )
            deep = found[0].shape
            value, place = (part.reshape(*deep[:2], deep[2] * deep[3], deep[4]) for part in found)
            return value, place

        pooled = low.emit(MaxPool(volumes, True, anywhere(planes_of(low, planes))), planes, shape=shape)
        return pooled, low.opaque_places(x)
    out = (size[0], size[1]) if rank == 2 else (size[0], 1)
    overlapping = any(windows.overlap(n, m) for n, m in zip(planes_of(low, planes), out, strict=True))

    def pool(values: Tensor) -> tuple[Tensor, Tensor]:
        return F.adaptive_max_pool2d(values, out, return_indices=True)

    return low.emit(MaxPool(pool, overlapping), planes, shape=shape), low.opaque_places(x)


@aten("amax", "max", "max.dim", "amin", "min", "min.dim")
def _extreme(low: Lowering, x: Traced, dim: Any = None, keepdim: bool = False) -> Any:
    several = isinstance(low.result, tuple)
    smallest = low.operation._schema.name.endswith("min")
    axes = axes_of(dim, len(x.shape))
    source = scaled(low, x, -1) if smallest else x
    found = largest(low, source, axes, tuple(low.first_result.shape))
    found = scaled(low, found, -1) if smallest else found
    return (found, low.opaque_places(x)) if several else found


def in_rows(low: Lowering, x: Traced, axes: tuple[int, ...]) -> Traced:
    """x as planes (C, rows, n) of a step, each row holding the elements that differ in ``axes`` alone.

    C are the feature maps where these are kept, else 1.
    """
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    n = prod(x.shape[axis] for axis in axes)
    order = (*kept, *axes)
    turned = x if list(order) == sorted(order) else permuted(low, x, order)
    sizes = [x.shape[axis] for axis in kept]
    leading = sizes[1:] if kept and kept[0] == 0 and x.shape[0] == 1 else sizes
    channels = leading[0] if len(leading) > 1 or (leading and kept[:1] == [0]) else 1
    return low.shaped(turned, (channels, prod(sizes) // channels, n))


def out_of_rows(low: Lowering, rows: Traced, shape: Shape, axis: int, count: int) -> Traced:
    """What was made of rows along ``axis`` of a tensor of ``shape``, ``count`` elements each, put back."""
    kept = [a for a in range(len(shape)) if a != axis]
    apart = rows.viewed((*(shape[a] for a in kept), count))
    return permuted(low, apart, tuple([*kept, axis].index(a) for a in range(len(shape))))


def largest(low: Lowering, x: Traced, axes: tuple[int, ...], shape: Shape) -> Traced:
    """The largest over axes, in ``shape``."""
    rows = in_rows(low, x, axes)
    n = low.shape_of(rows)[2]
    geometry = Geometry((1, n), (1, 1), (0, 0), (1, 1))

    def pool(values: Tensor) -> tuple[Tensor, Tensor]:
        value, place = values.max(3, keepdim=True)
        first = torch.arange(values.shape[2], device=values.device)[:, None] * n
        return value, place + first

    return low.emit(MaxPool(pool, False, geometry), rows, shape=shape)


@aten("topk", "sort", "sort.stable", "kthvalue", "median.dim", "nanmedian.dim", "cummax", "cummin", "mode")
def _ranked(low: Lowering, x: Traced, *args: Any, **kwargs: Any) -> Any:
    """Elements in the order of their size: each place of the result holds one of its row."""
    operation, name = low.operation, low.operation._schema.name.split("::")[1]
    names = [argument.name for argument in operation._schema.arguments[1:]]
    given = dict(zip(names, args, strict=False)) | kwargs
    axis = given.get("dim", -1) % len(x.shape)
    shape = tuple(low.result[0].shape)
    rows = in_rows(low, x, (axis,))
    count = shape[axis] if len(shape) == len(x.shape) else 1
    options = {**given, "dim": 3}
    width = low.shape_of(rows)[2]

    def pool(values: Tensor) -> tuple[Tensor, Tensor]:
        value, place = operation(values, **options)
        if value.dim() == 3:
            value, place = value[..., None], place[..., None]
        first = torch.arange(values.shape[2], device=values.device)[:, None] * width
        return value, place + first

    own_row = Geometry((1, width), (1, 0), (0, 0), (1, 1))
    chosen = low.emit(MaxPool(pool, name.startswith("cum"), own_row), rows)
    if len(shape) != len(x.shape):
        return chosen.viewed(shape), low.opaque_places(x)
    return out_of_rows(low, chosen, x.shape, axis, count), low.opaque_places(x)


@aten("median", "nanmedian")
def _median(low: Lowering, x: Traced) -> Traced:
    """The element in the middle of all."""
    rows = in_rows(low, x, tuple(range(len(x.shape))))
    name, n = low.operation._schema.name.split("::")[1], low.shape_of(rows)[2]

    def pool(values: Tensor) -> tuple[Tensor, Tensor]:
        found = getattr(values, name)(3, keepdim=True)
        return found.values, found.indices

    geometry = Geometry((1, n), (1, 1), (0, 0), (1, 1))
    return low.emit(MaxPool(pool, False, geometry), rows, shape=low.result.shape)


def largest_of_two(low: Lowering, a: Traced, b: Traced, shape: Shape) -> Traced:
    """The larger of two tensors of one shape: a max-pool over their planes, one below the other."""
    layout = low.shape_of(a)
    channels = layout[0] if len(layout) > 1 else 1
    plane = (channels, prod(layout) // channels, 1)
    high = plane[1]
    both = low.emit(cat(2, (None, None)), low.shaped(a, plane), low.shaped(b, plane))
    geometry = Geometry((2, 1), (1, 1), (0, 0), (high, 1))

    def pool(values: Tensor) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(values, (2, 1), 1, 0, (high, 1), return_indices=True)

    found = low.emit(MaxPool(pool, False, geometry), both)
    return low.shaped(found, layout).viewed(shape)


@aten("fractional_max_pool2d", "fractional_max_pool3d")
def _fractional(low: Lowering, x: Traced, kernel: Any, output_size: Any, samples: Any) -> Any:
    if isinstance(samples, Traced):
        return low.unknown("pools windows that the image decides upon")
    shape, operation = tuple(low.result[0].shape), low.operation
    rank = rank_of_pool(operation)
    planes, space = _planes(low, x, rank)

    def pool(values: Tensor) -> tuple[Tensor, Tensor]:
        drawn = samples.to(values.dtype).expand(len(values), -1, -1)
        found = operation(values.reshape(*values.shape[:2], *space), kernel, output_size, drawn)
        size = found[0].shape
        value, place = (part.reshape(*size[:2], -1, size[-1]) for part in found)
        return value, place

    pooled = low.emit(MaxPool(pool, True, anywhere(planes_of(low, planes))), planes, shape=shape)
    return pooled, low.opaque_places(x)


# --- averages ----------------------------------------------------------------------------


@aten("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _average_pool(
    low: Lowering,
    x: Traced,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Traced:
    rank = rank_of_pool(low.operation)
    size = sizes_of(kernel, rank)
    step = sizes_of(stride, rank) if not _is_empty(stride) else size
    around = sizes_of(padding, rank)
    shape = tuple(low.result.shape)
    if rank == 3:
        return _average_volumes(low, x, size, step, around, ceil_mode, count_include_pad, divisor, shape)
    if rank == 1:
        size, step, around = (*size, 1), (*step, 1), (*around, 0)
    planes, _ = _planes(low, x, rank)
    high, wide = planes_of(low, planes)
    rows = windows.strided(high, size[0], step[0], around[0], ceil_mode, count_include_pad)
    columns = windows.strided(wide, size[1], step[1], around[1], ceil_mode, count_include_pad)

    def pool(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, size, step, around, ceil_mode, count_include_pad, divisor)

    places, weights = windows.plane(rows, columns, wide, divisor)
    even = bool((weights[places >= 0] == weights.max()).all())
    slides = (
        Geometry((size[0], size[1]), (step[0], step[1]), (around[0], around[1]), (1, 1)) if even else None
    )
    return low.emit(AveragePool(pool, places, weights, slides), planes, shape=shape)


def _average_volumes(
    low: Lowering,
    x: Traced,
    size: tuple[int, ...],
    step: tuple[int, ...],
    around: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
    shape: Shape,
) -> Traced:
    from graphpath.network.dialect.resampling import matrix_of, weighed

    axes = zip(x.shape[-3:], size, step, around, strict=True)
    matrices = [
        matrix_of(windows.strided(n, k, s, p, ceil_mode, count_include_pad), n, divisor is not None)
        for n, k, s, p in axes
    ]
    if divisor is not None:
        matrices[-1] = matrices[-1] / divisor
    return weighed(low, x, matrices).viewed(shape)


@aten(
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "_adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "_adaptive_avg_pool3d",
)
def _adaptive_average(low: Lowering, x: Traced, output_size: Any) -> Traced:
    shape = tuple(low.result.shape)
    rank = rank_of_pool(low.operation)
    size = shape[len(shape) - rank :]
    if rank == 3:
        from graphpath.network.dialect.resampling import matrix_of, weighed

        axes = zip(x.shape[-3:], size, strict=True)
        return weighed(low, x, [matrix_of(windows.adaptive(n, m), n) for n, m in axes]).viewed(shape)
    planes, _ = _planes(low, x, rank)
    out = (size[0], size[1]) if rank == 2 else (size[0], 1)
    return averaged(low, planes, out, shape)


def averaged(low: Lowering, planes: Traced, out: Pair, shape: Shape) -> Traced:
    """Adaptive average pooling of a step's planes (C, H, W) to ``out``."""
    high, wide = planes_of(low, planes)
    places = windows.plane(windows.adaptive(high, out[0]), windows.adaptive(wide, out[1]), wide)
    pool: Callable[[Tensor], Tensor] = lambda values: F.adaptive_avg_pool2d(values, out)  # noqa: E731
    return low.emit(AveragePool(pool, *places), planes, shape=shape)
