"""``--run``: what a person types for a run, and what is said of it."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from graphpath.stores import open_store
from tests.synthetic import write_trace

ONE, TWO = "dgr-toy-00aa000000", "dgr-toy-00bb000000"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A store of a run called "mine" and of a later one without a name."""
    root = tmp_path_factory.mktemp("two")
    with open_store(root / "two.lbdb") as store:
        store.load(write_trace(root / "one", run=ONE, name="mine", samples=8))
        store.load(write_trace(root / "two", run=TWO, seed=1, samples=8))
    return root / "two.lbdb"


def test_a_table_shows_short_ids_and_the_others_whole_ones(call, two) -> None:
    shown = call("runs", "--store", two).stdout
    assert "dgr-toy-00aa " in shown
    assert ONE not in shown
    assert "mine" in shown
    frame = pd.read_csv(io.StringIO(call("runs", "--store", two, "--csv").stdout))
    assert frame.run.tolist() == [ONE, TWO]


@pytest.mark.parametrize(
    ("asked", "run", "said"),
    [
        ("latest", TWO, f"The latest run is {TWO}, loaded at"),
        ("dgr-toy-00a", ONE, f"'dgr-toy-00a' is run {ONE}."),
        ("mine", ONE, ""),
        (TWO, TWO, ""),
    ],
)
def test_which_run_was_taken_is_said_on_stderr(call, two, tmp_path, asked, run, said) -> None:
    whole = call("query", "pathways/of_run", "--run", run, "--store", two, "--csv")
    found = call("query", "pathways/of_run", "--run", asked, "--store", two, "--csv")
    assert found.stdout == whole.stdout
    assert said in found.stderr
    assert bool(said) == ("run" in found.stderr)
    report = call("report", "--store", two, "--run", asked, "--out", tmp_path / "page.html")
    assert report.exit_code == 0, report.output
    assert said in report.stderr
    assert run in (tmp_path / "page.html").read_text()


def test_messages_speak_of_options(refused, two) -> None:
    sentence = refused("query", "pathways/of_run", "--store", two)
    assert "needs --run; the store holds several: dgr-toy-00aa, dgr-toy-00bb." in sentence
    assert "begin with 'dgr'" in refused("query", "pathways/of_run", "--run", "dgr", "--store", two)
    assert "'nobody'" in refused("report", "--store", two, "--run", "nobody", "--out", two.parent / "a")


def test_delete_says_which_run_it_takes(call, tmp_path) -> None:
    store = tmp_path / "own.lbdb"
    for number, run in enumerate((ONE, TWO)):
        call("load", write_trace(tmp_path / run, run=run, seed=number, samples=6).path, "--store", store)
    done = call("delete", "latest", "--store", store)
    assert done.exit_code == 0, done.output
    assert TWO in done.stderr
    assert f"run {TWO} deleted" in done.stdout
    assert f"run {ONE} deleted" in call("delete", "dgr", "--store", store).stdout


def test_a_second_run_of_a_name_is_loaded_and_said(call, refused, tmp_path) -> None:
    traces = [write_trace(tmp_path / run, run=run, name="mine", samples=2) for run in (ONE, TWO)]
    first = call("load", traces[0].path, "--store", tmp_path / "s.lbdb")
    assert first.exit_code == 0 and "named" not in first.stderr
    second = call("load", traces[1].path, "--store", tmp_path / "s.lbdb")
    assert second.exit_code == 0
    said = " ".join(second.stderr.split())
    assert "Several runs are named 'mine' now: dgr-toy-00aa, dgr-toy-00bb; ask for each by its id." in said
    assert "are named 'mine'" in refused(
        "report", "--store", tmp_path / "s.lbdb", "--run", "mine", "--out", "a"
    )
