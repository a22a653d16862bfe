"""Loading and deleting behave alike on both engines and leave the same graph, whatever interrupts them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from graphpath.errors import RecordError, RunNotFound, StoreConflict, StoreUnavailable
from graphpath.record import Trace
from graphpath.server import Server
from graphpath.stores import Store, open_store
from graphpath.stores.neo4j.failures import TooLargeError
from graphpath.stores.neo4j.session import BoltSession
from tests.stores.contents import assert_same
from tests.stores.contract.conftest import Stopped, clear, connect, held
from tests.stores.oracle import Run, sorted_rows
from tests.synthetic import write_map_trace, write_trace


@pytest.fixture(scope="module")
def expected(traces: SimpleNamespace, make: Callable[[str], Store]) -> dict:
    """What the embedded engine holds of the clean and the attacked trace, loaded undisturbed."""
    store = make("ladybug")
    for trace in (traces.clean, traces.attacked):
        store.load(trace)
    return held(store)


def test_engines_hold_the_same_graph_in_any_order(
    empty: Store, traces: SimpleNamespace, expected: dict
) -> None:
    for trace in (traces.attacked, traces.clean):
        report = empty.load(trace)
        assert report.loaded
        assert report.counts["FLOWS_TO"] == trace.counts["edges"]
    assert_same(held(empty), expected)


def test_a_run_of_edges_between_maps(empty: Store, traces: SimpleNamespace, tmp_path: Path) -> None:
    """Method ``channels``: MAP_FLOWS_TO without neurons, as pandas has it; deleted, nothing of it is left."""
    empty.load(traces.clean)
    before = held(empty)
    trace = write_map_trace(tmp_path / "maps", traces.clean, "maps")
    assert trace.counts["edges"] == trace.counts["visits"] == 0
    report = empty.load(trace)
    assert report.counts["MAP_FLOWS_TO"] > 0
    assert "FLOWS_TO" not in report.counts
    assert "CLASS_FLOWS_TO" not in report.counts
    run = Run(trace)
    wanted = []
    for key, (category, _) in run.classes.items():
        members = run.members_of(key)
        rows = trace.channels().to_table().to_pandas().merge(members[["pathway", "sample"]], on="pathway")
        rows = rows.astype({"flow": float, "score": float}).assign(weight=rows.score.abs().astype(float))
        groups = rows.groupby(["source", "target", "layer"])
        sums = groups[["flow", "score", "weight"]].sum().assign(support=groups["sample"].nunique())
        wanted.append(sums.reset_index().assign(class_pathway=key, category=category))
    found = empty.cypher(
        """MATCH (c:ClassPathway) WHERE c.run = 'maps'
        MATCH (a:FeatureMap)-[r:MAP_FLOWS_TO]->(b:FeatureMap) WHERE r.class_pathway = c.id
        RETURN a.id AS source, b.id AS target, r.layer AS layer, r.flow AS flow, r.score AS score,
            r.weight AS weight, r.support AS support, c.id AS class_pathway, r.category AS category"""
    )
    keys = ["class_pathway", "source", "target"]
    expected = sorted_rows(pd.concat(wanted)[found.columns], keys)
    pd.testing.assert_frame_equal(sorted_rows(found, keys), expected, rtol=1e-6, atol=1e-9, check_dtype=False)
    drawn = empty.graph("browse/class_maps", class_pathway=int(found.class_pathway[0]), limit=5)
    assert drawn.number_of_edges() == 5
    shared = empty.query("categories/shared_maps", run="maps", min_categories=1, limit=100_000)
    assert shared.categories.sum() == len(found)
    empty.delete("maps")
    assert_same(held(empty), before)


def test_loading_again_changes_nothing(empty: Store, traces: SimpleNamespace) -> None:
    empty.load(traces.clean)
    before = held(empty)
    assert not empty.load(traces.clean.path).loaded
    assert_same(held(empty), before, exact=True)


def test_a_deleted_run_leaves_what_was_there_before(
    empty: Store, traces: SimpleNamespace, expected: dict
) -> None:
    for trace in (traces.clean, traces.other, traces.attacked):
        empty.load(trace)
    assert empty.runs().run.tolist() == ["attacked", "clean", "other"]
    empty.delete("other")
    assert_same(held(empty), expected)
    with pytest.raises(RunNotFound, match="holds no run 'other'"):
        empty.delete("other")


def test_another_min_support_replaces_the_run(empty: Store, traces: SimpleNamespace) -> None:
    empty.load(traces.clean)
    assert empty.load(traces.clean, min_support=1).loaded
    few = empty.query("categories/shared_edges", run="clean", limit=100_000)
    assert empty.load(traces.clean, min_support=3).loaded
    assert len(empty.query("categories/shared_edges", run="clean", limit=100_000)) < len(few)
    assert empty.runs().run.tolist() == ["clean"]


def test_another_trace_of_the_run_is_refused(empty: Store, traces: SimpleNamespace, tmp_path: Path) -> None:
    empty.load(traces.clean)
    before = held(empty)
    with pytest.raises(StoreConflict, match="another trace of run 'clean'"):
        empty.load(write_trace(tmp_path / "two", run="clean", samples=4, seed=9))
    assert_same(held(empty), before, exact=True)


def test_edges_without_their_neurons_are_refused(
    empty: Store, traces: SimpleNamespace, tmp_path: Path
) -> None:
    shutil.copytree(traces.clean.path, tmp_path / "torn")
    trace = Trace(tmp_path / "torn")
    edge = pq.read_table(trace.files("edges")[0], columns=["target"])["target"][0].as_py()
    for path in trace.files("visits"):
        table = pq.read_table(path)
        kept = [neuron != edge for neuron in table["neuron"].to_pylist()]
        pq.write_table(table.filter(kept), path)
    with pytest.raises(RecordError, match="neurons, visits has"):
        empty.load(trace)
    with suppress(StoreUnavailable):  # the embedded engine has not even made a file
        assert not empty.query("runs/all").complete.any()


def test_a_load_stopped_at_any_batch_goes_on_behind_it(
    neo4j_server: Server,
    traces: SimpleNamespace,
    expected: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small batches of the run's own relationships: the load dies after twelve, until it is through."""
    clear(neo4j_server)
    write = BoltSession._write
    stored: list[tuple[str, int | None]] = []
    tries = 0
    with connect(neo4j_server, batch_bytes=700) as store:
        store.load(traces.clean)
        for _ in range(50):
            tries += 1
            seen = iter(range(10**6))

            def failing(self, transaction, name, table, offset, seen=seen):
                write(self, transaction, name, table, offset)
                if offset is not None and next(seen) == 12:
                    raise Stopped  # within the transaction: this batch is lost
                stored.append((name, offset))

            with monkeypatch.context() as patch:
                patch.setattr(BoltSession, "_write", failing)
                try:
                    store.load(traces.attacked)
                    break
                except Stopped:
                    assert not finished(store)
        assert_same(held(store), expected)
    owned = [item for item in stored if item[1] is not None]
    assert tries > 3
    assert len(owned) == len(set(owned)), "rows were written twice"
    assert not leftovers(neo4j_server)


def test_halves_of_a_batch_are_whole_batches(
    neo4j_server: Server, traces: SimpleNamespace, expected: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's memory holds 40 rows; the load dies between two halves, and goes on behind the first."""
    clear(neo4j_server)
    write = BoltSession._write
    with connect(neo4j_server) as store:
        store.load(traces.clean)
        for stop in range(3, 30, 3):
            seen = iter(range(10**6))

            def failing(self, transaction, name, table, offset, seen=seen, stop=stop):
                if table.num_rows > 40:
                    raise TooLargeError("too large")
                if offset is not None and next(seen) == stop:
                    raise Stopped
                write(self, transaction, name, table, offset)

            with monkeypatch.context() as patch, suppress(Stopped):
                patch.setattr(BoltSession, "_write", failing)
                store.load(traces.attacked)
        store.load(traces.attacked)
        assert_same(held(store), expected)


def finished(store: Store) -> bool:
    runs = store.query("runs/all")
    return bool(runs[runs.run == "attacked"].complete.any())


def leftovers(server: Server) -> list[object]:
    with connect(server) as store:
        return store.cypher("MATCH (l:GraphpathLoad) RETURN l.id AS id")["id"].tolist()


def test_the_second_of_two_loaders_takes_over(neo4j_server: Server, traces: SimpleNamespace) -> None:
    clear(neo4j_server)
    with connect(neo4j_server, batch_bytes=3000) as one, connect(neo4j_server) as two:

        def meanwhile(stage: str, done: int, of: int) -> None:
            if stage == "FLOWS_TO":
                assert two.load(traces.clean).loaded

        with pytest.raises(StoreConflict, match="Another process has begun"):
            one.load(traces.clean, progress=meanwhile)
        before = held(one)
        assert not one.load(traces.clean).loaded
        assert_same(held(one), before, exact=True)


LOADER = """
import sys
sys.path.insert(0, ".")
from graphpath.stores import open_store
uri, password, trace = sys.argv[1:]
print("go", flush=True)
waiting = {"max_transaction_retry_time": 2.0}  # seconds until a server that went is given up: 15 by default
open_store(uri, password=password, batch_bytes=2000, driver=waiting).load(trace)
"""


def loader(server: Server, trace: Trace) -> subprocess.Popen[bytes]:
    """A process that loads ``trace``, and has begun to."""
    words = [sys.executable, "-c", LOADER, server.uri, server.password, str(trace.path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def begun(server: Server, name: str, rows: int) -> bool:
    """Whether a load has stored ``rows`` rows of ``name``; waits for it."""
    with connect(server) as store:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = store.cypher(f"MATCH (l:GraphpathLoad) WHERE l.{name} >= $rows RETURN l", rows=rows)
            if len(found):
                return True
            if (store.query("runs/all").query("complete").run == "attacked").any():
                return False
            time.sleep(0.02)
    return False


@pytest.mark.parametrize(("name", "rows"), [("OF_SAMPLE", 1), ("VISITS", 100), ("FLOWS_TO", 50)])
def test_a_killed_client_loses_nothing(
    name: str, rows: int, neo4j_server: Server, traces: SimpleNamespace, expected: dict
) -> None:
    clear(neo4j_server)
    with connect(neo4j_server) as store:
        store.load(traces.clean)
        process = loader(neo4j_server, traces.attacked)
        caught = begun(neo4j_server, name, rows)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert caught, "the load was through before it could be killed"
        assert store.runs().set_index("run").complete.to_dict() == {"clean": True, "attacked": False}
        with pytest.raises(RunNotFound, match="never finished"):
            store.query("pathways/hubs", run="attacked")
        assert store.load(traces.attacked).loaded
        assert_same(held(store), expected)
    assert not leftovers(neo4j_server)


def test_a_half_loaded_run_can_be_deleted(
    neo4j_server: Server, traces: SimpleNamespace, tmp_path: Path
) -> None:
    clear(neo4j_server)
    with connect(neo4j_server) as store, open_store(tmp_path / "s.lbdb") as other:
        store.load(traces.clean)
        other.load(traces.clean)
        process = loader(neo4j_server, traces.attacked)
        assert begun(neo4j_server, "FLOWS_TO", 20)
        process.kill()
        process.communicate()
        store.delete("attacked")
        assert_same(held(store), held(other))
    assert not leftovers(neo4j_server)


@pytest.mark.slow
def test_a_killed_server_loses_nothing(neo4j_server: Server, traces: SimpleNamespace, expected: dict) -> None:
    """SIGKILL to the server in the middle of a load; started again, the same load completes."""
    clear(neo4j_server)
    with connect(neo4j_server) as store:
        store.load(traces.clean)
    process = loader(neo4j_server, traces.attacked)
    assert begun(neo4j_server, "FLOWS_TO", 20)
    pid = neo4j_server.status().pid
    assert pid is not None
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    _, said = process.communicate(timeout=90)
    neo4j_server.start()  # before anything is asserted: other tests ask it too
    assert process.returncode == 1
    assert b"went away while" in said and b"give the same command, which goes on from there" in said
    with connect(neo4j_server) as store:
        assert store.runs().set_index("run").complete.to_dict() == {"clean": True, "attacked": False}
        assert store.load(traces.attacked).loaded
        assert_same(held(store), expected)
