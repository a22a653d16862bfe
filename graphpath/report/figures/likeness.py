"""Likeness by layer: thin lines for pairs, a thick one for their median, dashed ones for what to expect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graphpath.report import svg
from graphpath.report.captions import fit_words, format_ratio

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 540.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 168.0, 12.0, 36.0
SMALL, LARGE = (0.02, 0.05, 0.1), 0.25
"""Where the axis ends where all values are small; from ``LARGE`` on it is divided into quarters."""
LETTER, LETTERS = 6.0, 20
"""How wide a letter below the axis is, and how many of a name are written."""


def draw_similarity(
    layers: Sequence[tuple[int, str]],
    pairs: Mapping[str, pd.Series],
    expected: Mapping[str, pd.Series],
    median: str = "median",
) -> str:
    """A chart over ``layers`` (number, caption).

    Args:
        pairs: a title and a series (index: layer, values in [0, 1] or null) for each thin line.
        expected: likewise for each dashed line, named at its right end.
        median: the name of the median of ``pairs``.
    """
    import pandas as pd

    place = _Scale(len(layers), _find_top([*pairs.values(), *expected.values()]))
    numbers = [number for number, _ in layers]
    thin = [
        svg.make_polyline(place.points(series.reindex(numbers)), "pair", svg.make_title(name))
        for name, series in pairs.items()
    ]
    middle = pd.DataFrame(dict(pairs)).median(axis=1).reindex(numbers) if pairs else pd.Series(dtype=float)
    thick = svg.make_polyline(place.points(middle), "median") + place.draw_dots(middle)
    dashed = [
        svg.make_polyline(place.points(series.reindex(numbers)), f"expected e{order}")
        for order, series in enumerate(expected.values())
    ]
    ends = {name: series.reindex(numbers) for name, series in expected.items()} | {median: middle}
    names = _place_names(place, ends)
    return svg.make_document(
        WIDTH, HEIGHT, place.draw_axes([caption for _, caption in layers]), *dashed, *thin, thick, names,
        label="Likeness by layer",
    )  # fmt: skip


class _Scale:
    """Where a layer and a value are drawn."""

    def __init__(self, layers: int, top: float) -> None:
        self.layers = layers
        self.top = top
        self.step = (WIDTH - LEFT - RIGHT) / max(layers - 1, 1)

    def x(self, order: float) -> float:
        return LEFT + 14 + order * (self.step - 28 / max(self.layers - 1, 1))

    def y(self, value: float) -> float:
        return TOP + (1 - value / self.top) * (HEIGHT - TOP - BOTTOM)

    def points(self, series: pd.Series) -> list[tuple[float, float]]:
        return [(self.x(i), self.y(value)) for i, value in enumerate(series) if value == value]

    def draw_dots(self, series: pd.Series) -> str:
        return "".join(
            svg.make_element(
                "circle",
                svg.make_title(format_ratio(self.draw_value(y))),
                cx=x,
                cy=y,
                r=3.5,
                class_="median-dot",
            )
            for x, y in self.points(series)
        )

    def draw_value(self, y: float) -> float:
        return self.top * (1 - (y - TOP) / (HEIGHT - TOP - BOTTOM))

    def draw_axes(self, captions: Sequence[str]) -> str:
        steps = round(self.top * 4) if self.top >= LARGE else 2
        values = [self.top * step / steps for step in range(steps + 1)]
        grid = [svg.make_line(LEFT, self.y(v), WIDTH - RIGHT, self.y(v), "grid") for v in values]
        ticks = [svg.make_text(LEFT - 8, self.y(v) + 4, f"{v:g}", "tick end") for v in values]
        return "".join([*grid, *ticks, *self._draw_names(captions)])

    def _draw_names(self, captions: Sequence[str]) -> list[str]:
        """Every caption, or of many as many as do not lie on each other."""
        drawn, end = [], -1e9
        for i, caption in enumerate(captions):
            [words] = fit_words(caption, LETTERS) or [""]
            half = len(words) * LETTER / 2
            if self.x(i) - half < end:
                continue
            end = self.x(i) + half + LETTER
            drawn.append(svg.make_text(self.x(i), HEIGHT - BOTTOM + 22, words, "tick mid"))
        return drawn


def _find_top(series: Sequence[pd.Series]) -> float:
    """The next of ``SMALL`` or the next quarter above every value, at most 1."""
    highest = max((float(one.max()) for one in series if one.notna().any()), default=1.0)
    if 0 < highest <= SMALL[-1]:
        return next(top for top in SMALL if highest <= top)
    return min(1.0, math.ceil(highest * 4) / 4) or 1.0


def _place_names(place: _Scale, ends: Mapping[str, pd.Series]) -> str:
    """The lines' names at their right ends, moved apart where they would lie on each other."""
    found = [(points[-1][1], name) for name, series in ends.items() if (points := place.points(series))]
    drawn, lowest = [], -1e9
    for y, name in sorted(found):
        lowest = max(y + 4, lowest + 15)
        drawn.append(svg.make_text(WIDTH - RIGHT + 14, lowest, name, "name"))
    return "".join(drawn)
