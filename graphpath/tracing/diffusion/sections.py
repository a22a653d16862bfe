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
from graphpath.network.operations import Activation, AveragePool, Conv, Input, MaxPool, Modulation
from graphpath.tracing.diffusion.footprints import Window, axes
from graphpath.tracing.diffusion.patches import Rows, inside, local_switches, patches, whole
from graphpath.tracing.diffusion.plan import Plan

INITS = ("intensity", "unit")
"""What a pixel starts with: its intensities as they are fed to the network, or 1 in every channel."""

LIMIT = 40
"""Numbers beyond 2^40 or below 2^-40 are brought back by a power of two, which loses nothing."""


@dataclass(frozen=True, eq=False)
class Section:
    """The cross-sections of R pixels on one site: PS = ``values * 2 ** exponent``.

    ``values`` (R, C, h, w) holds what the pixels touch (``window``; None: all of the site). ``exponent``
    (R,) int64 is 0 as long as the numbers stay in the range of a float.
    """

    site: Site
    values: Tensor
    exponent: Tensor
    window: Window
    rows: Rows

    def whole(self) -> Tensor:
        """The values on all of the site: (R, C, H, W)."""
        return whole(self.values, self.window, self.rows, self.site.shape)


@dataclass(frozen=True, eq=False)
class Wave:
    """A step's value for each pixel in hand: ``values * 2 ** exponent`` (None: 0)."""

    values: Tensor
    window: Window
    exponent: Tensor | None = None


def sections(
    plan: Plan, held: Held, image: Tensor, place: Tensor, init: str = "intensity"
) -> Iterator[Section]:
    """The cross-sections on each site of a plan, in the order they run.

    ``image`` and ``place`` (R,) int64 are the pixels: the image of the batch, and ``y * width + x``. Raises
    MethodError for an ``init`` that is none of ``INITS``.
    """
    for step, wave, rows in carried(plan, held, image, place, init):
        for site in plan.sites.get(step, ()):
            yield _section(site, wave, rows)


def carried(
    plan: Plan, held: Held, image: Tensor, place: Tensor, init: str = "intensity"
) -> Iterator[tuple[int, Wave, Rows]]:
    """The pixels' waves at every step of a plan, in order; as for :func:`sections`.

    A wave may be overwritten when the next one is asked for.
    """
    if init not in INITS:
        raise MethodError(f"init={init!r} is unknown; expected one of {', '.join(INITS)}.")
    rows = Rows.of(image, place, held.network.sites[0].shape[1:], plan.footprints.tile)
    crossing = Crossing(plan, held, rows)
    waves: dict[int, Wave] = {}
    left = Counter(plan.readers)
    for step in plan.steps:
        with torch.no_grad():
            waves[step] = crossing.wave(step, [waves[i] for i in plan.inputs(step)], init)
        yield step, waves[step], rows
        for source in plan.inputs(step):
            left[source] -= 1
            if left[source] == 0:
                del waves[source]


@dataclass(frozen=True, eq=False)
class Crossing:
    """Pixels in hand on their way through a held network."""

    plan: Plan
    held: Held
    rows: Rows

    def wave(self, step: int, before: list[Wave], init: str) -> Wave:
        """What a step gives of the waves that it reads."""
        operation, window = self.plan.operations[step], self.plan.window(step)
        if isinstance(operation, Input):
            return self._started(window, init)
        if window is None:
            inputs = zip(before, self.plan.inputs(step), strict=True)
            before = [self._whole(wave, source) for wave, source in inputs]
        if isinstance(operation, MaxPool):
            wave = self._pooled(step, before[0])
        elif isinstance(operation, (Activation, Modulation)):
            wave = self._gated(step, before[0])
        elif window is not None and isinstance(operation, (Conv, AveragePool)):
            wave = self._slid(step, operation, before[0])
        else:
            if window is not None and len(before) > 1:
                before = [_widened(wave, window) for wave in before]
            before = _level(before)
            wave = replace(before[0], values=operation.run(*(wave.values for wave in before)))
        wave = replace(wave, window=window)
        return _rescaled(wave) if self.plan.kernel == "plus_one" and step in self.plan.sites else wave

    def _started(self, window: Window, init: str) -> Wave:
        """The pixels alone, each in its tile or image of zeros."""
        rows, site = self.rows, self.held.network.sites[0]
        pixels = self.held.output[:, site.span].view(-1, *site.shape)
        high, wide = site.shape[1:] if window is None else (window[0].size, window[1].size)
        top, left = (0, 0) if window is None else rows.corners(window)
        start = pixels.new_zeros((len(rows), site.shape[0], high, wide))
        row = torch.arange(len(rows), device=pixels.device)
        filled = 1.0 if init == "unit" else pixels[rows.image, :, rows.y, rows.x]
        start[row, :, rows.y - top, rows.x - left] = filled
        return Wave(start, window)

    def _whole(self, wave: Wave, step: int) -> Wave:
        values = whole(wave.values, wave.window, self.rows, self.plan.shape(step))
        return replace(wave, values=values, window=None)

    def _gated(self, step: int, wave: Wave) -> Wave:
        if isinstance(self.plan.operations[step], Modulation):
            gate = self.held.settings.scales[step]
        else:
            known = self.held.gate(self.plan.sites[step][0])
            assert known is not None
            gate = known
        gates = patches(gate.reshape(-1, *self.plan.shape(step)), self.plan.window(step), self.rows)
        spent = self.plan.spent(self.plan.inputs(step)[0])
        return replace(wave, values=wave.values.mul_(gates) if spent else wave.values * gates)

    def _pooled(self, step: int, wave: Wave) -> Wave:
        switches, window = self.held.settings.switches[step], self.plan.window(step)
        if window is None:
            return replace(wave, values=MaxPool.held(wave.values, self.rows.of_images(switches)))
        width = self.plan.shape(self.plan.inputs(step)[0])[2]
        local, valid = local_switches(switches, wave.window, window, self.rows, width)
        return replace(wave, values=MaxPool.held(wave.values, local).mul_(valid))

    def _slid(self, step: int, operation: Conv | AveragePool, wave: Wave) -> Wave:
        """A convolution or an average of windows."""
        window = self.plan.window(step)
        assert operation.geometry is not None and window is not None and wave.window is not None
        spans = zip(wave.window, window, axes(operation.geometry), strict=True)
        (top, bottom), (left, right) = (span.margins(after, axis) for span, after, axis in spans)
        values = _over(operation, wave.values, (left, right, top, bottom))
        if not self.plan.masked(step):
            mask = inside(window, self.rows, self.plan.shape(step), values.dtype)
            values = values if mask is None else values.mul_(mask)
        return replace(wave, values=values)


def _section(site: Site, wave: Wave, rows: Rows) -> Section:
    values, exponent = wave.values, wave.exponent
    if values.dim() == 2:
        values = values[:, :, None, None]
    if exponent is None:
        exponent = torch.zeros_like(rows.image)
    return Section(site, values, exponent, wave.window, rows)


def _over(operation: Conv | AveragePool, x: Tensor, around: tuple[int, int, int, int]) -> Tensor:
    """A convolution or average of x with other margins than its own."""
    if isinstance(operation, Conv):
        if min(around) < 0:
            x, around = F.pad(x, around), (0, 0, 0, 0)
        return replace(operation, padding=around).run(x)
    slides = operation.geometry
    assert slides is not None
    summed = F.avg_pool2d(F.pad(x, around), slides.kernel, slides.stride, divisor_override=1)
    return summed * float(operation.weights.max())


def _widened(wave: Wave, window: Window) -> Wave:
    """The wave in a larger window."""
    assert wave.window is not None and window is not None
    spans = zip(wave.window, window, strict=True)
    (top, bottom), (left, right) = (span.within(larger) for span, larger in spans)
    if not (top or bottom or left or right):
        return wave
    return replace(wave, values=F.pad(wave.values, (left, right, top, bottom)), window=window)


def _level(waves: list[Wave]) -> list[Wave]:
    """The waves with one exponent, the largest."""
    known = [wave.exponent for wave in waves if wave.exponent is not None]
    if len(waves) == 1 or not known:
        return waves
    own = [torch.zeros_like(known[0]) if w.exponent is None else w.exponent for w in waves]
    common = torch.stack(own).amax(0)
    return [
        replace(wave, values=scaled(wave.values, exponent - common), exponent=common)
        for wave, exponent in zip(waves, own, strict=True)
    ]


def _rescaled(wave: Wave) -> Wave:
    """The wave with the numbers of pixels that left the range of LIMIT brought back."""
    largest = wave.values.flatten(1).abs().amax(1)
    exponent = torch.frexp(largest).exponent.long()
    exponent[exponent.abs() <= LIMIT] = 0
    if not bool(exponent.any()):
        return wave
    total = exponent if wave.exponent is None else wave.exponent + exponent
    return replace(wave, values=scaled(wave.values, -exponent), exponent=total)


def scaled(values: Tensor, exponent: Tensor) -> Tensor:
    """``values * 2 ** exponent`` with an exponent (R,) int64 a row."""
    power = np.ldexp(1.0, exponent.cpu().numpy())
    factor = torch.from_numpy(power).to(dtype=values.dtype, device=values.device)
    return values * factor.view(-1, *(1,) * (values.dim() - 1))
