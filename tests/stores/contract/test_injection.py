"""Parameters are values: whatever is written into them, the graph stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from graphpath import queries
from graphpath.errors import GraphpathError, QueryFailed
from graphpath.stores import Store
from graphpath.stores.neo4j import loads, statements
from tests.stores.contents import assert_same, contents
from tests.stores.contract.conftest import ENGINES

ATTEMPTS = (
    "clean' OR true //",
    '"}) DETACH DELETE n //',
    "$run",
    "`]) MATCH (n) DETACH DELETE n //",
    "x') CREATE (:Pwned) WITH 1 AS x RETURN x //",
    "\\u0027) MATCH (n) SET n.name = 'gone' //",
)


@pytest.fixture(scope="module", params=ENGINES)
def store(request: pytest.FixtureRequest, make: Callable[[str], Store], traces: SimpleNamespace) -> Store:
    made = make(request.param)
    made.load(traces.clean)
    made.load(traces.attacked)
    return made


def wanted(kind: str) -> Any:
    """Something that a parameter of ``kind`` takes."""
    return {"int": 1, "count": 1, "float": 0.5, "string": "clean", "bool": True}.get(kind, [])


def test_no_parameter_of_any_query_changes_the_graph(store: Store) -> None:
    before = contents(store)
    answered = 0
    for name, query in queries.catalogue().items():
        for parameter, declared in query.parameters.items():
            for attempt in ATTEMPTS:
                given: dict[str, Any] = {
                    other: wanted(of.kind) for other, of in query.parameters.items() if of.required
                }
                if "run" in query.parameters:
                    given["run"] = "clean"
                given[parameter] = [attempt] if declared.parsed.many else attempt
                try:
                    store.query(name, **given)
                    answered += 1
                except GraphpathError:
                    continue
    assert answered > 0
    assert_same(contents(store), before, exact=True)


def test_cypher_binds_values_and_never_writes_unasked(store: Store) -> None:
    before = contents(store)
    for attempt in ATTEMPTS:
        rows = store.cypher("MATCH (r:Run) WHERE r.id = $id RETURN r.id AS id", id=attempt)
        assert len(rows) == 0
    with pytest.raises(QueryFailed):
        store.cypher("MATCH (n:Neuron) SET n.name = 'gone'")
    with pytest.raises(QueryFailed):
        store.cypher("MATCH (n:Run) DETACH DELETE n")
    assert_same(contents(store), before, exact=True)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_labels_and_types_come_from_the_schema_alone(attempt: str) -> None:
    for generated in (
        statements.write_statement,
        statements.list_columns,
        loads.stored_statement,
        loads.advance_statement,
    ):
        with pytest.raises(KeyError):
            generated(attempt)


def test_a_run_with_a_hostile_name_is_only_a_name(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.synthetic import write_trace

    before = contents(store)
    for number, attempt in enumerate(ATTEMPTS):
        path = tmp_path_factory.mktemp("hostile") / str(number)
        # The embedded store takes small runs out in place; for the first it is built anew.
        size = {"samples": 4, "layers": 3, "edges_per_pathway": 5 if number else 60}
        store.load(write_trace(path, run=attempt, seed=number, weights=attempt, **size))
        assert attempt in store.runs().run.tolist()
        store.delete(attempt)
    assert_same(contents(store), before)
