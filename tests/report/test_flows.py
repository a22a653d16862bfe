"""What flows from block to block: held against walking every edge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.report.pathway.blocks import Block, Layer
from graphpath.report.pathway.flows import join_blocks, rank_exits, sum_by_map, weigh_maps

Node = tuple[int, int]


def layer(number: int) -> Layer:
    return Layer(number, f"l{number}", f"l{number}", "conv", 3, 2, 2)


def block(*numbers: int) -> Block:
    return Block(tuple(map(layer, numbers)), "-".join(map(str, numbers)))


BLOCKS = (block(0), block(1, 2, 3), block(4), block(5, 6), block(7))
OF = {number: place for place, one in enumerate(BLOCKS) for number in one.numbers}


@st.composite
def networks(draw: st.DrawFn) -> pd.DataFrame:
    """Random edges between maps, from any layer to any later one; every map that is reached goes on."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 6), st.integers(0, 2), st.integers(1, 7), st.integers(0, 2), st.booleans(),
                st.integers(1, 9),
            ).filter(lambda row: row[0] < row[2]),
            min_size=1, max_size=40, unique_by=lambda row: row[:5],
        )
    )  # fmt: skip
    names = ["source_layer", "source_channel", "layer", "channel", "tone", "weight"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(tone=np.where(frame.tone, "for", "against"), weight=frame.weight.astype(float))


def walk(edges: list[tuple[Node, Node, str, float]]) -> Iterator[tuple[Node, Node, str, float]]:
    """Each entry into a block, and the maps where it leaves: recursively, edge by edge."""
    out = defaultdict(list)
    for one, two, _, weight in edges:
        out[one].append((two, weight))

    def leave(node: Node, share: float) -> Iterator[tuple[Node, float]]:
        total = sum(weight for _, weight in out[node])
        if not total:
            yield node, share
        for after, weight in out[node]:
            if OF[after[0]] == OF[node[0]]:
                yield from leave(after, share * weight / total)
            else:
                yield node, share * weight / total

    for one, two, tone, weight in edges:
        if OF[one[0]] != OF[two[0]]:
            for end, share in leave(two, weight):
                yield one, end, tone, share


@settings(deadline=None)
@given(networks(), st.integers(0, 3))
def test_ribbons_are_what_a_walk_along_all_edges_gives(flows: pd.DataFrame, drawn: int) -> None:
    exits = rank_exits(BLOCKS, flows)
    tiles = [{key: place for place, key in enumerate([*found.index][:drawn])} for found in exits]
    rest = [len(held) for held in tiles]
    found = join_blocks(BLOCKS, flows, tiles, rest)
    edges = [
        ((row.source_layer, row.source_channel), (row.layer, row.channel), row.tone, row.weight)
        for row in flows.itertuples()
    ]
    expected: dict[tuple[int, int, int, int, str], float] = defaultdict(float)
    for start, end, tone, weight in walk(edges):
        one, two = OF[start[0]], OF[end[0]]
        expected[one, tiles[one].get(start, rest[one]), two, tiles[two].get(end, rest[two]), tone] += weight
    keys = ["source_block", "source_tile", "block", "tile", "tone"]
    got = {
        tuple(row[:5]): row[5] for row in found[[*keys, "weight"]].itertuples(index=False, name=None)
    }  # fmt: skip
    assert got == pytest.approx(dict(expected))
    assert found.groupby("block").share.sum().to_numpy() == pytest.approx(1.0)


@given(networks())
def test_exits_are_the_maps_that_edges_leave_a_block_from_the_heaviest_first(flows: pd.DataFrame) -> None:
    for place, found in enumerate(rank_exits(BLOCKS, flows)):
        if place == len(BLOCKS) - 1:
            continue
        sums: dict[Node, float] = defaultdict(float)
        for row in flows.itertuples():
            if OF[row.source_layer] == place != OF[row.layer]:
                sums[row.source_layer, row.source_channel] += row.weight
        assert found.to_dict() == pytest.approx(dict(sums))
        assert found.is_monotonic_decreasing


def test_edges_are_summed_by_map_and_tone() -> None:
    layers = pd.DataFrame(
        {"layer": [0, 1], "offset": [100, 112], "channels": [3, 2], "height": 2, "width": 2}
    )
    edges = pd.DataFrame(
        {"source": [100, 103, 104, 111], "target": [112, 115, 112, 119], "score": [1.0, -2.0, 4.0, 8.0]}
    )
    edges["tone"] = np.where(edges.score > 0, "for", "against")
    found = sum_by_map(layers, edges)
    assert [*found.itertuples(index=False, name=None)] == [
        (0, 0, 1, 0, "for", 1.0),
        (0, 0, 1, 0, "against", 2.0),
        (0, 1, 1, 0, "for", 4.0),
        (0, 2, 1, 1, "for", 8.0),
    ]
    weights = weigh_maps(found).to_dict()
    assert weights == {(0, 0): 3.0, (0, 1): 4.0, (0, 2): 8.0, (1, 0): 7.0, (1, 1): 8.0}


def test_without_edges_there_are_no_ribbons() -> None:
    none = pd.DataFrame(
        {name: [] for name in ("source_layer", "source_channel", "layer", "channel")}, dtype=int
    )
    none = none.assign(tone="", weight=0.0)
    assert all(found.empty for found in rank_exits(BLOCKS, none))
    assert join_blocks(BLOCKS, none, [{} for _ in BLOCKS], [0] * len(BLOCKS)).empty
