"""Which run is meant by what a person types, and ids shown short."""

from __future__ import annotations

import pytest

from graphpath.errors import MethodError, QueryParameterError, RunNotFound
from graphpath.naming import StoredRun, check_name, choose_run, join_ids, shorten_ids

RUNS = [
    StoredRun("dgr-digits-0123456789", True, "first", "2026-01-01T00:00:00.000000+00:00"),
    StoredRun("dgr-digits-0123ffffff", True, None, "2026-03-01T00:00:00.000000+00:00"),
    StoredRun("dgr-mnist-aaaaaaaaaa", False, "dgr-digits-0123456789", "2026-04-01T00:00:00.000000+00:00"),
    StoredRun("lrp-digits-9999999999", True, "lrp-", "2026-02-01T00:00:00.000000+00:00"),
    StoredRun("lrp-mnist-8888888888", True, "twice"),
    StoredRun("own", True, "twice"),
    StoredRun("own-too", True),
]


@pytest.mark.parametrize(
    ("asked", "run", "said"),
    [
        ("own", "own", ""),  # an id goes before what it is the beginning of
        ("dgr-digits-0123456789", "dgr-digits-0123456789", ""),  # and before another run's name
        ("first", "dgr-digits-0123456789", ""),
        ("lrp-", "lrp-digits-9999999999", ""),  # a name goes before the beginnings of two ids
        ("dgr-m", "dgr-mnist-aaaaaaaaaa", "'dgr-m' is run dgr-mnist-aaaaaaaaaa."),
        ("own-", "own-too", "'own-' is run own-too."),
        (
            "latest",
            "dgr-digits-0123ffffff",
            "The latest run is dgr-digits-0123ffffff, loaded at 2026-03-01 00:00:00 UTC.",
        ),
    ],
)
def test_one_run_is_meant(asked: str, run: str, said: str) -> None:
    chosen = choose_run(asked, RUNS)
    assert chosen is not None
    assert (chosen.run, chosen.note) == (run, said)


@pytest.mark.parametrize("asked", ["", "nobody", "dgr-digits-01234567890", "DGR-m"])
def test_no_run_is_meant(asked: str) -> None:
    assert choose_run(asked, RUNS) is None


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("dgr-digits-0", "Several runs begin with 'dgr-digits-0': dgr-digits-01234, dgr-digits-0123f; give"),
        ("twice", "Several runs are named 'twice': lrp-mnist-8888, own; say which by its id."),
    ],
)
def test_several_runs_are_refused(asked: str, sentence: str) -> None:
    with pytest.raises(QueryParameterError) as refusal:
        choose_run(asked, RUNS)
    assert sentence in str(refusal.value)


def test_an_unfinished_run_is_the_latest_only_where_one_is_asked_for() -> None:
    chosen = choose_run("latest", RUNS, unfinished=True)
    assert chosen is not None
    assert chosen.run == "dgr-mnist-aaaaaaaaaa"
    with pytest.raises(RunNotFound, match="no complete run"):
        choose_run("latest", [StoredRun("half", False, loaded="2026")])


def test_runs_of_an_older_graphpath_come_before_others_and_not_one_after_the_other() -> None:
    old = [StoredRun("a", True), StoredRun("b", True)]
    with pytest.raises(QueryParameterError, match=r"does not say which run was loaded last.*a, b"):
        choose_run("latest", old)
    one, newer = (
        choose_run("latest", old[:1]),
        choose_run("latest", [*old, StoredRun("c", True, loaded="2026")]),
    )
    assert one is not None
    assert newer is not None
    assert (one.run, newer.run) == ("a", "c")


def test_an_id_is_shown_as_short_as_it_is_understood() -> None:
    short = shorten_ids(run.run for run in RUNS)
    assert list(short.values()) == [
        "dgr-digits-01234",
        "dgr-digits-0123f",
        "dgr-mnist-aaaa",
        "lrp-digits-9999",
        "lrp-mnist-8888",
        "own",
        "own-too",
    ]
    for run, shown in short.items():
        chosen = choose_run(shown, RUNS)
        assert chosen is not None
        assert chosen.run == run
    assert join_ids(["dgr-digits-0123456789", "own"]) == "dgr-digits-0123, own"


@pytest.mark.parametrize(
    "name", ["latest", "", " a", "a b", "a,b", "-a", "+a", ".", "a" * 65, "a\n", "dgr-digits-0123456789"]
)
def test_what_names_no_run(name: str) -> None:
    with pytest.raises(MethodError, match="cannot name a run"):
        check_name(name)


@pytest.mark.parametrize("name", ["clean", "v1.2", "über", "a" * 64, "8-bit", None])
def test_what_names_a_run(name: str | None) -> None:
    check_name(name)
