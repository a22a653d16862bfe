"""The user's own Cypher on a real server: what is let through runs, what is not is never sent."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.server import Server
from graphpath.stores.neo4j import Neo4jStore
from tests.queries.admitted import BENIGN, FORBIDDEN, WRITING
from tests.stores.contract.conftest import clear, connect


@pytest.fixture(scope="module")
def store(neo4j_server: Server, traces: SimpleNamespace) -> Iterator[Neo4jStore]:
    clear(neo4j_server)
    with connect(neo4j_server) as opened:
        assert isinstance(opened, Neo4jStore)
        opened.load(traces.clean)
        yield opened


def test_what_is_let_through_runs(store: Neo4jStore) -> None:
    for engine, text in BENIGN:
        if engine != "ladybug":
            store.cypher(text)


def test_changes_that_are_let_through_run_and_only_with_write(store: Neo4jStore) -> None:
    for engine, text in WRITING:
        if engine != "ladybug":
            with pytest.raises(QueryFailed, match="not run"):
                store.cypher(text)
            store.cypher(text, write=True)


def test_nothing_is_sent_of_what_is_refused(store: Neo4jStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "session", None)
    for text in FORBIDDEN:
        for write in (False, True):
            with pytest.raises(QueryFailed, match="not run"):
                store.cypher(text, write=write)


def test_every_parameter_is_given_and_used(store: Neo4jStore) -> None:
    text = "MATCH (p:Pathway) WHERE p.run = $run RETURN count(*) AS n"
    with pytest.raises(QueryParameterError, match=r"has \$run, without a value"):
        store.cypher(text)
    with pytest.raises(QueryParameterError, match="does not use runs"):
        store.cypher(text, run="clean", runs=["clean"])
    assert store.cypher(text, {"run": "clean"}).n.tolist() == [8]
    assert store.cypher("RETURN $`a name` + $0 AS t", {"a name": 1, "0": 2}).t.tolist() == [3]
