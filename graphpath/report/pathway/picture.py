"""A pathway's picture for a page: wide and tall, the symbols that both use, and what its blocks hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphpath.report import svg
from graphpath.report.captions import fit_words
from graphpath.report.pathway.drawing import LETTERS, draw_svg
from graphpath.report.pathway.heat import draw_photo, draw_symbols
from graphpath.report.pathway.layout import TALL, WIDE, lay_out
from graphpath.report.pathway.opened import OpenedBlocks

if TYPE_CHECKING:
    from graphpath.report.pathway.flows import Map
    from graphpath.report.pathway.scene import Scene

LETTER = 8.0
"""How wide a letter of the target's name is."""


@dataclass(frozen=True)
class Picture:
    """HTML and SVG: ``wide`` and ``tall`` show the same, ``sprite`` holds the symbols of all others."""

    wide: str
    tall: str
    sprite: str
    opened: str


@dataclass(frozen=True)
class Photos:
    """Images that lie under feature maps: data URIs by number, and which lies under which map."""

    uris: tuple[str, ...]
    under: Mapping[Map, int] | None = None
    """None: the first one under every map."""


def draw_picture(scene: Scene, image: str, photos: Photos, key: str, *, label: str, maps: int) -> Picture:
    """``scene`` for a page.

    Args:
        image: what is drawn as the input, as a data URI.
        key: how all ids of the picture begin; no other picture of the page has it.
        maps: about how many maps of all layers can be opened.
    """
    opened = OpenedBlocks(scene, key, maps)
    drawn = _list_maps(scene) | {chosen for every in opened.maps.values() for chosen in every}
    symbols = _draw_all_symbols(scene, photos, key, drawn)
    names = measure_names(scene)
    return Picture(
        draw_svg(scene, lay_out(scene.shelves, WIDE, names), image, key, label=label, linked=True),
        draw_svg(scene, lay_out(scene.shelves, TALL), image, key, label=label, linked=True),
        svg.make_element("svg", symbols, class_="sprite", width=0, height=0, aria_hidden="true"),
        opened.draw(),
    )


def draw_alone(scene: Scene, image: str, photos: Photos, *, label: str) -> str:
    """The wide drawing with its own symbols."""
    symbols = _draw_all_symbols(scene, photos, "p", _list_maps(scene))
    layout = lay_out(scene.shelves, WIDE, measure_names(scene))
    return draw_svg(scene, layout, image, "p", label=label, symbols=symbols)


def measure_names(scene: Scene) -> float:
    """How wide the names of the drawn logits are."""
    shown = [scene.classes.get(channel, "") for _, channel in scene.shelves[-1].maps]
    return LETTER * max((len(line) for name in shown for line in fit_words(name, LETTERS)), default=3)


def _list_maps(scene: Scene) -> set[Map]:
    return {chosen for shelf in scene.shelves for chosen in shelf.maps}


def _draw_all_symbols(scene: Scene, photos: Photos, key: str, maps: set[Map]) -> str:
    ids = [f"{key}-i{place}" for place in range(len(photos.uris))]
    under = dict.fromkeys(maps, 0) if photos.under is None else photos.under
    lie = {chosen: ids[under[chosen]] for chosen in maps if chosen in under and ids}
    look = "under" if scene.edges is None else "faint"
    pictures = [draw_photo(name, uri, look) for name, uri in zip(ids, photos.uris, strict=True)]
    return "".join(pictures) + draw_symbols(key, scene.layers, scene.neurons, sorted(maps), lie)
