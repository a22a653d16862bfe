"""Two or more values per thing, as bars one above the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphpath.report import svg
from graphpath.report.captions import fit_words, format_ratio

WIDTH, LEFT, RIGHT, ROW = 540.0, 100.0, 150.0, 18.0
LETTERS = 15
"""Of a thing's name that fit on the left."""
COLOURS = 6
"""Kinds that have a colour of their own; of more each is a shade, darker from the first to the last."""


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
        drawn.append(_draw_label(thing, y + ROW * len(values) / 2 + 4))
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
    looks = [_choose_look(order, len(names)) for order in range(len(names))]
    drawn, x, y = [], 0.0, 2.0
    for look, name in zip(looks, names, strict=True):
        wide = 34 + 6.6 * len(name)
        x, y = (0.0, y + 18) if x and x + wide > WIDTH else (x, y)
        drawn.append(svg.make_element("rect", x=x, y=y, width=12, height=12, rx=2, **look))
        drawn.append(svg.make_text(x + 17, y + 10, name, "tick"))
        x += wide
    y += 28
    for thing, values in groups.items():
        drawn.append(_draw_label(thing, y + 12))
        x = LEFT
        for look, value, name in zip(looks, values, names, strict=True):
            length = (WIDTH - LEFT - 60) * value / max(most, 1.0)
            words = svg.make_title(f"{thing}, {name}: {value:,.0f}")
            drawn.append(svg.make_element("rect", words, x=x, y=y, width=length, height=16, **look))
            x += length
        drawn.append(svg.make_text(x + 8, y + 12, f"{sum(values):,.0f}", "tick"))
        y += 24
    return svg.make_document(WIDTH, y + 4, *drawn, label="Counts")


def _draw_label(thing: str, y: float) -> str:
    [short] = fit_words(thing, LETTERS) or [""]
    text = svg.make_text(LEFT - 12, y, short, "label end")
    return text if short == thing else svg.make_element("g", svg.make_title(thing), text)


def _choose_look(order: int, count: int) -> dict[str, object]:
    if count <= COLOURS:
        return {"class_": f"stack b{order}"}
    return {"class_": "heat", "fill_opacity": f"{0.15 + 0.85 * order / (count - 1):.2f}"}
