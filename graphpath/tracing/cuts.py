"""Where to cut so that the largest of many values hold a share of their sum, without sorting them.

Values are compared in single precision, by their bits: of two floats that are not negative the larger one has
the larger bits. A pass over the values finds the upper bits of the cut, and two more the others. So values
may come in parts, made anew for every pass, and no more than a table of 2,048 sums is kept of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Parts = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Makes values in parts: the image of each (E,), and the value (E,), none negative."""

PASSES = ((20, 11), (10, 10), (0, 10))
"""The bits that each pass finds: the lowest, and how many. The sign is not among them."""

SLACK = 1e-9
"""Sums in another order differ in their last bits: a share is reached where so little of it is missing."""


def find_cuts(parts: Parts, amount: float, images: int, device: torch.device) -> Tensor:
    """Of each image the largest value such that as large and larger ones are enough: (N,) float32.

    ``amount`` is a share of the values' sum, in (0, 1], or, an int, how many values there must be. Where
    there are no more than that, and at a share of 1, it is 0: every value is needed. The larger the
    ``amount``, the lower the cut.
    """
    counted = isinstance(amount, int)
    prefix = torch.zeros(images, dtype=torch.int64, device=device)
    wanted = everything = torch.zeros(images, dtype=torch.float64, device=device)
    for shift, width in PASSES:
        sums = torch.zeros(images << width, dtype=torch.float64, device=device)
        for sample, values in parts():
            bits = values.float().view(torch.int32)
            if shift != PASSES[0][0]:
                here = ((bits >> shift + width) == prefix[sample]).nonzero()[:, 0]
                bits, sample, values = bits[here], sample[here], values[here]
            place = (sample << width) + (bits >> shift & (1 << width) - 1)
            sums.index_add_(0, place, torch.ones_like(place).double() if counted else values.double())
        sums = sums.view(images, -1)
        if shift == PASSES[0][0]:
            everything = sums.sum(1)
            wanted = everything.clamp(max=amount) if counted else everything * amount * (1 - SLACK)
        place, above = _find_bins(sums, wanted)
        prefix, wanted = prefix << width | place, wanted - above
    all_needed = everything <= amount if counted else torch.full_like(everything, amount == 1).bool()
    return prefix.to(torch.int32).view(torch.float32).masked_fill(all_needed | (everything == 0), 0)


def mark_above(sample: Tensor, values: Tensor, cuts: Tensor) -> Tensor:
    """Which values are above 0 and at least the cut of their image: (E,) bool."""
    return (values > 0) & (values.float() >= cuts[sample])


def _find_bins(sums: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The bin (N,) in which the sum from above reaches what is wanted, and the sum above that bin (N,)."""
    from_above = sums.flip(1).cumsum(1)
    reached = from_above >= wanted[:, None]
    last = sums.shape[1] - 1
    first = torch.where(reached.any(1), reached.long().argmax(1), last)
    above = torch.cat([torch.zeros_like(from_above[:, :1]), from_above], 1).gather(1, first[:, None])[:, 0]
    return last - first, above
