"""Quantities over layers or any other steps, each with its interval; and single ones with theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphpath.report import svg
from graphpath.report.captions import fmt

WIDTH, HEIGHT = 540.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 150.0, 14.0, 52.0
ROW, LABEL = 26.0, 170.0
STYLES = 6


@dataclass(frozen=True)
class Point:
    """A mean and its interval, whose ends may be NaN."""

    mean: float
    low: float = math.nan
    high: float = math.nan

    @property
    def words(self) -> str:
        ends = "" if math.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.mean:.3g}{ends}"


Curve = Mapping[int, Point]
"""By step, the point there; a step may be missing."""


def draw_curves(
    steps: Sequence[tuple[int, str]],
    lines: Mapping[str, Curve],
    *,
    null: float | None = None,
    label: str = "",
) -> str:
    """A line for each of ``lines`` over ``steps`` (number, caption), with a band for its interval.

    Args:
        null: the value that no effect would give, drawn dashed.
        label: what is measured, beside the axis.
    """
    axis = _Axis.from_points([point for line in lines.values() for point in line.values()], null)
    place = {number: order for order, (number, _) in enumerate(steps)}
    gap = (WIDTH - LEFT - RIGHT - 28) / max(len(steps) - 1, 1)
    at = {number: LEFT + 14 + order * gap for number, order in place.items()}
    bands = [_draw_band(line, at, axis, order) for order, line in enumerate(lines.values())]
    drawn = [_draw_line(name, line, at, axis, order) for order, (name, line) in enumerate(lines.items())]
    grid = _draw_grid(axis) + [_draw_caption(steps, at, number) for number, _ in steps]
    if null is not None:
        grid.append(svg.make_line(LEFT, axis.y(null), WIDTH - RIGHT, axis.y(null), "nothing"))
    names = _place_names(lines, at, axis)
    return svg.make_document(
        WIDTH, HEIGHT, *grid, *bands, *drawn, names, svg.make_text(LEFT, HEIGHT - 6, label, "tick"),
        label=label or "Curves",
    )  # fmt: skip


def draw_forest(
    rows: Mapping[str, Point], *, null: float | None = None, strong: int = 1, label: str = ""
) -> str:
    """A dot with its interval for each of ``rows``; the first ``strong`` of them are drawn strong."""
    axis = _Axis.from_points(list(rows.values()), null)
    height = ROW * len(rows) + 48

    def x(value: float) -> float:
        return LABEL + (axis.clamp(value) - axis.low) / (axis.high - axis.low) * (WIDTH - LABEL - 92)

    drawn = [
        svg.make_line(x(tick), 4, x(tick), height - 42, "grid")
        + svg.make_text(x(tick), height - 26, f"{tick:g}", "tick mid")
        for tick in axis.ticks
    ]
    if null is not None:
        drawn.append(svg.make_line(x(null), 4, x(null), height - 42, "nothing"))
    for order, (name, point) in enumerate(rows.items()):
        y = ROW * order + 16
        kind = "curve k0" if order < strong else f"curve k{min(1 + order - strong, STYLES - 1)}"
        if not math.isnan(point.low):
            drawn.append(svg.make_line(x(point.low), y, x(point.high), y, kind))
        if not math.isnan(point.mean):
            words = svg.make_title(f"{name}: {point.words}")
            drawn.append(
                svg.make_element("circle", words, cx=x(point.mean), cy=y, r=4.0, class_=f"{kind} dot")
            )
        drawn.append(svg.make_text(LABEL - 12, y + 4, name, "label end"))
        drawn.append(svg.make_text(WIDTH - 84, y + 4, f"{point.mean:.3g}", "tick"))
    drawn.append(svg.make_text(LABEL, height - 6, label, "tick"))
    return svg.make_document(WIDTH, height, *drawn, label=label or "Intervals")


@dataclass(frozen=True)
class _Axis:
    """A range of values with ticks at round numbers."""

    low: float
    high: float
    step: float

    @classmethod
    def from_points(cls, points: Sequence[Point], null: float | None) -> _Axis:
        """Every mean and the null; of intervals as much as is no more than the means' own range beyond."""
        means = [p.mean for p in points if math.isfinite(p.mean)]
        means += [] if null is None else [null]
        least, most = (min(means), max(means)) if means else (0.0, 1.0)
        room = max(most - least, 1e-3 * max(abs(least), abs(most)), 1e-9)
        ends = [v for p in points for v in (p.low, p.high) if math.isfinite(v)]
        least = max(min([least, *ends]), least - room)
        most = min(max([most, *ends]), most + room)
        if least == most:
            least, most = least - 0.5, most + 0.5
        step = _round_up((most - least) / 4)
        return cls(math.floor(least / step) * step, math.ceil(most / step) * step, step)

    @property
    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [round(self.low + self.step * i, 12) for i in range(count + 1)]

    def clamp(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def y(self, value: float) -> float:
        share = (self.clamp(value) - self.low) / (self.high - self.low)
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _round_up(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= step * (1 - 1e-9))


def _draw_grid(axis: _Axis) -> list[str]:
    return [
        svg.make_line(LEFT, axis.y(tick), WIDTH - RIGHT, axis.y(tick), "grid")
        + svg.make_text(LEFT - 8, axis.y(tick) + 4, f"{tick:g}", "tick end")
        for tick in axis.ticks
    ]


def _draw_caption(steps: Sequence[tuple[int, str]], at: Mapping[int, float], number: int) -> str:
    every = max(1, round(len(steps) / 10))
    order = [n for n, _ in steps].index(number)
    if order % every:
        return ""
    return svg.make_text(at[number], HEIGHT - BOTTOM + 20, steps[order][1], "tick mid")


def _draw_band(line: Curve, at: Mapping[int, float], axis: _Axis, order: int) -> str:
    known = [(at[step], point) for step, point in line.items() if step in at and not math.isnan(point.low)]
    if not known:
        return ""
    if len(known) == 1:
        x, point = known[0]
        return svg.make_line(x, axis.y(point.low), x, axis.y(point.high), f"curve k{order % STYLES}")
    ring = [(x, axis.y(p.high)) for x, p in known] + [(x, axis.y(p.low)) for x, p in reversed(known)]
    points = " ".join(f"{fmt(x)},{fmt(y)}" for x, y in ring)
    return svg.make_element("polygon", points=points, class_=f"band k{order % STYLES}")


def _draw_line(name: str, line: Curve, at: Mapping[int, float], axis: _Axis, order: int) -> str:
    known = [(at[s], point) for s, point in line.items() if s in at and not math.isnan(point.mean)]
    kind = f"curve k{order % STYLES}"
    dots = [
        svg.make_element(
            "circle",
            svg.make_title(f"{name}: {p.words}"),
            cx=x,
            cy=axis.y(p.mean),
            r=3.5,
            class_=f"{kind} dot",
        )
        for x, p in known
    ]
    return svg.make_polyline([(x, axis.y(p.mean)) for x, p in known], kind) + "".join(dots)


def _place_names(lines: Mapping[str, Curve], at: Mapping[int, float], axis: _Axis) -> str:
    """The lines' names at their right ends, moved apart where they would lie on each other."""
    ends = []
    for order, (name, line) in enumerate(lines.items()):
        last = [p.mean for s, p in line.items() if s in at and not math.isnan(p.mean)]
        if last:
            ends.append((axis.y(last[-1]), order, name))
    drawn, lowest = [], -1e9
    for y, order, name in sorted(ends):
        lowest = max(y + 4, lowest + 15)
        drawn.append(svg.make_text(WIDTH - RIGHT + 12, lowest, name, f"name k{order % STYLES}"))
    return "".join(drawn)
