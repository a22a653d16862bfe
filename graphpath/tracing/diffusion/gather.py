"""What is kept of cross-sections as they pass: each pixel's largest maps, and where its signal is on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphpath.network import Held
from graphpath.tracing.batch import as_array
from graphpath.tracing.diffusion.plan import DiffusionPlan
from graphpath.tracing.diffusion.sections import CrossSection, iterate_sections, scale
from graphpath.tracing.diffusion.sizes import Sizes, measure_sizes
from graphpath.tracing.taking import Crosses

MEMORY = 1 << 28
"""Bytes that the cross-sections of the pixels in hand may take."""


@dataclass(frozen=True, eq=False)
class SentPixels:
    """The pixels that are sent: images, places ``y * width + x``, and the pathways they belong to."""

    image: Tensor  # (R,) int64
    place: Tensor
    pathway: Tensor

    def __len__(self) -> int:
        return len(self.image)

    def split(self, size: int) -> Iterator[SentPixels]:
        """At most ``size`` rows at a time, of one image as far as possible."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield SentPixels(self.image[part], self.place[part], self.pathway[part])


@dataclass(eq=False)
class Gatherer:
    """Collects, while pixels are carried, what a trace needs of them.

    ``mass`` (Q, neurons) says how much of the pixels' signals is at each neuron on their large maps, in the
    layer's unit: the sum of |PS| over those pixels of a pathway that have the neuron's map among their
    ``top`` largest in its layer. In the sites ``free``, by number, every map counts. ``every`` records the
    sizes of all maps that are reached, not only of the largest; the input's are always recorded.
    """

    plan: DiffusionPlan
    units: tuple[int, ...]
    top: int
    every: bool
    free: frozenset[int]
    mass: Tensor
    columns: list[tuple[Any, ...]] = field(default_factory=list)

    def send(self, held: Held, sent: SentPixels, init: str) -> None:
        """Carry pixels through the network, about MEMORY bytes at a time."""
        for part in sent.split(self.plan.fit_rows(MEMORY)):
            for section in iterate_sections(self.plan, held, part.image, part.place, init):
                self._add(section, part)

    def list_crosses(self) -> Crosses:
        """The maps crossed, pathway by pathway and pixel by pixel."""
        columns = [np.concatenate(column) for column in zip(*self.columns, strict=True)]
        if not columns:
            columns = [np.empty(0, np.int32)] * 7
        pathway, pixel, layer, _, _, _, rank = columns
        order = np.lexsort((rank, layer, pixel, pathway))
        return Crosses(*(column[order] for column in columns))

    def _add(self, section: CrossSection, part: SentPixels) -> None:
        found = measure_sizes(section, self.plan.kernel)
        maps, number = found.size.shape[1], section.site.number
        large = maps if number in self.free else self.top
        recorded = maps if self.every or number == 0 else self.top
        channel, counts = found.select_largest(max(large, recorded))
        self._weigh(section, part, channel[:, :large], counts[:, :large])
        self._record(found, part, channel[:, :recorded], counts[:, :recorded])

    def _record(self, found: Sizes, part: SentPixels, channel: Tensor, counts: Tensor) -> None:
        row, rank = counts.nonzero(as_tuple=True)
        maps = channel[row, rank]
        shift = as_array(found.exponent[row] - self.units[found.site.number])
        size, signed = (_scale_values(values[row, maps], shift) for values in (found.size, found.signed))
        layer = torch.full_like(row, found.site.number)
        numbers = (part.pathway[row], part.place[row], layer, maps, rank + 1)
        pathway, place, layers, crossed, ranks = (as_array(column).astype(np.int32) for column in numbers)
        self.columns.append((pathway, place, layers, crossed, size, signed, ranks))

    def _weigh(self, section: CrossSection, part: SentPixels, channel: Tensor, counts: Tensor) -> None:
        """Add |PS| on the large maps of each pixel to its pathway's mass."""
        site, window = section.site, section.window
        _, height, width = site.shape
        row = torch.arange(len(part), device=channel.device)[:, None]
        shift = section.exponent - self.units[site.number]
        strength = scale(section.values[row, channel], shift).abs() * counts[:, :, None, None]
        high, wide = strength.shape[2:]
        top, left = (
            (torch.zeros_like(part.image),) * 2 if window is None else section.rows.find_corners(window)
        )
        y = (top[:, None] + torch.arange(high, device=top.device))[:, None, :, None]
        x = (left[:, None] + torch.arange(wide, device=top.device))[:, None, None, :]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        neuron = (channel[:, :, None, None] * height + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1)
        place = part.pathway[:, None, None, None] * self.mass.shape[1] + site.offset + neuron
        strength = torch.where(inside, strength, 0)
        self.mass.view(-1).index_add_(0, place.flatten(), strength.flatten().to(self.mass.dtype))


def _scale_values(values: Tensor, shift: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """``values * 2 ** shift`` in float32; what is beyond its range is its largest number."""
    largest = np.finfo(np.float32).max
    scaled = np.ldexp(as_array(values).astype(np.float64), shift).clip(-largest, largest)
    return scaled.astype(np.float32)
