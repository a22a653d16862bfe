"""Each roll-up equals what its defining Cypher gives, and what pandas gives straight from the Parquet."""

import pandas as pd
import pytest

from tests.queries.facts import Facts
from tests.stores import oracle
from tests.stores.contents import frame
from tests.synthetic import describe_anew, write_trace

FLOW = ["class_pathway", "source", "target"]
SUMS = "r.layer AS layer, r.category AS category, r.support AS support, r.flow AS flow, r.score AS score"

MEMBER = """
MATCH (p:Pathway) WHERE p.correct AND p.target = p.label
MATCH (c:ClassPathway) WHERE c.run = p.run AND c.category = p.category AND c.variant = p.variant
"""


def same(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> None:
    right = right[left.columns]
    pd.testing.assert_frame_equal(
        oracle.sorted_rows(left, keys), oracle.sorted_rows(right, keys), rtol=1e-6, atol=1e-9
    )
    assert len(left)


@pytest.fixture(scope="module")
def runs(traces):
    return {name: oracle.Run(trace) for name, trace in vars(traces).items()}


def test_class_pathways(store, runs):
    wanted = pd.concat([oracle.class_pathways(run) for run in runs.values() if run.classes])
    names = ", ".join(f"c.{name} AS {name}" for name in wanted.columns)
    same(frame(store, f"MATCH (c:ClassPathway) RETURN {names}"), wanted, ["id"])
    assert set(frame(store, "MATCH (c:ClassPathway) RETURN DISTINCT c.by AS b").b) == {"target"}
    ends = frame(
        store, "MATCH (c:ClassPathway)-[:OF_CATEGORY]->(k:Category) RETURN c.id AS id, k.id AS category"
    )
    same(ends, wanted, ["id"])


def stored_class_flows(store):
    return frame(
        store,
        f"MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron) RETURN a.id AS source, b.id AS target, "
        f"{SUMS}, r.weight AS weight, r.class_pathway AS class_pathway",
    )


def test_class_flows_equal_pandas(store, runs):
    same(
        stored_class_flows(store),
        pd.concat([oracle.class_flows(run) for run in runs.values() if run.classes]),
        FLOW,
    )


def test_class_flows_equal_their_cypher(store):
    defined = frame(
        store,
        f"""{MEMBER}
        MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron) WHERE r.pathway = p.id
        WITH c.id AS class_pathway, c.category AS category, c.min_support AS least, a.id AS source,
             b.id AS target, r.layer AS layer, sum(r.flow) AS flow, sum(r.score) AS score,
             sum(abs(r.score)) AS weight, count(DISTINCT p.sample) AS support
        WHERE support >= least
        RETURN class_pathway, category, source, target, layer, support, flow, score, weight""",
    )
    same(stored_class_flows(store), defined, FLOW)


def test_map_flows_equal_pandas_and_their_cypher(store, runs):
    stored = frame(
        store,
        f"MATCH (a:FeatureMap)-[r:MAP_FLOWS_TO]->(b:FeatureMap) RETURN a.id AS source, b.id AS target, "
        f"{SUMS}, r.weight AS weight, r.class_pathway AS class_pathway",
    )
    same(stored, pd.concat([oracle.map_flows(run) for run in runs.values() if run.classes]), FLOW)
    defined = frame(
        store,
        f"""{MEMBER}
        MATCH (m:FeatureMap)<-[:IN_MAP]-(a:Neuron)-[r:FLOWS_TO]->(b:Neuron)-[:IN_MAP]->(n:FeatureMap)
        WHERE r.pathway = p.id
        RETURN c.id AS class_pathway, c.category AS category, m.id AS source, n.id AS target,
               r.layer AS layer, sum(r.flow) AS flow, sum(r.score) AS score, sum(abs(r.score)) AS weight,
               count(DISTINCT p.sample) AS support""",
    )
    same(stored, defined, FLOW)


def test_edges_of_maps_equal_their_cypher_and_pandas(store, runs):
    columns = "r.pathway AS pathway, a.id AS source, b.id AS target, r.layer AS layer, r.flow AS flow"
    stored = frame(
        store,
        f"MATCH (a:FeatureMap)-[r:FLOWS_TO_MAP]->(b:FeatureMap) "
        f"RETURN {columns}, r.score AS score, r.weight AS weight",
    )
    keys = ["pathway", "source", "target"]
    same(stored, pd.concat([run.between_maps().edges for run in runs.values()]), keys)
    defined = frame(
        store,
        """MATCH (m:FeatureMap)<-[:IN_MAP]-(a:Neuron)-[r:FLOWS_TO]->(b:Neuron)-[:IN_MAP]->(n:FeatureMap)
        RETURN r.pathway AS pathway, m.id AS source, n.id AS target, r.layer AS layer, sum(r.flow) AS flow,
               sum(r.score) AS score, sum(abs(r.score)) AS weight""",
    )
    same(stored, defined, keys)
    counted = frame(store, "MATCH (p:Pathway) RETURN p.id AS pathway, p.map_edges AS edges")
    assert counted.set_index("pathway").edges.to_dict() == stored.groupby("pathway").size().to_dict()


def test_possible_edges_between_maps_are_counted_pair_by_pair(store, traces):
    """Each pair of maps once, however many terms and rectangles join them."""
    stored = frame(store, "MATCH (l:Layer) RETURN l.id AS id, l.possible_maps AS pairs")
    wanted = {}
    for trace in vars(traces).values():
        pairs = Facts((trace,), 1).between_maps().possible
        wanted |= dict(zip(oracle.Run(trace).layers.offset, pairs, strict=True))
    assert stored.set_index("id").pairs.to_dict() == wanted


def test_visits_of_maps_equal_their_cypher_and_pandas(store, runs):
    stored = frame(
        store,
        "MATCH (p:Pathway)-[r:VISITS_MAP]->(m:FeatureMap) "
        "RETURN p.id AS pathway, m.id AS map, r.neurons AS neurons, r.score AS score",
    )
    defined = frame(
        store,
        "MATCH (p:Pathway)-[r:VISITS]->(:Neuron)-[:IN_MAP]->(m:FeatureMap) "
        "RETURN p.id AS pathway, m.id AS map, count(*) AS neurons, sum(r.score) AS score",
    )
    same(stored, defined, ["pathway", "map"])
    counted = []
    for run in runs.values():
        visits = run.visits.assign(map=run.visits.neuron.map(run.maps())).astype({"score": float})
        groups = visits.groupby(["pathway", "map"]).score
        counted.append(pd.DataFrame({"neurons": groups.size(), "score": groups.sum()}).reset_index())
    same(stored, pd.concat(counted), ["pathway", "map"])


def test_crosses_equal_pandas(store, runs):
    stored = frame(
        store,
        "MATCH (p:Pathway)-[r:CROSSES]->(m:FeatureMap) "
        "RETURN p.id AS pathway, m.id AS map, r.pixels AS pixels, r.size AS size",
    )
    crosses = runs["clean"].crosses.merge(runs["clean"].layers, on="layer")
    crosses["map"] = crosses.offset + crosses.channel * crosses.height * crosses.width
    groups = crosses.astype({"size": float}).groupby(["pathway", "map"])
    wanted = pd.DataFrame({"pixels": groups.pixel.nunique(), "size": groups["size"].sum()}).reset_index()
    same(stored, wanted, ["pathway", "map"])


@pytest.mark.parametrize("unit", ["neuron", "map"])
def test_resemblance_equals_pandas(unit, store, runs):
    """Across the runs of one model and method; members leave themselves and their relatives out."""
    stored = frame(
        store,
        "MATCH (p:Pathway)-[r:RESEMBLES]->(c:ClassPathway) RETURN p.id AS pathway, c.id AS class_pathway, "
        "r.prediction AS prediction, r.layer AS layer, r.shared AS shared, r.edges AS edges, "
        "r.least AS least, r.most AS most, r.unit AS unit",
    )
    assert set(stored.unit) == {"neuron", "map"}
    stored = stored[stored.unit == unit].drop(columns="unit")
    compared = runs if unit == "neuron" else {name: run.between_maps() for name, run in runs.items()}
    groups = [["clean", "attacked", "again"], ["pixels"], ["other"]]
    wanted = pd.concat([oracle.resembles([compared[name] for name in group]) for group in groups])
    same(stored, wanted, ["pathway", "class_pathway", "layer"])
    assert (stored.shared > 0).sum() > 100
    ours = runs["attacked"].pathways.pathway
    other_runs = stored[stored.pathway.isin(ours) & stored.class_pathway.isin(runs["clean"].classes)]
    assert len(other_runs)  # attacked images meet the classes of the clean run


def test_min_support_of_one_keeps_every_edge(empty, traces):
    empty.load(traces.clean, min_support=1)
    classes = frame(empty, "MATCH (c:ClassPathway) RETURN c.coverage AS coverage, c.min_support AS support")
    assert (classes.support == 1).all()
    assert classes.coverage.round(9).eq(1.0).all()
    run = oracle.Run(traces.clean)
    edges = sum(len(run.class_edges(key)) for key in run.classes)
    assert frame(empty, "MATCH ()-[r:CLASS_FLOWS_TO]->() RETURN count(*) AS n").n[0] == edges


def test_a_record_may_have_a_min_support_of_its_own(empty, tmp_path):
    """One that is imported: a graph stands for many images. What is asked for when loading goes first."""
    trace = write_trace(tmp_path / "trace", samples=4, classes=4)
    describe_anew(trace.path, min_support=1)
    count = "MATCH (:Neuron)-[r:CLASS_FLOWS_TO]->(:Neuron) RETURN count(r) AS n"
    empty.load(trace.path)
    assert empty.execute(count)["n"][0].as_py() > 0
    assert not empty.load(trace.path).loaded
    assert empty.load(trace.path, min_support=2).loaded
    assert empty.execute(count)["n"][0].as_py() == 0
