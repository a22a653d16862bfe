"""Running named queries: runs filled in and refused, columns checked, parameters that do no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from graphpath import ids, naming, queries
from graphpath.errors import QueryFailed, QueryFileError, QueryParameterError, RunNotFound
from graphpath.queries.frame import to_frame
from graphpath.queries.runner import Answer, ReadView
from graphpath.record import Trace
from graphpath.stores import Store, open_store
from tests.queries.facts import Facts
from tests.synthetic import write_trace


class Answering:
    """Holds ``runs`` and answers everything else with ``answer``, remembering what was asked."""

    dialect = "ladybug"
    queries = queries.catalogue()

    def __init__(self, runs: dict[str, tuple[str, bool]], answer: pa.Table | None = None) -> None:
        self.held, self.answer = runs, answer
        self.asked: list[Mapping[str, object]] = []

    def execute(self, text: str, parameters: Mapping[str, object]) -> pa.Table:
        if text == queries.find("runs/all").text:
            columns = {name: [name for _ in self.held] for name in queries.find("runs/all").returns}
            columns |= {"run": list(self.held), "comparable": [c for c, _ in self.held.values()]}
            return pa.table(
                columns | {"complete": pa.array([done for _, done in self.held.values()], pa.bool_())}
            )
        if text == naming.COLUMNS:
            return pa.table({"name": ["id"]})
        if text == naming.UNNAMED:
            return pa.table({"run": list(self.held), "complete": [done for _, done in self.held.values()]})
        self.asked.append(parameters)
        return self.answer if self.answer is not None else pa.table({})

    def read(self, work: Callable[[ReadView], Answer], *, timeout: float | None = None) -> Answer:
        return work(self)

    def query(self, name: str, **parameters: object) -> pd.DataFrame:
        return queries.query(self, name, **parameters)


SAMPLES = pa.table(
    {"variant": ["original"], "samples": [Decimal(3)], "pathways": [4], "categories": [2]},
)


def test_the_only_complete_run_is_filled_in() -> None:
    store = Answering({"half": ("a", False), "whole": ("a", True)}, SAMPLES)
    store.query("pathways/samples")
    assert store.asked == [{"run": "whole", "variant": ""}]


def test_several_complete_runs_are_named_instead() -> None:
    store = Answering({"one": ("a", True), "two": ("b", True)}, SAMPLES)
    with pytest.raises(QueryParameterError, match=r"needs run=; the store holds several: one, two"):
        store.query("pathways/samples")


def test_runs_traced_alike_are_filled_in_and_others_are_not() -> None:
    largest = pa.table({name: [] for name in queries.find("pathways/largest").returns})
    store = Answering({"a": ("x", True), "b": ("x", True), "c": ("y", False)}, largest)
    for given in ({}, {"runs": []}, {"runs": ""}):
        store.query("pathways/largest", sample=1, **given)
        assert store.asked[-1]["runs"] == ["a", "b"]
    store.query("pathways/largest", sample=1, runs="b")
    assert store.asked[-1]["runs"] == ["b"]
    mixed = Answering({"a": ("x", True), "b": ("y", True)}, largest)
    with pytest.raises(
        QueryParameterError, match=r"needs runs=\[\.\.\.\].*not compared with each other: a, b"
    ):
        mixed.query("pathways/largest", sample=1)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("pathways/samples", {"run": "half"}, "the load of run 'half' never finished"),
        ("pathways/samples", {"run": "none"}, "there is no run 'none' in the store; it holds: half, whole"),
        ("pathways/largest", {"sample": 1, "runs": ["whole", "half"]}, "the load of run 'half' never"),
        ("browse/pathway", {"pathway": ids.block("half") + 3}, "the load of run 'half' never finished"),
        ("browse/class_pathway", {"class_pathway": ids.block("half")}, "the load of run 'half' never"),
    ],
)
def test_runs_that_are_missing_or_half_loaded_are_refused(
    name: str, parameters: dict[str, object], message: str
) -> None:
    store = Answering({"half": ("a", False), "whole": ("a", True)}, SAMPLES)
    with pytest.raises(RunNotFound, match=message):
        store.query(name, **parameters)
    assert not store.asked


def test_an_empty_store_says_what_to_do() -> None:
    with pytest.raises(RunNotFound, match=r"no complete run; load a trace first"):
        Answering({}).query("pathways/hubs")


def test_an_unknown_query_is_named_with_the_nearest() -> None:
    with pytest.raises(QueryFileError, match="no query 'shared_edges'; did you mean categories/shared_edges"):
        queries.find("shared_edges")
    with pytest.raises(QueryFileError, match="did you mean adversarial/divergence"):
        queries.find("adversarial/divergance")
    with pytest.raises(QueryFileError, match=r"there are: .*pathways/hubs"):
        queries.find("zzzzzz")
    assert queries.find("pathways.hubs") is queries.find("pathways/hubs")


def test_other_columns_than_promised_are_refused() -> None:
    store = Answering({"r": ("a", True)}, pa.table({"samples": [1]}))
    with pytest.raises(
        QueryFailed, match="returned the columns samples; its header promises variant, samples, pathways"
    ):
        store.query("pathways/samples")


def test_null_where_a_number_is_promised_is_refused() -> None:
    with pytest.raises(QueryFailed, match="returned null in column n"):
        to_frame(pa.table({"n": [1, None]}), {"n": "int"}, "q")


def test_an_engines_types_become_the_promised_ones() -> None:
    table = pa.table(
        {
            "i": [Decimal(7), Decimal(2**52)],
            "j": pa.array([1, None], pa.int32()),
            "f": pa.array([0.5, None], pa.float32()),
            "s": ["a", None],
            "b": [True, False],
            "names": [["b", "a"], None],
        }
    )
    kinds = {"i": "int", "j": "int?", "f": "float", "s": "string", "b": "bool", "names": "set<string>"}
    frame = to_frame(table, kinds, "q")
    assert [str(kind) for kind in frame.dtypes] == ["int64", "Int64", "float64", "str", "bool", "object"]
    assert list(frame.i) == [7, 2**52] and list(frame.names) == [["a", "b"], []]
    assert frame.j.isna()[1] and frame.f.isna()[1]
    pd.testing.assert_series_equal(to_frame(table.slice(0, 0), kinds, "q").dtypes, frame.dtypes)


def test_explain_shows_the_cypher_and_its_parameters(store: Store) -> None:
    text = store.explain("pathways/hubs", layers="1,2")
    first, rest = text.split("\n\n", maxsplit=1)
    assert first == ':params {run: "", variants: [], layers: [1, 2], with_ends: false, limit: 100}'
    assert rest == queries.find("pathways/hubs").text
    with pytest.raises(QueryParameterError, match="no parameter 'layer'; did you mean layers"):
        store.explain("pathways/hubs", layer=1)


@pytest.mark.parametrize(
    "attempt",
    [
        "clean' OR true //",
        '"}) DETACH DELETE n //',
        "$run",
        'clean"; MATCH (n) DETACH DELETE n; //',
        "[1,2] RETURN 1 AS x UNION MATCH (n) SET n.name = 'gone'",
    ],
)
def test_a_parameter_is_never_read_as_cypher(attempt: str, store: Store, facts: Facts) -> None:
    before = store.query("pathways/hubs", run="clean")
    with pytest.raises(RunNotFound):
        store.query("pathways/hubs", run=attempt)
    assert store.query("pathways/hubs", run="clean", variants=[attempt]).empty
    assert store.query("categories/shared_edges", run="clean", variant=attempt).empty
    with pytest.raises(QueryParameterError):
        store.query("categories/similarity", run="clean", weights=attempt)
    with pytest.raises(QueryParameterError):
        store.query("pathways/hubs", run="clean", limit=attempt)
    pd.testing.assert_frame_equal(store.query("pathways/hubs", run="clean"), before)


def test_half_loaded_runs_are_left_out_where_no_run_is_named(
    traces: tuple[Trace, Trace], facts: Facts, tmp_path: Path
) -> None:
    clean, attacked = traces
    sample = int(facts.samples.index[facts.samples.variant == "adversarial"][0])
    neuron = int(facts.visits.neuron.mode()[0])
    asked: dict[str, dict[str, object]] = {
        "pathways/of_sample": {"sample": sample},
        "pathways/through_neuron": {"neuron": neuron},
        "browse/sample": {"sample": sample},
        "browse/through_neuron": {"neuron": neuron},
        "adversarial/class_similarity": {},
    }
    with open_store(tmp_path / "half.lbdb") as opened:
        for trace in (clean, attacked):
            opened.load(trace, min_support=2)
        whole = {name: len(opened.query(name, **given)) for name, given in asked.items()}
        opened.cypher("MATCH (r:Run) WHERE r.id = 'attacked' SET r.complete = false", write=True)
        for name, given in asked.items():
            left = opened.query(name, **given)
            assert len(left) < whole[name], name
            assert "attacked" not in str(left.to_dict("records")), name
        references = opened.query("adversarial/class_similarity", runs=["clean"]).reference
        assert set(references) == {"clean"}


@pytest.fixture(scope="module")
def mixed(traces: tuple[Trace, Trace], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with two methods' runs of the same samples, several pathways each in the second."""
    folder = tmp_path_factory.mktemp("mixed")
    pixels = write_trace(
        folder / "pixels", run="pixels", method="diffusion", samples=6, pathways_per_sample=3
    )
    plain = write_trace(folder / "plain", run="plain", samples=6)
    with open_store(folder / "mixed.lbdb") as opened:
        opened.load(pixels)
        opened.load(plain)
        yield opened


def test_runs_of_two_methods_are_not_mixed(mixed: Store) -> None:
    sample = int(mixed.query("pathways/of_run", run="plain")["sample"].iloc[0])
    assert len(mixed.query("pathways/of_sample", sample=sample)) == 4
    with pytest.raises(QueryParameterError, match="not compared with each other: pixels, plain"):
        mixed.query("pathways/largest", sample=sample)
    assert set(mixed.query("pathways/largest", sample=sample, runs=["plain"]).pathway) == {ids.block("plain")}


def test_a_samples_pathways_are_united(mixed: Store) -> None:
    """The K largest routes of a sample come from all of its pathways, and two of them are no pair."""
    sample = int(mixed.query("pathways/of_run", run="pixels")["sample"].iloc[0])
    largest = mixed.query("pathways/largest", sample=sample, runs=["pixels"], k=5)
    assert largest.route.nunique() == 5 and largest.pathway.nunique() > 1
    sizes = mixed.query("pathways/samples", run="pixels").iloc[0]
    assert (sizes.samples, sizes.pathways) == (6, 18)
    all_layers = mixed.query("categories/consistency", run="pixels").iloc[0]
    assert all_layers.pairs_within + all_layers.pairs_between == 18 * 17 / 2 - 6 * 3
    overlap = mixed.query("pathways/largest_overlap", run="pixels", k=2)
    assert overlap[overlap.what == "neurons"].pairs.sum() == 15
