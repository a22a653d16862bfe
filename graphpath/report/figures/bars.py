"""Two or more values per thing, as bars one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphpath.report import svg

WIDTH, LEFT, RIGHT, ROW = 640.0, 150.0, 120.0, 18.0


def bars(
    groups: Mapping[str, Sequence[float]], names: Sequence[str], *, written: str = "{:.2f}", top: float | None = None
) -> str:
    """A group of bars for each thing.

    Args:
        groups: the thing and its values, in the order of ``names``.
        names: what the values are; the first is drawn strong, the others faint.
        written: how a value is written beside its bar.
        top: the value of a full bar; by default the largest.
    """
    most = top or max((value for values in groups.values() for value in values if value == value), default=1.0)
    drawn, y = [], 8.0
    for thing, values in groups.items():
        drawn.append(svg.text(LEFT - 12, y + ROW * len(values) / 2 + 4, thing, "label end"))
        for order, (value, name) in enumerate(zip(values, names, strict=True)):
            length = 0.0 if value != value else (WIDTH - LEFT - RIGHT) * value / max(most, 1e-12)
            text = "–" if value != value else written.format(value)
            drawn.append(
                svg.element("rect", svg.title(f"{thing}, {name}: {text}"), x=LEFT, y=y, width=max(length, 1.0),
                            height=ROW - 5, rx=2, class_=f"bar b{order}")
                + svg.text(LEFT + length + 8, y + ROW - 8, f"{text}  {name}", "tick")
            )  # fmt: skip
            y += ROW
        y += 12
    return svg.document(WIDTH, y, *drawn, label="Bars")
