"""What the browse/* queries return, as networkx graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import pyarrow as pa
import pytest

from graphpath import queries
from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.queries.frame import to_frame
from graphpath.queries.graph import to_graph
from graphpath.stores import Store
from tests.queries.facts import Facts

CASES: dict[str, Callable[[Facts, Store], dict[str, Any]]] = {
    "browse/pathway": lambda facts, _: {"pathway": int(facts.pathways.pathway[0])},
    "browse/class_pathway": lambda _, store: {"class_pathway": class_pathway(store)},
    "browse/class_maps": lambda _, store: {"class_pathway": class_pathway(store)},
    "browse/categories": lambda _, __: {"run": "clean"},
    "browse/shared": lambda _, __: {"run": "clean"},
    "browse/divergence": lambda facts, _: pair(facts),
    "browse/through_neuron": lambda facts, _: {"neuron": int(facts.visits.neuron.mode()[0])},
    "browse/routes": lambda facts, _: {"pathway": int(facts.pathways.pathway[0])},
    "browse/sample": lambda facts, _: {"sample": int(facts.samples.index[0])},
}


def class_pathway(store: Store) -> int:
    graph = store.graph("browse/categories", run="clean")
    return min(key[1] for key in graph if isinstance(key, tuple) and key[0] == "ClassPathway")


def pair(facts: Facts) -> dict[str, int]:
    derived = facts.samples.parent.dropna().index[0]
    return {"original": int(facts.samples.parent[derived]), "derived": int(derived)}


def edges(graph: nx.MultiDiGraph) -> list[tuple[Any, Any, dict[str, Any]]]:
    return list(graph.edges(data=True))


def test_every_browse_query_has_a_case() -> None:
    assert CASES.keys() == {name for name in queries.catalogue() if name.startswith("browse/")}


@pytest.mark.parametrize("name", CASES)
def test_a_browse_query_shows_something(name: str, store: Store, facts: Facts) -> None:
    graph = store.graph(name, **CASES[name](facts, store))
    assert graph.number_of_edges() > 0
    for key, data in graph.nodes(data=True):
        assert key == data["id"] if data["type"] == "Neuron" else key == (data["type"], data["id"])
    assert all(data["type"].isupper() for _, _, data in edges(graph))


@pytest.mark.parametrize("name", [name for name in CASES if "limit" in queries.find(name).parameters])
def test_a_limit_caps_the_rows(name: str, store: Store, facts: Facts) -> None:
    parameters = CASES[name](facts, store)
    assert len(store.query(name, **parameters, limit=0)) == 0
    assert store.graph(name, **parameters, limit=0).number_of_nodes() == 0
    if name != "browse/shared":  # its limit counts pairs of neurons
        assert len(store.query(name, **parameters, limit=2)) == 2


def test_a_pathway_shows_its_strongest_edges_with_their_properties(store: Store, facts: Facts) -> None:
    pathway = int(facts.pathways.pathway[0])
    graph = store.graph("browse/pathway", pathway=pathway, limit=10)
    mine = facts.edges[(facts.edges.pathway == pathway) & (facts.edges["rank"] <= 10)]
    expected = {
        (s, t): (r, pytest.approx(f), pytest.approx(w))
        for s, t, r, f, w in zip(mine.source, mine.target, mine["rank"], mine.flow, mine.score, strict=True)
    }
    assert {(s, t): (d["rank"], d["flow"], d["score"]) for s, t, d in edges(graph)} == expected
    neuron, data = next(iter(graph.nodes(data=True)))
    place = facts.place([neuron]).iloc[0]
    assert [data[name] for name in ("layer", "channel", "y", "x")] == list(
        place[["layer", "channel", "y", "x"]]
    )
    assert {"name", "type"} <= data.keys()


def test_shared_edges_are_shown_once_for_each_category(store: Store) -> None:
    rows = store.query("categories/shared_edges", run="clean", min_categories=2, limit=5)
    graph = store.graph("browse/shared", run="clean", min_categories=2, limit=5)
    shown = {(s, t): graph.number_of_edges(s, t) for s, t in set(graph.edges())}
    assert shown == dict(zip(zip(rows.source, rows.target, strict=True), rows.categories, strict=True))


def flows(graph: nx.MultiDiGraph) -> list[tuple[Any, Any, dict[str, Any]]]:
    return [edge for edge in edges(graph) if edge[2]["type"] == "FLOWS_TO"]


def test_divergence_is_marked_as_gained_or_lost(store: Store, facts: Facts) -> None:
    both = store.graph("browse/divergence", **pair(facts), limit=100_000)
    for change in ("gained", "lost"):
        rows = store.query(f"adversarial/{change}_edges", **pair(facts), limit=100_000)
        expected = set(zip(rows.source, rows.target, strict=True))
        assert {(s, t) for s, t, data in flows(both) if data["change"] == change} == expected
        alone = store.graph("browse/divergence", **pair(facts), change=change, limit=100_000)
        assert {(s, t) for s, t, _ in flows(alone)} == expected


def test_divergence_joins_each_sides_pathway_to_the_neurons_that_its_edges_lead_to(
    store: Store, facts: Facts
) -> None:
    """So that gained and lost edges are told apart in a picture that shows no properties."""
    graph = store.graph("browse/divergence", **pair(facts), limit=40)
    sides = {data["id"]: data["variant"] for _, data in graph.nodes(data=True) if data["type"] == "Pathway"}
    assert sorted(sides.values()) == ["adversarial", "original"]
    joined = {(sides[p[1]], neuron) for p, neuron, data in edges(graph) if data["type"] == "VISITS"}
    side = {"gained": "adversarial", "lost": "original"}
    assert joined == {(side[data["change"]], target) for _, target, data in flows(graph)}
    assert all(sides[data["pathway"]] == side[data["change"]] for _, _, data in flows(graph))


def test_divergence_from_a_sample_without_pathways_is_empty(store: Store, facts: Facts) -> None:
    assert store.graph("browse/divergence", **{**pair(facts), "original": 1}).number_of_nodes() == 0


def test_the_strongest_divergence_comes_first(store: Store, facts: Facts) -> None:
    full = store.graph("browse/divergence", **pair(facts), limit=100_000)
    few = store.graph("browse/divergence", **pair(facts), limit=5)
    largest = sorted((abs(data["score"]) for _, _, data in flows(full)), reverse=True)[:5]
    assert sorted((abs(data["score"]) for _, _, data in flows(few)), reverse=True) == largest


def test_a_table_is_no_graph(store: Store) -> None:
    with pytest.raises(QueryParameterError, match="pathways/hubs returns a table, not a graph"):
        store.graph("pathways/hubs")


RETURNS = {"a": "node", "r": "relationship", "b": "node", "why": "string"}


def cells(end: int) -> pa.Table:
    nodes = [{"_ID": n, "_LABEL": label, "id": 5} for n, label in ((0, "Layer"), (1, "Neuron"))]
    relation = {"_SRC": 0, "_DST": end, "_LABEL": "PART_OF", "flow": None}
    return pa.table({"a": nodes[:1], "r": [relation], "b": nodes[1:], "why": ["so"]})


def test_nodes_of_one_id_and_two_labels_stay_apart() -> None:
    graph = to_graph(to_frame(cells(1), RETURNS, "q"), RETURNS, "q")
    assert set(graph) == {("Layer", 5), 5}
    assert [(s, t, d) for s, t, d in edges(graph)] == [(("Layer", 5), 5, {"type": "PART_OF", "why": "so"})]


def test_a_relationship_without_its_ends_is_refused() -> None:
    with pytest.raises(QueryFailed, match="a PART_OF without its end nodes"):
        to_graph(to_frame(cells(7), RETURNS, "q"), RETURNS, "q")
