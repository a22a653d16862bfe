"""``graphpath query``: parameters by name, formats, and what it refuses."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from graphpath import queries
from graphpath.cli.output import show_table
from graphpath.cli.query import parse_extra
from graphpath.errors import QueryParameterError
from graphpath.stores import open_store


@pytest.fixture(scope="module")
def expected(store) -> pd.DataFrame:
    with open_store(store) as opened:
        return opened.query("categories/shared_edges", min_categories=3, limit=7)


def test_csv_json_and_parquet_hold_what_python_gets(call, store, expected, tmp_path) -> None:
    words = ["query", "categories/shared_edges", "--store", store, "--min-categories", "3", "--limit", "7"]
    csv = call(*words, "--csv")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(csv.stdout)), expected, check_dtype=False)
    answer = json.loads(call(*words, "--json").stdout)
    assert answer["query"] == "categories/shared_edges"
    assert answer["limit_reached"] is expected.attrs["limit_reached"]
    assert [row["source"] for row in answer["rows"]] == expected.source.tolist()
    file = tmp_path / "rows.parquet"
    assert call(*words, "--parquet", file).exit_code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(file), expected)


def test_a_parameter_may_be_written_in_three_ways(call, store, expected) -> None:
    asked = ["query", "categories.shared_edges", "--store", store, "--csv", "--limit=7"]
    for words in (["--min-categories", "3"], ["--min_categories=3"], ["--param", "min_categories=3"]):
        answer = pd.read_csv(io.StringIO(call(*asked, *words).stdout))
        assert answer.source.tolist() == expected.source.tolist()


def test_a_table_shows_every_column_and_counts_what_it_leaves_out(call, store) -> None:
    shown = call("query", "categories/exclusive_edges", "--store", store).stdout
    for column in queries.find("categories/exclusive_edges").returns:
        assert column in shown
    assert "more rows" in shown


def test_a_limit_that_was_reached_is_said_on_stderr_and_all_can_be_had(call, store) -> None:
    words = ["query", "categories/exclusive_edges", "--store", store, "--run", "clean"]
    cut = call(*words, "--limit", 7, "--csv")
    assert "limit=7 was reached" in cut.stderr and "limit=all" in cut.stderr
    shown = call(*words, "--limit", 50)
    assert "10 more rows of 50" in shown.stdout and "limit=50 was reached" in shown.stderr
    with open_store(store) as opened:
        every = opened.query("categories/exclusive_edges", run="clean", limit=None)
    for whole in (call(*words, "--limit", "all", "--csv"), call(*words, f"--limit={len(every)}", "--csv")):
        assert "reached" not in whole.stderr
        assert len(pd.read_csv(io.StringIO(whole.stdout))) == len(every) > 50
    answer = json.loads(call(*words, "--limit", "all", "--json").stdout)
    assert not answer["limit_reached"] and len(answer["rows"]) == len(every)
    nodes = call("query", "browse/categories", "--store", store, "--run", "clean", "--limit", 2, "--csv")
    assert "limit=2 was reached" in nodes.stderr


def test_chance_stands_beside_the_overlap(call, store) -> None:
    words = ["query", "categories/similarity", "--store", store, "--run", "clean", "--csv"]
    plain = pd.read_csv(io.StringIO(call(*words).stdout))
    held = pd.read_csv(
        io.StringIO(call(*words, "--null", "independent", "--hubs", "divide", "--draws", 3).stdout)
    )
    assert held.columns.tolist() == [*plain.columns, "overlap", "expected", "z", "p", "q"]
    assert call(*words, "--hubs", "drop").exit_code != 0
    assert call(*words, "--null", "none").exit_code != 0


def test_a_graph_is_listed_by_its_relationships(call, store) -> None:
    with open_store(store) as opened:
        pathway = int(opened.query("pathways/of_run").pathway[0])
    answer = call("query", "browse/pathway", "--store", store, "--pathway", pathway, "--limit", 4, "--csv")
    frame = pd.read_csv(io.StringIO(answer.stdout))
    assert set(frame.type) == {"FLOWS_TO"}
    assert frame["rank"].tolist() == [1, 2, 3, 4]
    assert frame.source.str.startswith("Neuron ").all()


def test_the_list_names_every_query_with_its_title(call) -> None:
    frame = pd.read_csv(io.StringIO(call("query", "--list", "--csv").stdout))
    known = queries.catalogue()
    assert dict(zip(frame["query"], frame.answers, strict=True)) == {n: q.title for n, q in known.items()}


def test_explain_shows_the_file_itself(call, store) -> None:
    found = queries.find("pathways/hubs")
    assert found.text.strip() in call("query", "pathways/hubs", "--explain").stdout
    assert "MATCH" in call("query", "pathways/hubs", "--explain", "--store", store).stdout


def test_explain_takes_the_parameters_that_a_query_takes(call, refused, store) -> None:
    for more in ([], ["--store", store]):
        shown = call("query", "pathways/hubs", "--explain", "--layers", "1,2", "--with-ends", *more).stdout
        assert shown.startswith(
            ':params {run: "", variants: [], layers: [1, 2], with_ends: true, limit: 100}'
        )
        assert "no parameter 'layer'" in refused("query", "pathways/hubs", "--explain", "--layer", "1", *more)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["categories/similarit"], "categories/similarity"),
        (["pathways/hubs", "--lmit", "3"], "limit"),
        (["pathways/hubs", "--limit", "many"], "limit"),
        (["pathways/hubs", "--run", "nobody"], "clean"),
        (["pathways/hubs", "--param", "limit"], "NAME=VALUE"),
        (["pathways/largest"], "sample"),
        (["pathways/hubs", "stray"], "stray"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_in_one_sentence(refused, store, words, told) -> None:
    assert told in refused("query", *words, "--store", store)


def test_a_query_needs_a_name_and_a_store(refused, tmp_path) -> None:
    assert "--list" in refused("query")
    assert "--store" in refused("query", "pathways/hubs")
    assert "graphpath load" in refused("query", "pathways/hubs", "--store", tmp_path / "none.lbdb")


def test_two_formats_at_once_are_a_usage_error(call, store) -> None:
    assert call("query", "pathways/hubs", "--store", store, "--csv", "--json").exit_code == 2


def test_extra_words_become_parameters() -> None:
    assert parse_extra(["--min-share", "0.5", "--with-ends", "--k=3"]) == {
        "min_share": "0.5",
        "with_ends": "true",
        "k": "3",
    }
    assert parse_extra(["--low", "-1"]) == {"low": "-1"}
    with pytest.raises(QueryParameterError):
        parse_extra(["loose"])


def test_a_table_shows_what_is_missing_as_a_dash(call, store) -> None:
    with open_store(store) as opened:
        pathway = opened.query("pathways/of_run", limit=1)
        sample = int(pathway["sample"][0])
        assert opened.query("pathways/of_sample", sample=sample).origin.isna().all()
    shown = call("query", "pathways/of_sample", "--store", store, "--sample", str(sample))
    assert shown.exit_code == 0
    assert " - " in shown.stdout


def test_a_table_shows_brackets_and_colons_as_they_are(capsys) -> None:
    show_table(pd.DataFrame({"name [bold]": ["pip install 'graphpath[viz]'", "[/] :smile: conv[3]"]}))
    shown = capsys.readouterr().out
    for text in ("name [bold]", "'graphpath[viz]'", "[/] :smile: conv[3]"):
        assert text in shown
