"""What somebody looks for who opens the graph in a browser is there, on both engines alike."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from graphpath.errors import StoreUnavailable
from graphpath.record import Trace
from graphpath.schema import NODE_INDEXES, OPTIONS, SCHEMA_VERSION
from graphpath.stores import Store, open_store
from tests.stores.contents import assert_same, contents
from tests.synthetic import write_trace

SAMPLES = """
MATCH (s:Sample) RETURN s.id AS sample, s.label_name AS label_name, s.predicted AS predicted,
  s.confidence AS confidence, s.correct AS correct ORDER BY sample
"""
PATHWAYS = """
MATCH (p:Pathway) RETURN p.run AS run, p.sample AS sample, p.predicted AS predicted,
  p.confidence AS confidence, p.correct AS correct ORDER BY run, sample
"""


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """The images of the clean run through another network, which sees other classes in some of them."""
    folder = tmp_path_factory.mktemp("again")
    parameters = {"theta": 0.25, "phi": [1, 2], "sparsity": "odd", "per": None, "every_map": True, "top": 3}
    return write_trace(
        folder / "again", run="again", seed=5, samples=8, weights="again", parameters=parameters
    )


def firsts(*traces: Trace) -> pd.DataFrame:
    """The first prediction of each image in each run, as pandas has it from the record."""
    frames = []
    for trace in traces:
        names = trace.categories().to_table().to_pandas().set_index("category")
        frame = trace.predictions().to_table().to_pandas()
        frame = frame[frame["rank"] == 1].assign(run=trace.id)
        labels = trace.samples().to_table().to_pandas().set_index("sample").label
        frame["label"] = frame["sample"].map(labels)
        frame["predicted"] = frame.category.map(names.name)
        frame["label_name"] = frame.label.map(names.set_index("label").name)
        frame["correct"] = frame.predicted == frame.label_name
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def check(store: Store, *traces: Trace) -> None:
    """Samples say what all runs say, and nothing where they differ; pathways say what their run does."""
    expected = firsts(*traces)
    pathways = store.cypher(PATHWAYS)
    keys = ["run", "sample", "predicted", "correct"]
    wanted = expected.sort_values(["run", "sample"], ignore_index=True)
    assert pathways[keys].to_dict("records") == wanted[keys].to_dict("records")
    assert pathways.confidence.to_list() == pytest.approx(wanted.confidence.to_list(), rel=1e-6)
    found = store.cypher(SAMPLES).set_index("sample")
    assert set(found.index) == set(expected["sample"])
    for sample, rows in expected.groupby("sample"):
        one = found.loc[sample]
        assert one.label_name == rows.label_name.iloc[0]
        if rows.predicted.nunique() > 1:
            assert pd.isna([one.predicted, one.confidence, one.correct]).all()
        else:
            assert (one.predicted, one.correct) == (rows.predicted.iloc[0], rows.correct.iloc[0])
            assert any(one.confidence == pytest.approx(value, rel=1e-6) for value in rows.confidence)


def test_samples_say_what_all_runs_say_of_them(empty: Store, traces: SimpleNamespace, again: Trace) -> None:
    empty.load(traces.clean)
    check(empty, traces.clean)
    empty.load(again)
    both = firsts(traces.clean, again).groupby("sample").predicted.nunique()
    assert set(both) == {1, 2}, "some images are seen alike, some not"
    check(empty, traces.clean, again)
    empty.delete("again")
    check(empty, traces.clean)


def test_options_of_a_run_are_properties(empty: Store, again: Trace) -> None:
    empty.load(again)
    asked = ", ".join(f"r.{name} AS {name}" for name in OPTIONS)
    found = empty.execute(f"MATCH (r:Run) RETURN {asked}, r.parameters AS told").to_pylist()[0]
    assert json.loads(found.pop("told")) == again.run["parameters"]
    given = {name: value for name, value in found.items() if value is not None}
    assert given == {"theta": 0.25, "phi": "[1, 2]", "every_map": True, "top": 3}


def test_what_is_looked_for_by_name_is_indexed(empty: Store, traces: SimpleNamespace) -> None:
    if empty.dialect != "neo4j":
        pytest.skip("the embedded engine has no such indexes")
    empty.load(traces.clean)
    found = empty.cypher("SHOW INDEXES YIELD labelsOrTypes, properties, state WHERE size(properties) = 1")
    made = {
        (one[0], other[0]) for one, other in zip(found.labelsOrTypes, found.properties, strict=True) if one
    }
    assert set(NODE_INDEXES) <= made and set(found.state) == {"ONLINE"}
    assert {("Neuron", "name"), ("Sample", "label"), ("Sample", "variant"), ("Category", "name")} <= made


def test_a_store_of_the_schema_before_is_refused_by_name(empty: Store, traces: SimpleNamespace) -> None:
    empty.load(traces.clean)
    before = contents(empty, without=("GraphpathMeta.schema",))
    empty.cypher("MATCH (m:GraphpathMeta) SET m.schema = '2'", write=True)
    empty.close()
    with pytest.raises(StoreUnavailable, match=rf"schema '2'.*this is schema '{SCHEMA_VERSION}'.*categories"):
        empty.check()
    if empty.dialect == "neo4j":  # the database of all tests
        put_back = "MATCH (m:GraphpathMeta) SET m.schema = $schema"
        empty.session(write=True).read_columns(put_back, {"schema": SCHEMA_VERSION})
    else:
        with open_store(Path(empty.uri), rebuild=True) as mended:
            assert_same(contents(mended, without=("GraphpathMeta.schema",)), before)


def test_every_option_of_a_method_is_a_property_of_a_run() -> None:
    methods = pytest.importorskip("graphpath.tracing").METHODS
    assert {name for method in methods.values() for name in method.options} <= set(OPTIONS)
