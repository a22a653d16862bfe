"""Pixels carried through the held network: their pathway cross-sections, site by site.

The pathway cross-section PS of a pixel on a site is what the pixel alone sends there: its intensity spread
by the weights, masked by the gates and pooling switches that the whole image set (Lyu, Pang and Wang 2024;
what the paper leaves open is graphpath's choice, see ``methods/diffusion.py``). Pixels are the batch
dimension. Where footprints are small only they are carried (``footprints.py``); the numbers are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import Held, Site
from graphpath.network.operations import Activation, Input, MaxPool, Mixture, Modulation, Windowed
from graphpath.tracing.diffusion.footprints import Window, split_axes
from graphpath.tracing.diffusion.patches import (
    PixelRows,
    cut_patches,
    embed_patches,
    localise_switches,
    mark_inside,
)
from graphpath.tracing.diffusion.plan import DiffusionPlan

INITS = ("intensity", "unit")
"""What a pixel starts with: its intensities as they are fed to the network, or 1 in every channel."""

LIMIT = 40
"""Numbers beyond 2^40 or below 2^-40 are brought back by a power of two, which loses nothing."""


@dataclass(frozen=True, eq=False)
class CrossSection:
    """The cross-sections of R pixels on one site: PS = ``values * 2 ** exponent``.

    ``values`` (R, C, h, w) holds what the pixels touch (``window``; None: all of the site). ``exponent``
    (R,) int64 is 0 as long as the numbers stay in the range of a float.
    """

    site: Site
    values: Tensor
    exponent: Tensor
    window: Window
    rows: PixelRows

    def embed(self) -> Tensor:
        """The values on all of the site: (R, C, H, W)."""
        return embed_patches(self.values, self.window, self.rows, self.site.shape)


@dataclass(frozen=True, eq=False)
class Wave:
    """A step's value for each pixel in hand: ``values * 2 ** exponent`` (None: 0)."""

    values: Tensor
    window: Window
    exponent: Tensor | None = None


def iterate_sections(
    plan: DiffusionPlan, held: Held, image: Tensor, place: Tensor, init: str = "intensity"
) -> Iterator[CrossSection]:
    """The cross-sections on each site of a plan, in the order they run.

    ``image`` and ``place`` (R,) int64 are the pixels: the image of the batch, and ``y * width + x``. Raises
    MethodError for an ``init`` that is none of ``INITS``.
    """
    for step, wave, rows in carry(plan, held, image, place, init):
        for site in plan.sites.get(step, ()):
            yield _make_section(site, wave, rows)


def carry(
    plan: DiffusionPlan, held: Held, image: Tensor, place: Tensor, init: str = "intensity"
) -> Iterator[tuple[int, Wave, PixelRows]]:
    """The pixels' waves at every step of a plan, in order; as for :func:`iterate_sections`.

    A wave may be overwritten when the next one is asked for.
    """
    if init not in INITS:
        raise MethodError(f"init={init!r} is unknown; expected one of {', '.join(INITS)}.")
    rows = PixelRows.from_pixels(image, place, held.network.sites[0].shape[1:], plan.footprints.tile)
    crossing = Crossing(plan, held, rows)
    waves: dict[int, Wave] = {}
    left = Counter(plan.readers)
    for step in plan.steps:
        with torch.no_grad():
            waves[step] = crossing.step(step, [waves[i] for i in plan.list_inputs(step)], init)
        yield step, waves[step], rows
        for source in plan.list_inputs(step):
            left[source] -= 1
            if left[source] == 0:
                del waves[source]


@dataclass(frozen=True, eq=False)
class Crossing:
    """Pixels in hand on their way through a held network."""

    plan: DiffusionPlan
    held: Held
    rows: PixelRows

    def step(self, step: int, before: list[Wave], init: str) -> Wave:
        """What a step gives of the waves that it reads."""
        operation, window = self.plan.operations[step], self.plan.find_window(step)
        if isinstance(operation, Input):
            return self._start(window, init)
        if window is None:
            inputs = zip(before, self.plan.list_inputs(step), strict=True)
            before = [self._embed(wave, source) for wave, source in inputs]
        if isinstance(operation, MaxPool):
            wave = self._pool(step, before[0])
        elif isinstance(operation, Mixture):
            matrix = self.rows.take_from_images(self.held.settings.matrices[step])
            wave = replace(before[0], values=operation.mixed(before[0].values, matrix))
        elif isinstance(operation, (Activation, Modulation)):
            wave = self._gate(step, before[0])
        elif window is not None and isinstance(operation, Windowed):
            wave = self._slide(step, operation, before[0])
        else:
            if window is not None and len(before) > 1:
                before = [_widen(wave, window) for wave in before]
            before = _align_exponents(before)
            wave = replace(before[0], values=operation.run(*(wave.values for wave in before)))
        wave = replace(wave, window=window)
        return _rescale(wave) if self.plan.kernel == "plus_one" and step in self.plan.sites else wave

    def _start(self, window: Window, init: str) -> Wave:
        """The pixels alone, each in its tile or image of zeros."""
        rows, site = self.rows, self.held.network.sites[0]
        pixels = self.held.output[:, site.span].view(-1, *site.shape)
        high, wide = site.shape[1:] if window is None else (window[0].size, window[1].size)
        top, left = (0, 0) if window is None else rows.find_corners(window)
        start = pixels.new_zeros((len(rows), site.shape[0], high, wide))
        row = torch.arange(len(rows), device=pixels.device)
        filled = 1.0 if init == "unit" else pixels[rows.image, :, rows.y, rows.x]
        start[row, :, rows.y - top, rows.x - left] = filled
        return Wave(start, window)

    def _embed(self, wave: Wave, step: int) -> Wave:
        values = embed_patches(wave.values, wave.window, self.rows, self.plan.find_shape(step))
        return replace(wave, values=values, window=None)

    def _gate(self, step: int, wave: Wave) -> Wave:
        if isinstance(self.plan.operations[step], Modulation):
            gate = self.held.settings.scales[step]
        else:
            known = self.held.gate(self.plan.sites[step][0])
            assert known is not None
            gate = known
        gates = cut_patches(
            gate.reshape(-1, *self.plan.find_shape(step)), self.plan.find_window(step), self.rows
        )
        spent = self.plan.is_spent(self.plan.list_inputs(step)[0])
        return replace(wave, values=wave.values.mul_(gates) if spent else wave.values * gates)

    def _pool(self, step: int, wave: Wave) -> Wave:
        switches, window = self.held.settings.switches[step], self.plan.find_window(step)
        if window is None:
            return replace(wave, values=MaxPool.at(wave.values, self.rows.take_from_images(switches)))
        width = self.plan.find_shape(self.plan.list_inputs(step)[0])[2]
        local, valid = localise_switches(switches, wave.window, window, self.rows, width)
        return replace(wave, values=MaxPool.at(wave.values, local).mul_(valid))

    def _slide(self, step: int, operation: Windowed, wave: Wave) -> Wave:
        """A convolution or an average of windows."""
        window = self.plan.find_window(step)
        shapes = [self.plan.find_shape(i) for i in self.plan.list_inputs(step)]
        geometry = operation.footprint(shapes, self.plan.find_shape(step))
        assert geometry is not None and window is not None and wave.window is not None
        spans = zip(wave.window, window, split_axes(geometry), strict=True)
        (top, bottom), (left, right) = (span.measure_margins(after, axis) for span, after, axis in spans)
        values = operation.slid(wave.values, (left, right, top, bottom))
        if not self.plan.is_masked(step):
            mask = mark_inside(window, self.rows, self.plan.find_shape(step), values.dtype)
            values = values if mask is None else values.mul_(mask)
        return replace(wave, values=values)


def _make_section(site: Site, wave: Wave, rows: PixelRows) -> CrossSection:
    values, exponent = wave.values, wave.exponent
    if values.dim() == 2:
        values = values[:, :, None, None]
    if exponent is None:
        exponent = torch.zeros_like(rows.image)
    return CrossSection(site, values, exponent, wave.window, rows)


def _widen(wave: Wave, window: Window) -> Wave:
    """The wave in a larger window."""
    assert wave.window is not None and window is not None
    spans = zip(wave.window, window, strict=True)
    (top, bottom), (left, right) = (span.measure_padding(larger) for span, larger in spans)
    if not (top or bottom or left or right):
        return wave
    return replace(wave, values=F.pad(wave.values, (left, right, top, bottom)), window=window)


def _align_exponents(waves: list[Wave]) -> list[Wave]:
    """The waves with one exponent, the largest."""
    known = [wave.exponent for wave in waves if wave.exponent is not None]
    if len(waves) == 1 or not known:
        return waves
    own = [torch.zeros_like(known[0]) if w.exponent is None else w.exponent for w in waves]
    common = torch.stack(own).amax(0)
    return [
        replace(wave, values=scale(wave.values, exponent - common), exponent=common)
        for wave, exponent in zip(waves, own, strict=True)
    ]


def _rescale(wave: Wave) -> Wave:
    """The wave with the numbers of pixels that left the range of LIMIT brought back."""
    largest = wave.values.flatten(1).abs().amax(1)
    exponent = torch.frexp(largest).exponent.long()
    exponent[exponent.abs() <= LIMIT] = 0
    if not bool(exponent.any()):
        return wave
    total = exponent if wave.exponent is None else wave.exponent + exponent
    return replace(wave, values=scale(wave.values, -exponent), exponent=total)


def scale(values: Tensor, exponent: Tensor) -> Tensor:
    """``values * 2 ** exponent`` with an exponent (R,) int64 a row."""
    power = np.ldexp(1.0, exponent.cpu().numpy())
    factor = torch.from_numpy(power).to(dtype=values.dtype, device=values.device)
    return values * factor.view(-1, *(1,) * (values.dim() - 1))
