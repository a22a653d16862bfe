"""The picture itself. Edges of one tone and strength are one SVG path, so hundreds stay small."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from graphpath.report import svg
from graphpath.report.captions import fit_words, fmt
from graphpath.report.pathway.heat import name_symbol
from graphpath.report.pathway.layout import Column, PathwayLayout, Tile
from graphpath.report.pathway.ribbons import draw_ribbons
from graphpath.report.pathway.scene import Scene
from graphpath.report.pictures import choose_look
from graphpath.report.rows import iterate_rows
from graphpath.titles import name_map

if TYPE_CHECKING:
    import pandas as pd

BINS = 5
"""Widths of edges between neurons; a bin's look is in the style sheet (.s0 ... .s4)."""
NUMBERED = 24.0
"""Squares of at least this side have their map's number in them."""
LETTERS = 22
"""Of a class's name beside its logit."""

Place = tuple[float, float]


def draw_svg(
    scene: Scene, layout: PathwayLayout, picture: str, key: str, *, label: str = "pathway", symbols: str = "",
    linked: bool = False,
) -> str:  # fmt: skip
    """A pathway as SVG.

    Args:
        picture: the input, as a data URI.
        key: how the ids of the maps' symbols begin (``heat.draw_symbols``).
        symbols: they themselves, where they are not elsewhere on the page.
        linked: whether blocks and maps lead to where they are opened (``opened.open_blocks``).
    """
    columns = [
        _draw_column(scene, column, picture, key, f"{key}-b{place}" if linked and place else None)
        for place, column in enumerate(layout.columns)
    ]
    ribbons = [] if scene.ribbons is None else draw_ribbons(scene.ribbons, layout)
    parts = [
        *([svg.make_element("defs", symbols)] if symbols else []),
        svg.make_element("g", *ribbons, class_="ribbons"),
        *columns,
        svg.make_element("g", *_draw_edges(scene, layout), class_="edges"),
        *(_draw_route(route, layout) for route in reversed(scene.routes)),
        _draw_logits(layout.columns[-1], scene.classes, scene.target, layout.tall),
    ]
    return svg.make_document(layout.width, layout.height, *parts, label=label, class_="pathway")


def _draw_column(scene: Scene, column: Column, picture: str, key: str, opened: str | None) -> str:
    head = [
        svg.make_element(
            "g", svg.make_title(line.full), svg.make_text(line.x, line.y, line.words, line.class_)
        )
        for line in column.head
    ]
    heads = svg.make_element("a", *head, href=f"#{opened}") if opened else "".join(head)
    if column.kind == "input":
        [tile] = column.tiles
        box = {"x": tile.x, "y": tile.y, "width": tile.width, "height": tile.height}
        image = svg.make_element("image", href=picture, **box, class_=f"input {choose_look(picture)}")
        return heads + svg.make_element("rect", **box, class_="frame") + image
    return heads + "".join(_draw_tile(scene, column, tile, key, opened) for tile in column.tiles)


def _draw_tile(scene: Scene, column: Column, tile: Tile, key: str, opened: str | None) -> str:
    box = {"x": tile.x, "y": tile.y, "width": tile.width, "height": tile.height}
    frame = svg.make_element("rect", **box, class_="maps")
    if tile.map is None:
        hidden = column.shelf.hidden
        words = svg.make_title(f"{hidden:,} more maps of {column.shelf.block.name}, together")
        x, y = tile.middle
        count = svg.make_text(x, y + 4, f"+{hidden:,}", "note mid")
        return svg.make_element("g", words, svg.make_element("rect", **box, rx=4, class_="rest"), count)
    channel = tile.map[1]
    told = f"{name_map(tile.layer.title, channel)} ({tile.layer.name})" if tile.layer else str(channel)
    used = svg.make_element("use", href=f"#{name_symbol(key, tile.map)}", **box)
    parts = [svg.make_title(told), frame, used]
    if min(tile.width, tile.height) >= NUMBERED:
        parts.append(svg.make_text(tile.x + 2, tile.y + 10, channel, "number"))
    if opened is None or column.kind == "logits":
        return svg.make_element("g", *parts)
    return svg.make_element("a", *parts, href=f"#{name_symbol(key, tile.map)}-m")


def _draw_edges(scene: Scene, layout: PathwayLayout) -> list[str]:
    """One path for each tone and strength, the weak ones first."""
    edges = scene.edges
    if edges is None or edges.empty:
        return []
    places = layout.locate(scene.neurons)
    lookup = dict(zip(scene.neurons.neuron.tolist(), map(tuple, places.tolist()), strict=True))
    size = edges.score.abs()
    most = size.groupby(edges.layer).transform("max").clip(lower=1e-300)
    bins = np.minimum((np.sqrt(size / most) * BINS).astype(int), BINS - 1)
    drawn = []
    for strength in range(BINS):
        for tone in sorted(edges.tone.unique()):
            some = edges[(bins == strength) & (edges.tone == tone)]
            curves = "".join(
                draw_curve(lookup.get(a), lookup.get(b), layout.tall)
                for a, b in zip(some.source, some.target, strict=True)
            )
            if curves:
                drawn.append(svg.make_element("path", d=curves, class_=f"edge {tone} s{strength}"))
    return drawn


def draw_curve(start: Place | None, end: Place | None, tall: bool) -> str:
    """A smooth line that leaves and arrives along the way that the network runs."""
    if start is None or end is None or start[0] != start[0] or end[0] != end[0]:
        return ""
    (x1, y1), (x2, y2) = start, end
    if tall:
        middle = fmt((y1 + y2) / 2, 0)
        return f"M{fmt(x1)} {fmt(y1)}C{fmt(x1)} {middle} {fmt(x2)} {middle} {fmt(x2)} {fmt(y2)}"
    middle = fmt((x1 + x2) / 2, 0)
    return f"M{fmt(x1)} {fmt(y1)}C{middle} {fmt(y1)} {middle} {fmt(y2)} {fmt(x2)} {fmt(y2)}"


def _draw_route(route: pd.DataFrame, layout: PathwayLayout) -> str:
    """A route as a smooth line with a lighter edge, so that it stands out from what it crosses."""
    number = {layer: i for i, column in enumerate(layout.columns) for layer in column.shelf.block.numbers}
    exits = {number[row.layer]: row for row in iterate_rows(route.sort_values("layer", kind="stable"))}
    places = [place for i in sorted(exits) if (place := _pass_column(layout.columns[i], exits[i]))]
    curves = "".join(draw_curve(a, b, layout.tall) for a, b in pairwise(places))
    rings = "".join(svg.make_element("circle", cx=x, cy=y, r=3.2, class_="route-dot") for x, y in places)
    under = svg.make_element("path", d=curves, class_="route-under")
    return svg.make_element("g", under, svg.make_element("path", d=curves, class_="route"), rings)


def _pass_column(column: Column, step: Any) -> Place | None:
    """Where a route leaves a block with neuron ``step``: its place, or the box of maps that are not drawn."""
    for tile in column.tiles:
        if tile.map in (None, (step.layer, step.channel)) and tile.layer is not None:
            return tile.locate(step.y, step.x)
    return column.tiles[column.rest].middle if column.shelf.rest else None


def _draw_logits(column: Column, classes: Mapping[int, str], target: int | None, tall: bool) -> str:
    """The names of the classes beside their logits; on a narrow page that of the target below."""
    drawn = []
    for tile in column.tiles:
        channel = tile.map[1] if tile.map else -1
        chosen = channel == target
        if not chosen and (len(column.tiles) > 24 or tall):
            continue
        full = classes.get(channel, str(channel))
        [words] = fit_words(full, LETTERS) or [""]
        x, y = tile.middle
        kind = "class chosen" if chosen else "class"
        text = svg.make_text(x, tile.y + tile.height + 18, words, f"{kind} mid") if tall else svg.make_text(
            tile.x + tile.width + 7, y + 4, words, kind
        )  # fmt: skip
        drawn.append(svg.make_element("g", svg.make_title(full), text))
    return "".join(drawn)
