"""GraphML: what networkx reads back is what was written; what other programs need of the file."""

from __future__ import annotations

import gzip
from collections import Counter
from xml.etree import ElementTree

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpath.errors import GraphpathError
from graphpath.export import to_graphml, to_networkx
from tests.synthetic import write_trace

NAMESPACE = "{http://graphml.graphdrawing.org/xmlns}"


def read(path) -> nx.MultiDiGraph:
    return nx.read_graphml(path, force_multigraph=True)


@pytest.fixture(scope="module")
def pathway(tmp_path_factory) -> nx.MultiDiGraph:
    trace = write_trace(tmp_path_factory.mktemp("trace") / "clean", run="clean", samples=5)
    return to_networkx(trace, trace.pathways().to_table()["pathway"][1].as_py())


def test_a_pathway_comes_back_with_types_and_values(pathway, tmp_path) -> None:
    back = read(to_graphml(pathway, tmp_path / "pathway.graphml"))
    assert {int(node): data for node, data in back.nodes(data=True)} == dict(pathway.nodes(data=True))
    assert back.graph["run"] == "clean" and back.graph["pathway"] == pathway.graph["pathway"]
    expected = [(str(start), str(end), data) for start, end, data in pathway.edges(data=True)]
    found = [
        (start, end, {k: v for k, v in data.items() if k != "id"})
        for start, end, data in back.edges(data=True)
    ]
    key = lambda edge: (edge[0], edge[1], edge[2]["rank"])  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)


def test_identifiers_are_unique_and_each_attribute_has_one_type(pathway, tmp_path) -> None:
    root = ElementTree.parse(to_graphml(pathway, tmp_path / "pathway.graphml")).getroot()
    names = [item.get("id") for kind in ("node", "edge") for item in root.iter(NAMESPACE + kind)]
    assert len(names) == len(set(names)) == len(pathway) + pathway.number_of_edges()
    keys = Counter((item.get("for"), item.get("attr.name")) for item in root.iter(NAMESPACE + "key"))
    assert set(keys.values()) == {1}
    types = {item.get("attr.name"): item.get("attr.type") for item in root.iter(NAMESPACE + "key")}
    assert (types["score"], types["layer"], types["name"]) == ("double", "long", "string")


def test_nodes_of_several_labels_and_missing_values(tmp_path) -> None:
    graph = nx.MultiDiGraph()
    graph.add_node(7, type="Neuron", id=7, origin=None, score=float("nan"))
    graph.add_node(("Run", "clean"), type="Run", id="clean", layers=[1, 2], complete=True)
    graph.add_edge(("Run", "clean"), 7, key=("TRACED",), type="TRACED", weight=1)
    graph.add_edge(("Run", "clean"), 7, key=("FROM", None), type="FROM", weight=0.5)
    back = read(to_graphml(graph, tmp_path / "a.graphml"))
    assert dict(back.nodes(data=True)) == {
        "7": {"type": "Neuron", "id": "7"},
        "Run clean": {"type": "Run", "id": "clean", "layers": "[1, 2]", "complete": True},
    }
    assert [data["weight"] for _, _, data in back.edges(data=True)] == [1.0, 0.5]


@given(
    values=st.lists(
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_value_of_one_type_survives(values, tmp_path_factory) -> None:
    graph = nx.MultiDiGraph()
    for number, value in enumerate(values):
        graph.add_node(number, **{f"{type(value).__name__}": value})
    back = read(to_graphml(graph, tmp_path_factory.mktemp("g") / "a.graphml"))
    for number, value in enumerate(values):
        name = type(value).__name__
        # an empty element is how GraphML writes empty text; networkx reads it as missing
        assert back.nodes[str(number)].get(name, "") == value


def test_text_that_xml_cannot_hold_is_replaced(tmp_path) -> None:
    graph = nx.MultiDiGraph()
    graph.add_node(1, name="a\x00b\x1b[31m<&>\ud800")
    assert read(to_graphml(graph, tmp_path / "a.graphml")).nodes["1"]["name"] == "a\ufffdb\ufffd[31m<&>\ufffd"


def test_gzip_by_name(pathway, tmp_path) -> None:
    path = to_graphml(pathway, str(tmp_path / "pathway.graphml.gz"))
    assert gzip.decompress(path.read_bytes()).startswith(b"<?xml")
    assert len(read(path)) == len(pathway)


def test_a_file_is_whole_or_not_there(pathway, tmp_path, monkeypatch) -> None:
    path = to_graphml(pathway, tmp_path / "a.graphml")
    before = path.read_bytes()

    def fail(graph, target):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nx, "write_graphml", fail)
    with pytest.raises(GraphpathError, match=r"a\.graphml cannot be written: No space left"):
        to_graphml(pathway, path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.graphml"]


def test_a_folder_that_is_not_there_is_named(pathway, tmp_path) -> None:
    with pytest.raises(GraphpathError, match="cannot be written"):
        to_graphml(pathway, tmp_path / "none" / "a.graphml")


def test_names_that_xml_cannot_hold_are_written_by_number(tmp_path) -> None:
    graph = nx.MultiDiGraph()
    names = ["a\x1b<&\"'>\ud800", "a\x00<&\"'>", "]]>\ufffe"]
    for name in names:
        graph.add_node(("Run", name), **{name: name, "type": "Run"})
    graph.add_edge(("Run", names[0]), ("Run", names[1]), **{names[2]: names[2]})
    read = nx.read_graphml(to_graphml(graph, tmp_path / "a.graphml"), force_multigraph=True)
    assert list(read) == ["Run a\\x1b<&\"'>\\ud800", "Run a\\x00<&\"'>", "Run ]]>\\ufffe"]
    assert read.number_of_edges() == 1
