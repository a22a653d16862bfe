"""A limit that was reached is known exactly and always said; what works with an answer takes all of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from graphpath import queries
from graphpath.chance import significance
from graphpath.queries.limits import describe_cut, find_limits
from graphpath.report.reader import RunReader
from graphpath.stores import Store
from tests.queries import test_answers, test_graph
from tests.queries.facts import Facts

CLEAN = {"run": "clean"}
CUT = [
    (query.name, name)
    for query in queries.catalogue().values()
    for name in find_limits(query)
    if not query.needs_gds
]


def asked(name: str, facts: Facts, store: Store) -> dict[str, Any]:
    """Parameters with which the query answers."""
    if name in test_graph.CASES:
        return test_graph.CASES[name](facts, store)
    cases = test_answers.CASES[name]
    return dict(next(iter(cases if isinstance(cases, list) else cases(facts))))


def answer(store: Store, name: str, **parameters: Any) -> pd.DataFrame:
    """Rows, also of a query of nodes: as the key of each."""
    found = queries.query(store, name, **parameters)
    return found.map(lambda cell: repr(cell)) if name in test_graph.CASES else found


def test_every_parameter_that_cuts_an_answer_is_a_limit() -> None:
    for query in queries.catalogue().values():
        for name, parameter in query.parameters.items():
            if f"LIMIT ${name}" in query.text or f".rank <= ${name}\n" in query.text.split("RETURN")[0]:
                assert parameter.limits or query.name == "pathways/largest_overlap", (query.name, name)
    assert len(CUT) > 20


@pytest.mark.parametrize(("name", "limit"), CUT)
def test_whether_a_limit_was_reached_is_known_exactly(
    name: str, limit: str, store: Store, facts: Facts
) -> None:
    given = {key: value for key, value in asked(name, facts, store).items() if key != limit}
    every = answer(store, name, **given, **{limit: "all"})
    assert every.attrs["limit_reached"] is False and not describe_cut(every.attrs)
    per = queries.find(name).parameters[limit].parsed.per
    keys = list(dict.fromkeys(zip(*(every[column] for column in per), strict=True))) if per else []
    size = len(keys) or len(every)
    assert size > 1
    whole = answer(store, name, **given, **{limit: size})
    pd.testing.assert_frame_equal(whole, every)
    assert whole.attrs["limit_reached"] is False
    less = answer(store, name, **given, **{limit: size - 1})
    assert less.attrs["limit_reached"] is True and less.attrs["limits"] == {limit: size - 1}
    assert f"{limit}={size - 1} was reached" in describe_cut(less.attrs)
    assert less.columns.tolist() == every.columns.tolist() and less.index.tolist() == [*range(len(less))]
    kept = len(dict.fromkeys(zip(*(less[column] for column in per), strict=True))) if per else len(less)
    assert kept == size - 1
    none = answer(store, name, **given, **{limit: 0})
    assert none.empty and none.attrs["limit_reached"] is True


def test_all_can_be_written_in_several_ways(store: Store) -> None:
    every = store.query("categories/shared_edges", **CLEAN, limit=1 << 62)
    for value in ("all", "ALL", None):
        pd.testing.assert_frame_equal(store.query("categories/shared_edges", **CLEAN, limit=value), every)
    assert queries.bind_parameters(store, "categories/shared_edges", **CLEAN, limit=None)["limit"] == "all"


def test_a_graph_says_that_it_is_a_part(store: Store) -> None:
    assert store.graph("browse/shared", **CLEAN, limit=2).graph["limit_reached"] is True
    assert store.graph("browse/shared", **CLEAN, limit="all").graph["limit_reached"] is False


def test_what_works_with_an_answer_takes_all_of_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header's default is for reading a page."""
    every = store.query("categories/shared_edges", **CLEAN, limit="all")
    header = queries.find("categories/shared_edges").parameters["limit"]
    monkeypatch.setitem(header.__dict__, "default", 5)
    assert len(store.query("categories/shared_edges", **CLEAN)) == 5
    assert len(queries.query_all(store, "categories/shared_edges", **CLEAN)) == len(every)
    held = significance(store, "categories/shared_edges", null="independent", **CLEAN)
    assert len(held) == len(every) and held.attrs["limit_reached"] is False
    cut = significance(store, "categories/shared_edges", null="independent", **CLEAN, limit=3)
    assert len(cut) == 3 and cut.attrs["limit_reached"] is True
    source = RunReader(store, "clean").ask("categories/shared_edges", **CLEAN)
    assert len(source.frame) == len(every) and "--limit all" in source.command


def test_how_much_of_a_ranking_is_asked_for_belongs_to_the_question(store: Store) -> None:
    hubs = queries.query_all(store, "pathways/hubs", **CLEAN)
    pd.testing.assert_frame_equal(hubs, store.query("pathways/hubs", **CLEAN))


def test_a_guard_takes_all_too(store: Store) -> None:
    pd.testing.assert_frame_equal(
        store.query("categories/consistency", **CLEAN, max_samples="all"),
        store.query("categories/consistency", **CLEAN),
    )
