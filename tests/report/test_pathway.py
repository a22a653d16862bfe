"""Drawings of pathways: every neuron at its own place, every edge with its tone and strength."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.errors import RunNotFound
from graphpath.report import draw_pathway
from graphpath.report.pathway import (
    Photos,
    Scene,
    compose,
    draw_alone,
    mark_edge_changes,
    mark_neuron_changes,
    mark_signs,
    sum_by_map,
)
from graphpath.report.pathway.layout import TALL, WIDE, Format, PathwayLayout, lay_out
from graphpath.report.sections.drawn import select_ends, select_strongest
from graphpath.report.standalone import read_style

KINDS = ["input", "conv", "linear", "logits"]


def network(channels: int = 4, side: int = 5, units: int = 7) -> pd.DataFrame:
    shapes = [(3, side, side), (channels, side, side), (units, 1, 1), (3, 1, 1)]
    frame = pd.DataFrame(shapes, columns=["channels", "height", "width"])
    sizes = (frame.channels * frame.height * frame.width).cumsum()
    return frame.assign(layer=range(4), name=KINDS, kind=KINDS, offset=[0, *sizes[:-1]])


def every_neuron(layers: pd.DataFrame) -> pd.DataFrame:
    frames = []
    for row in layers.itertuples():
        channel, y, x = (part.ravel() for part in np.indices((row.channels, row.height, row.width)))
        frames.append(pd.DataFrame({"layer": row.layer, "channel": channel, "y": y, "x": x}))
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(neuron=range(len(frame)), name=[f"n{i}" for i in range(len(frame))], score=1.0)


def scene_of(layers: pd.DataFrame, neurons: pd.DataFrame, edges: pd.DataFrame | None = None, **more) -> Scene:
    held = pd.DataFrame({"source": [], "target": [], "layer": [], "score": []}) if edges is None else edges
    marked = mark_signs(held)
    return compose(layers, mark_signs(neurons), sum_by_map(layers, marked), marked, **more)


def layout_of(scene: Scene, format_: Format = WIDE) -> PathwayLayout:
    return lay_out(scene.shelves, format_)


@pytest.mark.parametrize("format_", [WIDE, TALL])
@settings(deadline=None)
@given(channels=st.integers(1, 32), side=st.integers(1, 9), units=st.integers(1, 64))
def test_neurons_of_a_layer_have_places_of_their_own_in_their_column(
    format_: Format, channels: int, side: int, units: int
) -> None:
    layers = network(channels, side, units)
    neurons = every_neuron(layers)
    layout = layout_of(scene_of(layers, neurons), format_)
    places = layout.locate(neurons)
    assert not np.isnan(places).any()
    for column in layout.columns:
        mine = places[neurons.layer == column.shelf.block.last.number]
        assert (mine[:, 0] >= column.x).all() and (mine[:, 0] <= column.x + column.width).all()
        assert (mine[:, 1] >= column.y).all() and (mine[:, 1] <= column.y + column.height).all()
        # The input's channels share one picture; elsewhere no two neurons coincide.
        distinct = len(np.unique(mine.round(6), axis=0))
        assert distinct == (len(mine) if column.kind != "input" else side * side)
        assert column.x + column.width <= layout.width and column.y + column.height <= layout.height
    starts = [(one.y if layout.tall else one.x) for one in layout.columns]
    depths = [(one.height if layout.tall else one.width) for one in layout.columns]
    assert all(after > start + depth for after, start, depth in zip(starts[1:], starts, depths, strict=False))


def test_of_a_wide_layer_the_maps_with_the_largest_scores_are_drawn() -> None:
    layers = network(channels=100)
    neurons = every_neuron(layers)
    first = neurons[(neurons.layer == 1) & (neurons.y == 0) & (neurons.x == 0)]
    edges = pd.DataFrame({"source": 0, "target": first.neuron, "layer": 1, "score": first.channel - 99.5})
    scene = scene_of(layers, neurons, edges)
    assert [channel for _, channel in scene.shelves[1].maps] == list(range(32))
    layout = layout_of(scene)
    assert [line.words for line in layout.columns[1].head][1].startswith("32 of 100 maps")
    assert np.isnan(layout.locate(neurons[(neurons.layer == 1) & (neurons.channel >= 32)])).all()


@pytest.fixture
def drawn() -> ElementTree.Element:
    layers = network()
    neurons = every_neuron(layers)
    chosen = [0, 75, 76, 175, 182]
    route = neurons[neurons.neuron.isin([0, 75, 175, 182])]
    neurons = neurons[neurons.neuron.isin(chosen)]
    edges = pd.DataFrame({"source": [0, 0, 75, 175], "target": [75, 76, 175, 182], "layer": [1, 1, 2, 3],
                          "score": [1.0, -0.01, 2.0, 3.0]})  # fmt: skip
    picture = "data:image/png;base64,"
    scene = scene_of(layers, neurons, edges, target=0, routes=[route], classes={0: "cat <&>"})
    return ElementTree.fromstring(draw_alone(scene, picture, Photos((picture,)), label="pathway"))


def classes(root: ElementTree.Element, tag: str) -> list[str]:
    return [one.get("class", "") for one in root.iter(tag)]


def test_edges_are_grouped_by_tone_and_strength_with_the_strong_on_top(drawn) -> None:
    edges = [one for one in drawn.iter("path") if "edge" in one.get("class", "")]
    assert [one.get("class") for one in edges] == ["edge against s0", "edge for s4"]
    assert [one.get("d").count("M") for one in edges] == [1, 3]


def test_the_image_the_route_and_the_target_are_there(drawn) -> None:
    assert classes(drawn, "image").count("input pixels") == 1
    assert classes(drawn, "path").count("route") == 1
    route = next(one for one in drawn.iter("path") if one.get("class") == "route")
    assert route.get("d").count("C") == 3
    chosen = [one for one in drawn.iter("text") if "chosen" in one.get("class", "")]
    assert [one.text for one in chosen] == ["cat <&>"]


def test_a_maps_neurons_are_drawn_in_its_symbol_and_every_square_uses_its_own(drawn) -> None:
    symbols = {one.get("id"): one for one in drawn.iter("symbol")}
    used = [one.get("href", "")[1:] for one in drawn.iter("use")]
    assert set(used) <= set(symbols)
    assert len([name for name in used if name.startswith("p-1-")]) == 4
    squares = [one.get("d") for one in symbols["p-1-0"].iter("path")]
    assert squares == ["M0 0h1v1h-1z", "M1 0h1v1h-1z"] or squares == ["M0 0h1v1h-1zM1 0h1v1h-1z"]
    assert not list(symbols["p-1-1"].iter("path"))


def test_maps_are_numbered_and_tell_their_names(drawn) -> None:
    assert [one.text for one in drawn.iter("text") if one.get("class") == "number"] == list("0123")
    assert "conv · map 2 (conv)" in [one.text for one in drawn.iter("title")]


def test_changes_tell_kept_lost_and_gained_edges_apart() -> None:
    before = pd.DataFrame({"source": [1, 1], "target": [2, 3], "layer": [1, 2], "score": [0.5, 0.6]})
    after = pd.DataFrame({"source": [1, 4], "target": [2, 3], "layer": [1, 2], "score": [0.7, -0.8]})
    found = mark_edge_changes(before, after).set_index(["source", "target"])
    assert found.tone.to_dict() == {(1, 2): "kept", (1, 3): "lost", (4, 3): "gained"}
    assert found.score.to_dict() == {(1, 2): 0.5, (1, 3): 0.6, (4, 3): -0.8}
    assert found.layer.tolist() == [1, 2, 2]


def test_owners_tell_neurons_apart_likewise() -> None:
    neurons = every_neuron(network())
    found = mark_neuron_changes(neurons.iloc[:3], neurons.iloc[2:5])
    assert found.tone.tolist() == ["lost", "lost", "kept", "gained", "gained"]


def test_of_each_layer_the_edges_with_the_largest_scores_are_shown() -> None:
    edges = pd.DataFrame({"layer": [1] * 6 + [2] * 2, "score": [1, -9, 3, 4, -5, 6, 0.1, -0.2]})
    edges = edges.assign(source=range(8), target=range(8, 16))
    found = select_strongest(edges, 4)
    assert found.score.tolist() == [-9, 6, 0.1, -0.2]
    assert select_strongest(edges, 1000).equals(edges)


def test_the_neurons_shown_are_the_ends_of_edges_and_the_steps_of_routes() -> None:
    neurons = every_neuron(network())
    edges = pd.DataFrame({"source": [1], "target": [80]})
    route = neurons[neurons.neuron.isin([5, 90])]
    assert select_ends(neurons, edges, [route]).neuron.tolist() == [1, 5, 80, 90]


def test_a_drawing_of_its_own_holds_its_style_and_all_it_was_asked_for(store, images) -> None:
    sample = int(store.query("pathways/of_run", run="clean")["sample"][0])
    root = ElementTree.fromstring(draw_pathway(store, sample, run="clean", images=images, edges=40, routes=2))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].text == read_style()
    told = root[1].text.split("\n")
    assert told[0] == f"Pathway of sample {sample}"
    assert [command.split()[2] for command in told[1:]] == [
        "browse/pathway",
        "pathways/neurons",
        "pathways/largest",
    ]
    routes = [one for one in root.iter() if one.get("class") == "route"]
    assert len(routes) == 2
    edges = [one for one in root.iter() if "edge " in one.get("class", "")]
    assert 0 < sum(one.get("d").count("M") for one in edges) <= 40
    with pytest.raises(RunNotFound, match="no sample 7"):
        draw_pathway(store, 7, run="clean")
