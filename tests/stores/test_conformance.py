"""Where the pinned engine and Neo4j differ in silence, executed on the engine we run on.

``SAME`` are patterns that our queries rely on: the engine must answer as Neo4j does. They are what decides
whether the pin ``ladybug==0.18.3`` can go: install a later ladybug and run this file; when every ``SAME``
case passes, lift the pin in pyproject.toml. (0.19.0 to 0.22.0 fail ``top_k_sum``.)

``DIFFERENT`` are patterns that the lint of graphpath.queries bans, each with both engines' answers. When
one fails, the engine has changed: where it now answers as Neo4j, the ban can go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import ladybug
import pytest

from graphpath.errors import QueryFailed
from graphpath.stores.sandbox import Limits, run_in_child

PIN = "0.18.3"


class Case(NamedTuple):
    """A query, Neo4j 5.26's rows, and the pinned engine's where they differ."""

    text: str
    neo4j: list[tuple[Any, ...]]
    ladybug: list[tuple[Any, ...]] | None = None
    parameters: dict[str, Any] = {}


SAME = {
    "top_k_sum": Case(
        "MATCH ()-[r:R]->() WITH r.w AS w ORDER BY w DESC LIMIT 3 RETURN sum(w) AS s", [(27.0,)]
    ),
    "top_k_sum_grouped": Case(
        "MATCH ()-[r:R]->() WITH r.g AS g, r.w AS w ORDER BY w DESC LIMIT 3 RETURN g, sum(w) AS s ORDER BY g",
        [(0, 18.0), (1, 9.0)],
    ),
    "top_k_count": Case("MATCH (n:A) WITH n ORDER BY n.id LIMIT 4 RETURN count(*) AS n", [(4,)]),
    "empty_filter_means_all": Case(
        "MATCH ()-[r:R]->() WHERE size($gs) = 0 OR r.g IN $gs RETURN count(*) AS n", [(11,)], None, {"gs": []}
    ),
    "filter": Case(
        "MATCH ()-[r:R]->() WHERE size($gs) = 0 OR r.g IN $gs RETURN count(*) AS n", [(5,)], None, {"gs": [1]}
    ),
    "distinct_last": Case(
        "MATCH ()-[r:R]->() RETURN r.g AS g, sum(r.w) AS s, count(DISTINCT r.k) AS d ORDER BY g",
        [(0, 30.0, 3), (1, 25.0, 3)],
    ),
    "distinct_ungrouped": Case(
        "MATCH ()-[r:R]->() RETURN count(DISTINCT r.k) AS d, sum(r.w) AS s, count(*) AS n", [(3, 55.0, 11)]
    ),
    "collect_and_unwind_twice": Case(
        "MATCH ()-[r:R]->() WITH r.k AS k, collect(r.g) AS gs UNWIND gs AS a UNWIND gs AS b "
        "WITH a, b WHERE a < b RETURN count(*) AS n",
        [(10,)],
    ),
    "variable_length": Case("MATCH (a:A)-[:R*1..3]->(b:A) WHERE a.id = 0 RETURN count(*) AS n", [(6,)]),
    "large_ids": Case("MATCH (n:A) WHERE n.big = $b RETURN n.id AS id", [(7,)], None, {"b": (1 << 52) + 7}),
    "case_and_coalesce": Case(
        "MATCH (n:A) RETURN sum(CASE WHEN n.id > 5 THEN 1 ELSE 0 END) AS n, min(coalesce(n.absent, -1)) AS m",
        [(4, -1)],
    ),
    "not_exists": Case("MATCH (n:A) WHERE NOT EXISTS { MATCH (n)-[:R]->(:A) } RETURN n.id AS id", [(9,)]),
    "optional": Case(
        "MATCH (n:A) WHERE n.id > 7 OPTIONAL MATCH (n)-[r:R]->(:A) RETURN n.id AS id, r.w AS w ORDER BY id",
        [(8, 8.0), (9, None)],
    ),
}

DIFFERENT = {
    "trails_are_walks": Case("MATCH (a:A)-[r:R]->(b:A)<-[s:R]-(c:A) RETURN count(*) AS n", [(4,)], [(15,)]),
    "comma_patterns_are_walks": Case(
        "MATCH (a:A)-[r:R]->(b:A), (a)-[s:R]->(c:A) RETURN count(*) AS n", [(4,)], [(15,)]
    ),
    "log_is_decimal": Case("RETURN round(log(100.0), 3) AS x", [(4.605,)], [(2.0,)]),
    "substring_begins_at_one": Case("RETURN substring('abcdef', 1, 2) AS x", [("bc",)], [("ab",)]),
    "lists_begin_at_one": Case("RETURN [10, 20, 30][1] AS x", [(20,)], [(10,)]),
    "slices_include_their_end": Case("RETURN [10, 20, 30, 40][1..3] AS x", [([20, 30],)], [([10, 20, 30],)]),
    "two_labels_are_either": Case("MATCH (n:A:B) RETURN count(*) AS n", [(0,)], [(12,)]),
    "a_missing_parameter_is_null": Case("RETURN $nobody AS x", [], [(None,)]),  # Neo4j refuses it
    "aggregates_after_a_distinct_one": Case(
        "MATCH ()-[r:R]->() RETURN r.g AS g, count(DISTINCT r.k) AS d, sum(r.w) AS s ORDER BY g",
        [(0, 3, 30.0), (1, 3, 25.0)],
        [(0, 3, None), (1, 3, None)],
    ),
}


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Path:
    """Ten nodes of label A in a chain with two shortcuts, two of label B."""
    path = tmp_path_factory.mktemp("conformance") / "graph.lbdb"
    database = ladybug.Database(path, buffer_pool_size=64 << 20)
    connection = ladybug.Connection(database)
    connection.execute("CREATE NODE TABLE A(id INT64, big INT64, absent INT64, PRIMARY KEY(id))")
    connection.execute("CREATE NODE TABLE B(id INT64, PRIMARY KEY(id))")
    connection.execute("CREATE REL TABLE R(FROM A TO A, k INT64, g INT64, w DOUBLE)")
    for number in range(10):
        connection.execute("CREATE (:A {id: $n, big: $b})", {"n": number, "b": (1 << 52) + number})
    for number in range(2):
        connection.execute("CREATE (:B {id: $n})", {"n": number})
    chain = [(number, number + 1) for number in range(9)]
    for number, (source, target) in enumerate([*chain, (0, 2), (5, 7)]):
        connection.execute(
            "MATCH (a:A {id: $a}), (b:A {id: $b}) CREATE (a)-[:R {k: $k, g: $g, w: $w}]->(b)",
            {"a": source, "b": target, "k": number % 3, "g": number % 2, "w": float(number)},
        )
    connection.close()
    database.close()
    return path


def answer(graph: Path, case: Case) -> list[tuple[Any, ...]] | str:
    """The rows, or what went wrong (the engine may crash: it runs in a child)."""
    try:
        table = run_in_child(graph, case.text, case.parameters, Limits(30.0, 64 << 20), write=False)
    except QueryFailed as error:
        return str(error)
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("name", SAME)
def test_what_our_queries_rely_on(graph, name):
    case = SAME[name]
    found = answer(graph, case)
    assert found == case.neo4j, (
        f"ladybug {ladybug.__version__} answers {found} to {case.text!r}, Neo4j {case.neo4j}: named queries "
        f"rely on this. Keep the pin ladybug=={PIN} in pyproject.toml, and report it upstream."
    )


@pytest.mark.parametrize("name", DIFFERENT)
def test_known_differences(graph, name):
    case = DIFFERENT[name]
    found = answer(graph, case)
    assert found == case.ladybug, (
        f"ladybug {ladybug.__version__} answers {found} to {case.text!r}; {PIN} answered {case.ladybug}, "
        f"Neo4j {case.neo4j}. If it now agrees with Neo4j, move this case to SAME and lift its ban in "
        "the lint of cypher/; if not, correct this table."
    )


def test_the_pin():
    """Fails when another version is installed, once everything above has been looked at."""
    assert ladybug.__version__ == PIN, (
        f"ladybug {ladybug.__version__} is installed, the pin is {PIN}. If the other tests of this file "
        "pass, the pin can go: change pyproject.toml and PIN here."
    )
