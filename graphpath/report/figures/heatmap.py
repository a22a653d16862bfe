"""How alike classes are: one square per layer, classes against classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphpath.report import svg
from graphpath.report.captions import fit_words, format_ratio
from graphpath.report.clustering import Group
from graphpath.report.dendrogram import draw_dendrogram
from graphpath.report.rows import iterate_rows

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 1130
GAP = 34
TREE = 88.0
NAMED = 10.0
"""Squares of at least this side have their classes' names beside them."""
PLAIN, FEW = 3, 12
"""Names up to so long are written level above their columns; longer ones of so few classes slanted."""
LETTER = 6.3
"""About the width of a letter."""


def draw_heatmaps(
    frame: pd.DataFrame,
    layers: Sequence[tuple[int, str]],
    classes: Sequence[str],
    value: str = "weighted_J",
    *,
    tree: Sequence[Group] = (),
) -> str:
    """Squares side by side, one for each of ``layers`` (number, caption), on one scale of colour.

    Where names would not fit beside the rows otherwise, the squares stand in several lines.

    Args:
        frame: rows of ``categories/similarity``: category1, category2, layer and ``value``.
        classes: the order of rows and columns.
        tree: what ``classes`` were ordered by (``clustering.cluster``), drawn beside the first square.
    """
    top = max(float(frame[value].max()), 1e-9)
    margin = _measure_margin(classes) + (TREE if tree else 0)
    tilt, longest = math.radians(_choose_tilt(classes)), LETTER * max(len(name) for name in classes)
    head = 34 + (longest * math.sin(tilt) if tilt else 6)
    lean = longest * math.cos(tilt) if tilt else 0.0
    room = WIDTH - margin - lean + GAP
    across = _count_across(len(classes), len(layers), room)
    size = _size_cell(len(classes), across, room)
    side = size * len(classes)
    known = {(row.category1, row.category2, row.layer): row for row in iterate_rows(frame)}
    panels = (
        [svg.make_element("g", draw_dendrogram(tree, TREE, size), transform=_translate(0, head))]
        if tree
        else []
    )
    for position, (layer, caption) in enumerate(layers):
        line, column = divmod(position, across)
        indent = 0.0 if column else margin
        panel = _draw_panel(known, layer, classes, size, top, value, indent)
        name = _draw_caption(caption, indent, 14 - head, side + GAP / 2)
        at = _translate(margin - indent + column * (side + GAP), head + line * (head + side + GAP))
        panels.append(svg.make_element("g", name, panel, transform=at))
    bottom = -(-len(layers) // across) * (head + side + GAP) - GAP
    return svg.make_document(
        margin + across * (side + GAP) - GAP + lean,
        bottom + 46,
        *panels,
        _draw_scale(margin, bottom + 20, min(side, 160.0), top),
        label="Likeness of class pathways by layer",
    )


def _count_across(classes: int, panels: int, room: float) -> int:
    """How many panels stand in a line: all, or as many as leave squares large enough for names."""
    fitting = max(1, int(room // (NAMED * classes + GAP)))
    return -(-panels // -(-panels // fitting))


def _size_cell(classes: int, panels: int, room: float) -> float:
    """The side of a square, so that the panels of a line fill the page's width."""
    return max(4.0, min(26.0, (room / panels - GAP) / classes))


def _draw_caption(caption: str, x: float, y: float, room: float) -> str:
    [short] = fit_words(caption, int(room / LETTER)) or [""]
    text = svg.make_text(x, y, short, "panel")
    return text if short == caption else svg.make_element("g", svg.make_title(caption), text)


def _translate(x: float, y: float) -> str:
    return f"translate({x:.0f} {y:.0f})"


def _draw_panel(
    known: dict[tuple[str, str, int], Any],
    layer: int,
    classes: Sequence[str],
    size: float,
    top: float,
    value: str,
    indent: float,
) -> str:
    side = size * len(classes) - 1
    cells = [svg.make_element("rect", x=indent, y=0, width=side, height=side, class_="maps")]
    for down, one in enumerate(classes):
        for across, two in enumerate(classes):
            if one == two:
                cells.append(_draw_blank(indent + across * size, down * size, size))
                continue
            row = known.get((one, two, layer)) or known.get((two, one, layer))
            cells.append(_draw_square(row, value, top, indent + across * size, down * size, size, one, two))
    return "".join(cells) + (_draw_labels(classes, size, indent) if size >= NAMED else "")


def _draw_square(
    row: object, value: str, top: float, x: float, y: float, size: float, one: str, two: str
) -> str:
    likeness = getattr(row, value, float("nan"))
    if likeness != likeness:
        return svg.make_element("rect", x=x, y=y, width=size - 1, height=size - 1, class_="null")
    words = f"{one} and {two}: {format_ratio(likeness)}, {getattr(row, 'shared', 0):,} shared edges"
    shade = f"{max(likeness / top, 0) ** 0.7:.2f}"
    return svg.make_element(
        "rect",
        svg.make_title(words),
        x=x,
        y=y,
        width=size - 1,
        height=size - 1,
        class_="heat",
        fill_opacity=shade,
    )


def _draw_blank(x: float, y: float, size: float) -> str:
    """A class with itself: nothing to see."""
    return svg.make_element("rect", x=x - 0.5, y=y - 0.5, width=size, height=size, class_="blank")


def _measure_margin(classes: Sequence[str]) -> float:
    """Room for the longest name before the first panel."""
    return 14 + LETTER * max(len(name) for name in classes)


def _choose_tilt(classes: Sequence[str]) -> int:
    """By how many degrees names above columns are turned, so that they do not lie on each other."""
    if all(len(name) <= PLAIN for name in classes):
        return 0
    return 42 if len(classes) <= FEW else 90


def _draw_labels(classes: Sequence[str], size: float, indent: float) -> str:
    tilt, drawn = _choose_tilt(classes), []
    for place, name in enumerate(classes):
        middle = (place + 0.5) * size
        if indent:
            drawn.append(svg.make_text(indent - 6, middle + 4, name, "tick end"))
        if tilt:
            x = indent + middle + (4 if tilt == 90 else 0)  # half of a letter's height
            drawn.append(
                svg.make_text(0, 0, name, "tick", transform=f"translate({x:.0f} -6) rotate(-{tilt})")
            )
        else:
            drawn.append(svg.make_text(indent + middle, -6, name, "tick mid"))
    return "".join(drawn)


def _draw_scale(x: float, y: float, width: float, top: float) -> str:
    steps = 24
    bands = [
        svg.make_element(
            "rect",
            x=x + width * step / steps,
            y=y,
            width=width / steps + 0.3,
            height=8,
            class_="heat",
            fill_opacity=f"{((step + 0.5) / steps) ** 0.7:.2f}",
        )
        for step in range(steps)
    ]
    ends = svg.make_text(x, y + 22, "0", "tick") + svg.make_text(
        x + width, y + 22, format_ratio(top), "tick end"
    )
    return "".join(bands) + ends
