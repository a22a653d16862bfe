"""What a drawing of one pathway needs, asked of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.export import neuron_edges
from graphpath.queries.limits import describe_cut
from graphpath.report.pictures import encode_image
from graphpath.report.pixels import Image, Pixels, find_pixels, pixels_from_visits
from graphpath.report.reader import RunReader
from graphpath.report.source import Source

if TYPE_CHECKING:
    import pandas as pd

EDGES = 900
"""Edges drawn of a pathway, shared evenly between its layers."""
ASKED = 50_000
"""Edges and neurons asked for, the strongest: more than the budget of a pathway keeps by default. Where there
are more the figure's source says so."""

Route = npt.NDArray[np.int64]
"""The neurons of a route, from pixel to logit."""


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

    def sources_of_rows(self, edges: pd.DataFrame, neurons: pd.DataFrame) -> tuple[Source, Source]:
        """The sources, with the rows that a drawing shows."""
        kept = self.edges.merge(edges[["source", "target"]], on=["source", "target"])
        visited = self.neurons[self.neurons.neuron.isin(neurons.neuron)]
        return _select_part(self.sources[0], kept), _select_part(self.sources[1], visited)


def read_pathway(reader: RunReader, pixels: Sequence[Pixels], pathway: int, sample: int) -> DrawnPathway:
    """Pathway ``pathway`` of ``sample``."""
    asked = {"pathway": pathway, "limit": ASKED}
    graph = reader.graph("browse/pathway", **asked)
    edges = neuron_edges(graph)
    visits = reader.ask("pathways/neurons", **asked)
    image = find_pixels(pixels, sample)
    shown = _find_start(reader, visits.frame) if image is None else image
    source = Source("browse/pathway", asked, edges, str(reader.store.uri), describe_cut(graph.graph))
    return DrawnPathway(edges, visits.frame, shown, image is not None, (source, visits))


def read_largest_routes(
    reader: RunReader, sample: int, pathway: int, k: int = 3
) -> tuple[list[Route], Source]:
    """The ``k`` largest routes of a sample, those of ``pathway``."""
    source = reader.ask("pathways/largest", sample=sample, k=k, runs=reader.comparable_runs)
    steps = source.frame[source.frame.pathway == pathway]
    grouped = steps.groupby("route", sort=False)
    return [group.sort_values("position").neuron.to_numpy() for _, group in grouped], source


def select_strongest(edges: pd.DataFrame, most: int = EDGES) -> pd.DataFrame:
    """At most about ``most`` edges, of each layer equally many: those with the largest |score|."""
    share = -(-most // max(edges.layer.nunique(), 1))
    order = edges.score.abs().groupby(edges.layer).rank(method="first", ascending=False)
    return edges[order <= share]


def select_ends(neurons: pd.DataFrame, edges: pd.DataFrame, routes: Sequence[Route] = ()) -> pd.DataFrame:
    """The neurons at an end of one of ``edges``, or on one of ``routes``."""
    wanted = {*edges.source, *edges.target, *(int(neuron) for route in routes for neuron in route)}
    return neurons[neurons.neuron.isin(wanted)]


def _select_part(source: Source, rows: pd.DataFrame) -> Source:
    return source if len(rows) == len(source.frame) else replace(source, frame=rows, note="those drawn")


def _find_start(reader: RunReader, visits: pd.DataFrame) -> Image:
    """The pixels that the pathway starts from."""
    first = reader.layers.iloc[0]
    shape = (int(first.channels), int(first.height), int(first.width))
    return pixels_from_visits(visits[visits.layer == 0], shape)
