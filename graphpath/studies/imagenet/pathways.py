"""How alike the pathways of images are between feature maps, block by block.

The likeness of two images in a block is the weighted J of ``categories/consistency`` with ``unit=map``: in
each layer the absolute scores of a pathway's edges are divided by their sum, and sum min / sum max is taken
over all edges of the block's layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.analysis.tables import open_views, select_edges
from graphpath.queries.units import MAP
from graphpath.record import Trace
from graphpath.report.pathway.blocks import Block, gather_blocks

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MapPathways:
    """The map edges of some images: ``edges`` has the columns image, layer, source, target, weight.

    ``image`` is a place among the samples that were asked for, ``source`` and ``target`` are ids of feature
    maps, and the weights of an image's layer add up to 1.
    """

    edges: pd.DataFrame
    images: int


def read_map_edges(trace: Trace, samples: Sequence[int]) -> MapPathways:
    """The edges between feature maps of ``samples`` (ids), in their order."""
    import pandas as pd

    asked = pd.DataFrame({"sample": np.asarray(samples, np.int64), "image": np.arange(len(samples))})
    with open_views(trace) as connection:
        connection.register("asked", asked)
        chosen = select_edges(connection, MAP)
        edges: pd.DataFrame = connection.execute(
            f"""SELECT a.image, e.layer, e.source, e.target,
                e.weight / sum(e.weight) OVER (PARTITION BY a.image, e.layer) AS weight
            FROM ({chosen}) e JOIN pathways p USING (pathway) JOIN asked a USING (sample)
            WHERE e.weight > 0 ORDER BY ALL"""
        ).df()
    return MapPathways(edges, len(samples))


def list_blocks(trace: Trace) -> tuple[Block, ...]:
    """The blocks of the network that edges go into, in their order; the last one is the logits."""
    return gather_blocks(trace.layers().to_table().to_pandas())[1:]


def compare_all(pathways: MapPathways, blocks: Sequence[Block]) -> Floats:
    """The likeness of every two images: (blocks, images, images), NaN where neither has edges in a block."""
    return compare_with(pathways, pathways, blocks)


def compare_with(pathways: MapPathways, others: MapPathways, blocks: Sequence[Block]) -> Floats:
    """The likeness of each image to each of ``others``: (blocks, images, others)."""
    import pandas as pd

    own, every = pathways.images, pathways.images + others.images
    edges = pd.concat([pathways.edges, others.edges.assign(image=others.edges.image + own)])
    found = []
    for block in blocks:
        some = edges[edges.layer.isin(block.numbers)]
        least = np.zeros((own, others.images))
        for _, its in some.groupby("layer"):
            laid = lay_out(its, every)
            least += sum_least(laid[:own], laid[own:])
        mass = count_layers(some, every)
        found.append(_divide(least, mass[:own], mass[own:]))
    return np.stack(found)


def average(pathways: MapPathways, groups: Sequence[npt.NDArray[np.bool_]]) -> MapPathways:
    """The mean pathway of each group of images: the mean over its images of each edge's weight."""
    import pandas as pd

    found = []
    for place, group in enumerate(groups):
        some = pathways.edges[group[pathways.edges.image]]
        sums = some.groupby(["layer", "source", "target"], as_index=False).weight.sum()
        found.append(sums.assign(image=place, weight=sums.weight / max(1, int(group.sum()))))
    return MapPathways(pd.concat(found, ignore_index=True), len(groups))


def lay_out(edges: pd.DataFrame, images: int) -> Floats:
    """One layer's weights as (images, edges that any has)."""
    codes = edges.groupby(["source", "target"]).ngroup().to_numpy()
    laid = np.zeros((images, int(codes.max(initial=-1)) + 1))
    laid[edges.image.to_numpy(), codes] = edges.weight.to_numpy()
    return laid


def sum_least(laid: Floats, others: Floats) -> Floats:
    """For each two rows, one of either, the sum of the lesser values: (rows, rows of ``others``)."""
    found = np.empty((len(laid), len(others)))
    for place, row in enumerate(laid):
        kept = np.flatnonzero(row)
        found[place] = np.minimum(others[:, kept], row[kept]).sum(1)
    return found


def count_layers(edges: pd.DataFrame, images: int) -> Floats:
    """How many layers each image has edges into, weighed by what these add up to: (images,)."""
    return np.bincount(edges.image, edges.weight, minlength=images).astype(float)


def _divide(least: Floats, mass: Floats, others: Floats) -> Floats:
    most = mass[:, None] + others[None, :] - least
    found: Floats = np.divide(least, most, out=np.full_like(least, np.nan), where=most > 0)
    return found
