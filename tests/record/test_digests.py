"""Every byte of a trace is as it was written, or the file is named and the same trace writes it anew."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from graphpath.errors import RecordError
from graphpath.record import TABLES, Trace, TraceWriter, holds_finished_run, lock_directory
from graphpath.record.description import FILES
from graphpath.record.files import digest_file
from tests.synthetic import describe_anew, write_map_trace, write_trace

SMALL = {"samples": 6, "part_size": 2, "edges_per_pathway": 10, "routes": 1}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("original") / "trace", **SMALL)


@pytest.fixture
def path(tmp_path, original):
    return shutil.copytree(original.path, tmp_path / "trace")


def content(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def flip(file: Path, bit: int) -> None:
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


def read_all(path: Path) -> dict:
    trace = Trace(path)
    return {name: trace.dataset(name).to_table() for name in TABLES}


def test_run_json_has_the_digest_of_every_file(original):
    files = {file for file in content(original.path) if file != "run.json"}
    assert files == set(original.run[FILES])
    assert all(digest_file(original.path / file) == digest for file, digest in original.run[FILES].items())
    assert original.verified


def test_a_flipped_bit_is_refused_by_file_and_mended_by_the_same_trace(path, original):
    """Whatever file it is in: a part, a merged table, one that is written at the end."""
    whole = content(original.path)
    random = np.random.default_rng(0)
    for name in [file for file in whole if file != "run.json"]:
        flip(path / name, int(random.integers(8 * len(whole[name]))))
        with pytest.raises(RecordError, match=name):
            read_all(path)
        assert not holds_finished_run(path, "run")
        write_trace(path, **SMALL)
        assert content(path) == whole


def test_only_the_damaged_part_is_written_again(path, monkeypatch):
    flip(path / "edges" / "part-00001.parquet", 999)
    writer = TraceWriter.open(path, {"id": "run"})
    assert not writer.finished
    assert writer.done == {0, 2}
    with pytest.raises(RecordError, match=r"lacks 1 of 3 parts \(1\)"):
        writer.finish(layers={}, categories={}, parts=3)


def test_a_missing_part_is_written_again(path, original):
    (path / "visits" / "part-00002.parquet").unlink()
    assert TraceWriter.open(path, {"id": "run"}).done == {0, 1}
    write_trace(path, **SMALL)
    assert content(path) == content(original.path)


def test_every_bit_of_run_json_counts(path, original):
    text = (path / "run.json").read_bytes()
    random = np.random.default_rng(1)
    for bit in random.integers(0, 8 * len(text), 60).tolist():
        flip(path / "run.json", bit)
        try:
            assert Trace(path).run == original.run  # a space
        except RecordError as error:
            assert "run.json" in str(error)
        (path / "run.json").write_bytes(text)


def test_a_part_of_an_unfinished_trace_is_verified_too(tmp_path, original):
    writer = TraceWriter.open(tmp_path / "t", {"id": "run"})
    edges = original.edges().to_table()
    for part in range(2):
        writer.write_part(part, {"edges": edges.slice(part * 5, 5)})
    flip(tmp_path / "t" / "edges" / "part-00001.parquet", 400)
    assert TraceWriter.open(tmp_path / "t", {"id": "run"}).done == {0}


def test_a_trace_without_digests_is_read(path):
    run = json.loads((path / "run.json").read_text())
    for name in ("digest", "files", "rows"):
        del run[name]
    (path / "run.json").write_text(json.dumps(run))
    assert not Trace(path).verified
    assert holds_finished_run(path, "run")
    assert len(read_all(path)["edges"]) == Trace(path).counts["edges"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("counts", {"edges": "many"}, "a number of rows"),
        ("counts", [], "dict"),
        ("parts", ["0"], "numbers of parts"),
        ("parts", 3, "list"),
        ("id", 7, "str"),
        ("model", "vgg", "dict"),
        ("parameters", None, "dict"),
        ("files", {}, "nothing"),
    ],
)
def test_wrong_kinds_in_run_json_are_refused_by_name(path, name, value, expected):
    describe_anew(path, **{name: value})
    if name == "files":
        with pytest.raises(RecordError, match="damaged"):
            read_all(path)
        return
    with pytest.raises(RecordError, match=rf"run.json: {name} is .*{expected}"):
        Trace(path)


def test_one_writes_at_a_time_and_nothing_is_left(tmp_path):
    out = tmp_path / "new" / "out"
    with (
        lock_directory(out),
        pytest.raises(RecordError, match=r"being written by process \d+.*wait"),
        lock_directory(out),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_writer_that_was_killed_at_its_very_end_goes_with_the_next(path):
    (path / ".lock").write_text("process 1")
    assert holds_finished_run(path, "run")
    assert not (path / ".lock").exists()


def test_what_failed_before_its_first_part_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), TraceWriter.open(tmp_path / "t", {"id": "a"}):
        raise ZeroDivisionError
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_another_run_takes_the_place_of_one_that_has_no_finished_part(tmp_path, original):
    TraceWriter.open(tmp_path / "t", {"id": "killed"})
    (tmp_path / "t" / "edges").mkdir()
    shutil.copy(original.path / "edges" / "part-00000.parquet", tmp_path / "t" / "edges")
    writer = TraceWriter.open(tmp_path / "t", {"id": "other"})
    assert not list((tmp_path / "t").rglob("*.parquet"))
    writer.write_part(0, {})
    with pytest.raises(RecordError, match="run 'other', not of 'killed'"):
        TraceWriter.open(tmp_path / "t", {"id": "killed"})


def test_repr_of_a_trace_of_feature_maps_counts_their_edges(tmp_path, original):
    trace = write_map_trace(tmp_path / "maps", original, "maps")
    assert f"{trace.counts['channels']:,} edges between feature maps" in repr(trace)
    assert " 0 edges" not in repr(trace)


@pytest.mark.parametrize("number", [28, 13])
def test_the_system_refuses_in_a_sentence(tmp_path, monkeypatch, number):
    """A full disk, a folder that cannot be written: no half file, and what was there stays."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "refused")

    (tmp_path / "kept.json").write_text("{}")
    monkeypatch.setattr("graphpath.record.files.pq.write_table", refuse)
    with pytest.raises(
        RecordError, match=r"cannot be written: (No space left on device|Permission denied)\."
    ):
        write_trace(tmp_path / "t", **SMALL)
    assert not list(tmp_path.rglob(".tmp-*"))
