"""Feature maps as symbols of a drawing: the image, and over it the neurons that the pathway visits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from graphpath.report import svg
from graphpath.report.captions import fmt
from graphpath.report.pictures import choose_look

if TYPE_CHECKING:
    import pandas as pd

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
    size = neurons.score.abs()
    strength = np.sqrt(size / size.groupby(neurons.layer).transform("max").clip(lower=1e-300))
    step = np.minimum((strength * STEPS).astype(int), STEPS - 1)
    held = neurons.assign(step=step, size=size).sort_values("size", ascending=False, kind="stable")
    found = dict(iter(held.groupby(["layer", "channel"], sort=False)))
    sizes = zip(layers.height.astype(int), layers.width.astype(int), strict=True)
    shape = dict(zip(layers.layer.astype(int), sizes, strict=True))
    return "".join(
        _draw_symbol(name_symbol(key, chosen), shape[chosen[0]], found.get(chosen), photos.get(chosen))
        for chosen in maps
    )


def _draw_symbol(name: str, shape: tuple[int, int], rows: pd.DataFrame | None, photo: str | None) -> str:
    height, width = shape
    under = []
    if photo is not None and height * width > 1:
        under = [svg.make_element("use", href=f"#{photo}", width=width, height=height)]
    drawn = [] if rows is None else _draw_neurons(rows.head(MOST), height, width)
    return svg.make_element(
        "symbol", *under, *drawn, id=name, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none"
    )


def _draw_neurons(rows: pd.DataFrame, height: int, width: int) -> list[str]:
    """One path for each tone and strength, the weak ones first."""
    side = max(1.0, max(height, width) / LEAST) if height * width > 1 else 1.0
    wide, high = min(side, width), min(side, height)
    square = f"h{fmt(wide)}v{fmt(high)}h-{fmt(wide)}z"
    drawn = []
    for (step, tone), some in rows.groupby(["step", "tone"]):
        left = np.clip(some.x.to_numpy() + 0.5 - wide / 2, 0, width - wide)
        top = np.clip(some.y.to_numpy() + 0.5 - high / 2, 0, height - high)
        corners = zip(left.tolist(), top.tolist(), strict=True)
        path = "".join(f"M{fmt(x)} {fmt(y)}{square}" for x, y in corners)
        drawn.append(svg.make_element("path", d=path, class_=f"{tone} h{step}"))
    return drawn
