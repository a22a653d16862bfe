"""What a block holds, opened in place: its layers, of each its strongest maps, of a map its neurons.

Plain ``<details>``, so that a page needs no script for it. A block of very many layers opens into blocks.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from graphpath.report import svg
from graphpath.report.captions import describe_shape, format_percent
from graphpath.report.pathway.blocks import MOST, Block, Layer, split_layers
from graphpath.report.pathway.flows import MAP, SOURCE, Map, weigh_maps
from graphpath.report.pathway.heat import name_symbol
from graphpath.report.pathway.layout import name_block
from graphpath.report.rows import iterate_rows
from graphpath.titles import name_map

if TYPE_CHECKING:
    from graphpath.report.pathway.scene import Scene

NEURONS = 4
"""Neurons of a map that are told of, the strongest."""
ENDS = 3
"""Maps that a map is reached from, and that it reaches, likewise."""
LARGEST = 8
"""Maps of a layer that are opened at most."""


class OpenedBlocks:
    """The blocks of a scene as HTML.

    Args:
        maps: about how many maps can be opened in all; every layer has one.
    """

    def __init__(self, scene: Scene, key: str, maps: int) -> None:
        self._scene, self._key = scene, key
        weights = weigh_maps(scene.flows).sort_values(ascending=False, kind="stable")
        keys = weights.index.to_frame(index=False).itertuples(index=False)
        self._weights = {
            (int(layer), int(channel)): float(weight)
            for (layer, channel), weight in zip(keys, weights, strict=True)
        }
        self._ranked: dict[int, list[Map]] = {}
        for one in self._weights:
            self._ranked.setdefault(one[0], []).append(one)
        self._names = {layer.number: layer.title for block in scene.blocks for layer in block.layers}
        self._signs: dict[int, dict[str, float]] = {}
        for row in iterate_rows(scene.flows.groupby(["layer", "tone"])[["weight"]].sum().reset_index()):
            self._signs.setdefault(int(row.layer), {})[str(row.tone)] = float(row.weight)
        each = min(max(1, maps // max(len(scene.layers) - 2, 1)), LARGEST)
        drawn = {chosen for shelf in scene.shelves for chosen in shelf.maps}
        self.maps = {
            layer.number: self._choose_maps(layer, each, drawn)
            for block in scene.blocks[1:]
            for layer in block.layers
        }
        chosen = [one for every in self.maps.values() for one in every]
        self._told = _tell_neurons(scene.neurons, chosen)
        self._reached = _tell_ends("From", scene.flows, MAP, SOURCE, chosen, self._names)
        self._reaching = _tell_ends("To", scene.flows, SOURCE, MAP, chosen, self._names)

    def draw(self) -> str:
        """A list of the blocks, closed."""
        return "".join(
            self._draw_block(block, f"{self._key}-b{place}")
            for place, block in enumerate(self._scene.blocks)
            if place
        )

    def _choose_maps(self, layer: Layer, each: int, drawn: set[Map]) -> list[Map]:
        """The strongest maps of a layer, and those that the drawing has."""
        ranked = self._ranked.get(layer.number, [])
        return [one for rank, one in enumerate(ranked) if rank < each or one in drawn]

    def _draw_block(self, block: Block, name: str | None = None) -> str:
        if block.single:
            inner = self._draw_layer(block.last)
        elif len(block.layers) > MOST:
            inner = "".join(map(self._draw_block, split_layers(block.layers)))
        else:
            inner = "".join(map(self._draw_layer, block.layers))
        first, last = block.layers[0], block.last
        title = name_block(block)
        size = describe_shape(last.channels, last.height, last.width)
        note = size if block.single else f"{len(block.layers)} layers, {size} at its end"
        path = first.name if block.single else f"{first.name} to {last.name}"
        summary = _make("summary", _make("b", escape(title)), _make("span", escape(note)), title=path)
        return _make("details", summary, inner, class_="block", id=name)

    def _draw_layer(self, layer: Layer) -> str:
        signs = self._signs.get(layer.number, {})
        total = sum(signs.values())
        ranked = sorted(signs.items(), key=lambda item: -item[1])
        told = ", ".join(f"{format_percent(weight / total)} {tone}" for tone, weight in ranked)
        shape = describe_shape(layer.channels, layer.height, layer.width)
        entering = f"of the |score| that enters {told}" if told else "the pathway has no edge into it"
        words = f"{shape}; {entering}"
        head = _make("p", _make("b", escape(layer.title)), _make("span", escape(words)), title=layer.name)
        maps = "".join(self._draw_map(layer, chosen, total) for chosen in self.maps[layer.number])
        return _make("div", head, _make("div", maps, class_="maps-row"), class_="layer")

    def _draw_map(self, layer: Layer, chosen: Map, total: float) -> str:
        name = name_symbol(self._key, chosen)
        share = float(self._weights.get(chosen, 0.0)) / total if total else 0.0
        box = {"viewBox": f"0 0 {layer.width} {layer.height}", "preserveAspectRatio": "none"}
        tile = svg.make_element("svg", svg.make_element("use", href=f"#{name}"), class_="map-tile", **box)
        label = _make("span", f"{chosen[1]} · {format_percent(share)}")
        large = svg.make_element("svg", svg.make_element("use", href=f"#{name}"), class_="map-large", **box)
        neurons = self._told.get(chosen) or _make("p", "No neuron of this map is drawn.")
        facts = _make("div", neurons, self._reached.get(chosen, ""), self._reaching.get(chosen, ""))
        inside = _make("div", large, facts, class_="map-open")
        return _make("details", _make("summary", tile, label), inside, class_="map", id=f"{name}-m")


def _tell_neurons(neurons: pd.DataFrame, maps: list[Map]) -> dict[Map, str]:
    """Of each map a table of its strongest neurons."""
    held = neurons.merge(pd.DataFrame(maps, columns=MAP), on=MAP)
    held = held.assign(size=held.score.abs()).sort_values("size", ascending=False, kind="stable")
    place = held.groupby(MAP).cumcount()
    counts = held.groupby(MAP).size().to_dict()
    columns = [name for name in ("activation", "score") if name in held]
    head = _make("tr", *(_make("th", word) for word in ("neuron y, x", *columns)))
    lines: dict[Map, list[str]] = {}
    for row in iterate_rows(held[place < NEURONS]):
        values = [f"{row.y}, {row.x}", *(f"{getattr(row, name):.3g}" for name in columns)]
        line = _make("tr", *(_make("td", value) for value in values))
        lines.setdefault((int(row.layer), int(row.channel)), [head]).append(line)
    return {one: _make("table", *told) + _tell_more(counts[one]) for one, told in lines.items()}


def _tell_more(count: int) -> str:
    return _make("p", f"and {count - NEURONS:,} weaker neurons") if count > NEURONS else ""


def _tell_ends(
    word: str, flows: pd.DataFrame, ends: list[str], others: list[str], maps: list[Map], names: dict[int, str]
) -> dict[Map, str]:
    """Of each map at ``ends`` the strongest maps at the ``others``: "From conv 1 · map 3 (41%)"."""
    held = flows.merge(pd.DataFrame(maps, columns=ends), on=ends)
    summed = held.groupby([*ends, *others])[["weight"]].sum().reset_index()
    share = summed.weight / summed.groupby(ends).weight.transform("sum").clip(lower=1e-300)
    ranked = summed.assign(share=share).sort_values("share", ascending=False, kind="stable")
    found: dict[Map, list[str]] = {}
    shown = ranked[ranked.groupby(ends).cumcount() < ENDS]
    for one, channel, other, other_channel, part in shown[[*ends, *others, "share"]].itertuples(
        index=False, name=None
    ):
        words = f"{escape(name_map(names[int(other)], int(other_channel)))} ({format_percent(part)})"
        found.setdefault((int(one), int(channel)), []).append(words)
    return {one: _make("p", f"{word} {', '.join(parts)}") for one, parts in found.items()}


def _make(name: str, *children: str, **attributes: object) -> str:
    """An element of HTML; one without children still has an end."""
    return svg.make_element(name, *(children or (" ",)), **attributes)
