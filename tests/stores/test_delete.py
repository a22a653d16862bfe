"""Deleting a run leaves what a store without it would hold, whichever way it goes."""

import shutil
from functools import cache

import pytest

from graphpath.errors import RunNotFound, StoreError
from graphpath.stores import ladybug, open_store
from tests.stores.contents import assert_same, contents
from tests.synthetic import write_trace


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    root = tmp_path_factory.mktemp("three")
    clean = write_trace(root / "clean", run="clean", samples=8, edges_per_pathway=30)
    return (
        clean,
        write_trace(root / "attacked", run="attacked", adversarial_of=clean, edges_per_pathway=30),
        write_trace(root / "other", run="other", weights="other", layers=4, samples=4),
    )


@pytest.fixture(scope="module")
def loaded(three, tmp_path_factory):
    """The file of a store with all three."""
    path = tmp_path_factory.mktemp("loaded") / "s.lbdb"
    with open_store(path, buffer_bytes=128 << 20) as store:
        for trace in three:
            store.load(trace)
    return path


@pytest.fixture
def full(loaded, tmp_path):
    """A store of the test's own, with all three."""
    with open_store(shutil.copy(loaded, tmp_path / "full.lbdb"), buffer_bytes=128 << 20) as store:
        yield store


@pytest.fixture(scope="module")
def without(three, tmp_path_factory):
    """The contents of stores that never had the named run."""

    @cache
    def contents_without(run: str):
        with open_store(tmp_path_factory.mktemp("without") / "s.lbdb") as store:
            for trace in three:
                if trace.id != run:
                    store.load(trace)
            return contents(store)

    return contents_without


@pytest.mark.parametrize("way", ["in place", "rebuilt"])
@pytest.mark.parametrize("run", ["clean", "attacked", "other"])
def test_a_deleted_run_leaves_no_trace(full, without, run, way, monkeypatch):
    monkeypatch.setattr(ladybug, "REBUILD_ABOVE", 2.0 if way == "in place" else 0.0)
    rebuilt = []
    original = ladybug.LadybugStore._rebuild
    monkeypatch.setattr(
        ladybug.LadybugStore, "_rebuild", lambda self, *given: (rebuilt.append(1), original(self, *given))
    )
    full.delete(run)
    assert bool(rebuilt) == (way == "rebuilt")
    assert_same(contents(full), without(run))


def test_a_large_run_goes_by_rebuilding_and_keeps_min_support(empty, three, monkeypatch):
    empty.load(three[0])
    empty.load(three[2], min_support=1)
    monkeypatch.setattr(ladybug, "remove_run", None)  # would fail if it were called
    empty.delete("clean")
    assert empty.runs().set_index("run").min_support.to_dict() == {"other": 1}


def test_a_trace_that_is_gone_is_no_obstacle(empty, three, tmp_path):
    moved = shutil.copytree(three[2].path, tmp_path / "moved")
    empty.load(three[0])
    empty.load(moved)
    expected = contents(empty)["Run"]
    shutil.rmtree(moved)
    empty.delete("clean")
    assert contents(empty)["Run"].equals(expected[expected.id == "other"].reset_index(drop=True))
    with pytest.raises(StoreError, match="not all of its traces are there"):
        empty.rebuild()


def test_deleted_and_loaded_again(full, three, without):
    before = contents(full)
    full.delete("attacked")
    full.load(three[1])
    assert_same(contents(full), before)


def test_an_unknown_run_is_refused_by_name(full):
    with pytest.raises(RunNotFound, match="no run 'nobody'"):
        full.delete("nobody")
