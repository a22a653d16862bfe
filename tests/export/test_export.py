"""networkx: a record's pathway is the graph that the store gives, and can be drawn."""

from __future__ import annotations

import networkx as nx
import pandas as pd
import pytest

from graphpath.errors import RecordError
from graphpath.export import neuron_edges, positions, to_frame, to_networkx
from graphpath.stores import open_store
from tests.synthetic import write_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("trace") / "clean", run="clean", samples=5)


@pytest.fixture(scope="module")
def pathway(trace) -> int:
    return trace.pathways().to_table()["pathway"][2].as_py()


def test_the_records_graph_is_the_stores(trace, pathway, tmp_path) -> None:
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        stored = store.graph("browse/pathway", pathway=pathway, limit=10_000)
    made = to_networkx(trace, pathway)
    assert set(made.nodes) >= set(stored.nodes)
    for node, data in stored.nodes(data=True):
        assert {name: made.nodes[node][name] for name in data} == data
    pd.testing.assert_frame_equal(neuron_edges(made), neuron_edges(stored), check_exact=False)


def test_a_limit_keeps_the_strongest_edges_and_their_ends(trace, pathway) -> None:
    made = to_networkx(trace, pathway, limit=5)
    assert sorted(data["rank"] for _, _, data in made.edges(data=True)) == [1, 2, 3, 4, 5]
    assert all(degree for _, degree in made.degree())
    assert nx.is_directed_acyclic_graph(made)


def test_nodes_carry_what_the_record_says_of_them(trace, pathway) -> None:
    visits = trace.visits().to_table().to_pandas().query("pathway == @pathway").set_index("neuron")
    for node, data in to_networkx(trace, pathway).nodes(data=True):
        assert data["activation"] == pytest.approx(visits.activation[node])
        assert data["layer"] == visits.layer[node]


def test_positions_have_a_column_per_layer_in_the_order_of_maps(trace, pathway) -> None:
    made = to_networkx(trace, pathway)
    places = positions(made)
    assert places.keys() == set(made.nodes)
    for node, (x, y) in places.items():
        assert x == made.nodes[node]["layer"]
        assert 0 < y < 1
    assert len(set(places.values())) == len(places)
    column = sorted((n for n in made if made.nodes[n]["layer"] == 1), key=lambda n: -places[n][1])
    order = [tuple(made.nodes[n][name] for name in ("channel", "y", "x")) for n in column]
    assert order == sorted(order)


def test_a_frame_has_a_row_for_each_relationship(trace, pathway) -> None:
    made = to_networkx(trace, pathway, limit=3)
    frame = to_frame(made)
    assert len(frame) == made.number_of_edges()
    assert frame.columns[:3].tolist() == ["source", "type", "target"]
    assert to_frame(nx.MultiDiGraph()).empty


def test_whole_numbers_stay_whole_where_some_are_missing() -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge(1, 2, type="STEP", position=3, score=1.5)
    graph.add_edge(1, 2, type="OF_PATHWAY", label="a")
    graph.add_nodes_from([1, 2], type="Neuron")
    frame = to_frame(graph)
    assert frame.dtypes.astype(str).to_dict()["position"] == "Int64"
    assert frame.position.tolist() == [3, pd.NA]
    assert frame.score[0] == 1.5 and pd.isna(frame.score[1])


@pytest.mark.parametrize("number", [7, 2**63, -(10**60)])
def test_a_pathway_that_is_not_there_is_named(trace, number: int) -> None:
    with pytest.raises(RecordError, match=f"no pathway {number}"):
        to_networkx(trace, number)


def test_a_limit_beyond_all_edges_leaves_nothing_out(trace) -> None:
    pathway = trace.pathways().to_table()["pathway"][0].as_py()
    assert to_networkx(trace, pathway, limit=10**60).edges == to_networkx(trace, pathway).edges
