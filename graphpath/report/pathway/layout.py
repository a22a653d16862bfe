"""Where a network's blocks, their feature maps and their neurons are drawn.

Blocks follow one another, from left to right or, on a narrow page, from top to bottom. The input is one
picture; any other block shows feature maps as squares, in which a neuron has its own place (y, x). A linear
layer's units are such squares too. All sizes here are *along* the way that the network runs, or *across* it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.report.captions import describe_shape, fit_words

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.report.pathway.blocks import Block, Layer
    from graphpath.report.pathway.flows import Map

SPACE = 3.0
REST = 40.0
"""Of the box that stands for the maps that are not drawn, across."""
BOLD, PLAIN = 6.9, 6.0
"""How wide a letter of a caption and of a note is, on the whole."""
LINE = 14.0


@dataclass(frozen=True)
class Format:
    """How a drawing is laid out: sizes in units of the drawing, which are pixels where there is room."""

    tall: bool
    along: float
    """What a wide drawing fills, where its blocks leave room; 0 where it ends with them."""
    across: float
    head: float
    """Room for captions: above the blocks, or left of them."""
    gap: float
    """Between two blocks, at least."""
    side: float
    """Of a feature map's square in a network of many layers, at most."""
    picture: float


WIDE = Format(tall=False, along=1130.0, across=380.0, head=62.0, gap=38.0, side=60.0, picture=210.0)
TALL = Format(tall=True, along=0.0, across=262.0, head=92.0, gap=44.0, side=41.0, picture=150.0)


@dataclass(frozen=True)
class Shelf:
    """A block with the feature maps that are drawn of it, and how many more it has."""

    block: Block
    maps: tuple[Map, ...]
    hidden: int = 0
    rest: bool = False
    """Whether a box stands for the maps that are not drawn."""

    @property
    def kind(self) -> str:
        return self.block.last.kind


@dataclass(frozen=True)
class Line:
    """A line of text; ``full`` is what was shortened."""

    x: float
    y: float
    words: str
    class_: str
    full: str = ""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """About where it lies: left, top, right, bottom."""
        wide = len(self.words) * (BOLD if "caption" in self.class_ else PLAIN)
        left = self.x - wide / 2 if "mid" in self.class_ else self.x
        return left, self.y - 11, left + wide, self.y + 3


@dataclass(frozen=True)
class Tile:
    """A square: a feature map, the input's picture, or (``rest``) all maps that are not drawn."""

    x: float
    y: float
    width: float
    height: float
    map: Map | None = None
    layer: Layer | None = None

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def locate(self, y: float, x: float) -> tuple[float, float]:
        """The centre of the neuron (y, x) of the map; of the whole square where it is no map's."""
        if self.layer is None:
            return self.middle
        across, down = self.width / self.layer.width, self.height / self.layer.height
        return self.x + (x + 0.5) * across, self.y + (y + 0.5) * down


@dataclass(frozen=True)
class Column:
    """One block: where its tiles are and what stands at its head."""

    shelf: Shelf
    x: float
    y: float
    width: float
    height: float
    tiles: tuple[Tile, ...] = field(repr=False)
    head: tuple[Line, ...] = ()

    @property
    def kind(self) -> str:
        return self.shelf.kind

    @property
    def rest(self) -> int:
        """The number of the tile of all maps that are not drawn; that of the last one where there is none."""
        return len(self.tiles) - 1


@dataclass(frozen=True)
class PathwayLayout:
    """The columns of a network, from the input to the logits (rows, where it is tall)."""

    columns: tuple[Column, ...]
    width: float
    height: float
    tall: bool

    def locate(self, neurons: pd.DataFrame) -> npt.NDArray[np.float64]:
        """(n, 2): the centre of each neuron (layer, channel, y, x), NaN where its map is not drawn."""
        found = np.full((len(neurons), 2), np.nan)
        layer, channel = neurons.layer.to_numpy(), neurons.channel.to_numpy()
        y, x = neurons.y.to_numpy(), neurons.x.to_numpy()
        for tile in (tile for column in self.columns for tile in column.tiles):
            if tile.layer is None:
                continue
            here = layer == tile.layer.number
            if tile.map is not None:
                here &= channel == tile.map[1]
            found[here, 0] = tile.x + (x[here] + 0.5) * tile.width / tile.layer.width
            found[here, 1] = tile.y + (y[here] + 0.5) * tile.height / tile.layer.height
        return found


def lay_out(shelves: Sequence[Shelf], format_: Format = WIDE, names: float = 0.0) -> PathwayLayout:
    """Places for ``shelves``, from the input to the logits.

    Args:
        names: how wide the names of the logits are, which stand behind the last block of a wide drawing.
    """
    behind = 0.0 if format_.tall else 24.0 + names
    sizes = [_size_shelf(shelf, format_, len(shelves), behind) for shelf in shelves]
    depths = [_measure_depth(shelf, size) for shelf, size in zip(shelves, sizes, strict=True)]
    free = format_.along - behind - 2 - sum(depths)
    gap = max(format_.gap, free / max(len(shelves) - 1, 1))
    starts = np.concatenate([[0.0], np.cumsum(np.array(depths) + gap)[:-1]]) + (4 if format_.tall else 1)
    columns = [
        _place_shelf(shelf, size, float(start), depth, format_)
        for shelf, size, start, depth in zip(shelves, sizes, starts, depths, strict=True)
    ]
    end = float(starts[-1] + depths[-1])
    headed = _add_heads(columns, format_, gap)
    if format_.tall:
        lowest = max(line.y for column in headed for line in column.head) if headed else 0.0
        return PathwayLayout(tuple(headed), format_.head + format_.across + 6, max(end, lowest) + 26, True)
    return PathwayLayout(tuple(headed), end + behind, format_.head + format_.across + 6, False)


@dataclass(frozen=True)
class _Size:
    """Of a shelf's tiles: one tile, and how many lines of them stand behind each other along the way."""

    width: float
    height: float
    lines: int
    rows: int
    """Tiles in a line, across."""


def _size_shelf(shelf: Shelf, format_: Format, count: int, behind: float) -> _Size:
    layer = shelf.block.last
    most = max(layer.height, layer.width)
    deep = shelf.rest or count > 9
    if shelf.kind == "input":
        side = format_.picture if format_.tall or count <= 7 else 150.0 if count <= 10 else 120.0
        return _Size(side * layer.width / most, side * layer.height / most, 1, 1)
    tiles = max(len(shelf.maps), 1)
    if shelf.kind == "logits" or (most == 1 and not shelf.rest):
        side, lines = _choose_grid(tiles, 9.0, 22.0 if shelf.kind == "logits" else 13.0, format_.across)
        return _Size(side, side, lines, math.ceil(tiles / lines))
    if deep:
        side, lines = _size_deep(format_, count, behind), 1
        if not shelf.rest:
            side, lines = _choose_grid(tiles, min(26.0, side), side, format_.across)
    else:
        side, lines = _choose_grid(tiles, 26.0, 46.0, format_.across)
    return _Size(side * layer.width / most, side * layer.height / most, lines, math.ceil(tiles / lines))


def _size_deep(format_: Format, count: int, behind: float) -> float:
    """So that all blocks of a network of many layers fit beside each other."""
    if format_.tall:
        return format_.side
    picture = 150.0 if count <= 10 else 120.0
    room = format_.along - behind - picture - 24 - (count - 1) * format_.gap
    return min(format_.side, max(36.0, room / max(count - 2, 1)))


def _choose_grid(count: int, least: float, most: float, room: float) -> tuple[float, int]:
    """(side of a square, lines of them): as few lines as keep the squares at least ``least``."""
    for lines in range(1, count + 1):
        side = (room + SPACE) / math.ceil(count / lines) - SPACE
        if side >= least:
            return min(side, most), lines
    return least, count


def _measure_depth(shelf: Shelf, size: _Size, tall: bool = False) -> float:
    """How much of the way a shelf takes. (Tiles of maps that are not square differ with the direction.)"""
    side = max(size.width, size.height) if shelf.kind != "input" else (size.height if tall else size.width)
    return size.lines * (side + SPACE) - SPACE


def _place_shelf(shelf: Shelf, size: _Size, start: float, depth: float, format_: Format) -> Column:
    layer = shelf.block.last
    step = max(size.width, size.height) + SPACE
    extent = size.rows * step - SPACE + (REST + SPACE if shelf.rest else 0.0)
    if shelf.kind == "input":
        extent = size.width if format_.tall else size.height
    first = format_.head + (format_.across - extent) / 2
    tiles = []
    for place, chosen in enumerate(shelf.maps or (None,)):
        line, row = (place // size.rows, place % size.rows) if format_.tall else (
            place % size.lines, place // size.lines)  # fmt: skip
        along, across = start + line * step, first + row * step
        x, y = (across, along) if format_.tall else (along, across)
        known = _find_layer(shelf.block, chosen) or layer
        tiles.append(Tile(x, y, size.width, size.height, chosen, known))
    if shelf.rest:
        across = first + size.rows * step
        x, y = (across, start) if format_.tall else (start, across)
        wide, high = (REST, step - SPACE) if format_.tall else (step - SPACE, REST)
        tiles.append(Tile(x, y, wide, high))
    box = (first, start, extent, depth) if format_.tall else (start, first, depth, extent)
    return Column(shelf, *box, tuple(tiles))


def _find_layer(block: Block, chosen: Map | None) -> Layer | None:
    return next((layer for layer in block.layers if chosen and layer.number == chosen[0]), None)


def _add_heads(columns: Sequence[Column], format_: Format, gap: float) -> list[Column]:
    """Every column with its caption and notes, shortened to the room that there is."""
    made = []
    for place, column in enumerate(columns):
        around = [columns[i] for i in (place - 1, place + 1) if 0 <= i < len(columns)]
        middle = column.x + column.width / 2
        room = format_.head - 6 if format_.tall else min(
            (abs(one.x + one.width / 2 - middle) - 8 for one in around), default=format_.along
        )  # fmt: skip
        if not format_.tall:
            room = min(room, 2 * middle) if place == 0 else room
        made.append(_add_head(column, room, format_, middle))
    return made


def _add_head(column: Column, room: float, format_: Format, middle: float) -> Column:
    words = fit_words(name_block(column.shelf.block), int(room / BOLD), 2)
    notes = [
        part
        for note in describe_block(column.shelf)
        for part in fit_words(note, int(room / PLAIN), 2)
    ]  # fmt: skip
    full = describe_full(column.shelf.block)
    lines = [(word, "caption") for word in words] + [(note, "note") for note in notes][: 4 - len(words)]
    if format_.tall:
        top = column.y + 11
        placed = [Line(0.0, top + i * LINE, text, kind, full) for i, (text, kind) in enumerate(lines)]
    else:
        top = format_.head - 8 - LINE * 3 if len(lines) > 3 else 14.0
        placed = [
            Line(middle, top + i * LINE, text, f"{kind} mid", full) for i, (text, kind) in enumerate(lines)
        ]
    return Column(column.shelf, column.x, column.y, column.width, column.height, column.tiles, tuple(placed))


def name_block(block: Block) -> str:
    """ "conv 1" of a layer, "layer 3" of several."""
    return block.last.title if block.single else block.name


def describe_block(shelf: Shelf) -> list[str]:
    """Its size: "16 maps of 8×8"; "18 layers", "14×14"."""
    layer = shelf.block.last
    if shelf.block.single:
        words = describe_shape(layer.channels, layer.height, layer.width)
        return [f"{len(shelf.maps)} of {words}" if shelf.hidden and shelf.kind != "input" else words]
    size = f"{layer.height}×{layer.width}" if layer.height * layer.width > 1 else f"{layer.channels} units"
    return [f"{len(shelf.block.layers)} layers", size]


def describe_full(block: Block) -> str:
    """The module paths in full."""
    first, last = block.layers[0].name, block.last.name
    return first if block.single else f"{first} to {last}, {len(block.layers)} layers"
