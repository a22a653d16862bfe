"""What a store's path may be: any name, a link; and what it may not be, said at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from graphpath.cli.app import app
from graphpath.errors import StoreUnavailable
from graphpath.stores import handles, open_store
from tests.synthetic import write_trace

ODD = """a?b#c%20d e f[1]*'ü日"-{x}\n"""
BACKSLASH = r"a\b c\d"


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Two in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("traces") / ODD
    size = {"samples": 3, "edges_per_pathway": 20}
    return write_trace(folder / "one", run="one", **size), write_trace(folder / "two", run="two", **size)


@pytest.fixture(scope="module")
def made(traces, tmp_path_factory):
    """A store's file, to be copied."""
    path = tmp_path_factory.mktemp("made") / "s.lbdb"
    with open_store(path) as store:
        store.load(traces[0])
    return path


@pytest.mark.parametrize("name", [ODD, BACKSLASH])
def test_any_name_will_do(name, traces, tmp_path) -> None:
    path = tmp_path / name / f"-{name}.lbdb"
    path.parent.mkdir()
    (tmp_path / name.replace("?", "x")).mkdir(exist_ok=True)  # what it matches as a pattern
    with open_store(path) as store:
        assert store.load(traces[0]).loaded
        assert store.load(traces[1]).loaded
        assert list(store.runs().run) == ["one", "two"]
        assert store.query("pathways/samples", run="two").samples.item() == 3
        assert len(store.cypher("MATCH (r:Run) RETURN r.id")) == 2
    assert sorted(entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock")) == [
        path.name
    ]


@pytest.mark.parametrize("name", ["-s.lbdb", ":memory:", "~"])
def test_the_command_line_takes_them_too(name, traces, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = CliRunner().invoke(app, ["load", str(traces[0].path), "--store", name])
    assert loaded.exit_code == 0, loaded.output
    assert (tmp_path / name).is_file()
    shown = CliRunner().invoke(app, ["runs", "--store", name])
    assert shown.exit_code == 0 and "one" in shown.output


def test_a_link_is_one_store_with_what_it_leads_to(made, traces, tmp_path) -> None:
    target, link = tmp_path / "data" / "s.lbdb", tmp_path / "link.lbdb"
    target.parent.mkdir()
    shutil.copyfile(made, target)
    link.symlink_to(target)
    with open_store(link) as store, open_store(target) as same:
        store.load(traces[1])
        assert link.is_symlink()
        assert list(store.runs().run) == list(same.runs().run) == ["one", "two"]
        (tmp_path / "other.lbdb").write_bytes(made.read_bytes())
        link.unlink()
        link.symlink_to(tmp_path / "other.lbdb")
        assert list(store.runs().run) == ["one"]
    link.unlink()
    link.symlink_to(tmp_path / "data" / "new.lbdb")
    with open_store(link) as store:
        store.load(traces[0])
    assert (tmp_path / "data" / "new.lbdb").is_file() and link.is_symlink()
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(StoreUnavailable, match=r"link\.lbdb cannot be opened"):
        open_store(link).runs()


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "directory"])
def test_what_is_no_file_is_refused_at_once(kind, traces, tmp_path) -> None:
    path = tmp_path / "s.lbdb"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path = type(path)("/dev/zero")
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(os.path.relpath(path))
        listening.close()
    for ask in (
        lambda: open_store(path),
        lambda: open_store(path, rebuild=True),
        lambda: open_store(tmp_path / "no" / ".." / path).load(traces[0]),
    ):
        with pytest.raises(StoreUnavailable, match=rf"cannot be opened.*a .*{kind}"):
            ask()


def test_a_path_through_a_file_or_too_long_is_refused(made, traces, tmp_path) -> None:
    for path, reason in (
        (made / "s.lbdb", "not a directory"),
        (tmp_path / ("x" * 300), "name too long"),
        (tmp_path / "a\0b", "null"),
    ):
        with pytest.raises(StoreUnavailable, match=reason):
            open_store(path).runs()
        with pytest.raises(StoreUnavailable, match=reason):
            open_store(path).load(traces[0])


@pytest.mark.parametrize("ending", [".wal", ".wal.checkpoint", ".shadow"])
def test_a_log_of_another_program_is_explained(ending, made, traces, tmp_path) -> None:
    path = tmp_path / "my store.lbdb"
    shutil.copyfile(made, path)
    log = path.with_name(path.name + ending)
    log.write_bytes(b"")
    with open_store(path) as store:
        assert len(store.runs()) == 1  # an empty one says nothing
    log.write_bytes(b"some pages")
    with pytest.raises(StoreUnavailable, match="left by a program") as refused, open_store(path) as store:
        store.runs()
    with pytest.raises(StoreUnavailable, match="left by a program"), open_store(path) as store:
        store.load(traces[1])
    subprocess.run(["sh", "-c", "mv " + str(refused.value).split(": mv ")[1]], check=True)
    with open_store(path) as store:
        assert store.load(traces[1]).loaded
        assert len(store.runs()) == 2


def test_a_checkpoint_on_a_reader_leaves_a_store_that_can_be_mended(made, tmp_path) -> None:
    """In a process of its own: the engine's reader writes a log and a shadow before it finds out."""
    path = tmp_path / "s.lbdb"
    shutil.copyfile(made, path)
    code = (
        "import ladybug, sys\n"
        "c = ladybug.Connection(ladybug.Database(sys.argv[1], read_only=True, max_db_size=1 << 28))\n"
        "c.execute('CHECKPOINT')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True)
    left = sorted(entry for entry in tmp_path.iterdir() if entry != path)
    assert left
    for entry in left:
        with pytest.raises(StoreUnavailable, match="left by a program") as refused:
            open_store(path)
        subprocess.run(["sh", "-c", "mv " + str(refused.value).split(": mv ")[1]], check=True)
        assert not entry.exists() or entry != left[-1]
    with open_store(path) as store:
        assert len(store.runs()) == 1


def test_another_min_support_after_a_removal_in_the_same_session(tmp_path) -> None:
    """The run goes and comes in one session, whose statistics then count relationships that went (of more
    than 2,048).
    """
    size = {"samples": 3, "edges_per_pathway": 1500, "side": 12}
    one, two = (write_trace(tmp_path / run, run=run, **size) for run in ("one", "two"))
    with open_store(tmp_path / "s.lbdb") as store:
        for trace in (one, two):
            store.load(trace, min_support=2)
        assert store.load(one, min_support=1).loaded
        assert store.runs().set_index("run").min_support.to_dict() == {"one": 1, "two": 2}


def test_three_gigabytes_of_addresses_are_enough(made, traces, tmp_path) -> None:
    path = tmp_path / "s.lbdb"
    shutil.copyfile(made, path)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"  # as ulimit -v
        "from graphpath.stores import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "assert store.load(sys.argv[2]).loaded\n"
        "assert len(store.query('pathways/of_run', run='two')) == 3\n"
        "assert len(store.cypher('MATCH (r:Run) RETURN r.id')) == 2\n"
        "store.delete('two')\n"
        "print(len(store.runs()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(traces[1].path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_too_few_addresses_are_said(made) -> None:
    before = handles.count_open_handles()
    code = (
        "import resource, sys\n"
        "from graphpath.stores.ladybug import LadybugStore\n"
        "from graphpath.errors import StoreUnavailable\n"
        "import pyarrow, pandas, duckdb\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096 + (300 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used, used))\n"
        "try: LadybugStore(sys.argv[1]).check()\n"
        "except StoreUnavailable as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(made)], capture_output=True, text=True, check=False
    )
    assert "MiB of addresses" in done.stdout and "ulimit -v" in done.stdout, done.stderr
    assert handles.count_open_handles() == before
