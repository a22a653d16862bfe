"""One store, or many, asked by several threads at once while files are replaced under them."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphpath.errors import QueryFailed, QueryParameterError, RunNotFound
from graphpath.stores import handles, ladybug, open_store
from graphpath.stores.engine import BufferFullError, LadybugSession
from tests.synthetic import write_trace

SLOW = f"MATCH (a:Neuron){'-[:FLOWS_TO]-(:Neuron)' * 12}-[:FLOWS_TO]-(z:Neuron) RETURN sum(a.x * z.y) AS n"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A store's file with one run, and with two, and the traces."""
    root = tmp_path_factory.mktemp("two")
    clean = write_trace(root / "clean", run="clean", samples=6, edges_per_pathway=20)
    attacked = write_trace(root / "attacked", run="attacked", adversarial_of=clean, edges_per_pathway=20)
    for name, traces in (("one", [clean]), ("both", [clean, attacked])):
        with open_store(root / f"{name}.lbdb") as store:
            for trace in traces:
                store.load(trace)
    return root, clean, attacked


@pytest.fixture
def opened() -> Callable[[], int]:
    """How many files are open that were not before the test."""
    before = handles.count_open_handles()
    return lambda: handles.count_open_handles() - before


def replace(path, by) -> None:
    """As a load does at its end."""
    shutil.copyfile(by, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def asked_by_threads(threads: int, ask: Callable[[], None], meanwhile: Callable[[], None]) -> int:
    """How often ``threads`` threads could ``ask`` during ``meanwhile``; raises what one of them raised."""
    over = threading.Event()

    def go_on() -> int:
        times = 0
        while not over.is_set():
            ask()
            times += 1
        return times

    with ThreadPoolExecutor(threads) as pool:
        going = [pool.submit(go_on) for _ in range(threads)]
        try:
            meanwhile()
        finally:
            over.set()
        return sum(one.result() for one in going)


def test_eight_threads_see_fifty_replacements(opened, two, tmp_path) -> None:
    """Each answer is of one state of the file: a run that comes and goes is whole, or not there."""
    root, _, _ = two
    path = tmp_path / "s.lbdb"
    replace(path, root / "both.lbdb")
    seen: set[object] = set()
    with open_store(path) as store:

        def ask() -> None:
            assert store.query("pathways/samples", run="clean").samples.item() == 6
            try:
                seen.add(
                    int(store.query("pathways/samples", run="attacked", variant="adversarial").samples[0])
                )
            except RunNotFound:
                seen.add("none")

        def meanwhile() -> None:
            for number in range(50):
                replace(path, root / ("both.lbdb" if number % 2 else "one.lbdb"))
                time.sleep(0.02)

        assert asked_by_threads(8, ask, meanwhile) > 8
        ask()
        assert seen == {6, "none"}
        assert opened() == 1
    assert opened() == 0


def test_threads_ask_while_their_own_store_loads_and_closes(opened, two, tmp_path) -> None:
    root, _, attacked = two
    path = tmp_path / "s.lbdb"
    replace(path, root / "one.lbdb")
    with open_store(path) as store:

        def ask() -> None:
            assert len(store.query("pathways/of_run", run="clean")) == 6

        def meanwhile() -> None:
            store.load(attacked)
            for _ in range(50):
                store.close()

        assert asked_by_threads(6, ask, meanwhile) > 6
        assert len(store.runs()) == 2
    assert opened() == 0


def test_the_buffer_grows_under_others(opened, two, monkeypatch) -> None:
    root, _, _ = two
    original = LadybugSession.execute

    def tight(session, text, parameters=None):
        if "FLOWS_TO" in text and session.buffer_bytes < 1 << 30:
            raise BufferFullError("full")
        return original(session, text, parameters)

    monkeypatch.setattr(LadybugSession, "execute", tight)
    monkeypatch.setattr(ladybug, "measure_memory", lambda: 8 << 30)
    with open_store(root / "one.lbdb", buffer_bytes=None) as store, ThreadPoolExecutor(8) as pool:
        counted = pool.map(
            lambda _: store.execute("MATCH ()-[r:FLOWS_TO]->() RETURN count(r.rank) AS n")["n"][0].as_py(),
            range(24),
        )
        assert set(counted) == {117}
        assert store.buffer_bytes == 1 << 30
        assert opened() == 1


def test_sixty_stores_are_open_in_one_process(opened, two, tmp_path) -> None:
    root, _, _ = two
    stores = []
    for number in range(60):
        shutil.copyfile(root / "one.lbdb", tmp_path / f"{number}.lbdb")
        stores.append(open_store(tmp_path / f"{number}.lbdb"))
    assert opened() == 60
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda store: len(store.runs()), stores)) == {1}
    for store in stores:
        store.close()
    assert opened() == 0


def test_stores_of_one_file_share_its_handle(opened, two, tmp_path) -> None:
    root, _, _ = two
    (tmp_path / "link.lbdb").symlink_to(root / "one.lbdb")
    with open_store(root / "one.lbdb") as first, open_store(tmp_path / "link.lbdb") as second:
        assert len(first.runs()) == len(second.runs()) == 1
        assert opened() == 1
        first.close()
        assert len(second.runs()) == 1


def test_a_store_that_nobody_closes_is_closed_when_it_goes(opened, two) -> None:
    root, _, _ = two
    store = open_store(root / "one.lbdb")
    assert opened() == 1
    del store
    assert opened() == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_its_own(opened, two) -> None:
    root, _, _ = two
    with open_store(root / "one.lbdb") as store:
        assert len(store.runs()) == 1
        if (child := os.fork()) == 0:
            held = 1
            try:
                held = int(len(store.runs()) != 1 or handles.count_open_handles() != 1)
            finally:
                os._exit(held)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(store.runs()) == 1


def test_a_file_that_is_written_over_where_it_stands_is_opened_anew(two, tmp_path) -> None:
    root, _, _ = two
    path = tmp_path / "s.lbdb"
    shutil.copyfile(root / "one.lbdb", path)
    with open_store(path) as store:
        assert len(store.runs()) == 1
        shutil.copyfile(root / "both.lbdb", path)
        assert len(store.runs()) == 2


def test_a_query_has_a_time_limit(two) -> None:
    root, _, _ = two
    with open_store(root / "one.lbdb") as store:
        with pytest.raises(QueryFailed, match=r"longer than 0.3 seconds.*timeout="):
            store.read(lambda state: state.execute(SLOW), timeout=0.3)
        with pytest.raises(QueryFailed, match="longer than 1e-06 seconds"):
            store.query("pathways/samples", timeout=1e-6)
        assert store.query("pathways/samples", timeout=None).samples.item() == 6
        assert store.query("pathways/samples", timeout="60").samples.item() == 6
        for wrong in (0, -1, float("nan"), "soon", [3]):
            with pytest.raises(QueryParameterError, match="number of seconds"):
                store.query("pathways/samples", timeout=wrong)
        assert store.execute("MATCH (r:Run) RETURN count(r.id) AS n")["n"].to_pylist() == [1]


def test_threads_are_not_held_up_by_a_slow_query(two) -> None:
    root, _, _ = two
    with open_store(root / "one.lbdb") as store, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store.read, lambda state: state.execute(SLOW), timeout=1.5)
        for _ in range(3):
            assert len(store.runs()) == 1
        assert not slow.done()
        with pytest.raises(QueryFailed, match="longer than"):
            slow.result()
