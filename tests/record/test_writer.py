"""A trace killed at any moment is finished by writing it again, with the same result."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from graphpath import whole as writing
from graphpath.errors import IncompleteTrace, RecordError
from graphpath.record import TABLES, Trace, TraceWriter, files
from graphpath.record import writer as writer_module
from tests.synthetic import write_trace

RUN = {"id": "run", "method": "m"}
SMALL = {"samples": 4, "part_size": 2, "edges_per_pathway": 10, "routes": 1}


def contents(trace: Trace) -> dict:
    return {name: trace.dataset(name).to_table() for name in TABLES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("whole") / "trace", **SMALL)


def writes_of_a_trace(path: Path) -> int:
    """How many files a trace of two parts takes."""
    count = 0
    original = writing.rename

    def counting(source, target):
        nonlocal count
        count += 1
        original(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "rename", counting)
        write_trace(path, **SMALL)
    return count


class Killed(BaseException):
    """Stands for the process's end: nothing may catch it."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_rename(tmp_path, whole, moment):
    total = writes_of_a_trace(tmp_path / "count")
    assert total > 20
    original = writing.rename
    for victim in range(total):
        path = tmp_path / f"{victim}"
        seen = 0

        def dying(source, target, victim=victim):
            nonlocal seen
            seen += 1
            if seen - 1 == victim and moment == "before":
                raise Killed
            original(source, target)
            if seen - 1 == victim:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "rename", dying)
            with pytest.raises(Killed):
                write_trace(path, **SMALL)
        if not (moment == "after" and victim == total - 1):
            with pytest.raises((IncompleteTrace, RecordError)):
                Trace(path)
        assert contents(write_trace(path, **SMALL)) == contents(whole)
        assert not list(path.rglob(".tmp-*"))
        assert not (path / ".staging").exists()


def test_killed_while_a_file_is_being_written(tmp_path, whole, monkeypatch):
    """A half-written temporary file is never taken for the real one."""
    original = files.pq.write_table

    def torn(table, where, **options):
        original(table, where, **options)
        with Path(where).open("rb+") as file:
            file.truncate(40)
        raise Killed

    path = tmp_path / "trace"
    with monkeypatch.context() as patch:
        patch.setattr(files.pq, "write_table", torn)
        patch.setattr(files.Path, "unlink", lambda *_, **__: None)  # the process is gone, nothing tidies up
        with pytest.raises(Killed):
            write_trace(path, **SMALL)
    assert list(path.rglob(".tmp-*"))
    assert contents(write_trace(path, **SMALL)) == contents(whole)
    assert not list(path.rglob(".tmp-*"))


def test_a_real_kill(tmp_path, whole):
    """SIGKILL the writing process a few times, at moments of its own choosing, then let it finish."""
    path = tmp_path / "trace"
    code = (
        "import sys; sys.path.insert(0, '.'); from tests.synthetic import write_trace; "
        f"write_trace({str(path)!r}, **{SMALL})"
    )
    for parts in (1, 1):
        process = subprocess.Popen([sys.executable, "-c", code])
        while process.poll() is None and len(list(path.glob(".staging/*.done"))) < parts:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert contents(write_trace(path, **SMALL)) == contents(whole)


def test_finished_parts_are_not_written_again(tmp_path):
    path = tmp_path / "trace"
    writer = TraceWriter.open(path, RUN)
    writer.write_part(0, {})
    writer.write_part(3, {})
    assert TraceWriter.open(path, RUN).done == {0, 3}


def test_an_unmarked_part_does_not_count(tmp_path, whole):
    path = tmp_path / "trace"
    writer = TraceWriter.open(path, RUN)
    edges = whole.edges().to_table()
    writer.write_part(0, {"edges": edges.slice(0, 5)})
    writer.write_part(1, {"edges": edges.slice(5, 5)})
    (path / ".staging" / "00001.done").unlink()
    again = TraceWriter.open(path, RUN)
    trace = again.finish(layers=whole.layers().to_table(), categories=whole.categories().to_table(), wall=1.5)
    assert trace.counts["edges"] == 5
    assert trace.run["wall"] == 1.5
    assert [file.name for file in trace.files("edges")] == ["part-00000.parquet"]
    assert [file.name for file in (path / "edges").iterdir()] == ["part-00000.parquet"]


def test_a_finished_trace_is_opened_as_such(whole):
    writer = TraceWriter.open(whole.path, whole.run)
    assert writer.finished
    assert writer.finish(layers={}, categories={}).id == whole.id
    with pytest.raises(RecordError, match="finished"):
        writer.write_part(9, {})


def test_another_run_is_refused_by_both_names(whole):
    with pytest.raises(RecordError, match=r"run 'run', not of 'other'.*--out"):
        TraceWriter.open(whole.path, {"id": "other"})


def test_without_resume_nothing_is_touched(whole):
    with pytest.raises(RecordError, match="already holds run 'run'"):
        TraceWriter.open(whole.path, whole.run, resume=False)


def test_another_directory_or_a_file_is_refused(tmp_path):
    (tmp_path / "precious.txt").write_text("do not touch")
    with pytest.raises(RecordError, match="holds no trace"):
        TraceWriter.open(tmp_path, RUN)
    with pytest.raises(RecordError, match="is a file"):
        TraceWriter.open(tmp_path / "precious.txt", RUN)


def test_a_bad_part_is_refused_before_anything_is_written(tmp_path, whole):
    writer = TraceWriter.open(tmp_path / "trace", RUN)
    with pytest.raises(RecordError, match="unknown table"):
        writer.write_part(0, {"edge": whole.edges().to_table()})
    with pytest.raises(RecordError, match="edges"):
        writer.write_part(0, {"visits": whole.visits().to_table(), "edges": {"source": [1]}})
    assert not (tmp_path / "trace" / "visits").exists()


def test_a_run_that_is_no_json_or_has_no_id_is_refused(tmp_path):
    with pytest.raises(RecordError, match="needs an id"):
        TraceWriter.open(tmp_path / "a", {})
    with pytest.raises(RecordError, match="cannot be JSON"):
        TraceWriter.open(tmp_path / "b", {"id": "run", "model": object()})


def test_a_sample_may_be_in_several_parts_but_only_as_one_row(tmp_path, whole):
    samples = whole.samples().to_table()
    ends = {"layers": whole.layers().to_table(), "categories": whole.categories().to_table()}
    writer = TraceWriter.open(tmp_path / "a", RUN)
    writer.write_part(0, {"samples": samples})
    writer.write_part(1, {"samples": samples.slice(2, 2)})
    assert writer.finish(**ends).samples().to_table().equals(samples)

    writer = TraceWriter.open(tmp_path / "b", RUN)
    writer.write_part(0, {"samples": samples})
    other = samples.slice(0, 1).set_column(4, samples.schema.field("label"), pa.array([99], pa.int32()))
    writer.write_part(1, {"samples": other})
    with pytest.raises(RecordError, match="two different rows"):
        writer.finish(**ends)


def test_run_json_says_what_is_there(whole):
    run = json.loads((whole.path / "run.json").read_text())
    assert run["schema"] == "1"
    assert run["complete"] is True
    assert run["parts"] == [0, 1]
    assert run["counts"]["samples"] == 4
    assert "crosses" not in run["counts"]
    assert writer_module.STAGING not in {entry.name for entry in whole.path.iterdir()}
