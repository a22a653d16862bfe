"""Windows over a plane, and which of its rows and columns they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphpath.network import windows
from graphpath.network.relations import Ints, Relation

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Geometry:
    """Windows that slide evenly over a plane, each pair (vertical, horizontal).

    Place y of the result reads the places ``y * stride - before + k * dilation``, k below ``kernel``.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]  # padding above and on the left
    dilation: tuple[int, int]


SAME_PLACE = Geometry((1, 1), (1, 1), (0, 0), (1, 1))
"""The windows of what works place by place."""


def slid(geometry: Geometry, out: Size, size: Size) -> tuple[Relation, Relation]:
    """The rows and the columns that windows sliding over a plane of ``size`` cover: (out, size) each."""
    found = []
    for axis in (0, 1):
        start = np.arange(out[axis]) * geometry.stride[axis] - geometry.before[axis]
        places = start[:, None] + np.arange(geometry.kernel[axis]) * geometry.dilation[axis]
        found.append(_covering(places, size[axis]))
    return found[0], found[1]


def adapted(out: Size, size: Size) -> tuple[Relation, Relation]:
    """As :func:`slid`, of adaptive pooling."""
    rows, columns = (_covering(windows.adaptive(n, m)[0], n) for n, m in zip(size, out, strict=True))
    return rows, columns


def _covering(places: Ints, size: int) -> Relation:
    window, inside = (
        np.broadcast_to(np.arange(len(places))[:, None], places.shape),
        (places >= 0) & (places < size),
    )
    return Relation.of_pairs(window[inside], places[inside], (len(places), size))
