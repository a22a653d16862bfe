"""What the browse/* queries return, as networkx graphs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import networkx as nx
import pyarrow as pa
import pytest

from graphpath import queries
from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.queries.frame import to_frame
from graphpath.queries.graph import to_graph
from graphpath.queries.units import has_units
from graphpath.stores import Store
from tests.queries.facts import Facts

CASES: dict[str, Callable[[Facts, Store], dict[str, Any]]] = {
    "browse/pathway": lambda facts, _: {"pathway": int(facts.pathways.pathway[0])},
    "browse/class_pathway": lambda _, store: {"class_pathway": class_pathway(store)},
    "browse/class_maps": lambda _, store: {"class_pathway": class_pathway(store)},
    "browse/categories": lambda _, __: {"run": "clean"},
    "browse/shared": lambda _, __: {"run": "clean"},
    "browse/divergence": lambda facts, _: pair(facts),
    "browse/expand": lambda facts, _: busiest(facts),
    "browse/through_neuron": lambda facts, _: {"neuron": int(facts.visits.neuron.mode()[0])},
    "browse/routes": lambda facts, _: {"pathway": int(facts.pathways.pathway[0])},
    "browse/sample": lambda facts, _: {"sample": int(facts.samples.index[0])},
}


def class_pathway(store: Store) -> int:
    graph = store.graph("browse/categories", run="clean")
    return min(key[1] for key in graph if isinstance(key, tuple) and key[0] == "ClassPathway")


def busiest(facts: Facts) -> dict[str, int]:
    """A neuron with edges in and out, and its pathway."""
    mine = facts.edges[facts.edges.pathway == facts.pathways.pathway[0]]
    inner = mine[mine.source.isin(mine.target)]
    return {"neuron": int(inner.source.mode()[0]), "pathway": int(facts.pathways.pathway[0])}


def pair(facts: Facts) -> dict[str, int]:
    derived = facts.samples.parent.dropna().index[0]
    return {"original": int(facts.samples.parent[derived]), "derived": int(derived)}


def edges(graph: nx.MultiDiGraph) -> list[tuple[Any, Any, dict[str, Any]]]:
    return list(graph.edges(data=True))


def test_every_browse_query_has_a_case() -> None:
    assert CASES.keys() == {name for name in queries.catalogue() if name.startswith("browse/")}


def in_maps(facts: Facts, parameters: dict[str, Any]) -> dict[str, Any]:
    """The same question between feature maps."""
    if "neuron" in parameters:
        parameters = {**parameters, "neuron": int(facts.place([parameters["neuron"]])["map"][0])}
    return {**parameters, "unit": "map"}


WITH_UNITS = [name for name in CASES if has_units(queries.find(name).parameters)]


@pytest.mark.parametrize(
    ("name", "unit"), [*((name, "neuron") for name in CASES), *((name, "map") for name in WITH_UNITS)]
)
def test_a_browse_query_shows_something(name: str, unit: str, store: Store, facts: Facts) -> None:
    parameters = CASES[name](facts, store)
    graph = store.graph(name, **(in_maps(facts, parameters) if unit == "map" else parameters))
    assert graph.number_of_edges() > 0
    if unit == "map":
        assert "Neuron" not in {data["type"] for _, data in graph.nodes(data=True)}
    for key, data in graph.nodes(data=True):
        assert key == data["id"] if data["type"] == "Neuron" else key == (data["type"], data["id"])
    assert all(data["type"].isupper() for _, _, data in edges(graph))


@pytest.mark.parametrize("name", [name for name in CASES if "limit" in queries.find(name).parameters])
def test_a_limit_caps_the_rows(name: str, store: Store, facts: Facts) -> None:
    parameters = CASES[name](facts, store)
    assert len(store.query(name, **parameters, limit=0)) == 0
    assert store.graph(name, **parameters, limit=0).number_of_nodes() == 0
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


@pytest.mark.parametrize("unit", ["neuron", "map"])
def test_shared_edges_are_shown_once_with_how_many_share_them(unit: str, store: Store) -> None:
    rows = store.query("categories/shared_edges", run="clean", unit=unit, limit="all")
    graph = store.graph("browse/shared", run="clean", unit=unit, per_layer=10_000, limit="all")
    assert graph.number_of_edges() == len(rows) > 0
    shown = {(end(s), end(t)): data["categories"] for s, t, data in edges(graph)}
    assert shown == dict(zip(zip(rows.source, rows.target, strict=True), rows.categories, strict=True))


def end(key: Any) -> int:
    """The id behind the key of a node."""
    return int(key[1] if isinstance(key, tuple) else key)


def test_each_layer_has_its_share_of_shared_edges(store: Store) -> None:
    rows = store.query("categories/shared_edges", run="clean", limit="all")
    graph = store.graph("browse/shared", run="clean", per_layer=2, limit="all")
    first = rows.groupby("layer").head(2)
    assert {(s, t) for s, t, _ in edges(graph)} == set(zip(first.source, first.target, strict=True))
    some = store.graph("browse/shared", run="clean", layers=[2], limit="all")
    assert {data["layer"] for _, _, data in edges(some)} == {2}
    assert store.graph("browse/shared", run="clean", per_layer=0).number_of_nodes() == 0


def test_categories_are_joined_by_what_they_share(store: Store) -> None:
    for unit in ("neuron", "map"):
        graph = store.graph("browse/categories", run="clean", unit=unit)
        joined = [data for _, _, data in edges(graph) if data["type"] == "SHARES"]
        rows = store.query("categories/similarity", run="clean", by_layer=False, unit=unit)
        rows = rows[rows.shared > 0]
        found = sorted((data["weighted_J"], data["J"], data["shared"]) for data in joined)
        wanted = sorted(zip(rows.weighted_J, rows.J, rows.shared, strict=True))
        assert found == [pytest.approx(row) for row in wanted]


def test_routes_are_chains_from_the_pixel_to_the_logit(store: Store, facts: Facts) -> None:
    pathway = int(facts.pathways.pathway[0])
    rows = store.query("browse/routes", pathway=pathway, k=3)
    steps = facts.steps[(facts.steps.pathway == pathway) & (facts.steps["rank"] <= 3)]
    kept = facts.edges[facts.edges.pathway == pathway]
    kept = set(zip(kept.source, kept.target, strict=True))
    for number, route in steps.groupby("rank"):
        chain = route.sort_values("position").neuron.tolist()
        wanted = [edge for edge in pairwise(chain) if edge in kept]
        mine = rows[rows.route == number].sort_values("position")
        assert [(a["id"], b["id"]) for a, b in zip(mine.a, mine.b, strict=True)] == wanted
        assert wanted


def test_expanding_stays_on_the_pathway(store: Store, facts: Facts) -> None:
    asked = busiest(facts)
    graph = store.graph("browse/expand", **asked, limit="all")
    mine = facts.edges[facts.edges.pathway == asked["pathway"]]
    mine = mine[(mine.source == asked["neuron"]) | (mine.target == asked["neuron"])]
    assert {(s, t) for s, t, _ in edges(graph)} == set(zip(mine.source, mine.target, strict=True))


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
