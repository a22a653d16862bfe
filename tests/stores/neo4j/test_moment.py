"""A server's store under several threads, and when its runs or the server itself go meanwhile; no server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

pytest.importorskip("neo4j")

import neo4j

from graphpath.errors import QueryFailed, StoreUnavailable
from graphpath.stores.neo4j import Neo4jStore, store
from graphpath.stores.neo4j.failures import map_errors
from graphpath.stores.neo4j.snapshot import RUNS
from tests.synthetic import write_trace

URI = "neo4j://localhost:7687"


@pytest.fixture
def drivers(monkeypatch):
    """The drivers made, each slowly."""
    made = []

    def driver(*_: object, **__: object):
        time.sleep(0.05)
        made.append(SimpleNamespace(verify_connectivity=lambda: None, close=lambda: None))
        return made[-1]

    monkeypatch.setattr(neo4j.GraphDatabase, "driver", driver)
    return made


def test_eight_threads_share_one_driver(drivers) -> None:
    opened = Neo4jStore(URI)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: opened.session().driver, range(16)))
    assert len(drivers) == 1 and all(driver is drivers[0] for driver in found)


class Changing:
    """A session whose runs are, one asking after the other, as ``states`` says."""

    def __init__(self, *states: list[str]) -> None:
        self.states = list(states)
        self.limits: list[float] = []

    def read_columns(self, text: str) -> dict[str, list[object]]:
        assert text == RUNS
        now = self.states.pop(0)
        return {"run": list(now), "complete": [True] * len(now)}

    def execute(self, text: str, parameters: object, *, timeout: float) -> pa.Table:
        self.limits.append(timeout)
        return pa.table({"n": [len(self.states)]})


def read(states: list[list[str]], monkeypatch, timeout: float | None = None) -> tuple[object, Changing]:
    session, opened = Changing(*states), Neo4jStore(URI)
    monkeypatch.setattr(opened, "session", lambda: session)
    return opened.read(
        lambda moment: moment.execute("RETURN 1 AS n")["n"][0].as_py(), timeout=timeout
    ), session


def test_an_answer_while_runs_come_or_go_is_asked_again(monkeypatch) -> None:
    same = [["a"], ["a"]]
    assert read(same, monkeypatch)[0] == 1
    assert read([["a", "b"], ["a"], *same], monkeypatch)[0] == 1
    with pytest.raises(QueryFailed, match="came or went each of 3 times"):
        read([["a", "b"], ["a"]] * 3, monkeypatch)


def test_statements_share_the_time(monkeypatch) -> None:
    assert 9 < read([["a"], ["a"]], monkeypatch, timeout=10.0)[1].limits[0] <= 10
    with pytest.raises(QueryFailed, match="longer than 1e-09 seconds"):
        read([["a"], ["a"]], monkeypatch, timeout=1e-9)


def test_a_server_that_goes_during_a_load_is_said_to_have_gone(monkeypatch, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace", samples=2)
    opened = Neo4jStore(URI, password="none")

    def stops(*_: object, **__: object) -> None:
        with map_errors(opened.address):
            raise neo4j.exceptions.ServiceUnavailable("gone") from ConnectionRefusedError(
                111, "Connection refused"
            )

    monkeypatch.setattr(store.Neo4jStore, "session", lambda *_, **__: None)
    monkeypatch.setattr(store.Neo4jStore, "_prepare", lambda *_: None)
    monkeypatch.setattr(store, "is_loaded", lambda *_: False)
    monkeypatch.setattr(store, "load_run", stops)
    with pytest.raises(StoreUnavailable, match=r"went away while .*trace was loaded.*same command") as said:
        opened.load(trace)
    assert "connection refused" in str(said.value) and "right?" not in str(said.value)
