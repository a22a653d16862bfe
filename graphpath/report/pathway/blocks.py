"""Which layers of a network are drawn as one: its own blocks, by the modules' names, then by resolution."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from graphpath.report.captions import name_layers
from graphpath.report.rows import iterate_rows

if TYPE_CHECKING:
    import pandas as pd

MOST = 10
"""Blocks between the input and the logits, and the most parts that a block opens into."""
FEW = 4
"""With fewer blocks than this a network of many layers says too little."""


UNTOLD = "block"
"""What a numbered module is called in a list whose name says nothing."""
CONTAINERS = frozenset({"features", "net", "model", "body", "seq", "layers", "blocks", "layer", "module"})


@dataclass(frozen=True)
class Layer:
    """One row of ``pathways/layers``. ``title`` is its name that a person can say."""

    number: int
    name: str
    title: str
    kind: str
    channels: int
    height: int
    width: int

    @property
    def path(self) -> tuple[str, ...]:
        """The modules that it lies in, outermost first."""
        return tuple(self.name.split("."))


@dataclass(frozen=True)
class Block:
    """Layers that follow one another."""

    layers: tuple[Layer, ...]
    name: str

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(layer.number for layer in self.layers)

    @property
    def last(self) -> Layer:
        """What the block gives to the next."""
        return self.layers[-1]

    @property
    def single(self) -> bool:
        return len(self.layers) == 1


def gather_blocks(layers: pd.DataFrame, most: int = MOST) -> tuple[Block, ...]:
    """The network's blocks in the order they run: the input, at most ``most`` blocks, the logits.

    A network of few layers has a block for each. Otherwise the tree of modules is cut at the deepest level
    that has at most ``most`` nodes. Where these are fewer than ``FEW``, they are cut where the resolution
    changes, and where that is not enough (twelve alike blocks in one list), the largest is cut evenly.

    Args:
        layers: layer, name, kind, channels, height, width; layer 0 is the input, the last one the logits.
    """
    titles = name_layers([*map(str, layers.name)], [*map(str, layers.kind)])
    rows = [
        Layer(
            int(row.layer),
            str(row.name),
            title,
            str(row.kind),
            int(row.channels),
            int(row.height),
            int(row.width),
        )
        for row, title in zip(iterate_rows(layers), titles, strict=True)
    ]
    first, inner, last = rows[:1], rows[1:-1], rows[1:][-1:]
    return (
        *(_name([row], rows) for row in first),
        *split_layers(inner, most),
        *(_name([row], rows) for row in last),
    )


def split_layers(layers: Sequence[Layer], most: int = MOST) -> tuple[Block, ...]:
    """At most ``most`` blocks of ``layers``, as ``gather_blocks`` says."""
    if len(layers) <= most:
        return tuple(_name([layer], layers) for layer in layers)
    parts = _cut_by_modules([list(layers)], most)
    if len(parts) < FEW:
        finer = [one for part in parts for one in _cut_by_resolution(part)]
        parts = finer if len(finer) <= most else parts
    if len(parts) < min(FEW, most):
        parts = _cut_evenly(parts, most)
    return tuple(_name(part, layers) for part in parts)


def find_common(names: Sequence[tuple[str, ...]]) -> int:
    """How many parts at their beginning all of ``names`` share."""
    shortest = min(map(len, names))
    return next((i for i in range(shortest) if len({name[i] for name in names}) > 1), shortest)


def _cut_by_modules(parts: list[list[Layer]], most: int) -> list[list[Layer]]:
    while True:
        finer = [one for part in parts for one in _find_children(part)]
        if len(finer) > most or len(finer) == len(parts):
            return parts
        parts = finer


def _find_children(layers: list[Layer]) -> list[list[Layer]]:
    """Runs of layers in one child of the module that all of ``layers`` lie in."""
    if len(layers) == 1:
        return [layers]
    depth = find_common([layer.path for layer in layers])
    return [list(run) for _, run in groupby(layers, lambda layer: layer.path[depth : depth + 1])]


def _cut_by_resolution(layers: list[Layer]) -> list[list[Layer]]:
    """Children that give the same resolution stay together."""
    children = _find_children(layers)
    runs = groupby(children, lambda child: (child[-1].height, child[-1].width))
    return [[layer for child in run for layer in child] for _, run in runs]


def _cut_evenly(parts: list[list[Layer]], most: int) -> list[list[Layer]]:
    """The largest part in runs of equally many of its children."""
    place = max(range(len(parts)), key=lambda i: len(parts[i]))
    children = _find_children(parts[place])
    size = math.ceil(len(children) / max(most - len(parts) + 1, 1))
    runs = [children[start : start + size] for start in range(0, len(children), size)]
    cut = [[layer for child in run for layer in child] for run in runs]
    return [*parts[:place], *cut, *parts[place + 1 :]]


def _name(part: Sequence[Layer], within: Sequence[Layer]) -> Block:
    """``part`` of ``within``, called by the modules that tell it from the rest."""
    return Block(tuple(part), name_part([layer.path for layer in part], [layer.path for layer in within]))


def name_part(part: Sequence[tuple[str, ...]], within: Sequence[tuple[str, ...]]) -> str:
    """What a person calls the layers ``part`` of ``within``: "layer3", "blocks 5–10", "conv stem".

    It is the outermost module that holds them and no others, else the first and the last of the modules that
    do. A number is no name: the module before it comes along.
    """
    first, last = part[0], part[-1]
    common, mine = find_common(part), set(part)
    others = [path for path in within if path not in mine]
    for depth in range(1, common + 1):
        if not any(path[:depth] == first[:depth] for path in others):
            return _say(first[:depth])
    start, end = (_say(path[: common + 1]) for path in (first, last))
    if start == end:
        return start
    alike = next((i for i, (one, two) in enumerate(zip(start, end, strict=False)) if one != two), len(start))
    shared = re.sub(r"\d+$", "", start[:alike])
    if start.startswith(f"{UNTOLD} "):
        start = f"{UNTOLD}s {start.removeprefix(f'{UNTOLD} ')}"
    return f"{start}–{end.removeprefix(shared)}"


def _say(path: tuple[str, ...]) -> str:
    """The last part of ``path`` that is a word, with the numbers that follow it."""
    word = next((i for i in reversed(range(len(path))) if not path[i].isdigit()), 0)
    said, numbers = _clean(path[word]), ".".join(path[word + 1 :])
    if not numbers:
        return said
    return f"{UNTOLD if said in CONTAINERS else said} {numbers}"


def _clean(part: str) -> str:
    """ "_blocks" is "blocks", "layer3" is "layer 3"."""
    words = re.sub(r"_+", " ", part).strip() or part
    return re.sub(r"(?<=[a-z]{2})(?=\d+$)", " ", words)
