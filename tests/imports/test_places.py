"""Where published graphs come from and where they go: folders, packed files, full disks, kills, and names."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import resource
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphpath.errors import DataError, RecordError
from graphpath.imports import import_edges, import_neuronpedia, import_summit, read_class_names
from graphpath.record import Trace
from tests.imports.published import attribution_graph, summit_graph, write_summit
from tests.imports.test_lists import MAPPING, TEXT


def zipped(data: bytes, folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "zip", "w") as archive:
        archive.writestr("graph.json", data)
    return (folder / "zip").read_bytes()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def circuit_tracer(folder: Path) -> Path:
    """Two graphs in a folder, and beside them what circuit-tracer's ``add_graph_metadata`` writes."""
    folder.mkdir()
    graphs = [attribution_graph(), attribution_graph(1, "another")]
    for graph in graphs:
        (folder / f"{graph['metadata']['slug']}.json").write_text(json.dumps(graph))
    listed = {"graphs": [graph["metadata"] for graph in graphs]}
    (folder / "graph-metadata.json").write_text(json.dumps(listed, indent=2))
    return folder


def test_a_folder_as_circuit_tracer_writes_it(tmp_path: Path) -> None:
    folder = circuit_tracer(tmp_path / "graphs")
    trace = import_neuronpedia([folder], out=tmp_path / "trace")
    assert trace.counts["pathways"] == 2
    named = import_neuronpedia(sorted(folder.glob("*.json")), out=tmp_path / "named")  # as a shell's *.json
    assert named.id == trace.id
    with pytest.raises(DataError, match=r"graph-metadata\.json holds no graph"):
        import_neuronpedia([folder / "graph-metadata.json"], out=tmp_path / "none")


@pytest.mark.parametrize("ending", PACKED)
def test_packed_json_is_json(ending: str, tmp_path: Path) -> None:
    text = json.dumps(summit_graph(0)).encode()
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "ag-356.json").write_bytes(text)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / f"ag-356.JSON{ending}").write_bytes(PACKED[ending](text))
    plain = import_summit([tmp_path / "plain"], out=tmp_path / "one")
    for given in (tmp_path / "packed", tmp_path / "packed" / f"ag-356.JSON{ending}"):
        packed = import_summit([given], out=tmp_path / given.name / "trace")
        assert (packed.id, packed.samples().to_table()["label"].to_pylist()) == (plain.id, [356])


def test_a_byte_order_mark_and_a_zip_are_no_hindrance(tmp_path: Path) -> None:
    text = json.dumps(attribution_graph()).encode()
    (tmp_path / "marked.json").write_bytes(b"\xef\xbb\xbf" + text)
    (tmp_path / "graph.zip").write_bytes(zipped(text, tmp_path))
    for name in ("marked.json", "graph.zip"):
        assert import_neuronpedia([tmp_path / name], out=tmp_path / f"{name}.trace").counts["pathways"] == 1


@pytest.mark.parametrize("given", ["pipe.json", "none.json", "cut.json.gz", "empty.json", "folder"])
def test_what_is_no_json_is_named(given: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(json.dumps(attribution_graph()).encode())[:-20])
    (tmp_path / "empty.json").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=given):
        import_neuronpedia([tmp_path / given], out=tmp_path / "trace")
    assert not (tmp_path / "trace").exists()


def _graph(change: Callable[[Any], object]) -> Any:
    graph = attribution_graph()
    change(graph)
    return graph


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["nodes"][0].update(ctx_idx=2**40),
        lambda graph: graph["nodes"][0].update(ctx_idx=2**31),
        lambda graph: graph["metadata"].update(scan="a \ud83d half"),
        lambda graph: graph["nodes"][0].update(node_id="\ud83d"),
        lambda graph: graph["nodes"][0].update(layer="\ud83d"),
        lambda graph: graph["nodes"][0].update(feature_type=3),
        lambda graph: graph["nodes"].insert(0, None),
        lambda graph: graph["nodes"].insert(0, []),
        lambda graph: graph["links"].insert(0, "a"),
        lambda graph: graph["links"][0].update(weight=None),
        lambda graph: graph["links"][0].update(weight=10**400),
        lambda graph: graph["nodes"][0].update(influence=[1]),
    ],
)
def test_a_graph_that_no_tool_writes_is_refused_in_a_sentence(change: Any, tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(json.dumps(_graph(change)))
    with pytest.raises(DataError):
        import_neuronpedia([tmp_path / "graph.json"], out=tmp_path / "trace")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.json"]


@pytest.mark.parametrize("channel", [2**31 - 1, 2**31, 2**32, 2**60, 2**70])
def test_a_huge_channel_makes_no_array_of_its_size(channel: int, tmp_path: Path) -> None:
    graph = summit_graph(0)
    graph["mixed4b"][0]["channel"] = channel
    (tmp_path / "ag-0.json").write_text(json.dumps(graph))
    with pytest.raises(DataError, match=r"places|ag-0\.json"):
        import_summit([tmp_path / "ag-0.json"], out=tmp_path / "trace")


def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    graph = _graph(lambda graph: graph["metadata"].update(scan="../../" + "long name/" * 90))
    Path("graph.json").write_text(json.dumps(graph))
    trace = import_neuronpedia(["graph.json"])
    assert trace.path.resolve().parent == tmp_path / "here" and trace.path.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    (tmp_path / "edges.csv").write_text(TEXT)
    return tmp_path / "edges.csv"


PROGRAM = """
import sys
from graphpath.imports import import_edges
import graphpath.imports.recorded as recorded
from tests.imports.test_lists import MAPPING
if sys.argv[3:]:
    fill = recorded._write_tables
    def stop(*given):
        fill(*given)
        print("filled", flush=True)
        sys.stdin.read()
    recorded._write_tables = stop
import_edges([sys.argv[1]], MAPPING, out=sys.argv[2])
"""


def start(*words: object, **settings: Any) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return subprocess.Popen(command, cwd=root, text=True, stdin=pipe, stdout=pipe, stderr=pipe, **settings)


def test_what_a_killed_import_left_goes_and_a_running_one_stays(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "trace"
    killed, running = start(listed, out, "stop"), start(listed, out, "stop")
    for process in (killed, running):
        assert process.stdout is not None and process.stdout.readline() == "filled\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(list(out.parent.iterdir())) == 2
    trace = import_edges([listed], MAPPING, out=out)
    assert trace.counts["edges"] == 4 and len(list(out.parent.iterdir())) == 2  # the trace, and what runs
    _, said = running.communicate("")
    assert running.returncode == 0, said
    assert list(out.parent.iterdir()) == [out] and Trace(out).counts["edges"] == 4


def test_a_full_disk_leaves_nothing(listed: Path, tmp_path: Path) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    out = tmp_path / "out" / "trace"
    process = start(listed, out, preexec_fn=full)
    _, said = process.communicate()
    assert process.returncode == 1 and "RecordError" in said.splitlines()[-1] and "File too large" in said
    assert not out.parent.exists()
    assert import_edges([listed], MAPPING, out=out).counts["edges"] == 4


def test_many_imports_into_one_place_are_one(listed: Path, tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(import_edges([listed], MAPPING, out=tmp_path / "trace").id)
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges.csv", "trace"]


def test_another_thing_in_the_place_is_named(listed: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"edges\.csv is a file; a trace is a directory"):
        import_edges([listed], MAPPING, out=listed)
    with pytest.raises(RecordError, match="is not empty and holds no trace"):
        import_edges([listed], MAPPING, out=tmp_path)
    with pytest.raises(RecordError, match=r"edges\.csv is a file; a trace is a directory"):
        import_edges([listed], MAPPING, out=listed / "trace")


NAMES: dict[str, tuple[str, dict[int, str]]] = {
    "a.txt": ("tench, Tinca tinca\r\n\r\nNA\n", {0: "tench, Tinca tinca", 2: "NA"}),
    "a.json": ('{"0": ["n01440764", "tench"], "7": "007"}', {0: "tench", 7: "007"}),
    "list.json": ('\ufeff["tench", "NA"]', {0: "tench", 1: "NA"}),
    "a.csv": ("index,wnid,name,more\n7,n01,tench,\n0,n02,NA,x\n", {7: "tench", 0: "NA"}),
    "b.csv": ("name\ntench\nnull\n", {0: "tench", 1: "null"}),
    "semicolon.csv": ("label;name\n16777217;tench\n", {16_777_217: "tench"}),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_classes(name: str, tmp_path: Path) -> None:
    text, expected = NAMES[name]
    (tmp_path / name).write_bytes(text.encode())
    assert read_class_names(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"07": "a", "7": "b"}', "'07' is no label"),
        ("a.json", '{"-1": "a"}', "'-1' is no label"),
        ("a.json", '{"1_0": "a"}', "'1_0' is no label"),
        ("a.json", '{"1": "a", "1": "b"}', "calls class 1 'a' and 'b'"),
        ("a.json", '{"1": null}', "null is no name"),
        ("a.json", "[1, 2]", "1 is no name"),
        ("a.csv", "0,tench\n1,x\n", "one should be 'name'"),
        ("a.csv", 'index,name\n0,"tench\n1,x\n', "line 2: a quote is opened"),
        ("a.csv", "index,name\n007,tench\n", "'007' is no label"),
        ("none.txt", None, "none.txt cannot be read: No such file"),
    ],
)
def test_names_that_are_none_are_named(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_class_names(tmp_path / name)


def test_summit_with_names_in_a_csv(tmp_path: Path) -> None:
    files = write_summit(tmp_path / "json", graphs=2)
    (tmp_path / "names.csv").write_text("index,wnid,name\n0,n01,tench\n2,n02,NA\n")
    trace = import_summit(files, out=tmp_path / "trace", names=tmp_path / "names.csv")
    assert trace.categories().to_table()["name"].to_pylist() == ["tench", "NA"]
    assert "read" not in trace.run["imported"]
    (tmp_path / "less.txt").write_text("tench\n")
    trace = import_summit(files, out=tmp_path / "less", names=tmp_path / "less.txt")
    assert trace.run["imported"]["read"][0].endswith("less.txt has no name for 1 of 2 classes, the first 2.")


def test_one_path_is_a_list_of_one_and_none_is_refused(listed: Path, tmp_path: Path) -> None:
    assert import_edges(str(listed), MAPPING, out=tmp_path / "trace").counts["edges"] == 4
    with pytest.raises(DataError, match="No file was given"):
        import_neuronpedia([])
    with pytest.raises(DataError, match=r"edges\.csv is given twice"):
        import_edges([listed, tmp_path], MAPPING, out=tmp_path / "twice")
