"""The bulk importer makes the graph that loads make, and the old one stays until the new one is up."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphpath.errors import StoreConflict, StoreError, StoreUnavailable
from graphpath.server import Server, Status
from graphpath.stores import Store
from graphpath.stores.neo4j import bulk
from graphpath.stores.neo4j.exchange import NEW, PLACES, Exchange
from graphpath.stores.neo4j.importing import convert
from graphpath.stores.neo4j.statements import list_columns
from tests.queries.facts import grouping
from tests.stores.contents import assert_same, contents
from tests.stores.contract.conftest import clear, connect
from tests.synthetic import write_map_trace, write_trace

OTHER = ("GraphpathMeta.engine",)
pytestmark = pytest.mark.slow


@pytest.fixture
def managed(neo4j_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server that graphpath takes for its own."""
    monkeypatch.setenv("GRAPHPATH_NEO4J_HOME", str(neo4j_server.home))
    monkeypatch.setattr(
        bulk, "find_managed_server", lambda uri: neo4j_server if uri == neo4j_server.uri else None
    )
    return neo4j_server


def leftovers(server: Server) -> list[str]:
    places = [*(server.home / "data").rglob("graphpath-*"), *(server.home / "import").iterdir()]
    return [path.name for path in places]


def test_a_bulk_load_makes_what_loads_make(
    managed: Server, traces: SimpleNamespace, make: Callable[[str], Store], tmp_path: Path
) -> None:
    everything = [traces.clean, traces.attacked, traces.other]
    crosses = write_trace(
        tmp_path / "pixels", run="pixels", seed=5, samples=4, pathways_per_sample=2, crosses=True
    )
    # Of the same weights, at another depth.
    shallow = write_trace(tmp_path / "shallow", run="shallow", samples=4, seed=8, layers=4)
    everything.append(shallow)
    everything.append(write_map_trace(tmp_path / "maps", traces.clean, "maps"))
    other = make("ladybug")
    for trace in (*everything, crosses):
        other.load(trace, categories=grouping())
    with connect(managed) as store:
        store.load(traces.other, min_support=1)
        report = store.bulk_load([*everything, crosses, traces.clean], categories=grouping())
        assert (report.loaded, report.runs) == (
            True,
            ("clean", "attacked", "other", "shallow", "maps", "pixels"),
        )
        assert report.counts["FLOWS_TO"] == sum(t.counts["edges"] for t in (*everything, crosses))
        assert {"prepare", "convert", "import", "exchange", "check"} == set(report.seconds)
        assert_same(contents(store, without=OTHER), contents(other, without=OTHER))
        assert store.runs().complete.all()
        names = store.cypher("SHOW INDEXES YIELD name, state RETURN name, state")
        assert set(names.state) == {"ONLINE"}
        assert {"graphpath_FLOWS_TO", "graphpath_Neuron"} <= set(names.name)
        # What was imported and what is written later are one graph: types and keys agree.
        assert not store.load(traces.clean).loaded
        store.delete("attacked")
        assert store.load(traces.attacked).loaded
        assert_same(contents(store, without=OTHER), contents(other, without=OTHER))
    assert leftovers(managed) == []


def test_the_old_database_stays_where_the_import_fails(
    managed: Server, traces: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear(managed)
    with connect(managed) as store:
        store.load(traces.clean)
        before = contents(store)
        with monkeypatch.context() as patch:
            patch.setattr(bulk, "HEAP", 1)  # not even Java starts
            with pytest.raises(StoreUnavailable, match="old database is kept"):
                store.bulk_load([traces.attacked])
        assert_same(contents(store), before, exact=True)
        with monkeypatch.context() as patch:
            patch.setattr(bulk, "_verify", lambda *_: (_ for _ in ()).throw(StoreUnavailable("counts")))
            with pytest.raises(StoreUnavailable, match="counts"):
                store.bulk_load([traces.attacked])
        assert_same(contents(store), before, exact=True)
    assert leftovers(managed) == []


class Stopped(Server):
    """A server that is not running, and is only noted to have been started."""

    started = 0

    def start(self) -> Status:
        self.started += 1
        return self.status()


def stored(server: Server) -> dict[str, str]:
    """The files of the database and of its transaction logs, each with its digest."""
    folders = [server.home / "data" / place / "neo4j" for place in PLACES]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_an_exchange_that_was_cut_short_is_undone(managed: Server, traces: SimpleNamespace) -> None:
    """A SIGKILL after each rename leaves the old database to be found."""
    with connect(managed) as store:
        clear(managed)
        store.load(traces.clean)
        before = contents(store)
    managed.stop()
    files = stored(managed)
    for moved in (0, 1, 2):
        exchange = Exchange(Stopped(managed.home), "neo4j")
        if moved < 2:
            exchange.old_data.mkdir()
            for place in PLACES[: moved + 1]:
                (exchange.data / place / "neo4j").rename(exchange.old_data / place)
        else:
            exchange._keep_old()
            for place in PLACES:
                (exchange.data / place / "neo4j").mkdir()
                (exchange.data / place / "neo4j" / "new").touch()
        assert stored(managed) != files
        exchange.recover()
        assert stored(managed) == files
        assert exchange.server.started == 1
        assert not exchange.old_data.exists() and not (exchange.data / "databases" / NEW).exists()
    managed.start()
    with connect(managed) as store:
        assert_same(contents(store), before, exact=True)
    assert leftovers(managed) == []


def test_a_server_of_somebody_else_gets_files_and_the_command(
    neo4j_server: Server, traces: SimpleNamespace, make: Callable[[str], Store], tmp_path: Path
) -> None:
    """The printed command itself, with the importer of the class path for neo4j-admin, does the work."""
    folder = tmp_path / "import files"
    with connect(neo4j_server) as store:
        clear(neo4j_server)
        report = store.bulk_load([traces.clean, traces.attacked], directory=folder)
        assert store.runs().empty
    assert report.loaded is False and report.directory == folder
    assert "neo4j-admin database import full --overwrite-destination=true neo4j @arguments" in report.command
    neo4j_server.stop()
    try:
        done = in_folder(neo4j_server, folder)
        assert done.returncode == 0, done.stdout
    finally:
        neo4j_server.start()
    other = make("ladybug")
    for trace in (traces.clean, traces.attacked):
        other.load(trace)
    with connect(neo4j_server) as store:
        for text in (folder / "schema.cypher").read_text(encoding="utf-8").split(";\n"):
            if text.strip():
                store.cypher(text, write=True)
        assert_same(contents(store, without=OTHER), contents(other, without=OTHER))
    with connect(neo4j_server) as store, pytest.raises(StoreError, match="is not empty"):
        store.bulk_load([traces.clean], directory=folder)


def in_folder(server: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    from graphpath.server import java
    from graphpath.server.jars import ensure_jars
    from graphpath.server.tool import MAIN, build_environment

    arguments = ["database", "import", "full", "--overwrite-destination=true", "neo4j", "@arguments"]
    words = java.build_command(java.find_java(), ensure_jars(server.cache), 256, MAIN, arguments)
    return subprocess.run(
        words, cwd=folder, env=build_environment(server.home), capture_output=True, text=True, check=False
    )


def test_two_traces_of_one_name_are_refused(managed: Server, traces: SimpleNamespace, tmp_path: Path) -> None:
    twin = write_trace(tmp_path / "twin", run="clean", samples=4, seed=8)
    with connect(managed) as store:
        with pytest.raises(StoreConflict, match="different traces of run 'clean'"):
            store.bulk_load([traces.clean, twin])
        with pytest.raises(StoreError, match="at least one"):
            store.bulk_load([])
    assert leftovers(managed) == []


def test_texts_and_numbers_that_csv_makes_difficult(managed: Server, tmp_path: Path) -> None:
    """Quotes, commas, new lines, empty and missing texts, infinities, the smallest and largest numbers."""
    texts = ['say "so"', "a,b", "two\nlines", "", None, "back\\slash", "'", " spaces ", "ü\u2028"]
    numbers = [float("inf"), float("-inf"), float("nan"), 1e-45, 3.4e38, 0.1, -0.0, None, 1.0]
    right = [True, False, None] * 3
    table = pa.table(
        {
            "id": list(range(len(texts))),
            "dataset": texts,
            "split": texts,
            "position": [2**53 - 1] * len(texts),
            "label": pa.array([None, *range(8)], pa.int32()),
            "variant": texts,
            "parent": pa.array([None] * len(texts), pa.int64()),
            "detail": texts,
            "attack": texts,
            "epsilon": numbers,
            "label_name": texts,
            "predicted": texts,
            "confidence": pa.array(numbers, pa.float32()),
            "correct": right,
        }
    )
    assert table.column_names == list_columns("Sample")
    pq.write_table(table, tmp_path / "Sample.parquet")
    files = convert({"Sample": [tmp_path / "Sample.parquet"]}, tmp_path / "csv", 1 << 28)
    assert files.multiline
    exchange = bulk.Exchange(bulk.find_managed_server(managed.uri), "neo4j")
    exchange.import_new(files.write_arguments(relative=False), 256)
    with exchange.swap(), connect(managed) as store:
        rows = store.cypher("MATCH (s:Sample) RETURN s ORDER BY s.id").s.tolist()
    for number, row in enumerate(rows):
        assert row["id"] == number and row["position"] == 2**53 - 1
        assert row.get("dataset") == texts[number] and row.get("detail") == texts[number]
        assert row.get("predicted") == texts[number] and row.get("correct") is right[number]
        value = numbers[number]
        if value is None:
            assert row.get("epsilon") is None
        else:
            np.testing.assert_equal(row["epsilon"], value)
    clear(managed)
