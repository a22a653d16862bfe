"""A folder of queries from outside the package: asked as the shipped ones are, checked as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import graphpath as gp
from graphpath import queries
from graphpath.cli import app
from graphpath.errors import QueryFileError
from graphpath.queries.admission import admit
from graphpath.queries.text import find_parameters
from graphpath.server.browser import export_kit, query_text
from graphpath.stores import Store
from tests.queries.outside import NAME, STRONGEST, TITLE, write_folder

RUN = {"run": "clean"}


def test_a_query_of_a_folder_is_asked_as_ours_are(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine")
    with gp.open(store.uri, queries=folder) as opened:
        assert set(opened.queries) == {*queries.catalogue(), NAME}
        frame = opened.query(NAME, **RUN)
        assert list(frame.columns) == ["pathway", "source", "target", "score"]
        assert len(frame) == 3 and frame.attrs["limit_reached"]
        scores = opened.query("mine.strongest", **RUN, limit="all").score.abs()
        assert scores.is_monotonic_decreasing and not scores[:3].ne(frame.score.abs()).any()
        assert opened.explain(NAME, **RUN).startswith(':params {run: "clean", limit: 3')
        assert len(opened.query("runs/all")) == 2
        with pytest.raises(gp.GraphpathError, match="takes at most most=1, and there are 12: raise most"):
            opened.query(NAME, **RUN, most=1)
    with gp.open(store.uri) as opened, pytest.raises(QueryFileError, match="There is no query"):
        opened.query(NAME, **RUN)


def test_a_linked_topic_and_a_byte_order_mark_are_read(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "elsewhere", "\ufeff" + STRONGEST)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine").symlink_to(folder / "mine", target_is_directory=True)
    with gp.open(store.uri, queries=tmp_path / "mine") as opened:
        assert len(opened.query(NAME, **RUN)) == 3


def test_the_command_line_takes_a_folder(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine")

    def call(*words: object) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert TITLE in call("query", "--list", "--queries", folder)
    assert call("query", "mine", "--list", "--queries", folder, "--csv").count("\n") == 2
    assert TITLE not in call("query", "--list")
    assert STRONGEST in call("query", NAME, "--explain", "--queries", folder)
    words = [
        "query",
        NAME,
        "--run",
        "clean",
        "--limit",
        5,
        "--csv",
        "--queries",
        folder,
        "--store",
        store.uri,
    ]
    assert call(*words).count("\n") == 6
    assert STRONGEST in call(*words[:2], "--explain", "--queries", folder, "--store", store.uri)
    words = ["--store", "bolt://localhost:7687", "--web", "http://localhost:7474", "--queries", folder]
    printed = call("neo4j", "browser", NAME, "--print", "--param", "run=clean", *words)
    assert "FLOWS_TO" in printed
    call("neo4j", "browser", "--export", tmp_path / "kit", "--queries", folder)
    assert (tmp_path / "kit" / "queries" / f"{NAME}.cypher").is_file()


def test_browser_gets_the_query_of_a_folder(tmp_path: Path) -> None:
    known = queries.with_folder(write_folder(tmp_path / "mine"))
    assert TITLE in query_text(NAME, known, run="clean")
    assert tmp_path / "kit" / "queries" / f"{NAME}.cypher" in export_kit(tmp_path / "kit", known)


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (STRONGEST.replace("int, target", "whole, target"), NAME, r"strongest.cypher:10: 'source whole'"),
        (
            STRONGEST.replace("FLOWS_TO", "FLOW_TO"),
            NAME,
            r"strongest.cypher:13: there is no relationship type",
        ),
        (STRONGEST, "categories/Similarity", r":1: graphpath has a query categories/similarity itself"),
        (STRONGEST, "strongest", r":1: a query is TOPIC/NAME.cypher"),
        (
            STRONGEST.replace("samples.samples", "sample.samples"),
            NAME,
            r":7: the guard asks pathways/sample,",
        ),
        (STRONGEST.replace("samples.samples", "samples.many"), NAME, r":7: the guard reads many, which"),
        (STRONGEST.replace("(p:Pathway)", "(p:Pathway) SET p.run = 1"), NAME, r"SET is refused"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    store: Store, tmp_path: Path, text: str, name: str, sentence: str
) -> None:
    folder = write_folder(tmp_path / "mine", text, name)
    with pytest.raises(QueryFileError, match=sentence):
        gp.open(store.uri, queries=folder)
    result = CliRunner().invoke(app, ["query", "--list", "--queries", str(folder)])
    assert result.exit_code == 1 and str(folder) in " ".join(result.stderr.split())


@pytest.mark.parametrize("suffix", [".CYPHER", ".Cypher"])
def test_a_suffix_in_capitals_is_refused(store: Store, tmp_path: Path, suffix: str) -> None:
    file = (write_folder(tmp_path / "mine", STRONGEST, NAME) / NAME).with_suffix(".cypher")
    file.rename(file.with_suffix(suffix))
    with pytest.raises(QueryFileError, match=rf"{suffix}:1: a query file ends in .cypher"):
        gp.open(store.uri, queries=tmp_path / "mine")


@pytest.mark.parametrize(
    ("engine", "call"),
    [("ladybug", "CALL show_attached_databases() RETURN *"), ("neo4j", 'CALL apoc.load.json("file:///x")')],
)
def test_a_text_for_one_engine_reaches_nothing_outside(tmp_path: Path, engine: str, call: str) -> None:
    write_folder(tmp_path / "mine")
    head = STRONGEST.partition("\n\n")[0]
    unused = "\n// ".join(["", "$run $limit $variant"])
    text = (
        head + "\n\nMATCH (n) WHERE n.id = $limit AND n.run = $run AND n.variant = $variant " + call + unused
    )
    folder = write_folder(tmp_path / "mine", text, f"mine/{engine}/strongest")
    with pytest.raises(QueryFileError, match=r"strongest\.cypher: "):
        queries.with_folder(folder)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryFileError, match="There is no folder of queries"):
        queries.with_folder(tmp_path / "gone")
    with pytest.raises(QueryFileError, match="holds no query; expected files TOPIC/NAME"):
        queries.with_folder(tmp_path)
    assert queries.with_folder(None) is queries.catalogue()


def test_ours_would_be_taken_too() -> None:
    """The shipped texts are admitted on the engines that they are for."""
    for query in queries.catalogue().values():
        for dialect in ("neo4j",) if query.needs_gds else ("neo4j", "ladybug"):
            text = query.text_for(dialect)
            admit(text, dialect, find_parameters(text))
