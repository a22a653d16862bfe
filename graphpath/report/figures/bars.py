"""Two or more values per thing, as bars one above the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphpath.report import svg
from graphpath.report.captions import format_ratio

WIDTH, LEFT, RIGHT, ROW = 540.0, 100.0, 150.0, 18.0


def draw_bars(
    groups: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    written: Callable[[float], str] = format_ratio,
    top: float | None = None,
) -> str:
    """A group of bars for each thing.

    Args:
        groups: the thing and its values, in the order of ``names``.
        names: what the values are; the first is drawn strong, the others faint.
        written: how a value is written beside its bar.
        top: the value of a full bar; by default the largest.
    """
    most = top or max(
        (value for values in groups.values() for value in values if value == value), default=1.0
    )
    drawn, y = [], 8.0
    for thing, values in groups.items():
        drawn.append(svg.make_text(LEFT - 12, y + ROW * len(values) / 2 + 4, thing, "label end"))
        for order, (value, name) in enumerate(zip(values, names, strict=True)):
            length = 0.0 if value != value else (WIDTH - LEFT - RIGHT) * value / max(most, 1e-12)
            text = written(value)
            words, height = svg.make_title(f"{thing}, {name}: {text}"), ROW - 5
            kind = f"bar b{order}"
            drawn += [
                svg.make_element(
                    "rect", words, x=LEFT, y=y, width=max(length, 1.0), height=height, rx=2, class_=kind
                ),
                svg.make_text(LEFT + length + 8, y + ROW - 8, f"{text}  {name}", "tick"),
            ]
            y += ROW
        y += 12
    return svg.make_document(WIDTH, y, *drawn, label="Bars")


def draw_stacked(groups: Mapping[str, Sequence[float]], names: Sequence[str]) -> str:
    """One bar for each thing, its counts one after another, with a legend on top."""
    most = max((sum(values) for values in groups.values()), default=1.0)
    drawn, x = [], 0.0
    for order, name in enumerate(names):
        drawn.append(
            svg.make_element("rect", x=x, y=2, width=12, height=12, rx=2, class_=f"stack b{order % 6}")
        )
        drawn.append(svg.make_text(x + 17, 12, name, "tick"))
        x += 34 + 6.6 * len(name)
    y = 30.0
    for thing, values in groups.items():
        drawn.append(svg.make_text(LEFT - 12, y + 12, thing, "label end"))
        x = LEFT
        for order, (value, name) in enumerate(zip(values, names, strict=True)):
            length = (WIDTH - LEFT - 60) * value / max(most, 1.0)
            words = svg.make_title(f"{thing}, {name}: {value:,.0f}")
            drawn.append(
                svg.make_element(
                    "rect", words, x=x, y=y, width=length, height=16, class_=f"stack b{order % 6}"
                )
            )
            x += length
        drawn.append(svg.make_text(x + 8, y + 12, f"{sum(values):,.0f}", "tick"))
        y += 24
    return svg.make_document(WIDTH, y + 4, *drawn, label="Counts")
