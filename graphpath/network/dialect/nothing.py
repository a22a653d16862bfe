"""What does nothing to numbers in evaluation mode: copies, casts between floating types, checks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from graphpath.network.dialect.registry import aten
from graphpath.network.walk import Lowering, Traced


@aten(
    "clone",
    "alias",
    "detach",
    "contiguous",
    "lift_fresh_copy",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "feature_alpha_dropout",
    "native_dropout",
    "positive",
    "detach_copy",
    "resolve_conj",
    "resolve_neg",
)
def _unchanged(low: Lowering, x: Traced, *args: Any, **kwargs: Any) -> Any:
    return (x, None) if isinstance(low.result, tuple) else x


@aten("_to_copy", "to", "type_as", "_autocast_to_full_precision", "_autocast_to_reduced_precision")
def _cast(low: Lowering, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """Between floating types nothing is rounded: all runs in the type of the images."""
    dtype = low.result.dtype
    if dtype.is_floating_point and x.dtype.is_floating_point:
        return replace(x, dtype=dtype)
    if x.dtype is torch.bool:
        return _of_truth_values(low)
    why = "turns numbers to integers or truth values, which have no gradient"
    found: Traced = low.unknown(
        "makes complex numbers, which graphpath does not follow" if dtype.is_complex else why
    )
    return found


def _of_truth_values(low: Lowering) -> Traced:
    """Ones and zeros of a condition: nothing flows through them, and they may gate."""
    operation, keywords = low.operation, low.keywords
    why = f"({operation}) makes numbers of truth values, which have no gradient"
    found: Traced = low.opaque(
        lambda *args: operation(*args, **keywords), low.arguments, low.result, why, limits=True
    )
    return found


@aten("_assert_tensor_metadata", "_assert_async")
def _checks(low: Lowering, *args: Any, **kwargs: Any) -> None:
    return None


@aten("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty")
def _constant_like(low: Lowering, x: Traced, *args: Any, **kwargs: Any) -> Any:
    """A constant that takes its shape or type from a tensor of the image's."""
    like = torch.zeros(x.shape, dtype=x.dtype, device=low.device)
    kwargs.pop("device", None)
    return low.operation(like, *args, **kwargs)
