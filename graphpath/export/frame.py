"""A graph's relationships as a data frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import networkx as nx

ENDS = ["source", "target"]


def to_frame(graph: nx.MultiDiGraph) -> pd.DataFrame:
    """One row per relationship: source, type, target (as captions), then its own properties."""
    captions = {node: _make_caption(node, data) for node, data in graph.nodes(data=True)}
    rows = [
        {"source": captions[start], "type": data.get("type"), "target": captions[end], **_select_rest(data)}
        for start, end, data in graph.edges(data=True)
    ]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["source", "type", "target"]
    return pd.DataFrame({name: _make_column([row.get(name) for row in rows]) for name in names})


def neuron_edges(graph: nx.MultiDiGraph) -> pd.DataFrame:
    """The FLOWS_TO relationships between neurons: source, target (ids), layer, flow, score, rank.

    Strongest first.
    """
    names = ["layer", "flow", "score", "rank"]
    rows = [
        (start, end, *(data[name] for name in names))
        for start, end, data in graph.edges(data=True)
        if data.get("type") == "FLOWS_TO"
    ]
    return pd.DataFrame(rows, columns=[*ENDS, *names]).sort_values("rank", ignore_index=True)


def _make_column(values: list[Any]) -> pd.Series[Any]:
    """``values`` as pandas infers them, but whole numbers stay whole where some are missing."""
    there = {type(value) for value in values if value is not None}
    return pd.Series(values, dtype="Int64" if there == {int} and None in values else None)


def _make_caption(node: object, data: Mapping[str, Any]) -> str:
    """A node's name, else its label and key."""
    if data.get("name"):
        return f"{data['type']} {data['name']}"
    return f"{data['type']} {node[1]}" if isinstance(node, tuple) else f"{data['type']} {node}"


def _select_rest(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in ("type", *ENDS)}
