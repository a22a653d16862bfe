"""Verdicts beside their runs, on both engines: kept, replaced, taken along, and gone with a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from graphpath.errors import RunNotFound, StoreUnavailable
from graphpath.stores import Store, ladybug, open_store
from tests.stores.contract.conftest import ENGINES, clear, connect
from tests.verdicts import made


def held(store: Store) -> dict[int, list[str]]:
    """The verdicts' ids, with their runs."""
    answer = store.query("verdicts/all")
    return dict(zip(answer.verdict, answer.runs, strict=True))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, traces: SimpleNamespace) -> Path:
    """An embedded store with two runs."""
    path = tmp_path_factory.mktemp("loaded") / "s.lbdb"
    with open_store(path, buffer_bytes=128 << 20) as store:
        store.load(traces.clean)
        store.load(traces.attacked)
    return path


@pytest.fixture(params=ENGINES)
def loaded(
    request: pytest.FixtureRequest, traces: SimpleNamespace, file: Path, tmp_path: Path
) -> Iterator[Store]:
    """A store of the test's own with two runs."""
    if request.param == "ladybug":
        with open_store(shutil.copy(file, tmp_path / "own.lbdb"), buffer_bytes=128 << 20) as store:
            yield store
        return
    server = request.getfixturevalue("neo4j_server")
    clear(server)
    with connect(server) as store:
        store.load(traces.clean)
        store.load(traces.attacked)
        yield store


def test_a_verdict_is_read_as_it_was_written(loaded: Store) -> None:
    row = made(1)
    loaded.record_verdict(row, ["clean"])
    names = ", ".join(f"v.{name} AS {name}" for name in row)
    assert loaded.execute(f"MATCH (v:Verdict) RETURN {names}").to_pylist() == [row]
    answer = loaded.query("verdicts/all")
    assert answer.iloc[0][["verdict", "words", "runs"]].tolist() == [1, row["words"], ["clean"]]


def test_the_same_verdict_again_replaces_it(loaded: Store) -> None:
    for words in ("first", "second"):
        loaded.record_verdict(made(1, words=words), ["clean", "attacked"])
    answer = loaded.query("verdicts/all")
    assert answer.words.tolist() == ["second"]
    assert held(loaded) == {1: ["attacked", "clean"]}
    assert loaded.execute("MATCH (:Verdict)-[r:OF_RUN]->() RETURN count(*) AS n")["n"][0].as_py() == 2


@pytest.mark.parametrize("runs", [["none"], ["clean", "none"], []])
def test_a_verdict_on_a_run_that_is_not_there_is_refused(loaded: Store, runs: list[str]) -> None:
    with pytest.raises(RunNotFound, match="kept beside the runs"):
        loaded.record_verdict(made(1), runs)
    assert held(loaded) == {}


@pytest.mark.parametrize("above", [0.0, 2.0], ids=["rebuilt", "in place"])
def test_loads_and_deletions_of_others_leave_it(
    loaded: Store, traces: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, above: float
) -> None:
    """And it goes with the first of its runs."""
    monkeypatch.setattr(ladybug, "REBUILD_ABOVE", above)
    loaded.record_verdict(made(1), ["clean"])
    loaded.record_verdict(made(2), ["attacked"])
    loaded.record_verdict(made(3), ["attacked", "clean"])
    loaded.load(traces.other)
    loaded.record_verdict(made(4), ["other"])
    assert held(loaded) == {1: ["clean"], 2: ["attacked"], 3: ["attacked", "clean"], 4: ["other"]}
    loaded.delete("other")
    assert held(loaded) == {1: ["clean"], 2: ["attacked"], 3: ["attacked", "clean"]}
    loaded.delete("attacked")
    assert held(loaded) == {1: ["clean"]}
    loaded.delete("clean")
    assert loaded.execute("MATCH (v:Verdict) RETURN count(*) AS n")["n"][0].as_py() == 0


def without_verdicts(store: Store) -> None:
    """As a file of before."""
    store.cypher("DROP TABLE OF_RUN", write=True)
    store.cypher("DROP TABLE Verdict", write=True)


@pytest.fixture
def older(tmp_path_factory: pytest.TempPathFactory, traces: SimpleNamespace) -> Store:
    store = open_store(tmp_path_factory.mktemp("older") / "s.lbdb", buffer_bytes=128 << 20)
    store.load(traces.clean)
    without_verdicts(store)
    store.close()
    return store


def test_an_older_file_gets_its_tables_when_it_is_opened(older: Store) -> None:
    with open_store(older.uri) as store:
        assert held(store) == {}
        store.record_verdict(made(1), ["clean"])
        assert held(store) == {1: ["clean"]}


def test_an_older_file_that_was_open_already_gets_them_with_the_next_change(
    older: Store, traces: SimpleNamespace
) -> None:
    older.record_verdict(made(1), ["clean"])
    assert held(older) == {1: ["clean"]}
    without_verdicts(older)
    older.load(traces.other)
    assert held(older) == {}
    without_verdicts(older)
    older.delete("other")
    assert older.runs().run.tolist() == ["clean"]


def test_an_older_file_that_cannot_be_changed_is_opened_all_the_same(
    older: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise StoreUnavailable("read-only")

    monkeypatch.setattr(ladybug, "stage", refused)
    with open_store(older.uri) as store:
        assert store.runs().run.tolist() == ["clean"]


def test_a_rebuilt_file_keeps_its_verdicts(older: Store) -> None:
    older.record_verdict(made(1), ["clean"])
    with open_store(older.uri, rebuild=True) as store:
        assert held(store) == {1: ["clean"]}
