"""How far pixels reach: for each step of a network the window of its tensor that a few pixels can touch.

A pixel touches 3 x 3 places of the first convolution's result, 5 x 5 of the second's; only far into the
network all of it. Pixels are taken by tiles of the image, so that the pixels of a tile share one window,
and the windows of all tiles have one size and lie a constant pitch apart. This is planned once a network,
in integers. ``None`` stands for the whole tensor: windows that cover most of it, and steps that move
elements in ways that no window follows, are carried whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from graphpath.network.operations import Geometry, Input, Weighted
from graphpath.network.program import Program, Step

WORTH = 0.8
"""Windows that cover a larger share of a tensor are not worth their bookkeeping."""

OVERHEAD = 64
"""What it costs to touch a place of a tensor (its gate, its sums), in multiplications."""


@dataclass(frozen=True)
class Axis:
    """How windows slide along one axis: place y reads ``y * stride - before`` to ``reach`` behind it."""

    stride: int
    before: int
    reach: int


def split_axes(geometry: Geometry) -> tuple[Axis, Axis]:
    """The vertical and the horizontal part of a geometry."""
    parts = zip(geometry.kernel, geometry.stride, geometry.before, geometry.dilation, strict=True)
    rows, columns = (Axis(stride, before, (kernel - 1) * step) for kernel, stride, before, step in parts)
    return rows, columns


@dataclass(frozen=True)
class Span:
    """The places that tile t touches along one axis: ``size`` of them from ``start + t * pitch`` on.

    They may lie outside the tensor, where nothing is.
    """

    start: int
    pitch: int
    size: int

    @property
    def stop(self) -> int:
        """The first place behind those of tile 0."""
        return self.start + self.size

    def slide(self, slides: Axis) -> Span | None:
        """The places that windows sliding over these can give; None where no span says."""
        start = -(-(self.start + slides.before - slides.reach) // slides.stride)
        stop = (self.stop - 1 + slides.before) // slides.stride + 1
        if self.pitch % slides.stride or stop <= start:
            return None
        return Span(start, self.pitch // slides.stride, stop - start)

    def measure_margins(self, after: Span, slides: Axis) -> tuple[int, int]:
        """Places to add before and behind (negative: to drop) for the windows to give just ``after``."""
        first = after.start * slides.stride - slides.before
        last = (after.stop - 1) * slides.stride - slides.before + slides.reach
        return self.start - first, last + 1 - self.stop

    def measure_padding(self, larger: Span) -> tuple[int, int]:
        """Places to add before and behind to have ``larger``."""
        return self.start - larger.start, larger.stop - self.stop


Window = tuple[Span, Span] | None
"""The rows and columns that a tile touches; None: everything."""


@dataclass(frozen=True)
class Footprints:
    """The windows of a network's steps for tiles of the image of ``tile`` (height, width) pixels."""

    tile: tuple[int, int]
    windows: tuple[Window, ...]

    def count_elements(self, program: Program, step: int) -> int:
        """How many numbers a pixel's signal takes at a step."""
        return _count_elements(program.steps[step], self.windows[step])


def plan_footprints(program: Program, steps: list[int]) -> Footprints:
    """The footprints with the tile that costs least over the steps ``steps``."""
    _, height, width = program.steps[0].shape
    sides = [2**power for power in range(max(height, width).bit_length())]
    plans = [compute_footprints(program, (min(side, height), min(side, width))) for side in sides]
    return min(plans, key=lambda plan: sum(_estimate_cost(program, plan, step) for step in steps))


def compute_footprints(program: Program, tile: tuple[int, int] | None, worth: float = WORTH) -> Footprints:
    """The footprints for tiles of one size, or the whole of every tensor for None."""
    _, height, width = program.steps[0].shape
    if tile is None:
        return Footprints((height, width), (None,) * len(program.steps))
    windows: list[Window] = []
    for step in program.steps:
        if isinstance(step.operation, Input):
            window: Window = (Span(0, tile[0], tile[0]), Span(0, tile[1], tile[1]))
        else:
            window = _window_behind(step, [windows[i] for i in step.carried], program)
        windows.append(_is_worthwhile(step, window, worth))
    return Footprints(tile, tuple(windows))


def _window_behind(step: Step, before: list[Window], program: Program) -> Window:
    """The window of a step's result."""
    shapes = [program.steps[i].shape for i in step.carried]
    geometry = step.operation.footprint(shapes, step.shape)
    slid = [_slide(window, geometry) for window in before]
    return None if any(window is None for window in slid) else _common_window(slid)


def _slide(window: Window, geometry: Geometry | None) -> Window:
    if window is None or geometry is None:
        return None
    rows, columns = (span.slide(axis) for span, axis in zip(window, split_axes(geometry), strict=True))
    return None if rows is None or columns is None else (rows, columns)


def _common_window(windows: list[Window]) -> Window:
    """The smallest window that holds all of them."""
    found = []
    for spans in zip(*(window for window in windows if window is not None), strict=True):
        if len({span.pitch for span in spans}) > 1:
            return None
        start = min(span.start for span in spans)
        found.append(Span(start, spans[0].pitch, max(span.stop for span in spans) - start))
    return found[0], found[1]


def _is_worthwhile(step: Step, window: Window, worth: float) -> Window:
    if window is None or len(step.shape) != 3:
        return None
    rows, columns = window
    return window if rows.size * columns.size <= worth * step.shape[1] * step.shape[2] else None


def _count_elements(step: Step, window: Window) -> int:
    if window is None:
        return prod(step.shape)
    return step.shape[0] * window[0].size * window[1].size


def _estimate_cost(program: Program, plan: Footprints, number: int) -> float:
    """Multiplications for a pixel, about."""
    step = program.steps[number]
    operation, elements = step.operation, plan.count_elements(program, number)
    if isinstance(operation, Weighted):
        return float(elements * prod(operation.weight.shape[1:]))
    return float(elements * OVERHEAD)
