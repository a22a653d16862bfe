"""How alike classes are: one square per layer, classes against classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphpath.report import svg
from graphpath.report.captions import ratio
from graphpath.report.clustering import Group
from graphpath.report.dendrogram import dendrogram
from graphpath.report.rows import rows

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 1130
GAP = 34
TREE = 88.0
PLAIN = 3
"""Names up to so long are written level above their columns, longer ones slanted."""


def heatmaps(
    frame: pd.DataFrame,
    layers: Sequence[tuple[int, str]],
    classes: Sequence[str],
    value: str = "weighted_J",
    *,
    tree: Sequence[Group] = (),
) -> str:
    """Squares side by side, one for each of ``layers`` (number, caption), on one scale of colour.

    Args:
        frame: rows of ``categories/similarity``: category1, category2, layer and ``value``.
        classes: the order of rows and columns.
        tree: what ``classes`` were ordered by (``clustering.cluster``), drawn beside the first square.
    """
    top = max(float(frame[value].max()), 1e-9)
    margin = _margin(classes) + (TREE if tree else 0)
    head = 40.0 if _level(classes) else 34 + 4.2 * max(len(name) for name in classes)
    size = _cell(len(classes), len(layers), margin)
    side = size * len(classes)
    known = {(row.category1, row.category2, row.layer): row for row in rows(frame)}
    panels, x = [], 0.0
    for position, (layer, caption) in enumerate(layers):
        indent = margin if position == 0 else 0.0
        panel = _panel(known, layer, classes, size, top, value, indent)
        name = svg.text(indent, 14 - head, caption, "panel")
        panels.append(svg.element("g", name, panel, transform=f"translate({x:.0f} {head:.0f})"))
        x += indent + side + GAP
    if tree:
        branches = dendrogram(tree, TREE, size)
        panels.append(svg.element("g", branches, transform=f"translate(0 {head:.0f})"))
    scale = _scale(margin, head + side + 20, min(side, 160.0), top)
    return svg.document(
        x - GAP + (0 if _level(classes) else 28),
        head + side + 46,
        *panels,
        scale,
        label="Likeness of class pathways by layer",
    )


def _cell(classes: int, panels: int, margin: float) -> float:
    """The side of a square, so that all panels fill the page's width."""
    return max(4.0, min(26.0, ((WIDTH - margin) / panels - GAP) / classes))


def _panel(
    known: dict[tuple[str, str, int], Any],
    layer: int,
    classes: Sequence[str],
    size: float,
    top: float,
    value: str,
    indent: float,
) -> str:
    side = size * len(classes) - 1
    cells = [svg.element("rect", x=indent, y=0, width=side, height=side, class_="maps")]
    for down, one in enumerate(classes):
        for across, two in enumerate(classes):
            if one == two:
                cells.append(_blank(indent + across * size, down * size, size))
                continue
            row = known.get((one, two, layer)) or known.get((two, one, layer))
            cells.append(_square(row, value, top, indent + across * size, down * size, size, one, two))
    return "".join(cells) + (_labels(classes, size, indent) if size >= 9 else "")


def _square(row: object, value: str, top: float, x: float, y: float, size: float, one: str, two: str) -> str:
    likeness = getattr(row, value, float("nan"))
    if likeness != likeness:
        return svg.element("rect", x=x, y=y, width=size - 1, height=size - 1, class_="null")
    words = f"{one} and {two}: {ratio(likeness)}, {getattr(row, 'shared', 0):,} shared edges"
    shade = f"{max(likeness / top, 0) ** 0.7:.2f}"
    return svg.element(
        "rect",
        svg.title(words),
        x=x,
        y=y,
        width=size - 1,
        height=size - 1,
        class_="heat",
        fill_opacity=shade,
    )


def _blank(x: float, y: float, size: float) -> str:
    """A class with itself: nothing to see."""
    return svg.element("rect", x=x - 0.5, y=y - 0.5, width=size, height=size, class_="blank")


def _margin(classes: Sequence[str]) -> float:
    """Room for the longest name before the first panel."""
    return 14 + 6.3 * max(len(name) for name in classes)


def _level(classes: Sequence[str]) -> bool:
    return all(len(name) <= PLAIN for name in classes)


def _labels(classes: Sequence[str], size: float, indent: float) -> str:
    drawn = []
    for place, name in enumerate(classes):
        middle = (place + 0.5) * size
        if indent:
            drawn.append(svg.text(indent - 6, middle + 4, name, "tick end"))
        if _level(classes):
            drawn.append(svg.text(indent + middle, -6, name, "tick mid"))
        else:
            slant = f"translate({indent + middle:.0f} -6) rotate(-42)"
            drawn.append(svg.text(0, 0, name, "tick", transform=slant))
    return "".join(drawn)


def _scale(x: float, y: float, width: float, top: float) -> str:
    steps = 24
    bands = [
        svg.element(
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
    ends = svg.text(x, y + 22, "0", "tick") + svg.text(x + width, y + 22, ratio(top), "tick end")
    return "".join(bands) + ends
