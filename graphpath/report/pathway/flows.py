"""What flows between feature maps, and from block to block through the maps that a drawing shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from graphpath.report.pathway.blocks import Block

Map = tuple[int, int]
"""A layer's number and a channel."""
MAP = ["layer", "channel"]
SOURCE = ["source_layer", "source_channel"]


def sum_by_map(layers: pd.DataFrame, edges: pd.DataFrame) -> pd.DataFrame:
    """Edges summed by the feature maps at their ends.

    Returns source_layer, source_channel, layer, channel, tone, weight.

    Args:
        layers: layer, offset, channels, height, width.
        edges: source and target (ids of neurons, or of feature maps, which are those of their first neurons),
            score and ``tone``; weight is the sum of absolute scores.
    """
    ends = [_find_maps(layers, edges[end].to_numpy(np.int64)) for end in ("source", "target")]
    frame = pd.DataFrame(
        {
            **dict(zip(SOURCE, ends[0], strict=True)),
            **dict(zip(MAP, ends[1], strict=True)),
            "tone": edges.tone.to_numpy(),
            "weight": edges.score.abs().to_numpy(np.float64),
        }
    )
    return frame.groupby([*SOURCE, *MAP, "tone"], sort=False)[["weight"]].sum().reset_index()


def weigh_maps(flows: pd.DataFrame) -> pd.Series[float]:
    """Sum of |score| of the edges into each map, by (layer, channel); of the input's maps, out of them."""
    entering: pd.Series[float] = flows.groupby(MAP).weight.sum()
    pixels: pd.Series[float] = flows[flows.source_layer == 0].groupby(SOURCE).weight.sum().rename_axis(MAP)
    both: pd.Series[float] = pd.concat([pixels, entering])
    return both


def rank_exits(blocks: Sequence[Block], flows: pd.DataFrame) -> list[pd.Series[float]]:
    """Of each block the maps through which it is left, by (layer, channel), the largest first.

    Values are sums of |score| of the edges that leave. Of the last block it is the maps that are entered.
    """
    number = _number_layers(blocks)
    start, end = (flows[name].map(number) for name in ("source_layer", "layer"))
    crossing = flows[start != end]
    leaving = crossing.groupby([start[crossing.index], *SOURCE]).weight.sum()
    entering = crossing.groupby([end[crossing.index], *MAP]).weight.sum()
    last = len(blocks) - 1
    return [_take(entering if place == last else leaving, place) for place in range(len(blocks))]


def join_blocks(
    blocks: Sequence[Block], flows: pd.DataFrame, tiles: Sequence[Mapping[Map, int]], rest: Sequence[int]
) -> pd.DataFrame:
    """Ribbons between the tiles of blocks: source_block, source_tile, block, tile, tone, weight, share.

    An edge that crosses from one block into another leaves through its source's tile. Within the block that
    it enters its |score| is passed on, from map to map, in the proportions of the |score| of the edges that
    go on, until it stands at maps where the block is left: these are its tiles. ``share`` is of all that
    enters the block, so that the ribbons into a block sum to 1.

    Args:
        flows: as ``sum_by_map`` gives them.
        tiles: of each block the number of the tile of each map that has one.
        rest: of each block the tile of all other maps.
    """
    number = _number_layers(blocks)
    frame = flows.assign(source_block=flows.source_layer.map(number), block=flows.layer.map(number))
    nodes, (start, end) = _number_maps(frame)
    layer = nodes[:, 0]
    place = np.array([number[one] for one in layer.tolist()], dtype=np.int64)
    tile = np.array(
        [
            tiles[block].get((one, channel), rest[block])
            for block, (one, channel) in zip(place.tolist(), nodes.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    inside = (frame.source_block == frame.block).to_numpy()
    weight = frame.weight.to_numpy()
    spread = _spread_on(layer, tile, start, end, weight, inside, max(rest, default=0) + 1)
    crossing = frame[~inside].reset_index(drop=True)
    passed = pd.DataFrame(weight[~inside, None] * spread[end[~inside]])
    keys = crossing[["source_block", "block", "tone"]].assign(source_tile=tile[start[~inside]])
    summed = passed.groupby([keys[name] for name in ("source_block", "source_tile", "block", "tone")]).sum()
    found = summed.reset_index().melt([*summed.index.names], var_name="tile", value_name="weight")
    found = found[found.weight > 0].reset_index(drop=True)
    return found.assign(share=found.weight / found.groupby("block").weight.transform("sum"))


def _spread_on(
    layer: npt.NDArray[np.int64],
    tile: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    inside: npt.NDArray[np.bool_],
    tiles: int,
) -> npt.NDArray[np.float64]:
    """(maps, tiles): in which proportions what enters a map leaves its block through the tiles."""
    leaving, total = np.zeros(len(layer)), np.zeros(len(layer))
    np.add.at(leaving, start[~inside], weight[~inside])
    np.add.at(total, start, weight)
    spread = np.zeros((len(layer), tiles))
    order = np.argsort(-layer[start], kind="stable")
    order = order[inside[order]]
    steps = np.split(order, np.flatnonzero(np.diff(layer[start[order]])) + 1) if len(order) else []
    inner = {int(layer[start[step[0]]]): step for step in steps}
    for number in np.unique(layer)[::-1].tolist():
        here = np.flatnonzero(layer == number)
        if (step := inner.get(number)) is not None:
            np.add.at(spread, start[step], weight[step, None] * spread[end[step]])
        spread[here, tile[here]] += np.where(total[here] > 0, leaving[here], 1.0)
        spread[here] /= np.where(total[here] > 0, total[here], 1.0)[:, None]
    return spread


def _find_maps(
    layers: pd.DataFrame, ids: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Layer and channel of neurons."""
    offset = layers.offset.to_numpy(np.int64)
    row = np.searchsorted(offset, ids, side="right") - 1
    plane = (layers.height * layers.width).to_numpy(np.int64)
    return layers.layer.to_numpy(np.int64)[row], (ids - offset[row]) // plane[row]


def _number_layers(blocks: Sequence[Block]) -> dict[int, int]:
    return {layer: place for place, block in enumerate(blocks) for layer in block.numbers}


def _number_maps(
    frame: pd.DataFrame,
) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """(maps, 2): every map that an edge begins or ends at, and the numbers of each edge's two."""
    ends = np.concatenate([frame[SOURCE].to_numpy(np.int64), frame[MAP].to_numpy(np.int64)])
    nodes, places = np.unique(ends, axis=0, return_inverse=True)
    places = places.reshape(-1)
    return nodes.reshape(-1, 2), (places[: len(frame)], places[len(frame) :])


def _take(weights: pd.Series[float], block: int) -> pd.Series[float]:
    """The maps of one block, the heaviest first."""
    if block not in weights.index.get_level_values(0):
        return pd.Series(dtype=np.float64)
    return weights.xs(block, level=0).sort_values(ascending=False, kind="stable")
