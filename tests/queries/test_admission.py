"""What of a user's own Cypher is let through: the graph may be asked, and nothing else reached."""

from __future__ import annotations

import pytest

from graphpath import queries
from graphpath.errors import QueryFailed, QueryParameterError
from graphpath.queries.admission import admit
from graphpath.queries.text import find_parameters
from graphpath.queries.tokens import tokenize
from tests.queries.admitted import BENIGN, CHANGING, FORBIDDEN, NESTED, WRITING

ENGINES = ("ladybug", "neo4j")
HOSTILE = [*FORBIDDEN, *NESTED]


def for_engines(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(one, text) for engine, text in texts for one in (ENGINES if engine == "both" else (engine,))]


def upper(text: str) -> str:
    return text.upper().replace("\\U", "\\u")


def test_there_are_enough_of_both() -> None:
    assert len(BENIGN) >= 60 and len(set(HOSTILE)) >= 400


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_that_leaves_the_graph_is_let_through(engine: str, write: bool) -> None:
    passed = []
    cases = [case for text in HOSTILE for case in (text, text.lower(), upper(text), f"{text};")]
    for text in cases:
        try:
            admit(text, engine, write=write)
            passed.append(text)
        except QueryFailed as error:
            assert "\n" not in str(error)
    assert passed == []


@pytest.mark.parametrize("engine", ENGINES)
def test_changes_have_to_be_asked_for(engine: str) -> None:
    for text in CHANGING:
        with pytest.raises(QueryFailed, match=r"write=True|no procedure|One statement|expected"):
            admit(text, engine)
    with pytest.raises(QueryFailed, match=r"line 2, at 'CREATE': CREATE changes the graph.*write=True"):
        admit("MATCH (n:Run)\nCREATE (:Thing)", engine)


def test_what_is_harmless_is_let_through() -> None:
    for engine, text in for_engines(BENIGN):
        admit(text, engine)
        admit(text, engine, write=True)
    for engine, text in for_engines(WRITING):
        admit(text, engine, write=True)


def test_every_named_query_is_let_through() -> None:
    for query in queries.catalogue().values():
        for engine in ("neo4j",) if query.needs_gds else ENGINES:
            text = query.text_for(engine)
            admit(text, engine, find_parameters(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (" // nothing\n;", "empty"),
        ("RETURN 1; RETURN 2", "One statement at a time"),
        ("RETURN 'a", "what ' begins never ends"),
        ("RETURN 1 /* a", r"what /\* begins never ends"),
        ("RETURN (1", "never closed"),
        ("RETURN 1)", "closes no bracket"),
        ("RETURN 1 \u202e", "no place in a query"),
        ("FOO", "line 1, at 'FOO': no query begins so"),
        ("MATCH (n:Run)\nRETRUN n", "line 2, at 'RETRUN': .* is RETURN meant"),
        ("MATCH (n:Run) WHERE n.id LIKE 'a'", "at 'LIKE': it is no word that may stand there"),
        ("RETURN cuont(1)", r"is count\(\) meant"),
        ("LOAD CSV FROM 'x' AS l RETURN l", "LOAD reaches beyond the graph"),
        ("MATCH (n) RETURN n.id AS a LOAD FROM 'x'", "LOAD reaches beyond the graph"),
        ("CALL dbms.listConfig()", "CALL dbms.listConfig is no procedure"),
        ("RETURN {run}", r"write the parameter \{run\} as \$run"),
        ("RETURN '\udc80'", "no Unicode text"),
    ],
)
def test_a_refusal_says_where_and_why(text: str, told: str) -> None:
    for engine in ENGINES:
        with pytest.raises(QueryFailed, match=told):
            admit(text, engine)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(QueryFailed, match="is a text, not int"):
        admit(7, "neo4j")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("RETURN $a + $b", {"a", "b"}),
        ("RETURN '$a', \"$b\" // $c\n/* $d */", set()),
        ("MATCH (`$a`:Run) RETURN `$a`.id AS `$b`", set()),
        ("RETURN $`a name`, $0, $ spaced", {"a name", "0", "spaced"}),
        ("RETURN [x IN $xs WHERE x = $y | {k: $z}]", {"xs", "y", "z"}),
        ("RETURN 'it\\'s $a', $ünï", {"ünï"}),
    ],
)
def test_parameters_are_found_where_they_are_and_nowhere_else(text: str, names: set[str]) -> None:
    assert set(find_parameters(text)) == names
    admit(text, "neo4j", names)
    for name in names:
        with pytest.raises(QueryParameterError, match="without a value"):
            admit(text, "neo4j", names - {name})
    with pytest.raises(QueryParameterError, match="does not use more"):
        admit(text, "neo4j", names | {"more"})


def test_a_text_ends_where_its_statement_ends() -> None:
    assert admit("RETURN 1 ; // the end", "neo4j") == "RETURN 1"


def test_tokens_know_where_they_stand() -> None:
    text = "MATCH (n:`a``b`) WHERE n.x = $p AND n.y >= 1.5e3 RETURN 'it\\'s'"
    found = tokenize(text)
    assert [token.kind for token in found if token.kind not in ("word", "symbol")] == [
        "quoted",
        "parameter",
        "number",
        "string",
    ]
    assert [str(token) for token in found if token.kind == "quoted"] == ["a`b"]
    assert all(token.name in text[token.start : token.end] for token in found if token.kind == "word")
