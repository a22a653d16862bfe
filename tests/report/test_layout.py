"""Where things are drawn: in networks of 5, 51 and 150 layers nothing lies on anything else."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest

from graphpath.report.pathway.blocks import gather_blocks
from graphpath.report.pathway.flows import join_blocks
from graphpath.report.pathway.layout import TALL, WIDE, Column, Format, PathwayLayout, Shelf, lay_out
from graphpath.report.pathway.ribbons import draw_ribbons
from graphpath.report.pathway.scene import TILES

Box = tuple[float, float, float, float]


def plain(count: int, side: int, classes: int) -> pd.DataFrame:
    names = ["input", *(f"features.{i}" for i in range(count - 2)), "classifier"]
    kinds = ["input", *["conv"] * (count - 2), "logits"]
    sides = [side, *[max(side >> (i // 2), 1) for i in range(count - 2)], 1]
    return _table(names, kinds, sides, classes)


def residual(blocks: list[int], side: int, classes: int) -> pd.DataFrame:
    names, sides = ["input", "net._conv_stem.conv2d"], [side, side // 2]
    for stage, count in enumerate(blocks):
        for block in range(count):
            names += [
                f"net.stage_with_a_long_name{stage}.{block}.{part}" for part in ("conv1", "conv2", "iadd")
            ]
            sides += [max(side >> (stage + 2), 1)] * 3
    kinds = ["input", *["conv"] * (len(names) - 1), "logits"]
    return _table([*names, "net.head_of_the_network"], kinds, [*sides, 1], classes)


def listed(blocks: int, side: int, classes: int) -> pd.DataFrame:
    names = [
        f"net._blocks.{i}.{part}" for i in range(blocks) for part in ("_expand", "_depthwise", "_project")
    ]
    sides = [max(side >> (i // 12 + 1), 1) for i in range(len(names))]
    kinds = ["input", *["conv"] * len(names), "logits"]
    return _table(["input", *names, "net._fc"], kinds, [side, *sides, 1], classes)


def _table(names: list[str], kinds: list[str], sides: list[int], classes: int) -> pd.DataFrame:
    channels = [3, *[64] * (len(names) - 2), classes]
    frame = pd.DataFrame(
        {"name": names, "kind": kinds, "channels": channels, "height": sides, "width": sides}
    )
    return frame.assign(layer=range(len(names)))


NETWORKS = {
    "5 layers, 8 pixels": plain(5, 8, 10),
    "5 layers, 28 pixels": plain(5, 28, 10),
    "12 layers, 512 pixels": plain(12, 512, 1000),
    "51 layers, 224 pixels": listed(16, 224, 1000),
    "51 layers in stages": residual([3, 4, 6, 3], 64, 1000),
    "150 layers in stages": residual([3, 8, 36, 3], 512, 1000),
    "ten stages": residual([1, 2, 1, 3, 1, 2, 1, 9], 224, 10),
}


def shelves_of(layers: pd.DataFrame) -> list[Shelf]:
    blocks = gather_blocks(layers)
    deep = any(not block.single for block in blocks)
    made = [Shelf(blocks[0], ())]
    for block in blocks[1:-1]:
        count = TILES if deep else min(block.last.channels, 12)
        made.append(Shelf(block, tuple((block.last.number, i) for i in range(count)), 64 - count, rest=deep))
    ends = range(min(blocks[-1].last.channels, 10))
    return [*made, Shelf(blocks[-1], tuple((blocks[-1].last.number, i) for i in ends))]


@pytest.fixture(params=[(name, format_) for name in NETWORKS for format_ in (WIDE, TALL)],
                ids=lambda param: f"{param[0]}, {'tall' if param[1].tall else 'wide'}")  # fmt: skip
def case(request: pytest.FixtureRequest) -> tuple[PathwayLayout, Format]:
    name, format_ = request.param
    return lay_out(shelves_of(NETWORKS[name]), format_, 0.0 if format_.tall else 100.0), format_


def apart(one: Box, two: Box) -> bool:
    return one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


def tiles_of(column: Column) -> list[Box]:
    return [(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height) for tile in column.tiles]


def test_no_title_lies_on_another_or_on_a_tile(case: tuple[PathwayLayout, Format]) -> None:
    layout, _ = case
    lines = [line for column in layout.columns for line in column.head]
    assert len(lines) >= 2 * len(layout.columns)
    for one, two in combinations(lines, 2):
        assert apart(one.box, two.box), (one.words, two.words)
    for line in lines:
        assert all(apart(line.box, box) for column in layout.columns for box in tiles_of(column)), line.words


def test_no_tile_lies_on_another_and_all_lie_in_the_picture(case: tuple[PathwayLayout, Format]) -> None:
    layout, _ = case
    boxes = [box for column in layout.columns for box in tiles_of(column)]
    for one, two in combinations(boxes, 2):
        assert apart(one, two)
    boxes += [line.box for column in layout.columns for line in column.head]
    for left, top, right, bottom in boxes:
        assert left >= -1 and top >= 0 and right <= layout.width + 1 and bottom <= layout.height + 1


def test_a_wide_drawing_fits_a_page_and_a_tall_one_a_telephone(case: tuple[PathwayLayout, Format]) -> None:
    layout, format_ = case
    assert layout.width <= (364 if format_.tall else 1140)
    smallest = min(tile.width for column in layout.columns[1:-1] for tile in column.tiles)
    assert smallest >= (20 if format_.tall else 25)
    assert len(layout.columns) <= 12


def test_ribbons_stay_beside_each_other_within_a_side() -> None:
    layers = NETWORKS["51 layers in stages"]
    shelves = shelves_of(layers)
    blocks = [shelf.block for shelf in shelves]
    rows = [
        (layer, channel, layer + 1, (channel + shift) % 7 if layer + 1 < 51 else 0, tone, 1.0 + channel)
        for layer in range(len(layers) - 1)
        for channel in range(7)
        for shift, tone in ((0, "for"), (3, "against"))
    ]
    names = ["source_layer", "source_channel", "layer", "channel", "tone", "weight"]
    flows = pd.DataFrame(rows, columns=names)
    tiles = [{chosen: place for place, chosen in enumerate(shelf.maps)} for shelf in shelves]
    rest = [len(shelf.maps) if shelf.rest else max(len(shelf.maps) - 1, 0) for shelf in shelves]
    ribbons = join_blocks(blocks, flows, tiles, rest)
    layout = lay_out(shelves)
    drawn = draw_ribbons(ribbons, layout)
    widths = [float(text.split('stroke-width="')[1].split('"')[0]) for text in drawn]
    assert widths == sorted(widths, reverse=True)
    assert len(drawn) > 40
    assert sum(widths) <= 40 * (len(blocks) - 1) + len(drawn)
