"""What a drawing of one pathway needs, asked of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.export import neuron_edges
from graphpath.report.pictures import photo
from graphpath.report.pixels import Image, Pixels, find_pixels, from_visits
from graphpath.report.reader import Reader
from graphpath.report.source import Source

if TYPE_CHECKING:
    import pandas as pd

EDGES = 900
"""Edges drawn of a pathway, strongest first."""


@dataclass(frozen=True)
class Drawn:
    """One pathway: its edges and neurons (frames), its image, and where they come from."""

    edges: pd.DataFrame
    neurons: pd.DataFrame
    image: Image
    known: bool
    """Whether ``image`` is the whole image, or only the pixels that the pathway starts from."""
    sources: tuple[Source, ...]

    @property
    def picture(self) -> str:
        return photo(self.image)


def drawn(reader: Reader, pixels: Sequence[Pixels], pathway: int, sample: int, limit: int = EDGES) -> Drawn:
    """Pathway ``pathway`` of ``sample``, ready to be drawn."""
    asked = {"pathway": pathway, "limit": limit}
    edges = neuron_edges(reader.graph("browse/pathway", **asked))
    visits = reader.ask("pathways/neurons", pathway=pathway)
    image = find_pixels(pixels, sample)
    first = reader.layers.iloc[0]
    if image is None:
        shape = (int(first.channels), int(first.height), int(first.width))
        shown = from_visits(visits.frame[visits.frame.layer == 0], shape)
    else:
        shown = image
    source = Source("browse/pathway", asked, edges, str(reader.store.uri))
    return Drawn(edges, visits.frame, shown, image is not None, (source, visits))


def largest(
    reader: Reader, sample: int, pathway: int, k: int = 3
) -> tuple[list[npt.NDArray[np.int64]], Source]:
    """The neurons of the ``k`` largest routes of a sample's pathway, from pixel to logit."""
    source = reader.ask("pathways/largest", sample=sample, k=k, runs=reader.among)
    steps = source.frame[source.frame.pathway == pathway]
    routes = [
        group.sort_values("position").neuron.to_numpy() for _, group in steps.groupby("route", sort=False)
    ]
    return routes, source
