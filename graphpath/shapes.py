"""The three dimensions that neurons have, whatever the shape of a tensor."""

from __future__ import annotations

from math import prod


def fold(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of a tensor of one image: (F, 1, 1), (C, L, 1), (C, D * H, W).

    Of more dimensions than three, all between the first and the last make the height.
    """
    if len(shape) > 3:
        return shape[0], prod(shape[1:-1]), shape[-1]
    channels, height, width = (*shape, 1, 1, 1)[:3]
    return channels, height, width
