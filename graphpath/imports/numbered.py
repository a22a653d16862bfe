"""Layers in order, and channels that have names or large numbers as small ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.imports.published import Ints, PublishedLayers

MOST_CHANNELS = 1 << 16
"""A layer whose channels are numbers below this keeps them; of others only those that occur are numbered."""


def order_layers(pairs: Iterable[tuple[str, str]], where: str) -> tuple[str, ...]:
    """Layers such that all ``pairs`` (from, to) run forward, otherwise as they first occur.

    Raises:
        DataError: there is no such order.
    """
    graph = nx.DiGraph()
    graph.add_edges_from(pairs)
    place = {layer: number for number, layer in enumerate(graph)}
    try:
        return tuple(nx.lexicographical_topological_sort(graph, key=place.__getitem__))
    except nx.NetworkXUnfeasible:
        circle = [source for source, _ in nx.find_cycle(graph)]
        said = " -> ".join([*circle, circle[0]])
        raise DataError(
            f"The edges run in a circle of layers ({said}), so there is no order of them."
        ) from None


@dataclass(frozen=True, eq=False)
class NumberedEdges:
    """The channels of an edge list as numbers within their layers."""

    sites: PublishedLayers
    source: Ints
    """The number of the neuron at the beginning of each edge (E,)."""
    target: Ints
    maps: pd.DataFrame | None
    """map (its number), name and detail of those that have names; None where all are their own numbers."""

    @classmethod
    def number(cls, rows: pd.DataFrame, layers: tuple[str, ...]) -> NumberedEdges:
        """The channels at the ends of the edges ``rows``."""
        place = {layer: number for number, layer in enumerate(layers)}
        ends = [_select_end(rows, end, place) for end in ("source", "target")]
        if len({end.channel.dtype.kind for end in ends}) > 1:
            ends = [end.astype({"channel": str}) for end in ends]
        known = pd.concat(ends).drop_duplicates().sort_values(["layer", "channel"], ignore_index=True)
        own = _keep_small_numbers(known)
        within = known.groupby("layer").cumcount()
        if own.any():
            within = within.mask(own, known.channel).astype(np.int64)
        most = within.groupby(known.layer).max()
        counts = tuple(int(most.get(number, 0)) + 1 for number in range(len(layers)))
        named = known[~own]
        calls = digest(named.layer.tolist(), named.channel.tolist()) if len(named) else ""
        sites = PublishedLayers(layers, ("channels",) * len(layers), counts, (1,) * len(layers), calls)
        known["number"] = sites.to_numbers(_to_ints(known.layer), _to_ints(within))
        source, target = (
            _to_ints(end.merge(known, on=["layer", "channel"], how="left").number) for end in ends
        )
        return cls(sites, source, target, _name_maps(known[~own], layers))


def _select_end(rows: pd.DataFrame, end: str, place: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame({"layer": rows[f"{end}_layer"].map(place), "channel": rows[f"{end}_channel"]})


def _to_ints(column: pd.Series[Any]) -> Ints:
    return np.asarray(column, np.int64)


def _keep_small_numbers(known: pd.DataFrame) -> pd.Series[bool]:
    """Of each channel, whether its layer's are small numbers, which stay."""
    if known.channel.dtype.kind != "i":
        return pd.Series(False, index=known.index)
    small = (known.channel >= 0) & (known.channel < MOST_CHANNELS)
    return small.groupby(known.layer).transform("all")


def _name_maps(named: pd.DataFrame, layers: tuple[str, ...]) -> pd.DataFrame | None:
    if named.empty:
        return None
    names = [f"{layers[layer]} {channel}" for layer, channel in zip(named.layer, named.channel, strict=True)]
    return pd.DataFrame({"map": named.number, "name": names, "detail": "{}"})
