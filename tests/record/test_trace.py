"""A reader refuses what is damaged or unknown, by the name of the file."""

import shutil

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from graphpath.errors import IncompleteTrace, RecordError
from graphpath.record import TABLES, Trace
from tests.synthetic import describe_anew, write_map_trace, write_named_trace, write_trace


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("original") / "trace", samples=8, part_size=3, crosses=True)


@pytest.fixture
def path(tmp_path, original):
    return shutil.copytree(original.path, tmp_path / "trace")


def test_every_table_is_a_lazy_dataset_of_its_schema(original, tmp_path):
    others = {
        "channels": write_map_trace(tmp_path / "channels", original, "channels"),
        "maps": write_named_trace(tmp_path / "maps", original, "maps"),
    }
    for name, schema in TABLES.items():
        trace = others.get(name, original)
        dataset = getattr(trace, name)()
        assert isinstance(dataset, ds.Dataset)
        assert dataset.schema.equals(schema)
        assert dataset.count_rows() == trace.counts[name] > 0
    assert len(original.files("edges")) == 3
    assert "8 samples" in repr(original)


def test_every_footer_has_the_schema_version(original):
    for name in TABLES:
        for file in original.files(name):
            assert pq.read_schema(file).metadata[b"graphpath.schema"] == b"1"


@pytest.mark.parametrize("name", ["crosses", "channels", "maps"])
def test_a_table_that_few_methods_write_is_empty_otherwise(name, tmp_path):
    trace = write_trace(tmp_path / "trace", samples=2)
    assert trace.files(name) == []
    assert trace.dataset(name).count_rows() == 0
    assert name not in trace.counts


@pytest.mark.parametrize(
    "file", ["edges/part-00001.parquet", "samples.parquet", "layers.parquet", "crosses/part-00000.parquet"]
)
@pytest.mark.parametrize("keep", [0, 11, -9])
def test_a_truncated_file_is_named(path, file, keep):
    data = (path / file).read_bytes()
    (path / file).write_bytes(data[:keep])
    with pytest.raises(RecordError, match=file):
        Trace(path)


def test_a_missing_part_is_named(path):
    (path / "visits" / "part-00002.parquet").unlink()
    with pytest.raises(RecordError, match=r"visits/part-00002.parquet is missing"):
        Trace(path)


def test_a_swapped_part_is_counted(path):
    shutil.copy(path / "edges" / "part-00002.parquet", path / "edges" / "part-00000.parquet")
    with pytest.raises(RecordError, match="'edges' holds"):
        Trace(path)


def test_an_unknown_schema_is_refused_by_name(path):
    file = path / "steps" / "part-00000.parquet"
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({"graphpath.schema": "7"}), file)
    with pytest.raises(RecordError, match=r"steps/part-00000.parquet has graphpath.schema '7'"):
        Trace(path)
    pq.write_table(table.replace_schema_metadata({}), file)
    with pytest.raises(RecordError, match="'none'"):
        Trace(path)


def test_other_columns_are_refused_by_name(path):
    file = path / "routes" / "part-00000.parquet"
    table = pq.read_table(file).rename_columns(["route", "way", "rank", "sign", "log10_abs"])
    table = table.replace_schema_metadata({"graphpath.schema": "1"})
    pq.write_table(table, file)
    with pytest.raises(RecordError, match=r"routes/part-00000.parquet has the columns .*way"):
        Trace(path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"schema": "2"}, RecordError, "graphpath.schema '2'"),
        ({"complete": False}, IncompleteTrace, "unfinished trace of run 'run'"),
    ],
)
def test_run_json_decides(path, changes, error, message):
    describe_anew(path, **changes)
    with pytest.raises(error, match=message):
        Trace(path)


def test_no_trace_and_no_json(path, tmp_path):
    with pytest.raises(RecordError, match="is no trace"):
        Trace(tmp_path / "nothing")
    (path / "run.json").write_text("{")
    with pytest.raises(RecordError, match=r"run.json cannot be read"):
        Trace(path)
    (path / "run.json").write_text("[1]")
    with pytest.raises(RecordError, match="JSON object"):
        Trace(path)


def test_an_unknown_table_is_refused(original):
    with pytest.raises(RecordError, match="no table 'nodes'"):
        original.files("nodes")


def test_the_synthetic_trace_is_lawful(original):
    """Others build on it: every end and step is visited, ranks are 1..n, edges run forward."""
    visits = original.visits().to_table().to_pandas()
    edges = original.edges().to_table().to_pandas()
    steps = original.steps().to_table().to_pandas()
    routes = original.routes().to_table().to_pandas()
    known = set(zip(visits.pathway, visits.neuron, strict=True))
    for end in ("source", "target"):
        assert set(zip(edges.pathway, edges[end], strict=True)) <= known
    stepped = steps.merge(routes, on="route")
    assert set(zip(stepped.pathway, stepped.neuron, strict=True)) <= known
    layer = visits.drop_duplicates("neuron").set_index("neuron").layer
    assert (layer[edges.source].to_numpy() < edges.layer.to_numpy()).all()
    assert (layer[edges.target].to_numpy() == edges.layer.to_numpy()).all()
    for ranks in (edges.groupby("pathway")["rank"], routes.groupby("pathway")["rank"]):
        assert all(sorted(group) == list(range(1, len(group) + 1)) for _, group in ranks)
    assert not edges.duplicated(["pathway", "source", "target"]).any()
    pathways = original.pathways().to_table().to_pandas().set_index("pathway")
    assert (edges.groupby("pathway").size() == pathways.edges).all()
    assert (visits.groupby("pathway").size() == pathways.neurons).all()
    kept = original.balance().to_table().to_pandas().groupby("pathway").abs_kept.sum()
    np.testing.assert_allclose(kept, edges.score.abs().groupby(edges.pathway).sum(), rtol=1e-5)
