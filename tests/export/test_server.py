"""The ways out of a real Neo4j server: each gives what the record holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx
import pandas as pd
import pytest

from graphpath.errors import StoreError, StoreUnavailable
from graphpath.export import neuron_edges, positions, to_graphml, to_neo4j_viz, to_networkx
from graphpath.record import Trace
from graphpath.server import Server
from graphpath.stores import Store, open_store
from tests.synthetic import write_trace

pytest.importorskip("neo4j", reason="the extra neo4j is not installed")

CLEAR = "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS"


@dataclass(frozen=True)
class Loaded:
    server: Server
    store: Store
    trace: Trace
    pathway: int


@pytest.fixture(scope="module")
def loaded(neo4j_server, tmp_path_factory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("traces")
    clean = write_trace(folder / "clean", run="clean", samples=5, crosses=True)
    attacked = write_trace(folder / "attacked", run="attacked", seed=1, adversarial_of=clean)
    with open_store(neo4j_server.uri, password=neo4j_server.password) as store:
        store.cypher(CLEAR, write=True, timeout=None)
        for trace in (clean, attacked):
            store.load(trace)
        yield Loaded(neo4j_server, store, clean, clean.pathways().to_table()["pathway"][2].as_py())
        store.cypher(CLEAR, write=True, timeout=None)


@pytest.fixture(scope="module")
def there(loaded):
    pytest.importorskip("py2neo", reason="the extra py2neo is not installed")
    from graphpath.export.py2neo import graph

    made = graph(loaded.server.uri, password=loaded.server.password)
    yield made
    made.service.connector.close()


@pytest.fixture(scope="module")
def visits(loaded) -> pd.DataFrame:
    """The neurons of the pathway, as the record has them."""
    frame = loaded.trace.visits().to_table().to_pandas()
    return frame[frame.pathway == loaded.pathway].set_index("neuron")


@pytest.fixture(scope="module")
def edges(loaded) -> pd.DataFrame:
    frame = loaded.trace.edges().to_table().to_pandas()
    return frame[frame.pathway == loaded.pathway]


@pytest.fixture(scope="module")
def shown(loaded) -> nx.MultiDiGraph:
    return loaded.store.graph("browse/pathway", pathway=loaded.pathway, limit=10_000)


def test_networkx(loaded, shown) -> None:
    made = to_networkx(loaded.trace, loaded.pathway)
    pd.testing.assert_frame_equal(neuron_edges(shown), neuron_edges(made))
    assert {node: data["layer"] for node, data in shown.nodes(data=True)} == {
        node: x for node, (x, _) in positions(shown).items()
    }


def test_graphml(shown, tmp_path) -> None:
    back = nx.read_graphml(to_graphml(shown, tmp_path / "a.graphml"), node_type=int, force_multigraph=True)
    assert dict(back.nodes(data=True)) == dict(shown.nodes(data=True))
    pd.testing.assert_frame_equal(neuron_edges(back), neuron_edges(shown))


def test_graphml_of_other_labels(loaded, tmp_path) -> None:
    sample = loaded.trace.samples().to_table()["sample"][0].as_py()
    graph = loaded.store.graph("browse/sample", sample=sample)
    back = nx.read_graphml(to_graphml(graph, tmp_path / "a.graphml"), force_multigraph=True)
    assert back.nodes[f"Sample {sample}"]["type"] == "Sample"
    assert back.number_of_edges() == graph.number_of_edges() > 0


def test_neo4j_viz(shown) -> None:
    pytest.importorskip("neo4j_viz", reason="the extra viz-gpl is not installed")
    made = to_neo4j_viz(shown)
    assert len(made.nodes) == len(shown)
    assert len({node.x for node in made.nodes}) == len(set(nx.get_node_attributes(shown, "layer").values()))
    assert len({node.size for node in made.nodes}) > 1  # by the sum over their edges


def test_pandas_and_arrow(loaded) -> None:
    import pyarrow as pa

    frame = loaded.store.query("pathways/neurons", pathway=loaded.pathway, limit=10_000)
    assert pa.Table.from_pandas(frame, preserve_index=False).to_pandas().equals(frame)
    table = loaded.store.execute("MATCH (c:Category) RETURN c.id AS id, c.name AS name", {})
    assert table.num_rows == loaded.trace.categories().count_rows()


def test_py2neo_counts_what_the_store_counts(loaded, there) -> None:
    from graphpath.export import py2neo

    for model in (py2neo.Model, py2neo.Layer, py2neo.Neuron, py2neo.Pathway, py2neo.Sample, py2neo.Category):
        label = model.__primarylabel__
        asked = f"MATCH (n:{label}) RETURN count(n) AS n"
        assert len(model.match(there)) == loaded.store.cypher(asked).n[0] > 0
    frame = there.run("MATCH (r:Run) RETURN r.id AS run ORDER BY run").to_data_frame()
    assert frame.run.tolist() == ["attacked", "clean"]


def test_py2neo_follows_a_pathway_to_its_neurons(loaded, there, visits) -> None:
    from graphpath.export.py2neo import Pathway

    pathway = Pathway.match(there, loaded.pathway).first()
    assert (pathway.id, pathway.run) == (loaded.pathway, "clean")
    assert [run.id for run in pathway.from_run] == ["clean"]
    assert {neuron.id for neuron in pathway.visits} == set(visits.index)
    for neuron in list(pathway.visits)[:5]:
        assert pathway.visits.get(neuron, "score") == pytest.approx(visits.score[neuron.id])
        assert neuron.layer == visits.layer[neuron.id]
        (feature_map,) = neuron.in_map
        (layer,) = feature_map.in_layer
        (model,) = layer.part_of
        assert (feature_map.channel, layer.number) == (neuron.channel, neuron.layer)
        assert model.id == neuron.model
        assert pathway in neuron.visited_by


def test_py2neo_gives_each_edge_of_a_pathway(loaded, there, edges) -> None:
    from graphpath.export.py2neo import Pathway

    pathway = Pathway.match(there, loaded.pathway).first()
    found = {(r.start_node["id"], r.end_node["id"], r["rank"]): r["score"] for r in pathway.edges_in(there)}
    expected = edges.set_index(["source", "target", "rank"]).score
    assert found.keys() == set(expected.index)
    assert all(found[key] == pytest.approx(expected[key]) for key in found)


def test_py2neo_follows_a_sample_to_its_category_and_derived_sample(loaded, there) -> None:
    from graphpath.export.py2neo import Category, Sample

    row = loaded.trace.samples().to_table().to_pylist()[0]
    sample = Sample.match(there, row["sample"]).first()
    (category,) = sample.labelled
    assert category.label == row["label"]
    assert sample in Category.match(there, category.id).first().samples
    assert [other.variant for other in sample.derived] == ["adversarial"]
    assert next(iter(sample.pathways)).run == "clean"


def test_py2neo_models_cannot_change_the_store(loaded, there) -> None:
    from graphpath.export.py2neo import Neuron

    before = loaded.store.cypher("MATCH ()-[r]->() RETURN count(r) AS n").n[0]
    neuron = Neuron.match(there).first()
    assert len(neuron.visited_by) > 0
    neuron.name = "another"
    for act in (there.push, there.create, there.merge, there.delete):
        with pytest.raises(StoreError, match="for reading"):
            act(neuron)
    assert loaded.store.cypher("MATCH ()-[r]->() RETURN count(r) AS n").n[0] == before
    assert loaded.store.cypher("MATCH (n:Neuron {name: 'another'}) RETURN count(n) AS n").n[0] == 0


def test_py2neo_takes_the_password_from_where_gp_open_does(loaded, monkeypatch) -> None:
    pytest.importorskip("py2neo", reason="the extra py2neo is not installed")
    from graphpath.export.py2neo import graph

    monkeypatch.setenv("GRAPHPATH_NEO4J_PASSWORD", loaded.server.password)
    routed = loaded.server.uri.replace("bolt://", "neo4j://")
    made = graph(routed, user="neo4j", database="neo4j")
    assert made.evaluate("RETURN 1") == 1
    made.service.connector.close()


@pytest.mark.parametrize("wrong", [{"password": "wrong-and-secret"}, {"database": "nowhere"}])
def test_py2neo_is_refused_as_gp_open_is(loaded, there, wrong) -> None:
    from graphpath.export.py2neo import graph

    settings = {"password": loaded.server.password, **wrong}
    with pytest.raises(StoreUnavailable) as expected:
        open_store(loaded.server.uri, **settings)
    with pytest.raises(StoreUnavailable) as caught:
        graph(loaded.server.uri, **settings)
    assert str(caught.value) == str(expected.value)
    assert "secret" not in str(caught.value)
