"""A query that does not fit in the buffer pool is asked again with a larger one, within bounds."""

from __future__ import annotations

import pytest

from graphpath.errors import QueryFailed
from graphpath.stores import engine, ladybug, open_store
from graphpath.stores.engine import BufferFullError, LadybugSession
from tests.synthetic import write_trace

COUNT = "MATCH (p:Pathway) RETURN count(p) AS n"


@pytest.fixture
def tight(monkeypatch):
    """Makes queries need four times the usual pool; the sizes that were tried."""
    tried, original = [], LadybugSession.execute

    def execute(session, text, parameters=None):
        if text != COUNT:
            return original(session, text, parameters)
        tried.append(session.buffer_bytes)
        if session.buffer_bytes < 4 * engine.BUFFER:
            raise BufferFullError("full")
        return original(session, text, parameters)

    monkeypatch.setattr(LadybugSession, "execute", execute)
    return tried


def test_a_larger_pool_is_tried_and_kept(tight, tmp_path, monkeypatch):
    monkeypatch.setattr(ladybug, "measure_memory", lambda: 64 * engine.BUFFER)
    trace = write_trace(tmp_path / "trace", samples=4)
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        for _ in range(2):
            assert store.execute(COUNT)["n"].to_pylist() == [4]
    assert tight == [size * engine.BUFFER for size in (1, 2, 4, 4)]


def test_half_of_the_memory_is_the_bound(tight, tmp_path, monkeypatch):
    monkeypatch.setattr(ladybug, "measure_memory", lambda: 5 * engine.BUFFER)
    trace = write_trace(tmp_path / "trace", samples=4)
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        with pytest.raises(QueryFailed, match="more than 1024 MiB"):
            store.execute(COUNT)


def test_a_pool_that_was_asked_for_stays_as_it_is(tight, tmp_path):
    trace = write_trace(tmp_path / "trace", samples=4)
    with open_store(tmp_path / "a.lbdb", buffer_bytes=128 << 20) as store:
        store.load(trace)
        with pytest.raises(QueryFailed, match=r"more than 128 MiB.*buffer_bytes"):
            store.execute(COUNT)
