"""A published graph as columns: what every importer makes, and what the record is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphpath.errors import DataError
from graphpath.ids import block, digest

Ints = npt.NDArray[np.int64]

MOST_NEURONS = 1 << 32
"""Neurons that the ids of one model have room for."""
MOST_IN_A_LAYER = 1 << 31
"""Channels, or positions of one, that the record has room for."""


@dataclass(frozen=True)
class PublishedLayers:
    """The layers of a published graph, in the order of its edges: each of ``channels`` maps of 1 x ``width``.

    A publisher's "channel", "feature" or "node" is a feature map; where it has no positions (``width`` 1) a
    map is one neuron.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    channels: tuple[int, ...]
    widths: tuple[int, ...]
    named: str = ""
    """A digest of what the channels are, where they are not their publisher's numbers."""

    def __post_init__(self) -> None:
        if self.size >= MOST_NEURONS or max((*self.channels, *self.widths), default=0) >= MOST_IN_A_LAYER:
            raise DataError(f"The layers have {self.size:,} places, more than a model has room for.")

    @property
    def size(self) -> int:
        return sum(channels * width for channels, width in zip(self.channels, self.widths, strict=True))

    @property
    def starts(self) -> Ints:
        """The number of each layer's first neuron (L,), the model's first being 0."""
        sizes = np.array(self.channels, np.int64) * np.array(self.widths, np.int64)
        return np.array([0, *np.cumsum(sizes)[:-1]], np.int64)

    def to_numbers(self, layer: Ints, channel: Ints, x: Ints | int = 0) -> Ints:
        """The number within the model of the neuron at each place (n,)."""
        widths = np.array(self.widths, np.int64)[layer]
        return np.asarray(self.starts[layer] + channel * widths + x, np.int64)

    def find_layers(self, number: Ints) -> Ints:
        """The layer of each neuron (n,)."""
        return np.searchsorted(self.starts, number, side="right") - 1

    @property
    def sha256(self) -> str:
        """Stands for the weights, which nobody published: graphs with the same layers are of one model."""
        return digest(self.names, self.kinds, self.channels, self.widths, self.named)

    @property
    def first(self) -> int:
        """The id of the model's first neuron, as a tracer would number it."""
        shapes = [[channels, 1, width] for channels, width in zip(self.channels, self.widths, strict=True)]
        return block(self.sha256, list(self.names), shapes)

    def to_table(self) -> dict[str, Any]:
        """The record's layers."""
        count = len(self.names)
        return {
            "layer": np.arange(count, dtype=np.int32),
            "name": list(self.names),
            "kind": list(self.kinds),
            "channels": np.asarray(self.channels, np.int32),
            "height": np.ones(count, np.int32),
            "width": np.asarray(self.widths, np.int32),
            "offset": self.first + self.starts,
        }


@dataclass(frozen=True, eq=False)
class PublishedGraph:
    """Published graphs of one network, ready to be recorded.

    ``samples`` has a row per graph: index (within the dataset), label, detail (JSON), and is a pathway each.
    ``nodes`` (graph, neuron, activation, score) and ``edges`` (graph, source, target, weight) say by
    ``graph`` which row of ``samples`` they belong to, and which neuron by number
    (:meth:`PublishedLayers.to_numbers`).
    ``classes`` names labels. ``predictions`` (graph, rank, label, confidence) is what the publisher says of
    them; by default each graph's label, with nothing known of how sure the network was. ``maps`` (map,
    name, detail) names feature maps, by the number of their first neuron, that have names.

    ``min_support`` is the record's own default of how many samples an edge of a class pathway needs: 1 where
    a graph is of many images at once, as a published class graph is.
    """

    method: str
    parameters: Mapping[str, object]
    model: str
    dataset: str
    split: str
    scheme: str
    sites: PublishedLayers
    samples: pd.DataFrame
    nodes: pd.DataFrame
    edges: pd.DataFrame
    classes: Mapping[int, str]
    sha256: str
    """Of what was imported."""
    min_support: int | None = None
    predictions: pd.DataFrame | None = None
    maps: pd.DataFrame | None = None
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def run(self) -> str:
        """The run's id: the same graphs, with the same names, have the same."""
        classes = [[label, self.classes[label]] for label in sorted(self.classes)]
        key = digest(self.method, self.parameters, self.sha256, self.sites.sha256, classes)
        return f"{self.method}-{self.dataset}-{key[:10]}"
