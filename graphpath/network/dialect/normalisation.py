"""Norms: by constants (batch norm), and by the image's own mean and variance, which are held."""

from __future__ import annotations

from typing import Any

import torch

from graphpath.network.dialect.registry import aten
from graphpath.network.dialect.sums import scaled, summed
from graphpath.network.operations import ImageNorm, Norm, Ratio
from graphpath.network.walk import Lowering, Traced


@aten("batch_norm")
def _batch_norm(
    low: Lowering,
    x: Any,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    eps: float,
    *rest: Any,
) -> Any:
    if training or mean is None or variance is None:
        low.refuse(
            "is a batch norm without running statistics: it normalises by the batch in hand, so that images "
            "depend on each other. Train it with track_running_stats=True"
        )
    return _by_constants(low, x, weight, bias, mean, variance, eps)


@aten("_native_batch_norm_legit_no_training")
def _no_training(
    low: Lowering, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> Any:
    return _by_constants(low, x, weight, bias, mean, variance, eps), None, None


def _by_constants(low: Lowering, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, eps: float) -> Any:
    if not isinstance(x, Traced) or any(isinstance(p, Traced) for p in (weight, bias, mean, variance)):
        return low.unknown("normalises by what the image decides upon")
    scale = torch.rsqrt(variance.detach() + eps)
    if weight is not None:
        scale = scale * weight.detach()
    shift = -mean.detach() * scale
    if bias is not None:
        shift = shift + bias.detach()
    channels = len(scale)
    if x.shape[0] == 1 and low.shape_of(x)[:1] == (channels,):
        return low.emit(Norm(scale, shift), x, shape=x.shape)
    if x.shape[0] == 1:
        return low.emit(Norm(scale, shift), low.standing(x), shape=x.shape)
    wide = (channels, *(1,) * (len(x.shape) - 2))
    return summed(low, scaled(low, x, scale.reshape(wide)), shift.reshape(wide))


@aten("_safe_softmax")
def _safe_softmax(low: Lowering, x: Traced, dim: int, *rest: Any, **options: Any) -> Traced:
    return _ratio(low, x, lambda values, axis: torch.ops.aten._safe_softmax(values, axis), dim, limits=True)


@aten("softmax", "_softmax", "special_softmax")
def _softmax(low: Lowering, x: Traced, dim: int, *rest: Any, **options: Any) -> Traced:
    return _ratio(low, x, lambda values, axis: torch.softmax(values, axis), dim, limits=True)


@aten("log_softmax", "_log_softmax", "special_log_softmax")
def _log_softmax(low: Lowering, x: Traced, dim: int, *rest: Any, **options: Any) -> Traced:
    return _ratio(low, x, lambda values, axis: torch.log_softmax(values, axis), dim, limits=False)


def _ratio(low: Lowering, x: Traced, function: Any, dim: int, limits: bool) -> Traced:
    """A function along one axis, held at what it multiplies each element by."""
    axis = dim % max(1, len(x.shape)) + 1
    whole = low.shaped(x, x.shape)
    return low.emit(Ratio(lambda values: function(values, axis), limits), whole, shape=x.shape)


@aten("layer_norm", "native_layer_norm")
def _layer_norm(
    low: Lowering,
    x: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *rest: Any,
) -> Any:
    return _over_last(low, x, normalized_shape, weight, bias, eps, centred=True)


@aten("rms_norm", "_fused_rms_norm")
def _rms_norm(
    low: Lowering, x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    least = float(torch.finfo(low.dtype).eps) if eps is None else eps
    return _over_last(low, x, normalized_shape, weight, None, least, centred=False)


def _over_last(
    low: Lowering, x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float, *, centred: bool
) -> Any:
    if not isinstance(x, Traced) or isinstance(weight, Traced) or isinstance(bias, Traced):
        return low.unknown("normalises by what the image decides upon")
    size = tuple(normalized_shape)
    standing = x if low.shape_of(x)[-len(size) :] == size else low.shaped(x, (*_rows(x, len(size)), *size))
    rank = len(low.shape_of(standing)) + 1
    axes = tuple(range(rank - len(size), rank))
    scale, shift = (None if part is None else part.detach() for part in (weight, bias))
    norm = ImageNorm(axes, scale, shift, float(eps), centred=centred)
    found = low.emit(norm, standing, shape=x.shape)
    return _with_statistics(low, found)


def _rows(x: Traced, normalised: int) -> tuple[int, ...]:
    return x.inner[: len(x.inner) - normalised] if len(x.inner) > normalised else ()


def _with_statistics(low: Lowering, found: Traced) -> Any:
    """The result in hand; the statistics that come with it are of no use in evaluation mode."""
    return (found, *(None for _ in low.result[1:])) if isinstance(low.result, tuple) else found


@aten("group_norm")
def _group_norm(
    low: Lowering, x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *rest: Any
) -> Any:
    return _in_groups(low, x, groups, weight, bias, eps)


@aten("native_group_norm")
def _native_group_norm(
    low: Lowering, x: Any, weight: Any, bias: Any, n: int, c: int, hw: int, groups: int, eps: float
) -> Any:
    return _in_groups(low, x, groups, weight, bias, eps)


@aten("instance_norm")
def _instance_norm(
    low: Lowering,
    x: Any,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *rest: Any,
) -> Any:
    if not use_input_stats:
        return _by_constants(low, x, weight, bias, mean, variance, eps)
    return _in_groups(low, x, x.shape[1], weight, bias, eps)


def _in_groups(low: Lowering, x: Any, groups: int, weight: Any, bias: Any, eps: float) -> Any:
    if not isinstance(x, Traced) or isinstance(weight, Traced) or isinstance(bias, Traced):
        return low.unknown("normalises by what the image decides upon")
    tensors, channels = x.shape[:2]
    standing = low.shaped(x, (tensors * channels, *x.shape[2:]))
    shape = (tensors * channels, *(1,) * (len(x.shape) - 2))
    scale, shift = (
        None if part is None else part.detach().repeat(tensors).reshape(shape) for part in (weight, bias)
    )
    norm = ImageNorm((2,), scale, shift, float(eps), groups=tensors * groups)
    return _with_statistics(low, low.emit(norm, standing, shape=x.shape))
