"""What a drawing of a pathway shows, whatever its size: blocks, maps, edges or ribbons, routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphpath.report.pathway.blocks import Block, gather_blocks
from graphpath.report.pathway.flows import join_blocks, rank_exits, weigh_maps
from graphpath.report.pathway.layout import Shelf

if TYPE_CHECKING:
    import pandas as pd

MAPS = 32
"""Feature maps drawn of a layer of a network of few layers; of wider ones those with the largest |score|."""
FEWER = 12
"""The same where the layers are more than nine."""
UNITS = 64
TILES = 5
"""Feature maps drawn of a block of several layers."""
NAMED = 24
"""Of more classes only those that the pathway ends in are drawn."""


@dataclass(frozen=True)
class Scene:
    """A pathway, made ready to be drawn.

    Attributes:
        neurons: neuron, name, layer, channel, y, x, score, ``tone``, and activation where it is known.
        flows: the edges summed by feature map (``sum_by_map``).
        edges: edges between neurons (source, target, layer, score, ``tone``), where each block is one layer.
        ribbons: what flows between the drawn maps (``join_blocks``), where blocks have several layers.
        routes: the neurons of each route to be highlighted, from pixel to logit: layer, channel, y, x.
        classes: names of the logits; ``target`` is the one that the pathway ends in.
    """

    shelves: tuple[Shelf, ...]
    layers: pd.DataFrame = field(repr=False)
    neurons: pd.DataFrame = field(repr=False)
    flows: pd.DataFrame = field(repr=False)
    edges: pd.DataFrame | None = field(default=None, repr=False)
    ribbons: pd.DataFrame | None = field(default=None, repr=False)
    routes: Sequence[pd.DataFrame] = field(default=(), repr=False)
    classes: Mapping[int, str] = field(default_factory=dict, repr=False)
    target: int | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(shelf.block for shelf in self.shelves)


def compose(
    layers: pd.DataFrame,
    neurons: pd.DataFrame,
    flows: pd.DataFrame,
    edges: pd.DataFrame | None = None,
    *,
    routes: Sequence[pd.DataFrame] = (),
    classes: Mapping[int, str] | None = None,
    target: int | None = None,
) -> Scene:
    """What is drawn of a pathway through ``layers`` (rows of ``pathways/layers``); the rest as in ``Scene``.

    Edges between neurons are drawn where every block is one layer and ``edges`` are given; else ribbons are.
    """
    blocks = gather_blocks(layers)
    single = all(block.single for block in blocks)
    exits = rank_exits(blocks, flows)
    if single:
        shelves = _shelve_layers(blocks, weigh_maps(flows), exits)
    else:
        shelves = _shelve_blocks(blocks, exits, routes)
    ribbons = None
    if edges is None or not single:
        tiles = [{chosen: place for place, chosen in enumerate(shelf.maps)} for shelf in shelves]
        ribbons = join_blocks(blocks, flows, tiles, [_find_rest(shelf) for shelf in shelves])
        edges = None
    return Scene(tuple(shelves), layers, neurons, flows, edges, ribbons, routes, classes or {}, target)


def _find_rest(shelf: Shelf) -> int:
    """The tile of all maps that are not drawn: behind the drawn ones, or the last where there is none."""
    return len(shelf.maps) if shelf.rest else max(len(shelf.maps) - 1, 0)


def _shelve_layers(
    blocks: Sequence[Block], weights: pd.Series[float], exits: Sequence[pd.Series[float]]
) -> list[Shelf]:
    most = MAPS if len(blocks) <= 9 else FEWER
    known = set(weights.index.get_level_values(0))
    made = []
    for block, leaving in zip(blocks, exits, strict=True):
        layer = block.last
        if layer.kind == "input":
            made.append(Shelf(block, ()))
            continue
        if layer.kind == "logits" and layer.channels > NAMED:
            made.append(_shelve_logits(block, leaving))
            continue
        flat = layer.height == layer.width == 1
        own = weights.xs(layer.number, level=0) if layer.number in known else None
        chosen = choose_channels(layer.channels, own, UNITS if flat else most)
        maps = tuple((layer.number, channel) for channel in chosen)
        made.append(Shelf(block, maps, layer.channels - len(maps)))
    return made


def _shelve_blocks(
    blocks: Sequence[Block], exits: Sequence[pd.Series[float]], routes: Sequence[pd.DataFrame]
) -> list[Shelf]:
    made = []
    for place, (block, leaving) in enumerate(zip(blocks, exits, strict=True)):
        layer = block.last
        if layer.kind == "input":
            made.append(Shelf(block, ()))
        elif place == len(blocks) - 1:
            every = tuple((layer.number, channel) for channel in range(layer.channels))
            made.append(Shelf(block, every) if layer.channels <= NAMED else _shelve_logits(block, leaving))
        else:
            passed = [found for route in routes if (found := find_exit(block, route)) is not None]
            crossed = [(int(step.layer), int(step.channel)) for step in passed]
            ranked = [(int(one), int(channel)) for one, channel in leaving.index]
            chosen = list(dict.fromkeys([*crossed, *ranked]))[:TILES]
            order = {one: rank for rank, one in enumerate(ranked)}
            chosen.sort(key=lambda one: order.get(one, len(order)))
            hidden = len({*ranked, *crossed}) - len(chosen)
            made.append(Shelf(block, tuple(chosen), hidden, rest=hidden > 0))
    return made


def _shelve_logits(block: Block, entering: pd.Series[float]) -> Shelf:
    """Of very many classes those that the pathway ends in."""
    ends = sorted((int(layer), int(channel)) for layer, channel in entering.index[:TILES])
    return Shelf(block, tuple(ends), block.last.channels - len(ends))


def find_exit(block: Block, route: pd.DataFrame) -> pd.Series | None:
    """The last neuron of ``route`` in ``block``, None where it passes the block by."""
    here = route[route.layer.isin(block.numbers)]
    return None if here.empty else here.iloc[int(here.layer.to_numpy().argmax())]


def choose_channels(channels: int, weights: pd.Series[float] | None, most: int) -> list[int]:
    """All channels, or of many the ``most`` with the largest |score|, in their own order."""
    if channels <= most:
        return list(range(channels))
    if weights is None:
        return []
    return sorted(int(channel) for channel in weights.nlargest(most).index)
