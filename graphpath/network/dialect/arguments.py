"""Arguments as PyTorch takes them, in one form."""

from __future__ import annotations

from typing import Any


def sizes_of(value: Any, rank: int) -> tuple[int, ...]:
    """A size that PyTorch takes as one number or as ``rank``, as ``rank``."""
    if isinstance(value, int):
        return (value,) * rank
    sizes = tuple(int(size) for size in value)
    return sizes * rank if len(sizes) == 1 else sizes


def axes_of(dim: Any, rank: int) -> tuple[int, ...]:
    """Axes as PyTorch takes them (None or none: all), counted from the front, in order."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(rank))
    return tuple(sorted({axis % rank for axis in ((dim,) if isinstance(dim, int) else dim)}))


def rank_of_pool(operation: Any) -> int:
    """How many dimensions a pooling operation slides over, by its name."""
    return next(n for n in (1, 2, 3) if f"pool{n}d" in str(operation))
