"""Addresses, style and files for Neo4j Browser, without a server."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import neo4j
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpath import queries
from graphpath.errors import QueryFileError, QueryParameterError, ServerError
from graphpath.queries import text
from graphpath.schema import NODE, RELATIONSHIP
from graphpath.server import Server
from graphpath.server.browser import build_address, export_kit, grass, query_text, rules
from graphpath.server.browser.link import _format_literal
from graphpath.server.style import EDGES, NODES, connect_command

PAGE = "http://127.0.0.1:7474/browser/"
TRICKY = ["it's", '"', "\\", "a\nb", "; DROP", "// x", "$run", "`", "ümlaut", "\\' OR true", "}{"]


def test_a_query_is_ready_to_run() -> None:
    filled = query_text("browse/pathway", pathway=2254900780072960)
    assert filled.splitlines()[:2] == [
        "// One pathway, its strongest routes first",
        "// :params {pathway: 2254900780072960, limit: 40}",
    ]
    assert "WHERE r.pathway = 2254900780072960\n" in filled
    assert filled.endswith("LIMIT 40")


@pytest.mark.parametrize("name", list(queries.catalogue()))
def test_no_query_keeps_a_parameter(name: str) -> None:
    declared = queries.find(name).parameters
    given_ = {key: one.parsed.make_placeholder() for key, one in declared.items() if one.required}
    assert text.find_parameters(query_text(name, **given_)) == {}


def test_values_are_checked() -> None:
    with pytest.raises(QueryParameterError, match="needs pathway"):
        query_text("browse/pathway")
    with pytest.raises(QueryParameterError, match="must be a whole number"):
        query_text("browse/pathway", pathway="1 OR true")
    with pytest.raises(QueryFileError, match="did you mean"):
        query_text("browse/pathwy", pathway=1)
    with pytest.raises(QueryParameterError, match="Parameter run holds"):
        query_text("browse/categories", run="\\u0022 OR true")


@pytest.mark.parametrize("value", TRICKY)
def test_a_value_stays_a_value(value: str, neo4j_server: Server) -> None:
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=("neo4j", neo4j_server.password)) as driver:
        records, _, _ = driver.execute_query(
            f"RETURN {_format_literal('run', value)} AS x", database_="neo4j"
        )
    assert records[0]["x"] == value


@given(st.text())
def test_an_address_carries_any_text(query: str) -> None:
    try:
        query.encode()
    except UnicodeEncodeError:
        return
    parts = urlsplit(build_address("bolt://127.0.0.1:7687", PAGE, query))
    asked = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert parts.path == "/browser/"
    assert asked["dbms"] == ["bolt://neo4j@127.0.0.1:7687"]
    assert asked["arg"] == [query]
    assert "+" not in parts.query


@pytest.mark.parametrize(
    ("store", "page"),
    [
        ("pathways.lbdb", PAGE),
        ("http://127.0.0.1:7474", PAGE),
        ("bolt://neo4j:secret@127.0.0.1:7687", PAGE),
        ("bolt://127.0.0.1:7687", "javascript:alert(1)"),
    ],
)
def test_what_is_no_address(store: str, page: str) -> None:
    with pytest.raises(ServerError):
        build_address(store, page)


def test_the_page_may_be_given_without_its_path() -> None:
    assert build_address("neo4j+s://db.example.org", "https://db.example.org:7473").startswith(
        "https://db.example.org:7473/browser/?dbms=neo4j%2Bs%3A%2F%2Fneo4j%40db.example.org&db=neo4j"
    )


def test_the_style_speaks_of_what_the_graph_has() -> None:
    assert set(NODES) == set(NODE) - {"GraphpathMeta"}
    assert set(EDGES) <= set(RELATIONSHIP)
    for kind, (*_, caption) in (*NODES.items(), *EDGES.items()):
        properties = (NODE.get(kind) or RELATIONSHIP[kind]).properties
        named = {part.partition("}")[0] for part in caption.split("{")[1:]} - {""}
        assert named <= set(properties), kind


def test_the_style_sheet_and_the_command_agree() -> None:
    sheet: dict[str, dict[str, str]] = {}
    for block in grass().split("}\n"):
        selector, _, body = block.partition(" {\n")
        lines = [line.strip().rstrip(";").partition(": ") for line in body.splitlines() if line.strip()]
        if selector.strip():
            sheet[selector.strip()] = {key: value.strip("'") for key, _, value in lines}
    config, _, style = connect_command().partition("; style ")
    assert sheet == rules() == json.loads(style)
    assert config == 'config {"autoComplete": false}'
    # Browser splits what it runs on connecting at semicolons.
    assert ";" not in style


def test_text_is_readable_on_every_colour() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for selector, kept in rules().items():
        if selector.startswith("node"):
            pair = sorted((light(kept["color"]), light(kept["text-color-internal"])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, selector


def test_the_kit_holds_every_query(tmp_path: Path) -> None:
    written = export_kit(tmp_path / "kit")
    assert all(path.read_bytes() for path in written)
    assert [path.read_bytes() for path in written] == [p.read_bytes() for p in export_kit(tmp_path / "again")]
    for name, query in queries.catalogue().items():
        saved = (tmp_path / "kit" / "queries" / f"{name}.cypher").read_text("utf-8")
        # Browser names a saved query by its first comment.
        assert saved.startswith(f"// {query.title}\n")
    with zipfile.ZipFile(tmp_path / "kit" / "queries.zip") as archive:
        held = {entry.filename: archive.read(entry).decode() for entry in archive.infolist()}
    assert held == {f"graphpath {name}.cypher": query.text for name, query in queries.catalogue().items()}
    guide = (tmp_path / "kit" / "guide.md").read_text("utf-8")
    assert (tmp_path / "kit" / "graphpath.grass").read_text("utf-8") == grass()
    for line in guide.splitlines():
        if "neo4j browser browse/" in line:
            words = line.split()
            pairs = [word.split("=") for word in words if "=" in word]
            query_text(words[3], **{key: "1" if value == "ID" else value for key, value in pairs})


def test_a_kit_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match="give another folder"):
        export_kit(tmp_path / "file")
