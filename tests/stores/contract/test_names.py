"""A run is found by its name, by how its id begins, and as the latest, on both engines alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graphpath import analysis
from graphpath.errors import QueryParameterError, RunNotFound
from graphpath.record import Trace
from graphpath.report import write_report
from graphpath.stores import Store
from tests.synthetic import write_trace

FIRST, SECOND, THIRD = "dgr-toy-00aa000000", "dgr-toy-00bb000000", "a-toy-cc00000000"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, ...]:
    root = tmp_path_factory.mktemp("named")
    small = {"samples": 8, "edges_per_pathway": 20}
    return (
        write_trace(root / "first", run=FIRST, name="clean", **small),
        write_trace(root / "second", run=SECOND, seed=1, **small),
        write_trace(root / "third", run=THIRD, seed=2, name="twice", **small),
    )


@pytest.fixture(scope="module", params=["ladybug", "neo4j"])
def store(request: pytest.FixtureRequest, make: Callable[[str], Store], three: tuple[Trace, ...]) -> Store:
    """Loaded in an order that is not that of the ids."""
    store = make(request.param)
    for trace in (three[2], three[0], three[1]):
        store.load(trace)
    return store


@pytest.mark.parametrize(
    ("asked", "run"),
    [(FIRST, FIRST), ("clean", FIRST), ("dgr-toy-00b", SECOND), ("a", THIRD), ("latest", SECOND)],
)
def test_a_query_finds_the_run(store: Store, asked: str, run: str) -> None:
    expected = store.query("pathways/of_run", run=run)
    found = store.query("pathways/of_run", run=asked)
    assert found.equals(expected)
    assert [run in note for note in found.attrs["notes"]] == [True] * (asked not in (FIRST, "clean"))
    assert store.find_run(asked) == run
    assert f'"{run}"' in store.explain("pathways/of_run", run=asked)


def test_lists_of_runs_are_found_one_by_one(store: Store) -> None:
    expected = store.query("adversarial/class_similarity", runs=[FIRST, THIRD], references=[SECOND])
    found = store.query("adversarial/class_similarity", runs="clean,a-toy", references=["latest"])
    assert len(expected)
    assert found.equals(expected)


def test_what_is_none_or_several_is_refused(store: Store) -> None:
    with pytest.raises(
        RunNotFound, match=r"there is no run 'nobody'.*it holds: a-toy-cc00, dgr-toy-00aa, dgr"
    ):
        store.query("pathways/of_run", run="nobody")
    with pytest.raises(RunNotFound, match="holds no run 'nobody'; it holds: a-toy-cc00, dgr-toy-00aa"):
        store.find_run("nobody")
    with pytest.raises(
        QueryParameterError, match="Several runs begin with 'dgr': dgr-toy-00aa, dgr-toy-00bb"
    ):
        store.query("pathways/of_run", run="dgr")
    with pytest.raises(QueryParameterError, match="needs run=; the store holds several: a-toy-cc00"):
        store.query("pathways/of_run")


def test_the_runs_say_their_names_and_when_they_were_loaded(store: Store) -> None:
    runs = store.runs().set_index("run")
    assert runs.name.dropna().to_dict() == {FIRST: "clean", THIRD: "twice"}
    assert runs.sort_values("loaded").index.tolist() == [THIRD, FIRST, SECOND]
    named = store.cypher("MATCH (r:Run) WHERE r.name = 'clean' RETURN r.id AS run")
    assert named.run.tolist() == [FIRST]


def test_what_is_built_on_queries_takes_a_name_too(store: Store, tmp_path: Path, three: tuple) -> None:
    assert write_report(store, tmp_path / "a.html", run="clean").exists()
    by_name, by_id = (analysis.resemblance(store, three[1], run) for run in ("clean", FIRST))
    assert len(by_id)
    assert by_name.equals(by_id)


def test_a_name_of_two_runs_is_refused_and_the_latest_can_be_deleted(
    empty: Store, three: tuple[Trace, ...], tmp_path: Path
) -> None:
    empty.load(three[2])
    empty.load(write_trace(tmp_path / "too", run="too", name="twice", samples=8, edges_per_pathway=20))
    with pytest.raises(
        QueryParameterError, match="Several runs are named 'twice': a-toy-cc00, too; say which"
    ):
        empty.find_run("twice")
    empty.delete("latest")
    assert empty.runs().run.tolist() == [THIRD]
    assert empty.find_run("twice") == THIRD


def test_a_run_that_is_loaded_again_under_a_name_has_it(empty: Store, tmp_path: Path) -> None:
    small = {"samples": 8, "edges_per_pathway": 20}
    for name, loaded in ((None, True), ("one", True), ("other", True), ("other", False), (None, False)):
        trace = write_trace(tmp_path / f"{name}-{loaded}", run="same", name=name, **small)
        assert empty.load(trace).loaded is loaded
    assert empty.find_run("other") == "same"
    assert empty.runs().name.tolist() == ["other"]
