"""Categories of one's own make the same graph on both engines, at once or afterwards, whatever interrupts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from graphpath.errors import DataError, QueryParameterError, StoreConflict, StoreError
from graphpath.record import Trace
from graphpath.server import Server
from graphpath.stores import Scheme, Store, open_store
from graphpath.stores.neo4j.session import BoltSession
from tests.queries.facts import GROUPED, grouping
from tests.stores.contents import assert_same
from tests.stores.contract.conftest import Stopped, clear, connect, held


@pytest.fixture(scope="module")
def expected(traces: SimpleNamespace, make: Callable[[str], Store]) -> dict:
    """What the embedded engine holds of two runs that came with their categories."""
    store = make("ladybug")
    for trace in (traces.clean, traces.attacked):
        assert store.load(trace, categories=grouping()).loaded
        assert not store.load(trace, categories=grouping()).loaded
        assert not store.load(trace).loaded  # what is known of its classes stays
    found = held(store)
    assert set(found["ClassPathway"].scheme) == {"classes", GROUPED}
    assert len(found["IN_CATEGORY"]) == 3
    return found


def test_added_afterwards_they_are_what_they_are_at_once(
    empty: Store, traces: SimpleNamespace, expected: dict
) -> None:
    for trace in (traces.clean, traces.attacked):
        empty.load(trace)
    before = held(empty)
    done = empty.add_categories(grouping())
    assert [report.loaded for report in done] == [True, True]
    assert_same(held(empty), expected)
    assert not any(report.loaded for report in empty.add_categories(grouping()))
    own = held(empty)["ClassPathway"].query("scheme == 'classes'").drop(columns="scheme")
    assert own.reset_index(drop=True).equals(before["ClassPathway"].drop(columns="scheme"))
    counted = empty.query("categories/schemes")
    assert counted[["category", "classes"]].to_numpy().tolist() == [["high", 1], ["low", 2]]


def test_a_later_run_has_the_categories_that_the_store_knows(
    empty: Store, traces: SimpleNamespace, expected: dict
) -> None:
    empty.load(traces.clean, categories=grouping())
    empty.load(traces.attacked)
    assert_same(held(empty), expected)


def test_a_deleted_run_takes_its_class_pathways_along(empty: Store, traces: SimpleNamespace) -> None:
    empty.load(traces.clean, categories=grouping())
    before = held(empty)
    empty.load(traces.attacked)
    empty.delete("attacked")
    assert_same(held(empty), before)


def test_a_class_is_of_one_category(empty: Store, traces: SimpleNamespace) -> None:
    empty.load(traces.clean, categories=grouping())
    before = held(empty)
    other = Scheme(GROUPED, "others.csv", ({"label": "1", "category": "high"},))
    with pytest.raises(
        StoreConflict, match=r"in the category 'low' of scheme 'grouped', others.csv in 'high'"
    ):
        empty.load(traces.clean, categories=other)
    with pytest.raises(StoreConflict, match="another name"):
        empty.add_categories(other)
    with pytest.raises(StoreConflict, match="its own classes"):
        empty.load(traces.clean, categories=Scheme("toy", "a test", grouping().rows))
    with pytest.raises(DataError, match="names none of the classes"):
        empty.add_categories(Scheme("more", "a test", ({"label": "77", "category": "x"},)))
    with pytest.raises(QueryParameterError, match="no scheme of categories 'more'; it has classes, grouped"):
        empty.query("categories/sharing", run="clean", scheme="more")
    assert_same(held(empty), before, exact=True)


def test_classes_can_join_a_scheme_later(empty: Store, traces: SimpleNamespace, expected: dict) -> None:
    """Its categories keep their ids; what the store has then is what it would have had at once."""
    first = [row for row in grouping().rows if row["label"] != "2"]
    for trace in (traces.clean, traces.attacked):
        empty.load(trace, categories=Scheme(GROUPED, "a test", tuple(first)))
    one = held(empty)["Category"]
    empty.add_categories(grouping())
    two = held(empty)["Category"]
    assert set(one.id) < set(two.id)
    names = {tuple(row) for row in two[two.scheme == GROUPED][["label", "name"]].to_numpy().tolist()}
    assert names == {(0, "low"), (1, "high")}
    counts = {name: len(rows) for name, rows in held(empty).items()}
    assert counts == {name: len(rows) for name, rows in expected.items()}


def test_two_schemes_stand_beside_each_other(empty: Store, traces: SimpleNamespace, expected: dict) -> None:
    empty.load(traces.clean, categories=Scheme("all", "a test", ({"label": "0", "category": "one"},)))
    empty.load(traces.attacked)
    empty.add_categories(grouping())
    found = held(empty)
    assert set(found["ClassPathway"].scheme) == {"classes", "all", GROUPED}
    mine = found["ClassPathway"].query("scheme != 'all'").drop(columns="id")
    keys = ["run", "category", "variant"]
    wanted = expected["ClassPathway"].drop(columns="id").sort_values(keys).reset_index(drop=True)
    assert mine.sort_values(keys).reset_index(drop=True).equals(wanted)


def test_a_removed_scheme_leaves_the_store_as_it_was(empty: Store, traces: SimpleNamespace) -> None:
    other = Scheme("all", "a test", ({"label": "0", "category": "one"},))
    for trace in (traces.clean, traces.attacked):
        empty.load(trace, categories=other)
    before = held(empty)
    empty.add_categories(grouping())
    empty.remove_categories(GROUPED)
    assert_same(held(empty), before)
    assert not empty.load(traces.clean).loaded
    with pytest.raises(StoreError, match="no scheme of categories 'grouped' to remove; it has all"):
        empty.remove_categories(GROUPED)
    with pytest.raises(StoreError, match="no scheme of categories 'toy'"):  # the classes' own
        empty.remove_categories("toy")
    assert_same(held(empty), before, exact=True)


def test_runs_that_a_scheme_is_not_about_are_named(empty: Store, traces: SimpleNamespace) -> None:
    for trace in (traces.clean, traces.attacked):
        empty.load(trace)
    match, other = Scheme.match, traces.attacked.id

    def refuse(self: Scheme, classes: dict[int, str]) -> dict[int, str]:
        if next(names, "") == other:
            raise DataError("'crane' is the name of 2 classes.")
        return match(self, classes)

    names = iter(sorted((traces.clean.id, other)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scheme, "match", refuse)
        done = {report.run: report for report in empty.add_categories(grouping())}
    assert done[other].left_out == "'crane' is the name of 2 classes." and not done[other].loaded
    assert done[traces.clean.id].loaded and not done[traces.clean.id].left_out


def test_a_trace_that_is_gone_is_named(empty: Store, traces: SimpleNamespace, tmp_path) -> None:
    shutil.copytree(traces.clean.path, tmp_path / "copy")
    empty.load(Trace(tmp_path / "copy"))
    before = held(empty)
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(StoreError, match=r"'clean' is made anew from its trace.*no longer at"):
        empty.add_categories(grouping())
    assert_same(held(empty), before, exact=True)


def test_an_embedded_store_that_is_made_anew_keeps_them(
    traces: SimpleNamespace, expected: dict, tmp_path
) -> None:
    store = open_store(tmp_path / "s.lbdb")
    store.load(traces.clean, categories=grouping())
    store.load(traces.attacked)
    store.rebuild()
    assert_same(held(store), expected)


def test_added_to_a_server_and_stopped_anywhere_the_same_goes_on(
    neo4j_server: Server, traces: SimpleNamespace, expected: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear(neo4j_server)
    write, tries = BoltSession._write, 0
    with connect(neo4j_server, batch_bytes=20_000) as store:
        for trace in (traces.clean, traces.attacked):
            store.load(trace)
        while True:
            seen = iter(range(10**6))

            def failing(self, transaction, name, table, offset, seen=seen):
                write(self, transaction, name, table, offset)
                if next(seen) == 25:
                    raise Stopped

            tries += 1
            with monkeypatch.context() as patch:
                patch.setattr(BoltSession, "_write", failing)
                try:
                    store.add_categories(grouping())
                    break
                except Stopped:
                    pass
                except StoreError:  # the run that was stopped is not complete: its load goes on first
                    pass
            for trace in (traces.clean, traces.attacked):
                store.load(trace)
        assert tries > 1
        assert_same(held(store), expected)


def test_a_removal_that_stopped_on_a_server_goes_on(
    neo4j_server: Server, traces: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear(neo4j_server)
    remove, tries = BoltSession.remove, 0
    with connect(neo4j_server) as store:
        store.load(traces.clean)
        before = held(store)
        store.add_categories(grouping())
        while True:
            seen = iter(range(10**6))

            def failing(self, *given, seen=seen, last=tries, **options):
                if next(seen) == last:
                    raise Stopped
                remove(self, *given, **options)

            tries += 1
            with monkeypatch.context() as patch:
                patch.setattr(BoltSession, "remove", failing)
                try:
                    store.remove_categories(GROUPED)
                    break
                except Stopped:
                    pass
        assert tries > 3
        assert_same(held(store), before)
