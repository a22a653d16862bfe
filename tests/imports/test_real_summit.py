"""The 500 class graphs that Summit published: all of them, as counted straight from the JSON."""

from __future__ import annotations

import json
import re
import tarfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from graphpath.imports import import_summit
from graphpath.record import Trace
from graphpath.server import Server
from graphpath.stores import open_store
from graphpath.stores.base import Store
from tests.documents import CHECKOUT
from tests.neo4j_server import plan_anew

DOCUMENT = CHECKOUT / "graphpath" / "imports" / "README.md"
ARCHIVE = Path("summit") / "class-graphs-even.tar.gz"


@pytest.fixture(scope="module")
def archive(shared_data: Path) -> Path:
    if not (shared_data / ARCHIVE).is_file():
        pytest.skip("no Summit graphs in ../shared/data")
    return shared_data / ARCHIVE


@cache
def counted(archive: Path) -> SimpleNamespace:
    """Nodes and edges, J and weighted J (500, 500), by numpy from the JSON."""
    with tarfile.open(archive) as tar:
        graphs = {
            int(Path(member.name).stem.removeprefix("ag-")): json.load(tar.extractfile(member))
            for member in tar
            if member.name.endswith(".json")
        }
    labels = sorted(graphs)
    edges = [
        (row, layer, edge["prev_channel"], channel["channel"], edge["inf"])
        for row, label in enumerate(labels)
        for layer, channels in graphs[label].items()
        for channel in channels
        for edge in channel["prev_channels"]
    ]
    nodes = sum(len(channels) for graph in graphs.values() for channels in graph.values())
    keys = {key: column for column, key in enumerate(sorted({edge[1:4] for edge in edges}))}
    layer = np.array([key[0] for key in keys])
    weight = np.zeros((len(labels), len(keys)))
    for row, *key, value in edges:
        weight[row, keys[tuple(key)]] = value
    there = (weight > 0).astype(float)
    size = there.sum(1)
    shared = there @ there.T
    for name in np.unique(layer):
        total = weight[:, layer == name].sum(1, keepdims=True)
        weight[:, layer == name] /= np.where(total > 0, total, 1)
    mass = weight.sum(1)
    least = np.stack([np.minimum(row[row > 0], weight[:, row > 0]).sum(1) for row in weight])
    return SimpleNamespace(
        labels=labels,
        nodes=nodes,
        edges=len(edges),
        J=shared / (size[:, None] + size - shared),
        weighted=least / (mass[:, None] + mass - least),
    )


def check(store: Store, trace: Trace, known: SimpleNamespace) -> None:
    """The store of ``trace`` against ``known``: counts, and the likeness of every two classes."""
    one = (
        store.cypher("MATCH (:Pathway)-[v:VISITS]->(:Neuron) RETURN count(v) AS nodes").nodes[0],
        store.cypher("MATCH ()-[r:MAP_FLOWS_TO]->() RETURN count(r) AS n").n[0],
    )
    assert one == (known.nodes, known.edges)
    frame = store.query("categories/similarity", by_layer=False)
    assert len(frame) == len(known.labels) * (len(known.labels) - 1) // 2
    place = {str(label): number for number, label in enumerate(known.labels)}
    first, second = frame.category1.map(place), frame.category2.map(place)
    np.testing.assert_allclose(frame.J, known.J[first, second], rtol=1e-12)
    np.testing.assert_allclose(frame.weighted_J, known.weighted[first, second], rtol=1e-6)
    for column, direct in (("J", known.J), ("weighted_J", known.weighted)):
        found = frame.nlargest(20, column)
        pairs = {frozenset((int(a), int(b))) for a, b in zip(found.category1, found.category2, strict=True)}
        assert pairs == most_alike(direct, known.labels, 20)


def most_alike(matrix: np.ndarray, labels: list[int], count: int) -> set[frozenset[int]]:
    above = np.triu_indices(len(labels), 1)
    order = np.argsort(-matrix[above], kind="stable")[:count]
    return {frozenset((labels[above[0][at]], labels[above[1][at]])) for at in order}


@pytest.fixture(scope="module")
def trace(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return import_summit([archive], out=tmp_path_factory.mktemp("summit") / "trace")


@pytest.mark.slow
def test_all_500_on_the_embedded_engine(archive: Path, trace: Trace, tmp_path: Path) -> None:
    known = counted(archive)
    assert (trace.counts["pathways"], trace.counts["visits"], trace.counts["edges"]) == (
        500,
        known.nodes,
        known.edges,
    )
    with open_store(tmp_path / "summit.lbdb") as store:
        done = store.load(trace)
        assert done.counts["CLASS_FLOWS_TO"] == done.counts["MAP_FLOWS_TO"] == known.edges
        check(store, trace, known)


@pytest.mark.slow
def test_all_500_on_neo4j(archive: Path, trace: Trace, neo4j_server: Server) -> None:
    with open_store(neo4j_server.uri, password=neo4j_server.password) as store:
        for run in store.runs().run:
            store.delete(run)
        done = store.load(trace)
        assert done.counts["CLASS_FLOWS_TO"] == done.counts["MAP_FLOWS_TO"] == trace.counts["edges"]
        plan_anew(neo4j_server)  # others have asked the same of a small graph
        check(store, trace, counted(archive))
        store.delete(trace.id)
        assert store.runs().empty


def test_the_document_shows_what_numpy_finds(archive: Path) -> None:
    names = pytest.importorskip("torchvision.models").GoogLeNet_Weights.DEFAULT.meta["categories"]
    known = counted(archive)
    section = DOCUMENT.read_text(encoding="utf-8")
    assert f"500 graphs of {known.nodes:,} nodes and {known.edges:,} edges" in section
    table = section.split("--min-weighted-J 0.4\n")[1].split("$ graphpath")[0]
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if " -1 " in line]
    shown = {(row[0], row[1]): (row[-3], row[-2]) for row in rows}
    above = zip(*np.nonzero(np.triu(known.weighted, 1) >= 0.4), strict=True)
    direct = {
        (names[known.labels[one]], names[known.labels[two]]): (
            f"{known.J[one, two]:.3f}",
            f"{known.weighted[one, two]:.3f}",
        )
        for one, two in above
    }
    assert shown == direct
