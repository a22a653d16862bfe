"""The heads of query files: what they say, and what is refused with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphpath.errors import QueryFileError
from graphpath.queries import catalogue, read_folder
from graphpath.queries.files import read_file
from graphpath.queries.header import parse_header

GOOD = """// What it answers
//
// More of it,
// over two lines.
//
// param run string: the run
// param layers list<int> = [1, 2]: only these layers,
//   and no others
// param by "a"|"b" = "a": which
// returns: layer int,
//   name string
// :params {run: "", layers: [1, 2], by: "a"}

// A comment with $nothing and "MERGE".
MATCH (p:Pathway)
WHERE p.run = $run AND p.target IN $layers AND p.variant <> $by AND p.variant <> 'CREATE $x'
RETURN p.target AS layer, p.variant AS name
"""


def write(folder: Path, text: str, name: str = "topic/query.cypher") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_header_is_read(tmp_path: Path) -> None:
    query = read_file("topic/query", write(tmp_path, GOOD))
    assert query.title == "What it answers"
    assert query.description == "More of it,\nover two lines."
    assert dict(query.returns) == {"layer": "int", "name": "string"}
    layers = query.parameters["layers"]
    assert (layers.kind, layers.default, layers.meaning) == (
        "list<int>",
        [1, 2],
        "only these layers, and no others",
    )
    assert query.parameters["run"].required and not layers.required
    assert query.topic == "topic"


def test_a_guard_is_read() -> None:
    text = GOOD.replace("// returns", "// guard pathways/samples.samples <= run: another way\n// returns")
    (guard,) = parse_header(text, Path("x")).guards
    assert (guard.query, guard.column, guard.limit, guard.remedy) == (
        "pathways/samples",
        "samples",
        "run",
        "another way",
    )


def test_the_engine_that_a_query_needs_is_read(tmp_path: Path) -> None:
    """Its text is then the one engine's own, and may use what no other has."""
    assert not read_file("topic/query", write(tmp_path, GOOD)).needs_gds
    text = GOOD.replace("// param run", "// engine: neo4j with gds\n// param run").replace(
        "p.variant AS name", "toUpper(p.variant) AS name"
    )
    assert read_file("topic/query", write(tmp_path, text)).needs_gds
    with pytest.raises(QueryFileError, match="toUpper"):
        read_file("topic/query", write(tmp_path, text.replace("// engine: neo4j with gds\n", "")))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("// What it answers\n", "//\n", 1, "title"),
        ("// What it answers\n", "", 1, "title"),
        (GOOD, "MATCH (n:Neuron) RETURN n.id AS id", 1, "title"),
        ("// param run string: the run\n", "", 11, "line for Neo4j Browser"),
        ("run string: the run", "run string", 6, "write // param"),
        ("run string: the run", "run text: the run", 6, "unknown type 'text'"),
        ("= [1, 2]:", "= [1, x]:", 7, "not of type list<int>"),
        ('= "a": which', '= "c": which', 9, "not of type"),
        ("// param by", "// param run string: again\n// param by", 9, "declared twice"),
        ("// returns: layer int,\n//   name string\n", "", 1, "lacks // returns"),
        ("layer int,", "layer integer,", 10, "'layer integer' is no column"),
        ("layer int,", "name int,", 10, "returned twice"),
        ("// :params", "// returns: x int\n// :params", 12, "second returns"),
        ("layers: [1, 2], by", "layers: [], by", 12, r"must be // :params {run: \"\", layers: \[1, 2\]"),
        ("// :params {", "// guard x <= 3\n// :params {", 12, "write // guard"),
        ("// param run", "// engine: neo4j\n// param run", 6, "write // engine: neo4j with gds, or nothing"),
        ("// :params {", "// guard a/b.c <= size: so\n// :params {", 1, "size, which is no parameter"),
        ("= $run", "= $runs", 16, r"\$runs is not declared"),
        ("p.run = $run AND ", "", 1, "parameter run is declared and never used"),
        (GOOD[GOOD.index("MATCH") :], "", 13, "the query is empty"),
        ("RETURN", "SET p.run = 'x' RETURN", 17, "only reads"),
        ("p.variant AS name", "p.nothing AS name", 17, "p has no property nothing"),
    ],
)
def test_a_malformed_file_is_refused_by_line(
    old: str, new: str, line: int, message: str, tmp_path: Path
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(QueryFileError, match=rf"query\.cypher:{line}: .*{message}"):
        read_file("topic/query", path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "topic/Query.cypher")
    with pytest.raises(QueryFileError, match="has the same name"):
        read_folder(tmp_path)


def test_a_twin_answers_for_its_engine_and_has_the_same_header(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    other = GOOD.replace("RETURN", "WITH p RETURN")
    twin = write(tmp_path, other, "topic/ladybug/query.cypher")
    query = read_folder(tmp_path)["topic/query"]
    assert query.text_for("ladybug") == other
    assert query.text_for("neo4j") == GOOD
    twin.write_text(other.replace("More of it", "Less of it"))
    with pytest.raises(QueryFileError, match="its header differs"):
        read_folder(tmp_path)


def test_a_file_with_a_twin_is_the_other_engine_s_own(tmp_path: Path) -> None:
    indexed = GOOD.replace("p.variant AS name", "collect(p.variant)[0] AS name")
    write(tmp_path, indexed)
    with pytest.raises(QueryFileError, match="lists count from 0"):
        read_folder(tmp_path)
    write(tmp_path, indexed.replace("[0]", "[1]"), "topic/ladybug/query.cypher")
    query = read_folder(tmp_path)["topic/query"]
    assert "[0]" in query.text_for("neo4j") and "[1]" in query.text_for("ladybug")


@pytest.mark.parametrize("name", ["query.cypher", "topic/sqlite/query.cypher", "a/b/c/d.cypher"])
def test_a_file_in_the_wrong_place_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path, GOOD, name)
    with pytest.raises(QueryFileError, match="a query is TOPIC/NAME"):
        read_folder(tmp_path)


def test_a_twin_without_its_query_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "topic/ladybug/query.cypher")
    with pytest.raises(QueryFileError, match="a twin of topic/query, which does not exist"):
        read_folder(tmp_path)


def test_every_shipped_query_says_what_it_answers() -> None:
    for query in catalogue().values():
        assert query.title and not query.title.endswith("."), query.name
        assert all(len(line) <= 110 for line in query.text.splitlines()), query.name
