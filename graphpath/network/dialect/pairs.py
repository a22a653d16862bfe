"""Functions of two tensors of the image's that are made of sums, products and functions of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from graphpath.network.dialect.elementwise import apply, by_element
from graphpath.network.dialect.reductions import mean
from graphpath.network.dialect.registry import aten
from graphpath.network.dialect.sums import half_each, scaled, summed
from graphpath.network.walk import Lowering, Traced


@aten("hypot")
def _hypot(low: Lowering, a: Any, b: Any) -> Any:
    """The root of the sum of squares."""
    if not (isinstance(a, Traced) and isinstance(b, Traced)):
        return by_element(low, (a, b), {})
    squares = [apply(low, "square", torch.square, x) for x in (a, b)]
    return apply(low, "sqrt", torch.sqrt, summed(low, *squares))


@aten("logaddexp")
def _logaddexp(low: Lowering, a: Any, b: Any) -> Any:
    """``a + softplus(b - a)``."""
    if not (isinstance(a, Traced) and isinstance(b, Traced)):
        return by_element(low, (a, b), {})
    return summed(low, a, apply(low, "softplus", F.softplus, summed(low, b, scaled(low, a, -1))))


@aten("_trilinear")
def _trilinear(
    low: Lowering,
    one: Any,
    weight: Any,
    two: Any,
    first: Sequence[int],
    middle: Sequence[int],
    last: Sequence[int],
    summing: Sequence[int],
    unroll: int = 1,
) -> Any:
    """``nn.Bilinear``: the products of two tensors' elements, weighed and summed; each carries half."""
    if isinstance(weight, Traced) or not (isinstance(one, Traced) and isinstance(two, Traced)):
        return low.unknown("is a bilinear layer of which the image gives the weights, or one side alone")
    a, b = _unsqueezed(one, first), _unsqueezed(two, last)
    kept = weight.detach()
    for axis in sorted(middle):
        kept = kept.unsqueeze(axis)
    weighed = scaled(low, a, kept)
    product = half_each(low, weighed, b, tuple(torch.broadcast_shapes(weighed.shape, b.shape)))
    count = torch.Size(product.shape[axis] for axis in summing).numel()
    return scaled(low, mean(low, product, tuple(sorted(summing)), tuple(low.result.shape)), count)


def _unsqueezed(x: Traced, axes: Sequence[int]) -> Traced:
    shape = list(x.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return x.viewed(shape)
