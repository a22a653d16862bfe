"""Figures: what is drawn is what the frame says."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from graphpath.report import captions
from graphpath.report.clustering import cluster, square_matrix
from graphpath.report.figures import (
    Pair,
    Point,
    draw_bars,
    draw_curves,
    draw_forest,
    draw_heatmaps,
    draw_image_pairs,
    draw_similarity,
    draw_stacked,
    draw_usage,
)


def tree(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)


def by_class(drawn: str, name: str) -> list[ElementTree.Element]:
    return [one for one in tree(drawn).iter() if name in one.get("class", "").split()]


@pytest.fixture
def similarity() -> pd.DataFrame:
    rows = [("a", "b", -1, 0.5), ("a", "c", -1, 0.1), ("b", "c", -1, np.nan), ("a", "b", 1, 1.0)]
    frame = pd.DataFrame(rows, columns=["category1", "category2", "layer", "weighted_J"])
    return frame.assign(shared=3)


def test_a_heat_map_is_symmetric_darker_for_more_and_leaves_null_and_diagonal_out(similarity) -> None:
    drawn = draw_heatmaps(similarity, [(-1, "all")], ["a", "b", "c"])
    cells = {one[0].text: float(one.get("fill-opacity")) for one in by_class(drawn, "heat") if len(one)}
    assert {words.split(":")[0] for words in cells} == {"a and b", "b and a", "a and c", "c and a"}
    assert cells["a and b: 0.50, 3 shared edges"] == cells["b and a: 0.50, 3 shared edges"]
    assert cells["a and b: 0.50, 3 shared edges"] > cells["a and c: 0.10, 3 shared edges"]
    assert len(by_class(drawn, "null")) == 2


def test_panels_have_one_scale(similarity) -> None:
    drawn = draw_heatmaps(similarity, [(-1, "all"), (1, "one")], ["a", "b", "c"])
    cells = {one[0].text: float(one.get("fill-opacity")) for one in by_class(drawn, "heat") if len(one)}
    assert cells["a and b: 1.00, 3 shared edges"] == 1.0
    assert cells["a and b: 0.50, 3 shared edges"] < 1.0


def test_a_tree_stands_beside_the_first_panel_and_its_joints_further_left_for_less(similarity) -> None:
    tree = cluster("abc", square_matrix(similarity[similarity.layer == -1], "abc", "weighted_J"))
    assert tree[-1].members == ("b", "a", "c")
    drawn = draw_heatmaps(similarity, [(-1, "all"), (1, "one")], tree[-1].members, tree=tree)
    inner, whole = by_class(drawn, "joint")
    assert inner[0].text == "b with a: mean likeness 0.50"
    assert whole[0].text == "b and a with c: mean likeness 0.050"
    bars = [re.search(r"H([\d.]+)V([\d.]+)H([\d.]+)$", one.get("d")).groups() for one in (inner, whole)]
    (deep, _, leaf), (shallow, low, last) = [tuple(map(float, found)) for found in bars]
    assert 0 < shallow < deep < leaf == last < min(float(one.get("x")) for one in by_class(drawn, "maps")[:1])
    rows = [one for one in by_class(drawn, "end") if one.text in "abc"]
    assert [one.text for one in rows] == ["b", "a", "c"]
    assert float(rows[2].get("y")) == pytest.approx(low + 4, abs=0.1)  # the last class is beside its leaf


def test_many_classes_stand_in_several_lines_so_that_their_names_fit() -> None:
    names = [f"a long name {i}" for i in range(40)]
    rows = [(one, "a long name 0", layer, 0.5, 1) for one in names[1:] for layer in range(5)]
    frame = pd.DataFrame(rows, columns=["category1", "category2", "layer", "weighted_J", "shared"])
    drawn = draw_heatmaps(frame, [(layer, f"layer {layer}") for layer in range(5)], names)
    places = [tuple(map(float, re.findall(r"[\d.]+", panel.get("transform"))))
              for panel in tree(drawn) if panel.tag == "g"]  # fmt: skip
    lines = sorted({y for _, y in places})
    assert len(places) == 5 and len(lines) == 3
    assert sum(one.text == names[7] for one in by_class(drawn, "tick")) == 5 + 3  # columns, and a line's rows
    _, _, width, height = map(float, tree(drawn).get("viewBox").split())
    assert max(x for x, _ in places) + 40 * 10 < width <= 1130
    assert lines[-1] + 40 * 10 < height


def test_without_a_tree_none_is_drawn(similarity) -> None:
    plain = draw_heatmaps(similarity, [(-1, "all")], ["a", "b", "c"])
    assert not by_class(plain, "joint")
    tree = cluster("abc", square_matrix(similarity[similarity.layer == -1], "abc", "weighted_J"))
    assert by_class(draw_heatmaps(similarity, [(-1, "all")], ["a", "b", "c"], tree=tree), "joint")


def test_bars_are_as_long_as_their_values_and_name_them() -> None:
    drawn = draw_bars({"x": [1.0, 0.25], "y": [float("nan"), 0.5]}, ["one", "two"], top=1.0)
    widths = [float(one.get("width")) for one in by_class(drawn, "bar")]
    assert widths[1] == pytest.approx(widths[0] / 4, abs=0.1)
    assert widths[3] == pytest.approx(widths[0] / 2, abs=0.1)
    words = ["".join(one.itertext()) for one in by_class(drawn, "tick")]
    assert words == ["1.00  one", "0.25  two", "–  one", "0.50  two"]


def test_stacked_bars_end_where_their_sum_does() -> None:
    drawn = draw_stacked({"x": [2.0, 2.0], "y": [1.0, 0.0]}, ["one", "two"])
    parts = [one for one in by_class(drawn, "stack") if len(one)]
    ends = [float(one.get("x")) + float(one.get("width")) for one in parts]
    start = float(parts[0].get("x"))
    assert (ends[1] - start) == pytest.approx(4 * (ends[2] - start), abs=0.5)


def test_likeness_draws_a_line_a_pair_their_median_and_what_to_expect() -> None:
    layers = [(1, "one"), (2, "two"), (3, "three")]
    pairs = {name: pd.Series(values, index=[1, 2, 3]) for name, values in
             {"p": [0.8, 0.4, np.nan], "q": [0.6, 0.2, 0.1], "r": [0.1, 0.1, 0.1]}.items()}  # fmt: skip
    drawn = draw_similarity(layers, pairs, {"null": pd.Series([0.1, 0.1], index=[1, 2])})
    assert [len(one.get("points").split()) for one in by_class(drawn, "pair")] == [2, 3, 3]
    assert [one[0].text for one in by_class(drawn, "median-dot")] == ["0.60", "0.20", "0.10"]
    assert len(by_class(drawn, "expected")) == 1


def test_likeness_without_pairs_still_draws() -> None:
    assert not by_class(draw_similarity([(1, "one"), (2, "two")], {}, {}), "pair")


def test_curves_draw_means_where_they_are_and_bands_about_them() -> None:
    lines = {
        "measured": {1: Point(0.5, 0.25, 0.75), 2: Point(1.0, 0.75, 1.25)},
        "control": {2: Point(0.0)},
    }
    drawn = draw_curves([(1, "one"), (2, "two")], lines, null=0.0, label="what")
    first, second, control = (float(dot.get("cy", "")) for dot in by_class(drawn, "dot"))
    [nothing] = by_class(drawn, "nothing")
    assert second < first < control == float(nothing.get("y1", ""))
    assert first - second == pytest.approx(control - first, abs=0.2)  # one half each
    [band] = by_class(drawn, "band")  # a control of one seed has none
    heights = [float(point.split(",")[1]) for point in band.get("points", "").split()]
    assert heights[3] - heights[0] == pytest.approx(first - second, abs=0.2)  # from .25 to .75
    assert [name.text for name in by_class(drawn, "name")] == ["measured", "control"]


def test_curves_of_wide_intervals_show_the_means_and_of_none_an_empty_axis() -> None:
    drawn = draw_curves([(1, "one"), (2, "two")], {"x": {1: Point(1.0, -900, 900), 2: Point(2.0, -900, 900)}})
    one, two = (float(dot.get("cy", "")) for dot in by_class(drawn, "dot"))
    assert one - two > 50
    assert not by_class(draw_curves([(1, "one")], {"x": {1: Point(float("nan"))}}), "dot")


def test_a_forest_has_a_dot_and_an_interval_a_row() -> None:
    drawn = draw_forest({"measured": Point(2.0, 1.0, 3.0), "control": Point(1.0)}, null=0.0)
    measured, control = by_class(drawn, "dot")
    [whisker] = [one for one in by_class(drawn, "curve") if one.tag == "line"]
    middle = (float(whisker.get("x1", "")) + float(whisker.get("x2", ""))) / 2
    assert float(measured.get("cx", "")) == pytest.approx(middle, abs=0.2)
    assert float(control.get("cx", "")) == pytest.approx(float(whisker.get("x1", "")), abs=0.2)


def test_usage_draws_the_share_of_each_map() -> None:
    frame = pd.DataFrame({"layer": [1, 1], "channel": [0, 5], "category": ["a", "b"], "name": ["m0", "m5"],
                          "share": [1.0, 0.25]})  # fmt: skip
    cells = by_class(draw_usage(frame, [(1, "one")], ["a", "b"]), "heat")
    assert [cell.get("fill-opacity") for cell in cells] == ["1.00", "0.25"]
    assert cells[1][0].text == "b: 25% of its pathways visit m5"


def test_image_pairs_show_three_images_and_what_was_said_of_them_four_in_a_line() -> None:
    shown = [
        Pair(f"data:b{i}", f"data:c{i}", f"data:a{i}", "cat", "<dog>" if i else "cat", i > 0, ["one", "two"])
        for i in range(5)
    ]
    drawn = draw_image_pairs(shown)
    images = [(one.get("href"), one[0].text) for one in tree(drawn).iter("image")]
    assert images[:3] == [("data:b0", "original"), ("data:c0", "change"), ("data:a0", "attacked")]
    assert [href for href, _ in images] == [f"data:{kind}{i}" for i in range(5) for kind in "bca"]
    assert [one.text for one in by_class(drawn, "chosen")] == ["cat → cat", *["cat → <dog>"] * 4]
    assert len(by_class(drawn, "fooled")) == 4
    assert [one.text for one in by_class(drawn, "note")] == ["one", "two"] * 5
    places = [re.findall(r"\d+", one.get("transform")) for one in tree(drawn) if one.tag == "g"]
    assert len({x for x, _ in places}) == 4 and len({y for _, y in places}) == 2


def test_names_in_figures_are_escaped() -> None:
    drawn = draw_bars({"<b>&": [1.0]}, ["<i>"])
    assert "<b>" not in drawn
    assert "<b>&" in "".join(tree(drawn).itertext())


@pytest.mark.parametrize(
    ("log10", "sign", "written"),
    [(-2.0, 1, "0.01"), (-18.0, -1, "−1.0·10^-18"), (0.30103, 1, "2"), (5.477, 1, "3.0·10^5")],
)
def test_contributions_are_written_however_small(log10: float, sign: int, written: str) -> None:
    assert captions.format_power(log10, sign) == written


def test_shares_near_one_are_not_rounded_to_it() -> None:
    assert [captions.format_percent(value) for value in (1.0, 0.9991, 0.5)] == ["100%", ">99%", "50%"]


def test_coordinates_are_short() -> None:
    assert [captions.fmt(value) for value in (1.0, 1.26, 100.04)] == ["1", "1.3", "100"]
    row = {"layer": [1], "channel": [0], "category": ["a"], "name": ["m"], "share": [1.0]}
    drawn = re.sub(r'fill-opacity="[^"]*"', "", draw_usage(pd.DataFrame(row), [(1, "l")], ["a"]))
    assert not re.search(r"\d\.\d\d", drawn)


def test_small_likenesses_fill_the_chart() -> None:
    drawn = draw_similarity([(1, "one"), (2, "two")], {"p": pd.Series([0.03, 0.01], index=[1, 2])}, {})
    highest, lowest = (float(one.get("cy", "")) for one in by_class(drawn, "median-dot"))
    assert lowest - highest > 80
    assert {one.text for one in by_class(drawn, "tick")} == {"0", "0.025", "0.05", "one", "two"}


def test_names_below_a_chart_of_many_layers_do_not_lie_on_each_other() -> None:
    layers = [(i, f"block {i} · depthwise conv") for i in range(1, 50)]
    drawn = draw_similarity(layers, {"p": pd.Series(0.5, index=range(1, 50))}, {})
    places = [float(one.get("x", "")) for one in by_class(drawn, "mid")]
    assert 2 <= len(places) < 10
    assert all(after - before > 20 * 6 for before, after in pairwise(places))


def test_kinds_beyond_the_colours_are_shades_and_their_legend_wraps() -> None:
    drawn = draw_stacked({"x": [1.0] * 12}, [f"a block of name {i}" for i in range(12)])
    legend = [one for one in by_class(drawn, "heat") if not len(one)]
    assert len({one.get("fill-opacity") for one in legend}) == 12
    _, _, width, _ = map(float, tree(drawn).get("viewBox").split())
    assert max(float(one.get("x")) for one in legend) + 17 + 6.6 * 16 <= width
    assert len({one.get("y") for one in legend}) > 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("resnet50", "resnet50"),
        ('nets:EfficientNet.from_pretrained("lite0", path="/a:b.pth")', "EfficientNet"),
        ("pack/nets.py:Net(width=16)", "Net"),
        ("timm:resnet18.a1_in1k", "resnet18"),
        ("(odd)", "(odd)"),
    ],
)
def test_a_networks_name_is_said_without_module_and_arguments(given: str, said: str) -> None:
    assert captions.name_model(given) == said


def test_a_class_is_called_without_its_number_and_words_fit_their_room() -> None:
    assert captions.name_class("n02099601_golden_retriever") == "golden retriever"
    assert captions.name_class("n02099601_") == "n02099601 "
    assert captions.fit_words("blocks 120–134", 9, 2) == ["blocks", "120–134"]
    assert captions.fit_words("a very long name indeed", 8, 2) == ["a very", "long na…"]
    names = ["input", *(f"1._blocks.{i}.{part}" for i in range(3) for part in ("a_conv", "b_conv")), "1._fc"]
    said = captions.name_layers(names, ["input", *["conv"] * 6, "logits"])
    assert said[1:3] == ["block 0 · a conv", "block 0 · b conv"] and said[-1] == "logits"
