"""How large a pixel's pathway is on each feature map, and which maps are its largest.

The size s(l, c) of a pixel's pathway on map c of layer l is the sum of its cross-section there: of PS for
``plus_one``, of |PS| for ``signed``, whose signed sum is kept beside it. A pixel's *large pathways* are its N
maps of largest size in each layer; a size of 0 never counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network import Site
from graphpath.tracing.diffusion.sections import CrossSection


@dataclass(frozen=True, eq=False)
class Sizes:
    """The sizes of R pixels' pathways on the C maps of a site, each times ``2 ** exponent`` of its row.

    ``size``, ``signed`` and ``largest`` are (R, C): the sum that ranks maps, the signed sum of the
    cross-section, and its largest |value|. ``exponent`` (R,) int64.
    """

    site: Site
    size: Tensor
    signed: Tensor
    largest: Tensor
    exponent: Tensor

    def select_largest(self, count: int) -> tuple[Tensor, Tensor]:
        """The ``count`` largest maps of each pixel, largest first, ties to the lower channel.

        Returns channels (R, K) int64 and whether each counts at all, its size being above 0: (R, K) bool; K
        is ``count``, or C where there are fewer.
        """
        count = min(count, self.size.shape[1])
        channel = _find_largest(self.size, count)
        return channel, self.size.gather(1, channel) > 0


def measure_sizes(section: CrossSection, kernel: str) -> Sizes:
    """The sizes of a section."""
    planes = section.values.flatten(2)
    signed, magnitude = planes.sum(2), planes.abs()
    size = magnitude.sum(2) if kernel == "signed" else signed
    return Sizes(section.site, size, signed, magnitude.amax(2), section.exponent)


def _find_largest(values: Tensor, count: int) -> Tensor:
    """The places of the ``count`` largest values of each row, ties to the lower place: (R, count)."""
    ahead = values.topk(min(count + 1, values.shape[1]), 1)
    tied = (ahead.values[:, 1:] == ahead.values[:, :-1]).any(1)
    places = ahead.indices[:, :count]
    if bool(tied.any()):
        rows = tied.nonzero()[:, 0]
        ordered = torch.sort(values[rows], dim=1, descending=True, stable=True).indices
        places = places.index_copy(0, rows, ordered[:, :count])
    return places
