"""Loads are idempotent, whole or absent, independent of order, and refuse what does not fit."""

import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphpath.errors import QueryFailed, RecordError, StoreConflict, StoreError, StoreUnavailable
from graphpath.record import Trace
from graphpath.stores import engine, ladybug, open_store, slices
from graphpath.stores.engine import BufferFullError, LadybugSession
from graphpath.stores.staging import stage
from tests.stores.contents import assert_same, contents, frame
from tests.synthetic import describe_anew, write_named_trace, write_trace


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    clean = write_trace(root / "clean", run="clean", samples=8, edges_per_pathway=30)
    return clean, write_trace(root / "attacked", run="attacked", adversarial_of=clean, edges_per_pathway=30)


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("undisturbed") / "s.lbdb") as store:
        for trace in small:
            store.load(trace)
        yield contents(store)


def load_all(store, traces):
    for trace in traces:
        store.load(trace)


def rewritten(trace, path, **changes):
    """A copy of ``trace`` with other entries in run.json."""
    shutil.copytree(trace.path, path)
    describe_anew(path, **changes)
    return path


def test_the_same_trace_twice_changes_nothing(empty, small):
    first = empty.load(small[0])
    before, written = contents(empty), empty.path.stat().st_mtime_ns
    second = empty.load(small[0].path)
    assert (first.loaded, second.loaded) == (True, False)
    assert empty.path.stat().st_mtime_ns == written
    assert_same(contents(empty), before, exact=True)


def test_the_report_counts_and_times(empty, small):
    stages = []
    report = empty.load(small[0], progress=lambda stage, done, total: stages.append(stage))
    assert report.counts["FLOWS_TO"] == small[0].counts["edges"]
    assert report.counts["Pathway"] == 8
    assert {"prepare", "roll-ups", "nodes", "relationships", "FLOWS_TO", "check"} == set(report.seconds)
    assert set(stages) == set(report.seconds)
    assert all(seconds >= 0 for seconds in report.seconds.values())
    assert report.edges_per_second > 0
    assert report.total_seconds >= report.seconds["FLOWS_TO"]


def test_what_is_stored_is_the_record(empty, small):
    trace = small[0]
    empty.load(trace)
    stored = frame(
        empty,
        "MATCH (a:Neuron)-[r:FLOWS_TO]->(b:Neuron) RETURN a.id AS source, b.id AS target, "
        "r.pathway AS pathway, r.layer AS layer, r.flow AS flow, r.score AS score, r.rank AS rank",
    )
    keys = ["pathway", "source", "target"]
    recorded = trace.edges().to_table().to_pandas().sort_values(keys, ignore_index=True)
    assert stored.sort_values(keys, ignore_index=True).equals(recorded)
    neuron = frame(
        empty,
        "MATCH (n:Neuron) RETURN n.id AS id, n.layer AS layer, n.channel AS c, n.y AS y, n.x AS x, "
        "n.name AS name",
    )
    layers = trace.layers().to_table().to_pandas().set_index("layer")
    for row in neuron.itertuples():
        layer = layers.loc[row.layer]
        assert row.id == layer.offset + (row.c * layer.height + row.y) * layer.width + row.x
        place = f" {row.y},{row.x}" if layer.height * layer.width > 1 else ""
        assert row.name == f"{layer['name']} [{row.c}]{place}"
    assert set(neuron.id) == set(trace.visits().to_table()["neuron"].to_pylist())
    runs = empty.runs()
    assert runs.run.tolist() == ["clean"]
    assert runs.complete.tolist() == [True]
    assert runs.edges.tolist() == [trace.counts["edges"]]


def test_the_order_of_loads_does_not_matter(empty, small, undisturbed):
    load_all(empty, reversed(small))
    assert_same(contents(empty), undisturbed)


def test_an_error_at_any_step_leaves_the_store_as_it_was(empty, small, undisturbed, monkeypatch):
    empty.load(small[0])
    before = contents(empty)
    original, steps = LadybugSession.execute, []

    def counting(self, text, parameters=None):
        steps.append(text)
        return original(self, text, parameters)

    with monkeypatch.context() as patch, open_store(empty.path.with_name("count.lbdb")) as other:
        other.load(small[0])
        patch.setattr(LadybugSession, "execute", counting)
        other.load(small[1])
    for victim in range(2, len(steps) - 1, 9):  # a file that was read before takes one statement less
        seen = iter(range(10**6))

        def failing(self, text, parameters=None, seen=seen, victim=victim):
            if next(seen) == victim:
                raise KeyboardInterrupt
            return original(self, text, parameters)

        with monkeypatch.context() as patch:
            patch.setattr(LadybugSession, "execute", failing)
            with pytest.raises(KeyboardInterrupt):
                empty.load(small[1])
        assert_same(contents(empty), before, exact=True)
    empty.load(small[1])
    assert_same(contents(empty), undisturbed)
    assert not list(empty.path.parent.glob(".*"))


def test_a_killed_load_is_made_good_by_the_next(empty, small, undisturbed):
    """SIGKILL at four moments of the load, in a process of its own."""
    empty.load(small[0])
    before = contents(empty)
    code = (
        "import sys; sys.path.insert(0, '.'); from graphpath.stores import open_store; "
        f"print('go', flush=True); open_store({str(empty.path)!r}).load({str(small[1].path)!r})"
    )
    for delay in (0.0, 0.15, 0.4, 0.8):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert_same(contents(empty), before if len(empty.runs()) == 1 else undisturbed)
    empty.load(small[1])
    assert_same(contents(empty), undisturbed)


def test_an_incomplete_run_is_loaded_anew(empty, small, undisturbed):
    """The embedded store never shows one; one that some other hand left is removed first."""
    load_all(empty, small)
    empty.cypher("MATCH (r:Run) WHERE r.id = 'attacked' SET r.complete = false", write=True)
    assert empty.load(small[1]).loaded
    assert_same(contents(empty), undisturbed)


def test_another_min_support_loads_anew(empty, small, undisturbed):
    load_all(empty, small)
    assert empty.load(small[0], min_support=1).loaded
    assert not empty.load(small[0], min_support=1).loaded
    assert empty.runs().set_index("run").min_support.to_dict() == {"clean": 1, "attacked": 0}
    assert empty.load(small[0]).loaded
    assert_same(contents(empty), undisturbed)
    for none in (0, -1, 2**63):
        with pytest.raises(StoreError, match=r"expected 1 to 2\^63 - 1"):
            empty.load(small[0], min_support=none)


def test_several_models_live_side_by_side(empty, small, tmp_path):
    other = write_trace(tmp_path / "other", run="other", weights="other", layers=4, samples=4)
    load_all(empty, [*small, other])
    models = frame(empty, "MATCH (m:Model)<-[:PART_OF]-(l:Layer) RETURN m.id AS id, count(*) AS layers")
    assert sorted(models.layers) == [4, 5]
    crossing = frame(
        empty, "MATCH (a:Neuron)-[:FLOWS_TO]->(b:Neuron) WHERE a.model <> b.model RETURN count(*) AS n"
    )
    assert crossing.n[0] == 0


def test_a_run_of_the_same_name_is_refused(empty, small, tmp_path):
    empty.load(small[0])
    other = write_trace(tmp_path / "x", run="clean", samples=5)
    with pytest.raises(StoreConflict, match=r"another trace of run 'clean'.*delete"):
        empty.load(other)


def test_pathway_ids_of_another_run_are_refused(empty, small, tmp_path):
    empty.load(small[0])
    with pytest.raises(StoreConflict, match="run 'clean' of the store already uses"):
        empty.load(rewritten(small[0], tmp_path / "copy", id="copied"))


def test_another_model_under_the_same_ids_is_refused(empty, small, tmp_path):
    empty.load(small[0])
    path = rewritten(small[1], tmp_path / "copy", model={"name": "impostor", "sha256": "f" * 64})
    with pytest.raises(StoreConflict, match="'impostor'"):
        empty.load(path)


@pytest.mark.parametrize(
    ("table", "column", "value"), [("categories", "name", "cat"), ("samples", "split", "train")]
)
def test_samples_and_categories_mean_the_same_everywhere(empty, small, tmp_path, table, column, value):
    empty.load(small[0])
    again = write_trace(tmp_path / "again", run="again", seed=5, samples=8)
    file = again.path / f"{table}.parquet"
    rows = pq.read_table(file)
    changed = pa.array([value] * rows.num_rows)
    position = rows.schema.get_field_index(column)
    pq.write_table(rows.set_column(position, rows.schema.field(column), changed), file)
    describe_anew(again.path)
    with pytest.raises(StoreConflict, match=f"the {'category' if table == 'categories' else 'sample'} "):
        empty.load(again.path)
    assert empty.runs().run.tolist() == ["clean"]


def test_an_edge_to_nowhere_is_refused(empty, tmp_path):
    """Ends that no visit has are no neurons: the load fails and the store stays as it was."""
    trace = write_trace(tmp_path / "trace", samples=3)
    file = trace.files("edges")[0]
    edges, last = pq.read_table(file), trace.layers().to_table().to_pylist()[-1]["offset"]
    for end, error, message in ((last + 3, QueryFailed, "FLOWS_TO"), (7, RecordError, "target is a neuron")):
        ends = pa.array([end] * edges.num_rows, pa.int64())
        pq.write_table(edges.set_column(1, edges.schema.field("target"), ends), file)
        describe_anew(trace.path)
        with pytest.raises(error, match=message):
            empty.load(trace.path)
    assert not empty.path.exists()


def test_a_damaged_trace_is_refused_by_name(empty, tmp_path):
    trace = write_trace(tmp_path / "trace", samples=3)
    file = trace.files("visits")[0]
    data = bytearray(file.read_bytes())
    data[100:2000] = bytes(1900)  # the footer is whole, the pages are not
    file.write_bytes(bytes(data))
    with pytest.raises(RecordError, match=f"{file} is damaged"):
        empty.load(trace.path)
    describe_anew(trace.path)
    with pytest.raises(RecordError, match=str(trace.path)):
        empty.load(trace.path)
    with pytest.raises(RecordError, match="is no trace"):
        empty.load(tmp_path / "nothing")


def test_large_files_are_cut_to_fit_the_buffer(empty, small, undisturbed, monkeypatch):
    monkeypatch.setattr(engine, "BYTES_PER_ROW", (128 << 20) // 70)
    monkeypatch.setattr(slices, "PIECE", 32)
    load_all(empty, small)
    assert_same(contents(empty), undisturbed)


def test_a_load_that_does_not_fit_is_tried_with_a_larger_buffer(empty, small, undisturbed, monkeypatch):
    tried, original = [], ladybug.load_run

    def tight(session, *args, **options):
        tried.append(session.buffer_bytes)
        if len(tried) < 3:
            raise BufferFullError("full")
        return original(session, *args, **options)

    monkeypatch.setattr(ladybug, "load_run", tight)
    with open_store(empty.path) as store:
        load_all(store, small)
        assert tried[:3] == [engine.BUFFER, 2 * engine.BUFFER, 4 * engine.BUFFER]
        assert_same(contents(store), undisturbed)
        monkeypatch.setattr(ladybug, "measure_memory", lambda: 3 * engine.BUFFER)
        tried.clear()
        with pytest.raises(StoreUnavailable, match="buffer pool of more than 512 MiB"):
            store.load(small[0], min_support=1)
    tried.clear()
    with pytest.raises(StoreUnavailable, match="buffer pool of more than 128 MiB"):
        empty.load(small[0], min_support=1)  # a buffer that was asked for stays as it is


def test_one_writer_at_a_time(empty, small):
    with stage(empty.path) as work, open_store(empty.path) as second:
        with pytest.raises(StoreUnavailable, match="is being changed by process"):
            second.load(small[0])
        shutil.copyfile(small[0].path / "run.json", work / "store.lbdb")
    empty.path.unlink()


def test_readers_go_on_while_another_loads(empty, small):
    empty.load(small[0])
    with open_store(empty.path) as reader:
        assert len(reader.runs()) == 1
        with stage(empty.path) as work:
            assert len(reader.runs()) == 1
            assert (work / "store.lbdb").exists()
        empty.load(small[1])
        assert len(reader.runs()) == 2  # the reader sees the new file


def test_a_directory_that_cannot_be_written_can_be_read(empty, small):
    empty.load(small[0])
    empty.close()
    for lock in empty.path.parent.glob(".*.lock"):
        lock.unlink()
    empty.path.chmod(0o444)
    empty.path.parent.chmod(0o555)
    try:
        with open_store(empty.path) as reader:
            assert len(reader.runs()) == 1
            assert len(reader.cypher("MATCH (r:Run) RETURN r.id")) == 1
    finally:
        empty.path.parent.chmod(0o755)


def test_loading_imports_no_torch(small, tmp_path):
    code = (
        "import sys; sys.path.insert(0, '.'); from graphpath.stores import open_store; "
        f"open_store({str(tmp_path / 's.lbdb')!r}).load({str(small[0].path)!r}); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert isinstance(small[0], Trace)


def test_feature_maps_and_their_neurons_take_the_names_that_the_record_has(empty, tmp_path):
    plain = write_trace(tmp_path / "plain", samples=4)
    empty.load(write_named_trace(tmp_path / "named", plain, plain.id))
    maps = empty.execute(
        "MATCH (f:FeatureMap) RETURN f.layer AS layer, f.name AS name ORDER BY f.id"
    ).to_pandas()
    assert maps[maps.layer == 1].name.tolist() == [f"kind {number}" for number in range(4)]
    assert maps[maps.layer == 2].name[maps.layer == 2].iloc[0] == "features.1 [0]"
    neurons = empty.execute(
        "MATCH (n:Neuron)-[:IN_MAP]->(f:FeatureMap) "
        "RETURN n.name AS name, f.name AS of, n.y AS y, n.x AS x, n.layer AS layer"
    ).to_pandas()
    spatial = neurons[neurons.layer < neurons.layer.max()]
    assert (spatial.name == [f"{row.of} {row.y},{row.x}" for row in spatial.itertuples()]).all()
    assert (neurons.layer == 1).any()
