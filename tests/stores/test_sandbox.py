"""The user's own Cypher: read-only unless asked otherwise, bounded, and unable to take us down."""

import datetime
import decimal
import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.queries.admission import admit
from graphpath.stores import sandbox, values
from graphpath.stores.engine import LadybugSession
from graphpath.stores.sandbox import Limits, run_in_child
from tests.queries.admitted import BENIGN, FORBIDDEN, WRITING
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
        ("MATCH (n:Run) RETURN n.id AS id, id.id.id", "refused the query"),
        ("FOO", "at 'FOO'"),
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
        run_in_child(
            store.path, "MATCH (n:Neuron) RETURN n.id", {}, Limits(20.0, 64 << 20, -(64 << 20)), write=False
        )


def test_a_small_address_space_is_enough(store):
    """What ``ulimit -v`` of 3 GB leaves."""
    program = f"""
import resource
from pathlib import Path
from graphpath.stores.sandbox import Limits, run_in_child
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
limits = Limits(30.0, 4 << 30)
table = run_in_child(Path({str(store.path)!r}), "MATCH (r:Run) RETURN r.id AS id", {{}}, limits, write=False)
print(table.num_rows)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("5\n", "")


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


def test_what_is_let_through_runs_on_the_engine(store):
    with LadybugSession(store.path, read_only=True, buffer_bytes=128 << 20) as session:
        for engine, text in BENIGN:
            if engine != "neo4j":
                session.execute(admit(text, "ladybug"))


def test_changes_that_are_let_through_run_on_the_engine(tmp_path):
    with LadybugSession(tmp_path / "s.lbdb", read_only=False, buffer_bytes=128 << 20) as session:
        session.create()
        for engine, text in WRITING:
            if engine != "neo4j":
                session.execute(admit(text, "ladybug", write=True))


def test_nothing_is_started_for_what_is_refused(store, empty, monkeypatch):
    monkeypatch.setattr(sandbox, "_run_child", None)
    for text in FORBIDDEN:
        for write in (False, True):
            with pytest.raises(QueryFailed, match="not run"):
                store.cypher(text, write=write)


def snapshot(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "text",
    [
        "CHECKPOINT",
        "COPY (MATCH (n:Run) RETURN n.id) TO '{0}.csv'",
        "EXPORT DATABASE '{0}'",
        "CREATE (:Category {{id: 1}})",
        "DROP TABLE STEP",
    ],
)
def test_the_system_lets_a_reading_child_write_nothing(store, tmp_path, text):
    """Were such a text ever let through, the file stays as it is, and no other gets a byte."""
    before = snapshot(store.path.parent)
    with pytest.raises(QueryFailed, match=r"could not be written|read-only"):
        run_in_child(store.path, text.format(tmp_path / "out"), {}, Limits(), write=False)
    assert snapshot(store.path.parent) == before
    assert all(not path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())


def test_what_lies_beside_the_file_is_not_read(empty, tmp_path):
    """A log that something left there is none of a reader's, nor is it removed."""
    empty.load(write_trace(tmp_path / "trace", samples=3))
    for suffix in (".wal", ".shadow"):
        empty.path.with_name(empty.path.name + suffix).write_bytes(b"not a log" * 1000)
    table = run_in_child(empty.path, "MATCH (r:Run) RETURN count(*) AS n", {}, Limits(), write=False)
    assert table.to_pylist() == [{"n": 1}]


def test_every_parameter_is_given_and_used(store):
    text = "MATCH (p:Pathway) WHERE p.run = $run RETURN count(*) AS n"
    with pytest.raises(QueryParameterError, match=r"has \$run, without a value"):
        store.cypher(text)
    with pytest.raises(QueryParameterError, match="does not use runs"):
        store.cypher(text, run="clean", runs=["clean"])
    assert store.cypher(text, {"run": "clean"}).n.tolist() == [24]
    with pytest.raises(QueryParameterError, match="in a dictionary"):
        store.cypher("RETURN $timeout AS t", timeout=5)
    assert store.cypher("RETURN $timeout AS t", {"timeout": 7}).t.tolist() == [7]


VALUES = {
    "none": None,
    "yes": True,
    "number": -(2**40),
    "float": 0.1,
    "text": "it's \u00e9\n\x00",
    "list": [1, [2, "a"], None],
    "map": {"type": "map", "value": {"a": [1.5]}},
    "day": datetime.date(2020, 1, 2),
    "moment": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
    "span": datetime.timedelta(days=-1, microseconds=3),
    "decimal": decimal.Decimal("1.50"),
    "id": uuid.UUID(int=7),
    "blob": b"\x00\xff",
}


def test_values_come_through_as_they_are():
    assert values.decode(values.encode(VALUES)) == VALUES
    assert np.isnan(values.decode(values.encode(float("nan"))))
    made = values.to_plain(
        {"a": np.arange(3), "b": np.float32(0.5), "c": {2}, "d": (1, np.int64(2)), "e": np.bool_(True)}
        | {"f": np.datetime64("2020-01-02T03:04:05.000000006")}
    )
    expected = {"a": [0, 1, 2], "b": 0.5, "c": [2], "d": [1, 2], "e": True}
    assert made == expected | {"f": datetime.datetime(2020, 1, 2, 3, 4, 5)}
    assert type(made["d"][1]) is int
    for bad in (object(), {1: 2}, [object()], 1j):
        with pytest.raises(QueryParameterError, match="no value that Cypher knows"):
            values.to_plain({"bad": bad})


def test_nothing_is_unpickled():
    for module in (sandbox, values):
        assert "pickle" not in vars(module)


PARENT = """
import signal, sys
from pathlib import Path
from graphpath.stores import sandbox
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
{patch}
print("ready", flush=True)
sandbox.run_in_child(Path(sys.argv[1]), sys.argv[2], {{}}, sandbox.Limits(60.0), write=False)
"""
NO_SIGNAL = """
boot = sandbox.BOOT.replace("main()", "import graphpath.stores.orphans as o; o._PDEATHSIG = 9999; main()")
sandbox.BOOT = boot
"""


def children_of(process):
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
@pytest.mark.parametrize(
    ("ending", "patch"),
    [(signal.SIGKILL, ""), (signal.SIGKILL, NO_SIGNAL), (signal.SIGINT, "")],
)
def test_a_child_ends_with_its_parent(store, ending, patch):
    words = [sys.executable, "-c", PARENT.format(patch=patch), str(store.path), ENDLESS]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 20
        while not (children := children_of(parent.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(2.0)  # until it is at work
        assert children and all(alive(child) for child in children)
        os.kill(parent.pid, ending)
        parent.wait(timeout=20)
    deadline = time.monotonic() + 20
    while any(alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(child) for child in children)
