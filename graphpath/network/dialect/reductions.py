"""Sums and means over axes, norms, running sums."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from graphpath.network.dialect.arguments import axes_of
from graphpath.network.dialect.elementwise import apply
from graphpath.network.dialect.moves import expanded
from graphpath.network.dialect.pooling import averaged, in_rows, largest
from graphpath.network.dialect.registry import aten
from graphpath.network.dialect.resampling import along
from graphpath.network.dialect.sums import scaled, summed
from graphpath.network.operations import AveragePool, Ratio
from graphpath.network.walk import Lowering, Shape, Traced


@aten("mean")
def _mean(low: Lowering, x: Traced, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return mean(low, x, axes_of(dim, len(x.shape)), tuple(low.result.shape))


@aten("sum")
def _sum(low: Lowering, x: Traced, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if not x.dtype.is_floating_point:
        return low.unknown("counts truth values")
    axes = axes_of(dim, len(x.shape))
    count = prod(x.shape[axis] for axis in axes)
    return scaled(low, mean(low, x, axes, tuple(low.result.shape)), count)


def mean(low: Lowering, x: Traced, axes: tuple[int, ...], shape: Shape) -> Traced:
    """The mean over axes, in ``shape``."""
    if prod(x.shape[axis] for axis in axes) == 1:
        return x.viewed(shape)
    if len(x.shape) == 4 and x.shape[0] == 1 and axes == (2, 3):
        return averaged(low, low.shaped(x, x.shape[1:]), (1, 1), shape)
    rows = in_rows(low, x, axes)
    _, count, n = low.shape_of(rows)
    places = torch.arange(count * n).reshape(count, n).T[..., None].contiguous()
    weights = torch.full(places.shape, 1 / n, dtype=torch.float64)
    return low.emit(
        AveragePool(lambda values: values.mean(3, keepdim=True), places, weights), rows, shape=shape
    )


@aten("linalg_vector_norm", "norm")
def _norm(
    low: Lowering, x: Traced, order: Any = 2, dim: Any = None, keepdim: bool = False, **options: Any
) -> Any:
    """From powers of absolute values: each is a layer that the image's elements flow into."""
    p = 2.0 if order is None else float(order)
    return norm_over(low, x, p, axes_of(dim, len(x.shape)), tuple(low.result.shape))


def norm_over(low: Lowering, x: Traced, p: float, axes: tuple[int, ...], shape: Shape) -> Any:
    """The p-norm over axes, in ``shape``."""
    if p == float("inf"):
        return largest(low, apply(low, "abs", torch.abs, x), axes, shape)
    if p <= 0:
        return low.unknown(f"is a norm of order {p}")
    powered = apply(low, "pow", lambda z: z.abs().pow(p), x)
    n = prod(x.shape[axis] for axis in axes)
    total = scaled(low, mean(low, powered, axes, shape), n)
    return total if p == 1 else apply(low, "root", lambda z: z.abs().pow(1 / p), total)


@aten("_cdist_forward", "cdist", "_euclidean_dist")
def _distances(low: Lowering, a: Any, b: Any, p: float = 2.0, *rest: Any) -> Any:
    """Norms of the differences of rows, each row of a and each of b."""
    rows, others = (
        x.viewed(shape) if isinstance(x, Traced) else x.reshape(shape)
        for x, shape in (
            (a, (*a.shape[:-1], 1, a.shape[-1])),
            (b, (*b.shape[:-2], 1, *b.shape[-2:])),
        )
    )
    apart = summed(low, rows, scaled(low, others, -1) if isinstance(others, Traced) else -others)
    return norm_over(low, apart, float(p), (len(apart.shape) - 1,), tuple(low.result.shape))


@aten("var", "var_mean", "std", "std_mean")
def _spread(low: Lowering, x: Traced, dim: Any = None, *rest: Any, **options: Any) -> Any:
    """Variance as the mean square of what is left without the mean, which rounding leaves exact."""
    several, shape = isinstance(low.result, tuple), tuple(low.first_result.shape)
    if isinstance(dim, bool):
        rest, dim = (dim, *rest), None
    axes = axes_of(dim, len(x.shape))
    n = prod(x.shape[axis] for axis in axes)
    correction = _correction(rest, options)
    middle = mean(low, x, axes, shape)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    apart = summed(low, x, scaled(low, middle.viewed(kept), -1))
    variance = mean(low, apply(low, "square", torch.square, apart), axes, shape)
    variance = scaled(low, variance, n / max(n - correction, 1e-300))
    if low.operation._schema.name.startswith("aten::std"):
        variance = apply(low, "sqrt", torch.sqrt, variance)
    return (variance, middle) if several else variance


def _correction(rest: Any, options: Any) -> float:
    """What is taken from the number of elements; Bessel's, 1, unless told otherwise."""
    if options.get("correction") is not None:
        return float(options["correction"])
    unbiased = options.get("unbiased", rest[0] if rest and isinstance(rest[0], bool) else True)
    return 1.0 if unbiased else 0.0


@aten("cumsum")
def _cumsum(low: Lowering, x: Traced, dim: int, *, dtype: Any = None) -> Traced:
    size = x.shape[dim]
    return along(low, x, dim % len(x.shape), torch.ones(size, size, dtype=torch.float64).tril())


@aten("prod")
def _product(low: Lowering, x: Traced, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Each factor carries an equal share, the others held: of two factors half each."""
    if not x.dtype.is_floating_point:
        return low.unknown("multiplies integers or truth values")
    axes = axes_of(dim, len(x.shape))
    n = prod(x.shape[axis] for axis in axes)

    def shares(values: Tensor) -> Tensor:
        found = values
        for axis in axes:
            found = found.prod(axis + 1, keepdim=True)
        return (found / n).expand_as(values)

    held = low.emit(Ratio(shares), low.shaped(x, x.shape), shape=x.shape)
    return scaled(low, mean(low, held, axes, tuple(low.result.shape)), n)


@aten("cumprod")
def _running_product(low: Lowering, x: Traced, dim: int, *, dtype: Any = None) -> Any:
    """Place k holds the product of k + 1 factors, of which each carries an equal share."""
    axis = dim % max(1, len(x.shape))
    n = x.shape[axis]
    before, behind = x.shape[:axis], x.shape[axis + 1 :]
    copies = expanded(low, x.viewed((*before, 1, n, *behind)), (*before, n, n, *behind))

    def shares(values: Tensor) -> Tensor:
        """(..., n products, n factors, ...)"""
        along = (n, 1, *(1,) * len(behind))
        counts = torch.arange(1, n + 1, dtype=values.dtype, device=values.device).reshape(along)
        found = values.select(axis + 1, 0).cumprod(axis + 1).unsqueeze(axis + 2) / counts
        read = torch.ones((n, n), dtype=values.dtype, device=values.device).tril()
        return found.expand_as(values) * read.reshape(n, n, *along[2:])

    held = low.emit(Ratio(shares), low.shaped(copies, copies.shape), shape=copies.shape)
    return scaled(low, mean(low, held, (axis + 1,), x.shape), n)


@aten("logsumexp")
def _logsumexp(low: Lowering, x: Traced, dim: Any, keepdim: bool = False) -> Any:
    axes, shape = axes_of(dim, len(x.shape)), tuple(low.result.shape)
    n = prod(x.shape[axis] for axis in axes)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    top = largest(low, x, axes, kept)  # taken off first, so that no exponential is beyond all numbers
    apart = summed(low, x, scaled(low, top, -1))
    total = scaled(low, mean(low, apply(low, "exp", torch.exp, apart), axes, shape), n)
    return summed(low, apply(low, "log", torch.log, total), top.viewed(shape))
