"""cypher/gds on a real server with Graph Data Science, against networkx and numpy; refusals elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from graphpath import queries
from graphpath.cli import app
from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.queries.parameters import bind
from graphpath.server import Server
from graphpath.stores import Store
from tests import samples
from tests.documents import Command, commands, shown
from tests.stores.contract.conftest import connect, connect_strictly

NAMES = [name for name, query in queries.catalogue().items() if query.needs_gds]
ROWS = {"limit": 100_000}


@pytest.fixture(scope="module")
def store(gds_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with connect(gds_server) as loading:
        samples.load(loading, tmp_path_factory.mktemp("gds"))
    with connect_strictly(gds_server) as opened:
        yield opened


@pytest.fixture(scope="module")
def edges(store: Store) -> pd.DataFrame:
    """Every edge of run "clean"'s class pathways with its mean abs(score) per sample."""
    return store.cypher(
        "MATCH (a:Neuron)-[r:CLASS_FLOWS_TO]->(b:Neuron), (c:ClassPathway) WHERE r.class_pathway = c.id "
        "AND c.run = 'clean' AND c.scheme = 'classes' "
        "RETURN a.id AS source, b.id AS target, c.category AS category, "
        "r.weight / c.samples AS weight"
    )


def test_the_sample_answers_are_up_to_date(store: Store) -> None:
    made = samples.section(store, "gds")
    assert "(no rows)" not in made
    assert shown(samples.document("gds"), samples.MARKS) == made, (
        "Write them anew: python -m tests.samples gds"
    )


@pytest.fixture(scope="module")
def category(edges: pd.DataFrame) -> int:
    return int(edges.category.min())


def test_every_query_of_the_topic_is_tested_here() -> None:
    assert NAMES == ["gds/betweenness", "gds/leiden", "gds/louvain", "gds/pagerank"]
    assert [name for name in queries.catalogue() if name.startswith("gds/")] == NAMES


def graph_of(edges: pd.DataFrame) -> nx.DiGraph:
    """One edge between two neurons, weights summed over the categories."""
    made = nx.DiGraph()
    for (source, target), weight in edges.groupby(["source", "target"]).weight.sum().items():
        made.add_edge(source, target, weight=weight)
    return made


def ranks(graph: nx.DiGraph, damping: float) -> dict[int, float]:
    """PageRank as the header defines it, as the solution of its linear equations."""
    nodes = list(graph)
    handed = nx.to_numpy_array(graph, nodelist=nodes, weight="weight")
    sums = handed.sum(axis=1, keepdims=True)
    share = np.divide(handed, sums, out=np.zeros_like(handed), where=sums > 0)
    solved = np.linalg.solve(np.eye(len(nodes)) - damping * share.T, np.full(len(nodes), 1 - damping))
    return dict(zip(nodes, solved.tolist(), strict=True))


def scores(frame: pd.DataFrame) -> dict[int, float]:
    assert frame.score.is_monotonic_decreasing
    return dict(zip(frame.neuron, frame.score, strict=True))


def only(edges: pd.DataFrame, categories: list[int]) -> pd.DataFrame:
    return edges[edges.category.isin(categories)] if categories else edges


@pytest.mark.parametrize("damping", [0.85, 0.5])
@pytest.mark.parametrize("along", [False, True], ids=["against", "along"])
@pytest.mark.parametrize("one", [False, True], ids=["all", "one category"])
def test_pagerank(
    one: bool, along: bool, damping: float, store: Store, edges: pd.DataFrame, category: int
) -> None:
    categories = [category] if one else []
    graph = graph_of(only(edges, categories))
    expected = ranks(graph if along else graph.reverse(), damping)
    found = store.query(
        "gds/pagerank", run="clean", categories=categories, along=along, damping=damping, **ROWS
    )
    assert scores(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("one", [False, True], ids=["all", "one category"])
def test_betweenness(one: bool, store: Store, edges: pd.DataFrame, category: int) -> None:
    categories = [category] if one else []
    expected = nx.betweenness_centrality(graph_of(only(edges, categories)), normalized=False)
    found = store.query("gds/betweenness", run="clean", categories=categories, **ROWS)
    assert scores(found) == pytest.approx(expected)


def test_betweenness_from_some_neurons(store: Store) -> None:
    every = scores(store.query("gds/betweenness", run="clean", **ROWS))
    some, again = (
        scores(store.query("gds/betweenness", run="clean", sources=10, seed=3, **ROWS)) for _ in range(2)
    )
    assert some == pytest.approx(again)
    assert some.keys() == every.keys()
    assert sum(some.values()) < sum(every.values())
    assert all(score <= every[neuron] + 1e-9 for neuron, score in some.items())
    assert scores(store.query("gds/betweenness", run="clean", sources=10**6, **ROWS)) == pytest.approx(every)


@pytest.mark.parametrize("name", ["gds/louvain", "gds/leiden"])
@pytest.mark.parametrize("one", [False, True], ids=["all", "one category"])
def test_communities(one: bool, name: str, store: Store, edges: pd.DataFrame, category: int) -> None:
    categories = [category] if one else []
    graph = graph_of(only(edges, categories)).to_undirected()
    found = store.query(name, run="clean", categories=categories, **ROWS)
    parts = [set(group.neuron) for _, group in found.groupby("community")]
    assert nx.community.is_partition(graph, parts)
    assert [len(part) for part in parts] == sorted(map(len, parts), reverse=True)
    assert found["size"].tolist() == [len(parts[number - 1]) for number in found.community]
    best = nx.community.modularity(graph, nx.community.louvain_communities(graph, seed=0))
    assert nx.community.modularity(graph, parts) == pytest.approx(best, abs=0.05)
    if name == "gds/leiden":  # which, unlike Louvain, promises it
        assert all(nx.is_connected(graph.subgraph(part)) for part in parts)


def test_leiden_is_reproducible_and_has_a_resolution(store: Store) -> None:
    one, two = (store.query("gds/leiden", run="clean", seed=7, **ROWS) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    fine = store.query("gds/leiden", run="clean", gamma=4.0, **ROWS)
    assert fine.community.max() > one.community.max()


@pytest.mark.parametrize("name", ["gds/pagerank", "gds/betweenness"])
def test_layers_and_limit_choose_rows(name: str, store: Store) -> None:
    every = store.query(name, run="clean", **ROWS)
    pd.testing.assert_frame_equal(store.query(name, run="clean", limit=3), every.head(3))
    some = store.query(name, run="clean", layers=[1, 3], **ROWS)
    pd.testing.assert_frame_equal(some, every[every.layer.isin([1, 3])].reset_index(drop=True))


def projections(store: Store) -> list[str]:
    return store.cypher("CALL gds.graph.list() YIELD graphName RETURN graphName").graphName.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stays_behind(name: str, store: Store) -> None:
    before = store.cypher("MATCH (n) RETURN count(n) AS nodes").nodes[0]
    store.query(name, run="clean")
    assert store.query(name, run="clean", categories=[1]).empty
    assert store.query(name, run="clean", variant="shifted").empty
    assert projections(store) == []
    assert store.cypher("MATCH (n) RETURN count(n) AS nodes").nodes[0] == before


@pytest.mark.parametrize("name", NAMES)
def test_what_a_query_that_was_cut_short_left_is_cleared_away(name: str, store: Store) -> None:
    query = queries.find(name)
    given = bind(name, query.parameters, {"run": "clean"})
    broken = re.sub(r"stream\(projection(, \{)?", r"stream(projection, {nonsense: 1,", query.text, count=1)
    with pytest.raises(QueryFailed, match="nonsense"):
        store.execute(broken.replace("1,})", "1})"), given)
    (left,) = projections(store)
    store.query(name, run="clean")  # which may be somebody's who is still at it
    assert projections(store) == [left]
    store.execute(query.text.replace("hours: 1", "hours: 0"), given)
    assert projections(store) == []


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_checked_as_ever(name: str, store: Store) -> None:
    with pytest.raises(QueryParameterError, match="needs run=; the store holds several: attacked, clean"):
        store.query(name)
    with pytest.raises(QueryParameterError, match="no parameter 'class_pathway'"):
        store.query(name, run="clean", class_pathway=1)


Make = Callable[[str], Store]


@pytest.fixture(scope="module", params=["ladybug", "neo4j"])
def without(request: pytest.FixtureRequest, make: Make, traces: Any) -> Store:
    opened = make(request.param)
    opened.load(traces.clean)
    return opened


@pytest.mark.parametrize("name", NAMES)
def test_elsewhere_it_is_refused_in_one_sentence(name: str, without: Store) -> None:
    here = {"ladybug": "the embedded engine", "neo4j": "this server"}[without.dialect]
    with pytest.raises(QueryFailed) as caught:
        without.query(name)
    assert str(caught.value) == (
        f"Query {name} needs a Neo4j server with Graph Data Science, which {here} has not: start one with "
        'graphpath neo4j start --gds, or give store.graph("browse/class_pathway", ...) to networkx.'
    )
    assert "gds.graph.project" in without.explain(name)


@pytest.mark.parametrize(
    "command",
    [one for one in commands() if "query gds/" in one.text],
    ids=lambda one: f"{one.document}:{one.line}",
)
def test_the_documents_commands_run(
    command: Command, store: Store, gds_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store holds two runs, as the reader's does: one that did not say of which failed."""
    monkeypatch.setenv("GRAPHPATH_NEO4J_PASSWORD", gds_server.password)
    words = [
        word.replace("bolt://localhost:7687", store.uri).replace("RUN", "clean") for word in command.words
    ]
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    assert "(no rows)" not in result.stdout
