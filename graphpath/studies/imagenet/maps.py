"""Which feature maps carry more of one category's pathways than of another's; and their patches."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphpath.data import BaseImages
from graphpath.maps import Examples, encode_sheet, examples
from graphpath.record import Trace
from graphpath.report import svg
from graphpath.report.pathway.blocks import Block
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED
from graphpath.studies.imagenet.pathways import MapPathways
from graphpath.studies.imagenet.resampling import Chosen
from graphpath.studies.study import make_frame

if TYPE_CHECKING:
    import pandas as pd

MAPS_AT_RANDOM = "random maps"
DRAWS = 50
SHOWN, EACH = 3, 6
"""Maps of a block that are shown, and patches of each."""


def share_by_map(pathways: MapPathways, blocks: Sequence[Block]) -> pd.DataFrame:
    """The share of a block's score that goes into a map: a row for each (block, map), a column an image."""
    places = {number: place for place, block in enumerate(blocks) for number in block.numbers}
    some = pathways.edges[pathways.edges.layer.isin(list(places))]
    some = some.assign(block=some.layer.map(places)).rename(columns={"target": "map"})
    weights = some.groupby(["block", "map", "image"]).weight.sum().unstack("image", fill_value=0)
    weights = weights.reindex(columns=range(pathways.images), fill_value=0.0)
    totals = weights.groupby(level="block").transform("sum")
    return weights / totals.where(totals > 0)


def subtract(shares: pd.DataFrame, one: Chosen, other: Chosen) -> pd.Series:
    """The mean share of the images of ``one`` less that of ``other``, by block and map."""
    return shares.loc[:, one].mean(axis=1) - shares.loc[:, other].mean(axis=1)


def compare_held_out(
    bench: Bench, shares: pd.DataFrame, one: Chosen, other: Chosen, held_out: Chosen
) -> dict[str, dict[int, float]]:
    """By condition and block, how much more of the score of ``one`` than of ``other`` goes into the top maps.

    The maps are those that lead on the other images; it is measured on those held out, and of random maps.
    """
    leads = subtract(shares, one & ~held_out, other & ~held_out)
    measured = subtract(shares, one & held_out, other & held_out)
    random = bench.random_generator("maps")
    found: dict[str, dict[int, float]] = {MEASURED: {}, MAPS_AT_RANDOM: {}}
    for block in sorted({int(block) for block, _ in leads.index}):
        lead = leads.loc[[block]]
        own, top = measured.loc[lead.index].to_numpy(), int(bench.options["top"])
        best = np.argsort(-lead.to_numpy(), kind="stable")[:top]
        found[MEASURED][block] = float(own[best].sum())
        drawn = [random.permutation(own)[:top].sum() for _ in range(DRAWS)]
        found[MAPS_AT_RANDOM][block] = float(np.mean(drawn))
    return found


def list_maps(shares: pd.DataFrame, one: Chosen, other: Chosen, blocks: Sequence[Block]) -> pd.DataFrame:
    """The maps of each block that lead by most over all images: columns block, map, lead."""
    leads = subtract(shares, one, other).rename("lead").reset_index()
    best = leads.sort_values("lead", ascending=False, kind="stable").groupby("block", sort=True).head(SHOWN)
    best = best.sort_values(["block", "lead"], ascending=[True, False], kind="stable")
    return best.assign(block=[blocks[place].name for place in best.block]).reset_index(drop=True)


def draw_patches(bench: Bench, traced: Trace, images: BaseImages, maps: pd.DataFrame) -> pd.DataFrame:
    """For each block of ``maps``, a picture of the patches where these maps are at their strongest."""
    rows = []
    for block, some in maps.groupby("block", sort=False):
        found = [examples(bench.store, int(one), images, run=traced.id, limit=EACH) for one in some["map"]]
        rows.append({"block": block, "titles": ", ".join(one.title for one in found), "svg": embed(found)})
    return make_frame(rows)


def embed(found: Sequence[Examples]) -> str:
    """A sheet of patches as SVG."""
    picture, width, height = encode_sheet(found)
    address = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = svg.make_element("image", href=address, width=width, height=height)
    return svg.make_document(width, height, image, label="Patches of feature maps")
