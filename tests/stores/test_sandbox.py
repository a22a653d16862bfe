"""The user's own Cypher: read-only unless asked otherwise, bounded, and unable to take us down."""

import subprocess
import sys
import time

import numpy as np
import pytest

from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.stores.sandbox import Limits, run_apart
from tests.stores.contents import assert_same, contents
from tests.synthetic import write_trace

ENDLESS = """
MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron), (c:Neuron)-[s:FLOWS_TO]->(d:Neuron),
      (e:Neuron)-[t:FLOWS_TO]->(f:Neuron)
WHERE r.score + s.score + t.score > 1000000 RETURN count(*) AS n
"""


def test_rows_come_back_with_parameters(store):
    rows = store.cypher(
        "MATCH (p:Pathway) WHERE p.run = $run AND p.target IN $targets RETURN count(*) AS n",
        run="clean",
        targets=np.array([0, 1, 2, 3]),
    )
    assert rows.n.tolist() == [24]


def test_reading_changes_nothing(store):
    for text in ("CREATE (:Category {id: 1})", "MATCH (n:Run) SET n.complete = false", "DROP TABLE STEP"):
        with pytest.raises(QueryFailed, match="read-only"):
            store.cypher(text)


def test_writing_has_to_be_asked_for(empty, tmp_path):
    empty.load(write_trace(tmp_path / "trace", samples=3))
    empty.cypher("CREATE (:Category {id: $id, name: 'mine'})", write=True, id=5)
    assert empty.cypher("MATCH (c:Category) WHERE c.id = 5 RETURN c.name AS name").name.tolist() == ["mine"]
    before = contents(empty)
    with pytest.raises(QueryFailed):
        empty.cypher("MATCH (c:Category) SET c.nonsense = 1", write=True)
    assert_same(contents(empty), before, exact=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MATCH (n:Nobody) RETURN n", "Nobody does not exist"),
        ("FOO", "Parser exception"),
        ("MATCH (n:Run) RETURN n.id; MATCH (n:Run) RETURN n.id", "One statement at a time"),
    ],
)
def test_a_refused_query_is_one_sentence(store, text, message):
    with pytest.raises(QueryFailed, match=message) as caught:
        store.cypher(text)
    assert "\n" not in str(caught.value)


def test_a_parameter_that_is_no_value_is_refused(store):
    with pytest.raises(QueryParameterError, match="'odd'"):
        store.cypher("RETURN $odd", odd=lambda: None)


def test_a_long_query_is_stopped(store):
    began = time.monotonic()
    with pytest.raises(QueryFailed, match="longer than 1 seconds"):
        store.cypher(ENDLESS, timeout=1.0)
    assert time.monotonic() - began < 15
    assert len(store.cypher("MATCH (r:Run) RETURN r.id")) == 5


def test_memory_is_bounded(store):
    """The child may map the database and so much besides; here that is nothing."""
    with pytest.raises(QueryFailed):
        run_apart(
            store.path, "MATCH (n:Neuron) RETURN n.id", {}, Limits(20.0, 64 << 20, -(64 << 20)), write=False
        )


def test_a_crash_of_the_engine_is_a_failed_query(store, monkeypatch):
    boot = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with monkeypatch.context() as patch:
        patch.setattr("graphpath.stores.sandbox.BOOT", boot)
        with pytest.raises(QueryFailed, match=r"crashed the engine \(SIGSEGV\)"):
            store.cypher("MATCH (r:Run) RETURN r.id")
    assert len(store.cypher("MATCH (r:Run) RETURN r.id")) == 5


def test_the_child_imports_no_torch():
    code = (
        "import sys; sys.path.insert(0, '.'); import graphpath.stores.sandbox, graphpath.stores.engine; "
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
