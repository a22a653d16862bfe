"""A wrong password, no server, a dropped connection, a full disk: one sentence each, and nothing is lost."""

from __future__ import annotations

import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from graphpath.errors import QueryFailed, StoreConflict, StoreError, StoreUnavailable
from graphpath.server import Server
from graphpath.stores import Store, open_store
from graphpath.stores.neo4j.session import BoltSession
from graphpath.stores.neo4j.store import SETTINGS
from tests.neo4j_server import made
from tests.stores.contents import assert_same, contents
from tests.stores.contract.conftest import CLEAR, clear, connect, needs_root

OTHER = ("GraphpathMeta.engine",)


@pytest.fixture(scope="module")
def expected(traces: SimpleNamespace, make: Callable[[str], Store]) -> dict:
    store = make("ladybug")
    for trace in (traces.clean, traces.attacked):
        store.load(trace)
    return contents(store, without=OTHER)


@pytest.fixture(scope="module", autouse=True)
def silence() -> Iterator[Future[tuple[BaseException | None, float]]]:
    """How a server that accepts and says nothing was found out, and after how many seconds.

    It is asked while the other tests run: what takes long is waiting.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        uri = f"bolt://127.0.0.1:{silent.getsockname()[1]}"

        def ask() -> tuple[BaseException | None, float]:
            began = time.monotonic()
            try:
                open_store(uri, password="any").close()
            except Exception as error:
                return error, time.monotonic() - began
            return None, time.monotonic() - began

        yield pool.submit(ask)


@pytest.fixture
def store(neo4j_server: Server, traces: SimpleNamespace) -> Iterator[Store]:
    clear(neo4j_server)
    with connect(neo4j_server) as opened:
        opened.load(traces.clean)
        yield opened


def one_sentence(error: pytest.ExceptionInfo[StoreError], *words: str) -> None:
    said = str(error.value)
    assert "\n" not in said and "Traceback" not in said and len(said) < 400
    for word in words:
        assert word in said


def test_a_wrong_password(neo4j_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreUnavailable) as error:
        open_store(neo4j_server.uri, password="wrong")
    one_sentence(error, "does not let user 'neo4j' in", "GRAPHPATH_NEO4J_PASSWORD")
    assert "wrong" not in str(error.value)
    monkeypatch.setenv("GRAPHPATH_NEO4J_PASSWORD", neo4j_server.password)
    open_store(neo4j_server.uri).close()
    with pytest.raises(StoreUnavailable) as error:
        open_store(neo4j_server.uri, user="nobody")
    one_sentence(error, "'nobody'")


def test_no_password_at_all(neo4j_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRAPHPATH_NEO4J_PASSWORD", "NEO4J_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreUnavailable) as error:
        open_store(neo4j_server.uri)
    one_sentence(error, "no password was given")


def test_the_servers_own_password_file_is_used(neo4j_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHPATH_NEO4J_HOME", str(neo4j_server.home))
    for name in ("GRAPHPATH_NEO4J_PASSWORD", "NEO4J_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    open_store(neo4j_server.uri).close()


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_no_server_is_said_at_once(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as error:
        open_store(f"{scheme}://127.0.0.1:{port}", password="any")
    assert time.monotonic() - began < 10
    one_sentence(error, "No answer from a Neo4j server", f"127.0.0.1:{port}", "graphpath neo4j start")


def test_tls_where_the_server_has_none(neo4j_server: Server) -> None:
    address = neo4j_server.uri.removeprefix("bolt://")
    for scheme in ("bolt+s", "bolt+ssc", "neo4j+ssc"):
        with pytest.raises(StoreUnavailable) as error:
            open_store(f"{scheme}://{address}", password=neo4j_server.password)
        one_sentence(error)


def test_a_missing_database(neo4j_server: Server) -> None:
    with pytest.raises(StoreUnavailable) as error:
        connect(neo4j_server, database="nowhere")
    one_sentence(error, "no database 'nowhere'")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://localhost", "write neo4j://"),
        ("neo4j://a:secret@host", "holds a password"),
        ("bolt://host:port", "no address"),
        ("neo4j://", "write neo4j://"),
    ],
)
def test_an_address_that_is_none(uri: str, said: str) -> None:
    with pytest.raises(StoreUnavailable, match=said) as error:
        open_store(uri)
    assert "secret" not in str(error.value)


def test_routing_and_a_user_in_the_address(neo4j_server: Server, traces: SimpleNamespace) -> None:
    clear(neo4j_server)
    address = neo4j_server.uri.removeprefix("bolt://")
    with open_store(f"neo4j://neo4j@{address}", password=neo4j_server.password) as store:
        assert store.load(traces.clean).loaded
        assert store.runs().run.tolist() == ["clean"]


def test_a_timeout(store: Store) -> None:
    began = time.monotonic()
    with pytest.raises(QueryFailed, match=r"time limit of 0\.3 s"):
        store.cypher("UNWIND range(1, 1000000000) AS x RETURN sum(x * 2 % 7)", timeout=0.3)
    assert time.monotonic() - began < 20


@pytest.fixture(scope="module")
def untouched(neo4j_server: Server, traces: SimpleNamespace) -> Iterator[tuple[Store, dict]]:
    """A loaded store that no test changes, and what it holds."""
    clear(neo4j_server)
    with connect(neo4j_server) as opened:
        opened.load(traces.clean)
        yield opened, contents(opened)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE (:Thing)",
        "MATCH (n:Neuron) SET n.name = 'gone'",
        "MATCH (r:Run) DETACH DELETE r",
        "CREATE INDEX FOR (n:Neuron) ON (n.name)",
        "CALL db.createLabel('Thing')",
        "CREATE USER someone SET PASSWORD 'abcdefgh'",
        "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS",
        "FOREACH (i IN [1] | CREATE (:Thing))",
    ],
)
def test_a_read_query_cannot_write(text: str, untouched: tuple[Store, dict]) -> None:
    store, before = untouched
    with pytest.raises(QueryFailed, match="write=True"):
        store.cypher(text)
    with pytest.raises(QueryFailed):
        store.execute(text)
    assert_same(contents(store), before, exact=True)


def test_writing_on_request(store: Store) -> None:
    store.cypher("MERGE (:Note {text: $text})", write=True, text="mine")
    assert store.cypher("MATCH (n:Note) RETURN n.text AS text").text.tolist() == ["mine"]
    store.cypher("MATCH (n:Note) CALL (n) { DELETE n } IN TRANSACTIONS OF 1 ROWS", write=True)
    assert store.cypher("MATCH (n:Note) RETURN n").empty


def test_answers_that_are_no_table_of_one_type(store: Store) -> None:
    assert store.cypher("UNWIND [1, 'a', null] AS x RETURN x").x.tolist() == [1, "a", None]
    assert store.cypher("UNWIND [1, 2.5] AS x RETURN x").x.tolist() == [1.0, 2.5]
    found = store.cypher(
        "MATCH p = (:Layer)-[:PART_OF]->(:Model) RETURN p, date('2020-01-02') AS day LIMIT 1"
    )
    assert [node["_LABEL"] for node in found.p[0]["_NODES"]] == ["Layer", "Model"]
    assert str(found.day[0]).startswith("2020-01-02")


def test_somebody_elses_graph_is_left_alone(neo4j_server: Server, traces: SimpleNamespace) -> None:
    clear(neo4j_server)
    with connect(neo4j_server) as store:
        store.cypher("CREATE (:Model {id: 7, of: 'an aeroplane'})", write=True)
        with pytest.raises(StoreConflict, match="Model nodes that graphpath did not make"):
            store.load(traces.clean)
        assert store.cypher("MATCH (n) RETURN count(n) AS n").n.tolist() == [1]


def test_a_graph_of_another_schema_is_refused(store: Store, neo4j_server: Server) -> None:
    store.cypher("MATCH (m:GraphpathMeta) SET m.schema = '0'", write=True)
    with pytest.raises(StoreUnavailable, match="schema '0'"):
        connect(neo4j_server)
    store.cypher(CLEAR, write=True)


def test_batches_shrink_where_memory_is_short(
    neo4j_server: Server,
    traces: SimpleNamespace,
    expected: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server's own limit for one transaction, set low."""
    clear(neo4j_server)
    from graphpath.stores.neo4j.failures import TooLargeError

    write, sizes = BoltSession._write, []

    def small(self, transaction, name, table, offset):
        if table.num_rows > 60:
            raise TooLargeError("too large")
        sizes.append(table.num_rows)
        write(self, transaction, name, table, offset)

    with monkeypatch.context() as patch, connect(neo4j_server) as store:
        patch.setattr(BoltSession, "_write", small)
        for trace in (traces.clean, traces.attacked):
            store.load(trace)
        assert_same(contents(store, without=OTHER), expected)
    assert max(sizes) <= 60


def test_the_servers_memory_error_is_told(neo4j_server: Server) -> None:
    with connect(neo4j_server) as store, pytest.raises(QueryFailed) as error:
        store.cypher("UNWIND range(1, 100000000) AS x RETURN collect(toString(x) + 'abcdefghijklmnop') AS y")
    one_sentence(error, "ran out of memory")


class Proxy:
    """A port that passes everything on to ``target``, until it is told to hang up."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("bolt://").split(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.uri = f"bolt://127.0.0.1:{self._listening.getsockname()[1]}"
        self.passed = 0
        self.hang_up_after: int | None = None
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._open = False
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while self._open:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, suppress(OSError):
            while self._open:
                for ready in select.select([near, far], [], [], 0.2)[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    (far if ready is near else near).sendall(data)
                    self.passed += len(data)
                if self.hang_up_after is not None and self.passed >= self.hang_up_after:
                    self.hang_up_after = None
                    return


@contextmanager
def proxied(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.uri)
    try:
        yield proxy
    finally:
        proxy.close()


def test_a_connection_that_drops_is_made_again(
    neo4j_server: Server, traces: SimpleNamespace, expected: dict
) -> None:
    """Hung up on in the middle of a load, at several places: the retries lose and double nothing."""
    for after in (6_000, 25_000, 50_000):
        clear(neo4j_server)
        with connect(neo4j_server) as direct:
            direct.load(traces.clean)
        with (
            proxied(neo4j_server) as proxy,
            open_store(
                proxy.uri,
                password=neo4j_server.password,
                batch_bytes=4000,
                driver={"initial_retry_delay": 0.05},  # a second by default, and then two, four, eight
            ) as store,
        ):
            proxy.hang_up_after = proxy.passed + after
            with suppress(StoreUnavailable):  # outside of a transaction that can be repeated
                store.load(traces.attacked)
            assert proxy.hang_up_after is None, "the load was through before"
            store.load(traces.attacked)
            assert_same(contents(store, without=OTHER), expected)


def test_a_connection_that_stays_away(store: Store, neo4j_server: Server, traces: SimpleNamespace) -> None:
    before, tried = contents(store), "max_transaction_retry_time"
    with (
        proxied(neo4j_server) as proxy,
        open_store(proxy.uri, password=neo4j_server.password, driver={tried: 2.0}) as other,
    ):
        proxy.close()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as error:
            other.load(traces.attacked)
        seconds = time.monotonic() - began
        assert seconds + SETTINGS[tried] - 2.0 < 60
        one_sentence(error, "went away while", "was loaded", "same command")
    assert_same(contents(store), before, exact=True)


def test_eight_threads_ask_one_store_while_it_loads(store: Store, traces: SimpleNamespace) -> None:
    asked = store.query("pathways/of_run", run="clean")
    with ThreadPoolExecutor(8) as pool:
        going = [pool.submit(store.query, "pathways/of_run", run="clean") for _ in range(24)]
        assert store.load(traces.attacked).loaded
        for one in going:
            pd.testing.assert_frame_equal(one.result(), asked)


def test_a_server_that_accepts_and_says_nothing(silence: Future[tuple[BaseException | None, float]]) -> None:
    error, seconds = silence.result()
    assert isinstance(error, StoreUnavailable)
    assert seconds < 60


@pytest.fixture
def small_disk(neo4j_server: Server, tmp_path: Path) -> Iterator[Server]:
    """A server whose data lie on a tmpfs of 600 MB: its transaction logs alone reserve 256 MB each."""
    needs_root()
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    home.chmod(0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(home / "data")], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"no tmpfs here: {done.stderr.decode().strip()}")
    server = made(home)
    # It writes its stores, and so learns that the disk is full, each second: by default each 15 minutes.
    server.more = ("db.checkpoint.interval.time=1s",)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        subprocess.run(["umount", str(home / "data")], check=True)


def fill(path: Path) -> None:
    """Write until nothing is left."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for block in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(block))


@pytest.mark.slow
def test_a_full_disk(
    small_disk: Server, traces: SimpleNamespace, expected: dict, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.synthetic import write_trace

    large = write_trace(
        tmp_path_factory.mktemp("large") / "t", run="large", samples=30, side=14, edges_per_pathway=300
    )
    filler = small_disk.home / "data" / "filler"
    with connect(small_disk) as store:
        store.load(traces.clean)
        fill(filler)
        with pytest.raises(StoreUnavailable) as error:
            for _ in range(60):
                store.load(large)
                store.delete("large")
        one_sentence(error, "disk")
    filler.unlink()
    small_disk.stop()
    small_disk.start()
    with connect(small_disk) as store:
        if "large" in store.runs().run.tolist():
            store.delete("large")
        store.load(traces.attacked)
        assert_same(contents(store, without=OTHER), expected)
