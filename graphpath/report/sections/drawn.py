"""What a drawing of one pathway needs, asked of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from graphpath.report.pathway import Photos, Scene
from graphpath.report.pathway.ribbons import LEAST
from graphpath.report.pictures import encode_image, encode_thumbnail
from graphpath.report.pixels import Image, Pixels, find_pixels, pixels_from_visits
from graphpath.report.reader import RunReader
from graphpath.report.source import Computed, Source

EDGES = 900
"""Edges drawn of a pathway, shared evenly between its layers."""
ASKED = 50_000
"""Edges and neurons asked for, the strongest: more than the budget of a pathway keeps by default. Where there
are more the figure's source says so."""


@dataclass(frozen=True)
class DrawnPathway:
    """One pathway: its edges and neurons (frames), its image, and where they come from."""

    edges: pd.DataFrame
    neurons: pd.DataFrame
    image: Image
    known: bool
    """Whether ``image`` is the whole image, or only the pixels that the pathway starts from."""
    sources: tuple[Source, Source]

    @property
    def picture(self) -> str:
        return encode_image(self.image)

    @property
    def photos(self) -> Photos:
        """What lies under every feature map."""
        return Photos((encode_thumbnail(self.image),))

    def find_sources(self, scene: Scene) -> tuple[Source, Source]:
        """The sources, with the rows that a drawing shows: edges, or their sums where it has ribbons."""
        edges, neurons = self.sources
        if scene.edges is None:
            summed = Computed(
                edges.query, edges.parameters, describe_ribbons(scene), edges.store, edges.note,
                "Edges, summed by block and feature map", (edges.command,),
            )  # fmt: skip
            return summed, _select_part(neurons, select_strongest_neurons(self.neurons, scene))
        kept = self.edges.merge(scene.edges[["source", "target"]], on=["source", "target"])
        visited = select_ends(self.neurons, scene.edges, scene.routes)
        return _select_part(edges, kept), _select_part(neurons, visited)


def describe_ribbons(scene: Scene) -> pd.DataFrame:
    """The ribbons of a scene with their blocks' names and maps: what a drawing of blocks shows."""
    ribbons = scene.ribbons if scene.ribbons is not None else pd.DataFrame()
    frame = ribbons[ribbons.share >= LEAST]
    ends = {}
    for side, block, tile in (("from", "source_block", "source_tile"), ("to", "block", "tile")):
        shelves = [scene.shelves[place] for place in frame[block]]
        ends[f"{side}_block"] = [shelf.block.name for shelf in shelves]
        ends[f"{side}_map"] = [
            shelf.maps[place][1] if place < len(shelf.maps) else None
            for shelf, place in zip(shelves, frame[tile], strict=True)
        ]
    made = pd.DataFrame(ends).astype({"from_map": "Int64", "to_map": "Int64"})
    return made.assign(**{name: frame[name].to_numpy() for name in ("tone", "weight", "share")})


def select_strongest_neurons(neurons: pd.DataFrame, scene: Scene, each: int = 3) -> pd.DataFrame:
    """Of each drawn map the ``each`` neurons with the largest |score|."""
    maps = pd.DataFrame([one for shelf in scene.shelves for one in shelf.maps], columns=["layer", "channel"])
    held = neurons.merge(maps, on=["layer", "channel"])
    order = held.score.abs().groupby([held.layer, held.channel]).rank(method="first", ascending=False)
    return held[order <= each]


def read_pathway(reader: RunReader, pixels: Sequence[Pixels], pathway: int, sample: int) -> DrawnPathway:
    """Pathway ``pathway`` of ``sample``."""
    asked = {"pathway": pathway, "limit": ASKED}
    edges, note = reader.edges_of("browse/pathway", ["layer", "flow", "score", "rank"], **asked)
    source = Source("browse/pathway", asked, edges, str(reader.store.uri), note)
    visited = read_visits(reader, pixels, pathway, sample)
    return replace(visited, edges=edges, sources=(source, visited.sources[1]))


def read_visits(reader: RunReader, pixels: Sequence[Pixels], pathway: int, sample: int) -> DrawnPathway:
    """The same without its edges."""
    visits = reader.ask("pathways/neurons", pathway=pathway, limit=ASKED)
    image = find_pixels(pixels, sample)
    shown = _find_start(reader, visits.frame) if image is None else image
    none = pd.DataFrame({name: [] for name in ("source", "target", "layer", "score")})
    return DrawnPathway(none, visits.frame, shown, image is not None, (visits, visits))


def read_largest_routes(
    reader: RunReader, sample: int, pathway: int, k: int = 3
) -> tuple[list[pd.DataFrame], Source]:
    """The ``k`` largest routes of a sample, those of ``pathway``: their neurons from pixel to logit."""
    source = reader.ask("pathways/largest", sample=sample, k=k, runs=reader.comparable_runs)
    steps = source.frame[source.frame.pathway == pathway]
    grouped = steps.groupby("route", sort=False)
    return [group.sort_values("position", ignore_index=True) for _, group in grouped], source


def select_strongest(edges: pd.DataFrame, most: int = EDGES) -> pd.DataFrame:
    """At most about ``most`` edges, of each layer equally many: those with the largest |score|."""
    share = -(-most // max(edges.layer.nunique(), 1))
    order = edges.score.abs().groupby(edges.layer).rank(method="first", ascending=False)
    return edges[order <= share]


def select_ends(
    neurons: pd.DataFrame, edges: pd.DataFrame, routes: Sequence[pd.DataFrame] = ()
) -> pd.DataFrame:
    """The neurons at an end of one of ``edges``, or on one of ``routes``."""
    wanted = {*edges.source, *edges.target, *(int(neuron) for route in routes for neuron in route.neuron)}
    return neurons[neurons.neuron.isin(wanted)]


def _select_part(source: Source, rows: pd.DataFrame) -> Source:
    return source if len(rows) == len(source.frame) else replace(source, frame=rows, note="those drawn")


def _find_start(reader: RunReader, visits: pd.DataFrame) -> Image:
    """The pixels that the pathway starts from."""
    first = reader.layers.iloc[0]
    shape = (int(first.channels), int(first.height), int(first.width))
    return pixels_from_visits(visits[visits.layer == 0], shape)
