"""Summit's class graphs: nothing is lost by the import, and the queries answer what the JSON says."""

from __future__ import annotations

import itertools
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graphpath.errors import DataError, RecordError
from graphpath.imports import import_summit
from graphpath.record import Trace
from graphpath.stores import open_store
from tests.imports.published import likeness, pack, summit_edges, summit_graph, write_summit


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_summit(tmp_path / "json")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Trace]:
    root = tmp_path_factory.mktemp("summit")
    files = write_summit(root / "json")
    return files, import_summit(files, out=root / "trace")


def stored(trace: Trace) -> dict[int, dict[tuple[str, int, int], float]]:
    """Each class's edges by (layer of the target, source, target), read from the record."""
    layers = trace.layers().to_table().to_pandas()
    pathways = trace.pathways().to_table().to_pandas().set_index("pathway").target
    found: dict[int, dict[tuple[str, int, int], float]] = {}
    for row in trace.edges().to_table().to_pandas().itertuples(index=False):
        target = layers.loc[row.layer]
        source = layers[layers.offset <= row.source].iloc[-1]
        key = (target["name"], row.source - source.offset, row.target - target.offset)
        found.setdefault(int(pathways[row.pathway]), {})[key] = row.score
    return found


def test_every_channel_and_edge_is_in_the_record(imported) -> None:
    files, trace = imported
    graphs = {int(file.stem.removeprefix("ag-")): json.loads(file.read_text()) for file in files}
    assert stored(trace) == {label: summit_edges(graph) for label, graph in graphs.items()}
    visits = trace.visits().to_table().to_pandas()
    channels = [channel for graph in graphs.values() for layer in graph.values() for channel in layer]
    assert len(visits) == len(channels)
    assert sorted(visits.activation) == sorted(channel["count"] for channel in channels)
    expected = sorted(np.float32(channel["pagerank"]) for channel in channels)
    assert sorted(visits.score) == expected
    assert trace.layers().to_table()["channels"].to_pylist() == [256, 480, 508, 512]
    ranks = trace.edges().to_table().to_pandas().sort_values(["pathway", "rank"])
    assert (ranks.groupby("pathway").score.diff().dropna() <= 0).all()


def test_a_class_graph_is_a_class_pathway(imported, tmp_path: Path) -> None:
    files, trace = imported
    with open_store(tmp_path / "a.lbdb") as store:
        done = store.load(trace)
        edges = trace.counts["edges"]
        flows = ("FLOWS_TO", "CLASS_FLOWS_TO", "MAP_FLOWS_TO")
        assert [done.counts[name] for name in flows] == [edges] * 3
        assert done.counts["ClassPathway"] == len(files)
        maps = store.query("categories/shared_maps", min_categories=1, limit=10**6)
        neurons = store.query("categories/shared_edges", min_categories=1, limit=10**6)
        pd.testing.assert_frame_equal(maps, neurons)
        summed = sum(sum(summit_edges(json.loads(file.read_text())).values()) for file in files)
        assert (maps.weight * maps.categories).sum() == pytest.approx(summed)
        assert store.query("categories/exclusive_edges", limit=10**6).share.eq(1).all()
        assert len(store.query("categories/shared_neurons"))
        classes = store.cypher(
            "MATCH (c:ClassPathway) RETURN c.id AS id, c.edges AS edges, c.min_support AS least"
        )
        assert classes.least.eq(1).all() and classes.edges.sum() == edges
        key = int(classes.id[0])
        assert len(store.graph("browse/class_pathway", class_pathway=key).edges)
        assert len(store.graph("browse/class_maps", class_pathway=key).edges)


def test_likeness_is_that_of_the_files(imported, tmp_path: Path) -> None:
    files, trace = imported
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        frame = store.query("categories/similarity")
    rows = frame[frame.layer == -1].set_index(["category1", "category2"])
    assert len(rows) == len(files) * (len(files) - 1) / 2
    for one, two in itertools.combinations(files, 2):
        names = sorted(file.stem.removeprefix("ag-") for file in (one, two))
        row = rows.loc[tuple(names)]
        shared, plain, weighted = likeness(json.loads(one.read_text()), json.loads(two.read_text()))
        assert (row.shared, row.J) == (shared, pytest.approx(plain))
        assert row.weighted_J == pytest.approx(weighted, rel=1e-12)


def test_files_a_folder_and_a_tar_are_the_same_import(files, tmp_path: Path) -> None:
    archive = pack(files, tmp_path / "graphs.tar.gz")
    runs = [
        import_summit(given, out=tmp_path / str(number)).id
        for number, given in enumerate((files, files[::-1], [tmp_path / "json"], [archive]))
    ]
    assert len(set(runs)) == 1


def test_classes_that_come_later_are_of_the_same_model(files, tmp_path: Path) -> None:
    early = import_summit(files[:2], out=tmp_path / "early")
    late = import_summit(files[2:], out=tmp_path / "late")
    assert early.layers().to_table() == late.layers().to_table()
    with open_store(tmp_path / "a.lbdb") as store:
        assert store.load(early).loaded and store.load(late).loaded
        assert store.runs().edges.sum() == early.counts["edges"] + late.counts["edges"]
        store.delete(early.id)
        assert store.runs().run.tolist() == [late.id]


def test_importing_again_changes_nothing(files, tmp_path: Path) -> None:
    out = tmp_path / "trace"
    first = import_summit(files, out=out)
    before = (out / "run.json").stat().st_mtime_ns
    assert import_summit(files, out=out).id == first.id
    assert (out / "run.json").stat().st_mtime_ns == before
    with pytest.raises(RecordError, match="holds the trace of run"):
        import_summit(files[:1], out=out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(RecordError, match="not empty"):
        import_summit(files, out=tmp_path / "mine")


@pytest.mark.parametrize(
    "text",
    ["tench\n\ngoldfish\n", '["tench", "", "goldfish"]', '{"0": ["n1", "tench"], "2": ["n2", "goldfish"]}'],
)
def test_names_come_from_a_file(text: str, files, tmp_path: Path) -> None:
    (tmp_path / "names").write_text(text)
    trace = import_summit(files, out=tmp_path / "trace", names=tmp_path / "names")
    rows = trace.categories().to_table().to_pandas().set_index("label").name
    assert rows.to_dict() == {0: "tench", 2: "goldfish", 4: "4", 6: "6", 8: "8"}


def _without(key):
    return lambda graph: graph["mixed3b"][1].pop(key)


def _with(key, value):
    return lambda graph: graph["mixed3b"][1].__setitem__(key, value)


def _edge(key, value):
    return lambda graph: graph["mixed3b"][1]["prev_channels"][2].__setitem__(key, value)


WRONG = {
    "lacks a key": (_without("channel"), r"mixed3b\[1\] lacks the key 'channel'"),
    "no edges": (_without("prev_channels"), r"mixed3b\[1\] lacks the key 'prev_channels'"),
    "half a channel": (_with("channel", 1.5), r"mixed3b\[1\] has 'channel': 1.5, which is no whole number"),
    "text": (_with("pagerank", "high"), r"mixed3b\[1\] has 'pagerank': \"high\", which is no number"),
    "null": (_with("count", None), r"mixed3b\[1\] has 'count': null"),
    "negative": (_with("channel", -1), r"mixed3b has 'channel': -1"),
    "an object": (_with("prev_channels", {}), r"mixed3b\[1\]: 'prev_channels' should be a JSON list, not {}"),
    "an edge's text": (_edge("inf", "many"), r"mixed3b\[1\]: prev_channels\[2\] has 'inf': \"many\""),
    "an unknown channel": (_edge("prev_channel", 77), r"mixed3b: channel \d+ has 'prev_channel': 77, which"),
    "below the first": (
        lambda graph: graph["mixed3a"][0].__setitem__("prev_channels", [{"prev_channel": 1, "inf": 1}]),
        "mixed3a: channel .* which the layer before it does not have",
    ),
    "a channel twice": (
        lambda graph: graph["mixed4a"].append(graph["mixed4a"][0]),
        "mixed4a has channel .* twice",
    ),
    "an edge twice": (
        lambda graph: graph["mixed4a"][0]["prev_channels"].append(graph["mixed4a"][0]["prev_channels"][0]),
        "mixed4a: channel .* twice",
    ),
    "a list": (lambda graph: graph.__setitem__("mixed4a", 3), "'mixed4a' should be a JSON list, not 3"),
    "no object": (
        lambda graph: graph["mixed4a"].insert(1, 7),
        r"mixed4a\[1\] should be a JSON object, not int",
    ),
    "other layers": (lambda graph: graph.pop("mixed4b"), "import the graphs of one network"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_is_no_such_graph_is_named_and_nothing_is_left(wrong: str, files, tmp_path: Path) -> None:
    spoil, said = WRONG[wrong]
    graph = summit_graph(1)
    spoil(graph)
    files[1].write_text(json.dumps(graph))
    with pytest.raises(DataError, match=said) as error:
        import_summit(files, out=tmp_path / "out" / "trace")
    assert "ag-2.json" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"mixed3a": NaN}', "ag"])
def test_what_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ag-1.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"ag-1\.json"):
        import_summit([file], out=tmp_path / "trace")


def test_classes_twice_and_without_a_number_are_refused(files, tmp_path: Path) -> None:
    other = tmp_path / "more" / "ag-2.json"
    other.parent.mkdir()
    other.write_text(files[1].read_text())
    with pytest.raises(DataError, match="both of class 2"):
        import_summit([*files, other], out=tmp_path / "trace")
    with pytest.raises(DataError, match="not named after its class"):
        import_summit([files[0].rename(tmp_path / "zebra.json")], out=tmp_path / "trace")
    with tarfile.open(tmp_path / "empty.tar", "w"), pytest.raises(DataError, match=r"truncated"):
        import_summit([tmp_path / "empty.tar"], out=tmp_path / "trace")
    with pytest.raises(DataError, match=r"holds no \.json"):
        import_summit([tmp_path / "empty.tar"], out=tmp_path / "trace")
    with pytest.raises(DataError, match="cannot be read"):
        import_summit([tmp_path / "none.json"], out=tmp_path / "trace")


def test_unsafe_and_damaged_archives_are_refused(files, tmp_path: Path) -> None:
    whole = pack(files, tmp_path / "whole.tar.gz").read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated or damaged"):
        import_summit([cut], out=tmp_path / "trace")
    for name, kind in (("../ag-1.json", tarfile.REGTYPE), ("ag-1.json", tarfile.SYMTYPE)):
        unsafe = tmp_path / "unsafe.tar"
        with tarfile.open(unsafe, "w") as made:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            made.addfile(member)
        with pytest.raises(DataError, match="refused"):
            import_summit([unsafe], out=tmp_path / "trace")
