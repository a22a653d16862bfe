"""Where each layer, feature map and neuron of a network is drawn.

Layers stand side by side. The input is one picture; any other layer is a block of squares, one for each of
its feature maps, in which a neuron has its own place (y, x); a linear layer's units are such squares too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphpath.report.captions import describe_shape, name_layer
from graphpath.report.rows import iterate_rows

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 380.0
TOP = 44.0
PICTURE = 210.0
MAPS = 32
"""Feature maps drawn of a layer; of wider ones those with the largest |score|."""
UNITS = 64
SPACE = 3.0
WIDTH = 1130.0
"""What a drawing fills where its layers are few; with many layers it grows and is scrolled."""


@dataclass(frozen=True)
class Column:
    """One layer: where its maps are, and the size of one neuron's place in them."""

    layer: int
    caption: str
    note: str
    x: float
    width: float
    tile: tuple[float, float]
    cell: float
    corners: dict[int, tuple[float, float]] = field(repr=False)
    """Top left of each drawn channel."""
    kind: str = "conv"

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def shift(self, by: float) -> Column:
        """This column further to the right."""
        corners = {channel: (x + by, y) for channel, (x, y) in self.corners.items()}
        return replace(self, x=self.x + by, corners=corners)


@dataclass(frozen=True)
class PathwayLayout:
    """The columns of a network, from the input to the logits."""

    columns: tuple[Column, ...]
    width: float
    height: float

    def locate(self, neurons: pd.DataFrame) -> npt.NDArray[np.float64]:
        """(n, 2): the centre of each neuron (layer, channel, y, x), NaN where its map is not drawn."""
        found = np.full((len(neurons), 2), np.nan)
        layer, channel = neurons.layer.to_numpy(), neurons.channel.to_numpy()
        y, x = neurons.y.to_numpy(), neurons.x.to_numpy()
        for column in self.columns:
            for number, (left, top) in column.corners.items():
                here = (layer == column.layer) & (channel == number)
                found[here, 0] = left + (x[here] + 0.5) * column.cell
                found[here, 1] = top + (y[here] + 0.5) * column.cell
        return found


def lay_out(
    layers: pd.DataFrame, neurons: pd.DataFrame, classes: Mapping[int, str] | None = None
) -> PathwayLayout:
    """Places for a network's layers (rows of ``pathways/layers``).

    ``neurons`` (layer, channel, score) decide which maps of wide layers are drawn, and ``classes`` (names
    by label) how much room the logits' names need.
    """
    names = 24.0 + 8.5 * max((len(name) for name in (classes or {}).values()), default=3)
    most = MAPS if len(layers) <= 9 else 12
    weight = neurons.score.abs().groupby([neurons.layer, neurons.channel]).sum()
    known = set(weight.index.get_level_values(0))
    sites = list(iterate_rows(layers))
    loose = [
        _lay_out_column(row, 0.0, weight[row.layer] if row.layer in known else None, most) for row in sites
    ]
    free = WIDTH - names - sum(column.width for column in loose)
    gap = max(70.0, free / max(len(loose) - 1, 1))
    columns, x = [], 1.0
    for column in loose:
        columns.append(column.shift(x))
        x += column.width + gap
    return PathwayLayout(tuple(columns), x - gap + names, TOP + HEIGHT + 6)


def _lay_out_column(row: Any, x: float, scores: pd.Series | None, most: int) -> Column:
    channels, height, width = int(row.channels), int(row.height), int(row.width)
    caption, note = name_layer(row.name, row.kind), describe_shape(channels, height, width)
    kind = str(row.kind)
    if kind == "input":
        return _lay_out_picture(row, x, caption, note)
    flat = height == width == 1
    chosen = _choose_channels(channels, scores, UNITS if flat else most)
    if len(chosen) < channels:
        note = f"{len(chosen)} of {note}"
    if flat:
        side, across = _choose_grid(len(chosen), 9.0, 13.0 if kind != "logits" else 22.0)
        tile = (side, side)
    else:
        side, across = _choose_grid(len(chosen), 26.0, 46.0)
        tile = (side * min(1, width / height), side * min(1, height / width))
    corners = _find_corners(chosen, across, tile, x)
    wide = across * (tile[0] + SPACE) - SPACE
    return Column(int(row.layer), caption, note, x, wide, tile, tile[0] / width, corners, kind)


def _lay_out_picture(row: Any, x: float, caption: str, note: str) -> Column:
    height, width = int(row.height), int(row.width)
    cell = PICTURE / max(height, width)
    tile = (cell * width, cell * height)
    corner = (x, TOP + (HEIGHT - tile[1]) / 2)
    corners = dict.fromkeys(range(int(row.channels)), corner)
    return Column(int(row.layer), caption, note, x, tile[0], tile, cell, corners, "input")


def _choose_channels(channels: int, scores: pd.Series | None, most: int) -> list[int]:
    """All channels, or of many the ``most`` with the largest |score|, in their own order."""
    if channels <= most:
        return list(range(channels))
    if scores is None:
        return []
    return sorted(int(channel) for channel in scores.nlargest(most).index)


def _choose_grid(count: int, least: float, most: float) -> tuple[float, int]:
    """(side of a square, squares side by side): as few side by side as keep them at least ``least``."""
    for across in range(1, max(count, 1) + 1):
        side = (HEIGHT + SPACE) / math.ceil(max(count, 1) / across) - SPACE
        if side >= least:
            return min(side, most), across
    return least, max(count, 1)


def _find_corners(
    chosen: list[int], across: int, tile: tuple[float, float], x: float
) -> dict[int, tuple[float, float]]:
    rows = math.ceil(len(chosen) / max(across, 1))
    top = TOP + (HEIGHT - rows * (tile[1] + SPACE) + SPACE) / 2
    return {
        channel: (x + place % across * (tile[0] + SPACE), top + place // across * (tile[1] + SPACE))
        for place, channel in enumerate(chosen)
    }
