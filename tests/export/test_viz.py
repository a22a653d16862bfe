"""neo4j-viz: a column per layer, colours by layer, sizes and widths by score, a cap."""

from __future__ import annotations

import subprocess
import sys

import networkx as nx
import pytest

from graphpath.errors import GraphpathError
from graphpath.export import to_neo4j_viz, to_networkx
from tests.synthetic import write_trace

pytest.importorskip("neo4j_viz", reason="the extra viz-gpl is not installed")


@pytest.fixture(scope="module")
def pathway(tmp_path_factory) -> nx.MultiDiGraph:
    trace = write_trace(tmp_path_factory.mktemp("trace") / "clean", run="clean", samples=5)
    return to_networkx(trace, trace.pathways().to_table()["pathway"][1].as_py())


def test_a_pathway_is_layered_coloured_and_sized(pathway) -> None:
    made = to_neo4j_viz(pathway)
    nodes = {int(node.id): node for node in made.nodes}
    assert nodes.keys() == set(pathway.nodes)
    layers = nx.get_node_attributes(pathway, "layer")
    for attribute in ("x", "color"):
        of = {
            layer: {str(getattr(nodes[n], attribute)) for n in nodes if layers[n] == layer}
            for layer in layers.values()
        }
        assert all(len(values) == 1 for values in of.values())
        assert len(set.union(*of.values())) == len(of)
    assert len({(node.x, node.y) for node in made.nodes}) == len(nodes)
    assert all(abs(node.x) <= 450 and abs(node.y) <= 250 for node in made.nodes)  # what is shown at first
    scores = {node: abs(data["score"]) for node, data in pathway.nodes(data=True)}
    assert sorted(nodes, key=lambda n: (nodes[n].size, n)) == sorted(nodes, key=lambda n: (scores[n], n))


def test_edges_say_sign_and_strength(pathway) -> None:
    made = to_neo4j_viz(pathway)
    data = [data for _, _, data in pathway.edges(data=True)]
    assert len({edge.id for edge in made.relationships}) == len(data)
    colours = {
        (row["score"] > 0, str(edge.color)) for edge, row in zip(made.relationships, data, strict=True)
    }
    assert len(colours) == len({positive for positive, _ in colours})
    widest = max(made.relationships, key=lambda edge: edge.width)
    assert widest.properties["score"] == max((row["score"] for row in data), key=abs)


@pytest.mark.parametrize("layout", ["free", "hierarchical"])
def test_it_renders(pathway, layout) -> None:
    page = to_neo4j_viz(pathway).render(layout=layout).data
    some = next(iter(pathway.nodes(data="name")))
    assert str(some[0]) in page and some[1] in page


def test_nodes_without_layer_or_score_are_drawn_too() -> None:
    graph = nx.MultiDiGraph()
    graph.add_node(("Sample", 3), type="Sample", id=3)
    graph.add_node(("Category", 4), type="Category", id=4, name="four")
    graph.add_edge(("Sample", 3), ("Category", 4), key=("LABELLED",), type="LABELLED")
    made = to_neo4j_viz(graph)
    assert [node.caption for node in made.nodes] == ["Sample 3", "four"]
    assert [edge.caption for edge in made.relationships] == ["LABELLED"]
    assert made.nodes[0].color != made.nodes[1].color


def test_too_many_are_refused_with_the_remedy(pathway) -> None:
    with pytest.raises(GraphpathError, match=r"\d nodes, and at most 3 are drawn: ask the query for fewer"):
        to_neo4j_viz(pathway, limit=3)
    assert not to_neo4j_viz(nx.MultiDiGraph()).nodes


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['neo4j_viz'] = None\n"
        "import networkx as nx\nfrom graphpath.errors import MissingExtra\n"
        "from graphpath.export import to_neo4j_viz\n"
        "try: to_neo4j_viz(nx.MultiDiGraph())\n"
        "except MissingExtra as error:\n"
        "    assert 'graphpath[viz-gpl]' in str(error) and 'GPL-3.0-only' in str(error)\n"
        "else: raise SystemExit('no refusal')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
