"""One pathway of a record as a networkx graph, without a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphpath.export.selection import select_rows, select_strongest

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from graphpath.record import Trace


def to_networkx(trace: Trace, pathway: int, *, limit: int | None = None) -> nx.MultiDiGraph:
    """Pathway ``pathway`` of ``trace`` with the nodes and attributes that ``browse/pathway`` gives.

    Nodes are neurons (type, id, model, layer, channel, y, x, name), keyed by id; besides they carry their
    ``activation`` and ``score``. Edges have type, pathway, layer, flow, score and rank. ``limit`` keeps the
    strongest edges.

    Raises:
        RecordError: the trace has no such pathway.
    """
    import networkx as nx

    chosen = select_rows(trace, pathway)
    edges = trace.edges().to_table(filter=select_strongest(chosen, limit)).sort_by("rank")
    visits = trace.visits().to_table(filter=chosen).to_pandas()
    layers = trace.layers().to_table().to_pandas().set_index("layer")
    graph = nx.MultiDiGraph(run=trace.id, pathway=pathway)
    graph.add_nodes_from(_make_nodes(visits, layers))
    for row in edges.to_pylist():
        source, target = row.pop("source"), row.pop("target")
        graph.add_edge(source, target, key=("FLOWS_TO", pathway), type="FLOWS_TO", **row)
    if limit is not None:
        graph.remove_nodes_from([node for node, degree in graph.degree() if degree == 0])
    return graph


def _iterate_rows(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples(index=False)


def _make_nodes(visits: pd.DataFrame, layers: pd.DataFrame) -> list[tuple[int, dict[str, Any]]]:
    """Each visited neuron with its place, computed for all of them at once."""
    of = layers.loc[visits.layer].reset_index(drop=True)
    within = visits.neuron.to_numpy() - of.offset.to_numpy()
    height, width = of.height.to_numpy(), of.width.to_numpy()
    channel, rest = within // (height * width), within % (height * width)
    places = zip(channel.tolist(), (rest // width).tolist(), (rest % width).tolist(), strict=True)
    model = int(layers.offset.iloc[0])
    flat = ((height * width) == 1).tolist()
    return [
        (
            int(row.neuron),
            {
                "type": "Neuron", "id": int(row.neuron), "model": model, "layer": int(row.layer),
                "channel": c, "y": y, "x": x, "name": f"{name} [{c}]" + ("" if single else f" {y},{x}"),
                "activation": float(row.activation), "score": float(row.score),
            },
        )
        for row, (c, y, x), name, single in zip(_iterate_rows(visits), places, of.name, flat, strict=True)
    ]  # fmt: skip
