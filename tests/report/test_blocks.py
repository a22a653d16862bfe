"""Which layers are drawn as one: the network's own blocks, in order, at most so many, with names to say."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.report.pathway.blocks import MOST, Block, gather_blocks, split_layers


def table(names: list[str], sides: list[int]) -> pd.DataFrame:
    kinds = ["input", *["conv"] * (len(names) - 2), "logits"]
    frame = pd.DataFrame({"name": names, "kind": kinds, "height": sides, "width": sides})
    return frame.assign(layer=range(len(names)), channels=8)


def told(blocks: tuple[Block, ...]) -> list[tuple[str, int]]:
    return [(block.name, len(block.layers)) for block in blocks]


def residual(counts: list[int]) -> pd.DataFrame:
    """A ResNet of bottlenecks."""
    names, sides = ["input", "conv1"], [64, 32]
    for stage, count in enumerate(counts, start=1):
        for block in range(count):
            names += [f"layer{stage}.{block}.{part}" for part in ("conv1", "conv2", "iadd")]
            sides += [32 >> stage] * 3
    return table([*names, "fc"], [*sides, 1])


def test_a_network_of_few_layers_has_a_block_for_each() -> None:
    names = ["input", "features.0", "features.1", "classifier.0", "classifier.2"]
    blocks = gather_blocks(table(names, [8, 8, 4, 1, 1]))
    assert [block.numbers for block in blocks] == [(0,), (1,), (2,), (3,), (4,)]
    assert [block.last.title for block in blocks] == ["input", "conv 1", "conv 2", "classifier", "logits"]


@pytest.mark.parametrize("counts", [[3, 4, 6, 3], [3, 8, 36, 3]])
def test_stages_of_a_residual_network_are_its_blocks(counts: list[int]) -> None:
    blocks = gather_blocks(residual(counts))
    stages = [(f"layer {stage}", 3 * count) for stage, count in enumerate(counts, start=1)]
    assert told(blocks) == [("input", 1), ("conv 1", 1), *stages, ("fc", 1)]


def test_a_block_of_very_many_layers_opens_into_blocks() -> None:
    stage = gather_blocks(residual([3, 8, 36, 3]))[4]
    assert told(split_layers(stage.layers)) == [
        (f"layer 3 {first}–{first + 3}", 12) for first in range(0, 36, 4)
    ]


def test_a_long_list_of_modules_is_cut_where_its_resolution_changes() -> None:
    sides = [112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7, 7]
    names = [f"net._blocks.{i}.{part}" for i in range(len(sides)) for part in ("_expand.conv2d", "add")]
    every = ["input", "net._conv_stem.conv2d", *names, "net._conv_head.conv2d", "net._fc"]
    blocks = gather_blocks(table(every, [224, 112, *[side for side in sides for _ in range(2)], 7, 1]))
    assert told(blocks[2:-2]) == [
        ("block 0", 2),
        ("blocks 1–2", 4),
        ("blocks 3–4", 4),
        ("blocks 5–10", 12),
        ("blocks 11–14", 8),
    ]


def test_alike_blocks_of_one_resolution_are_cut_evenly() -> None:
    names = [
        f"encoder.layers.encoder_layer_{i}.{part}" for i in range(12) for part in ("attention", "mlp", "add")
    ]
    blocks = gather_blocks(table(["input", "conv_proj", *names, "head"], [64, 16, *[14] * 36, 1]))
    assert told(blocks[2:-1]) == [(f"encoder layer {i}–{i + 1}", 6) for i in range(0, 12, 2)]


parts = st.sampled_from(["a", "b", "layer1", "layer2", "0", "1", "2", "conv"])
names = st.lists(st.lists(parts, min_size=1, max_size=4).map(".".join), min_size=1, max_size=80)


@settings(deadline=None)
@given(names, st.data())
def test_blocks_hold_every_layer_once_in_order_and_are_few(inner: list[str], data: st.DataObject) -> None:
    sides = data.draw(st.lists(st.sampled_from([1, 7, 14]), min_size=len(inner) + 2, max_size=len(inner) + 2))
    blocks = gather_blocks(table(["input", *inner, "fc"], sides))
    assert [number for block in blocks for number in block.numbers] == list(range(len(inner) + 2))
    assert len(blocks) <= MOST + 2
    assert blocks[0].single and blocks[-1].single
    assert all(block.name for block in blocks)
