"""Which feature maps serve which class: a row per class, a column per map, one band per layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphpath.report import svg
from graphpath.report.rows import iterate_rows

if TYPE_CHECKING:
    import pandas as pd

WIDTH, ROW = 1130.0, 15.0
MOST = 512


def draw_usage(frame: pd.DataFrame, layers: Sequence[tuple[int, str]], classes: Sequence[str]) -> str:
    """Shades of the share of a class's pathways that visit each map.

    Args:
        frame: layer, channel, category, name and ``share``; at most ``MOST`` channels per layer are drawn.
        layers: (number, caption) of the layers to draw, each as one band.
    """
    drawn, y = [], 0.0
    for layer, caption in layers:
        some = frame[frame.layer == layer]
        channels = sorted(some.channel.unique())[:MOST]
        if not len(channels):
            continue
        drawn.append(svg.make_text(0, y + 14, caption, "panel"))
        drawn.append(_draw_band(some, channels, classes, y + 22))
        y += 22 + ROW * len(classes) + 22
    return svg.make_document(WIDTH, max(y, 1.0), *drawn, label="Feature maps by class")


def _draw_band(some: pd.DataFrame, channels: Sequence[int], classes: Sequence[str], top: float) -> str:
    label = 14 + 6.3 * max(len(name) for name in classes)
    wide = min(26.0, (WIDTH - label) / len(channels))
    column = {channel: place for place, channel in enumerate(channels)}
    line = {name: place for place, name in enumerate(classes)}
    cells = [
        svg.make_element(
            "rect",
            svg.make_title(f"{row.category}: {row.share:.0%} of its pathways visit {row.name}"),
            x=label + column[row.channel] * wide,
            y=top + line[row.category] * ROW,
            width=max(wide - 1, 0.8),
            height=ROW - 1,
            class_="heat",
            fill_opacity=f"{row.share:.2f}",
        )
        for row in iterate_rows(some)
        if row.category in line and row.channel in column
    ]
    names = [
        svg.make_text(label - 8, top + (place + 0.8) * ROW, name, "tick end") for name, place in line.items()
    ]
    return "".join([*names, *cells])
