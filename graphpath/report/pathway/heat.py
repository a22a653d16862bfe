"""Feature maps as symbols of a drawing: the image, and over it the neurons that the pathway visits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from graphpath.report import svg
from graphpath.report.captions import fmt
from graphpath.report.pictures import choose_look

if TYPE_CHECKING:
    from graphpath.report.pathway.flows import Map

STEPS = 3
"""Strengths of a neuron; their look is in the style sheet (.h0 ... .h2)."""
MOST = 40
"""Neurons that are drawn in a map, the strongest."""
LEAST = 16
"""A neuron's square is at least this part of its map's side, so that one of 112 x 112 can be seen."""


def draw_photo(name: str, uri: str, look: str = "under") -> str:
    """The image that lies under feature maps, as a symbol that fills the square of whoever uses it."""
    classes = f"{look} {choose_look(uri)}"
    image = svg.make_element("image", href=uri, width=1, height=1, preserveAspectRatio="none", class_=classes)
    return svg.make_element(
        "symbol", image, id=name, viewBox="0 0 1 1", preserveAspectRatio="none", class_="photo"
    )


def name_symbol(key: str, chosen: Map) -> str:
    """The id of a feature map's symbol."""
    return f"{key}-{chosen[0]}-{chosen[1]}"


def draw_symbols(
    key: str, layers: pd.DataFrame, neurons: pd.DataFrame, maps: Iterable[Map], photos: Mapping[Map, str]
) -> str:
    """A symbol for each of ``maps``: its neurons in the colours of their tones, over its photo.

    Colour grows with |score|, relative to the largest of the layer.

    Args:
        key: how the symbols' ids begin, one for each drawing of a page.
        layers: layer, height, width.
        neurons: layer, channel, y, x, score, ``tone``.
        photos: the symbol (``draw_photo``) that lies under a map, where there is one.
    """
    sizes = zip(layers.height.astype(int), layers.width.astype(int), strict=True)
    shapes = dict(zip(layers.layer.astype(int), sizes, strict=True))
    wanted = [*maps]
    paths = _draw_squares(layers, _select_strongest(neurons, wanted))
    return "".join(
        _draw_symbol(name_symbol(key, chosen), shapes[chosen[0]], paths.get(chosen, ()), photos.get(chosen))
        for chosen in wanted
    )


def _draw_symbol(name: str, shape: tuple[int, int], paths: Iterable[str], photo: str | None) -> str:
    height, width = shape
    under = []
    if photo is not None and height * width > 1:
        under = [svg.make_element("use", href=f"#{photo}", width=width, height=height)]
    return svg.make_element(
        "symbol", *under, *paths, id=name, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none"
    )


def _select_strongest(neurons: pd.DataFrame, maps: list[Map]) -> pd.DataFrame:
    """The ``MOST`` strongest neurons of each of ``maps``, with ``step``, their strength."""
    size = neurons.score.abs()
    strength = np.sqrt(size / size.groupby(neurons.layer).transform("max").clip(lower=1e-300))
    step = np.minimum((strength * STEPS).astype(int), STEPS - 1)
    chosen = pd.DataFrame(maps, columns=["layer", "channel"])
    held = neurons.assign(step=step, size=size).merge(chosen, on=["layer", "channel"])
    rank = held.groupby(["layer", "channel"])["size"].rank(method="first", ascending=False)
    return held[rank <= MOST]


def _draw_squares(layers: pd.DataFrame, neurons: pd.DataFrame) -> dict[Map, list[str]]:
    """Of each map a path for each strength and tone, the weak ones first."""
    held = neurons.merge(layers[["layer", "height", "width"]], on="layer")
    side = np.maximum(1.0, np.maximum(held.height, held.width) / LEAST)
    wide, high = np.minimum(side, held.width), np.minimum(side, held.height)
    left, top = (
        np.clip(held[axis] + 0.5 - extent / 2, 0, whole - extent)
        for axis, extent, whole in (("x", wide, held.width), ("y", high, held.height))
    )
    drawn: dict[tuple[int, int, int, str], list[str]] = {}
    columns = (held.layer, held.channel, held.step, held.tone, left, top, wide, high)
    for layer, channel, step, tone, x, y, w, h in zip(*(one.tolist() for one in columns), strict=True):
        square = f"M{fmt(x)} {fmt(y)}h{fmt(w)}v{fmt(h)}h-{fmt(w)}z"
        drawn.setdefault((layer, channel, step, tone), []).append(square)
    paths: dict[Map, list[str]] = {}
    for (layer, channel, step, tone), squares in sorted(drawn.items()):
        path = svg.make_element("path", d="".join(squares), class_=f"{tone} h{step}")
        paths.setdefault((layer, channel), []).append(path)
    return paths
