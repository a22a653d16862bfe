"""Do photographs of one category share pathways, and from which block of a real network on?

Photographs of all categories, as evenly as there are any, are traced between feature maps. Two of them are
compared block by block by the weighted J of their map edges (``pathways``). The effect is the chance that a
pair of one category is more alike than a pair of two; of dogs, that two dogs are more alike than a dog and a
cat. Both categories can be others. Which maps carry it: those into which more of the dogs' score goes than of
the cats', found on some images and measured on others, beside as many drawn at random.

Seeds are groups of images. What is compared by pairs is resampled by leaving groups out (``resampling``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from graphpath.data import BaseImages
from graphpath.errors import StudyError
from graphpath.record import Trace
from graphpath.report.pathway.blocks import Block
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import GROUP, MEASURED, RANDOM, SHUFFLED, TRAINED
from graphpath.studies.imagenet import PAPER
from graphpath.studies.imagenet.maps import (
    MAPS_AT_RANDOM,
    compare_held_out,
    draw_patches,
    list_maps,
    share_by_map,
)
from graphpath.studies.imagenet.pathways import (
    Floats,
    compare_all,
    list_blocks,
    read_map_edges,
)
from graphpath.studies.imagenet.photographs import choose_photographs, trace_maps
from graphpath.studies.imagenet.resampling import Chosen, compare_kinds, make_pseudo_value
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

if TYPE_CHECKING:
    import pandas as pd

Names = npt.NDArray[np.str_]
DEALS = 20
"""How often labels are dealt anew; their control is the mean."""
OVER: tuple[Literal["every", "mean"], ...] = ("every", "mean", "mean")
WITHIN, AMONG, LEAD = "of one category", "among themselves", "share of the maps"


def measure(bench: Bench) -> Measurement:
    """How alike photographs are by category and block, and through which maps."""
    images = choose_photographs(bench, bench.options["images"])
    kinds = bench.name_categories(images)
    one, other = check_kinds(bench, kinds)
    groups = bench.deal_groups(kinds)
    traced = trace_maps(bench, images)
    blocks = list_blocks(traced)
    alike = compare_photographs(bench, traced, images, blocks)
    found, names = Effects(), {place: block.name for place, block in enumerate(blocks)}
    for quantity, first, second in ((WITHIN, "", ""), (AMONG, one, other)):
        for condition, dealt in ((MEASURED, [kinds]), (SHUFFLED, deal_kinds(kinds, first, second))):
            compare = partial(compare_dealt, alike, dealt, first, second)
            values = make_pseudo_value(compare, groups, bench.place)
            found.layers(quantity, condition, dict(enumerate(values[:-1])), names)
        found.leave_out(quantity, len(blocks) - 1, names[len(blocks) - 1])
    shares = share_by_map(read_map_edges(traced, images.rows()["sample"].to_pylist()), blocks[:-1])
    sides, held_out = (kinds == one, kinds == other), groups == bench.place
    for condition, by_block in compare_held_out(bench, shares, *sides, held_out).items():
        found.layers(LEAD, condition, by_block, names)
    tables = {
        "likeness": describe_pairs(alike, kinds, blocks, groups, bench.place),
        "maps": list_maps(shares, *sides, blocks),
    }
    # The same for all groups, which share the trace.
    if bench.place == 0 and bench.network == TRAINED:
        tables["consistency"] = ask_consistency(bench, traced, len(images))
        tables["patches"] = draw_patches(bench, traced, images, tables["maps"])
    return Measurement(found.frame(), tables)


def ask_consistency(bench: Bench, traced: Trace, images: int) -> pd.DataFrame:
    """The mean likeness of photographs of one category and of two, layer by layer."""
    assert bench.setting.scheme is not None
    return bench.ask(
        "categories/consistency",
        run=traced.id,
        scheme=bench.setting.scheme.name,
        unit="map",
        max_samples=images,
    )


def check_kinds(bench: Bench, kinds: Names) -> tuple[str, str]:
    """The two categories that are compared. Raises StudyError where one lacks images for every group."""
    asked = str(bench.options["one"]), str(bench.options["other"])
    for kind in asked:
        found, needed = int((kinds == kind).sum()), max(2, len(bench.setting.seeds))
        if found < needed:
            raise StudyError(
                f"{bench.setting.data} has {found} of the images that are used in the category {kind!r}, and "
                f"each of {needed} groups needs one: choose other categories (--option one=..., other=...), "
                "more images (images=...) or fewer groups (--seeds)."
            )
    return asked


def compare_photographs(bench: Bench, traced: Trace, images: BaseImages, blocks: Sequence[Block]) -> Floats:
    """The likeness of every two images by block; computed once for all groups."""

    def compute() -> pd.DataFrame:
        pathways = read_map_edges(traced, images.rows()["sample"].to_pylist())
        return make_frame([{"alike": compare_all(pathways, blocks).ravel().tolist()}])

    kept = bench.make_once("likeness", images, [len(blocks)], compute)
    return np.array(kept.alike[0], float).reshape(len(blocks), len(images), len(images))


def deal_kinds(kinds: Names, first: str, second: str) -> list[Names]:
    """The categories dealt to other images, some times; of two, among their images alone."""
    random = np.random.default_rng(0)
    mine = np.flatnonzero(np.isin(kinds, [first, second])) if first else np.arange(len(kinds))
    found = []
    for _ in range(DEALS):
        dealt = kinds.copy()
        dealt[mine] = kinds[random.permutation(mine)]
        found.append(dealt)
    return found


def compare_dealt(alike: Floats, dealt: Sequence[Names], first: str, second: str, chosen: Chosen) -> Floats:
    """The mean of ``compare_pairs`` over several ways to deal the categories."""
    found: Floats = np.mean([compare_pairs(alike, kinds, chosen, first, second) for kinds in dealt], axis=0)
    return found


def compare_pairs(alike: Floats, kinds: Names, chosen: Chosen, first: str, second: str) -> Floats:
    """By block, the chance that a pair of one category is more alike than a pair of two.

    With ``first``, of two of ``first`` against one of ``first`` and one of ``second``. Of ``chosen`` images.
    """
    a, b = np.triu_indices(len(kinds), 1)
    used = chosen[a] & chosen[b]
    a, b = a[used], b[used]
    same = kinds[a] == kinds[b]
    if not first:
        return compare_kinds(alike[:, a, b], same, ~same)
    within = same & (kinds[a] == first)
    across = ((kinds[a] == first) & (kinds[b] == second)) | ((kinds[a] == second) & (kinds[b] == first))
    return compare_kinds(alike[:, a, b], within, across)


def describe_pairs(
    alike: Floats, kinds: Names, blocks: Sequence[Block], groups: npt.NDArray[np.int64], group: int
) -> pd.DataFrame:
    """By block and two categories, the mean likeness of their images, as pseudo-values of ``group``.

    ``beyond`` is what it has beyond the mean of all images of two categories.
    """
    # Of a category whose images are all in one group nothing is left without it.
    names = [kind for kind in np.unique(kinds) if len(np.unique(groups[kinds == kind])) > 1]
    pairs = [(one, two) for place, one in enumerate(names) for two in names[place:]]

    def average(chosen: Chosen) -> Floats:
        return np.stack([_mean_pairs(alike, kinds, chosen, one, two) for one, two in pairs])

    values = make_pseudo_value(average, groups, group)
    across = np.array([one != two for one, two in pairs])
    beyond = values - values[across].mean(axis=0)
    return make_frame(
        [
            {"category1": one, "category2": two, "block": block.name, "place": place,
             "likeness": values[row, place], "beyond": beyond[row, place]}
            for row, (one, two) in enumerate(pairs)
            for place, block in enumerate(blocks)
        ]
    )  # fmt: skip


def _mean_pairs(alike: Floats, kinds: Names, chosen: Chosen, one: str, two: str) -> Floats:
    rows, columns = np.flatnonzero((kinds == one) & chosen), np.flatnonzero((kinds == two) & chosen)
    a, b = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    kept = a < b if one == two else a != b
    if not kept.any():
        return np.full(len(alike), np.nan)
    found: Floats = alike[:, a[kept], b[kept]].mean(1)
    return found


def draw(tables: Tables) -> list[Drawing]:
    """Likeness by block, the categories that share most, and the maps with their patches."""
    likeness = tables["likeness"]
    own = likeness[likeness.network == TRAINED]
    same = own.category1 == own.category2
    lines = own.assign(line=np.where(same, "one category", "two categories"))
    figures = [
        Drawing(
            "Likeness within and between categories",
            "Weighted J of map edges, by block (0: the first); means over categories.",
            drawings.draw_lines_over(lines.dropna(), "place", "line", "likeness", label="likeness, by block"),
            "likeness",
            half=True,
        )
    ]
    for block, some in own[~same].groupby("block", sort=False):
        pairs = some.assign(pair=some.category1 + " and " + some.category2)
        mean = pairs.groupby("pair").beyond.mean().sort_values(ascending=False)
        shown = pairs[pairs.pair.isin(mean.index[:8])]
        figures.append(
            Drawing(
                f"Which categories share most: {block}",
                "Likeness beyond the mean of all images of two categories.",
                drawings.make_points(shown, "pair", "beyond", null=0.0, label="likeness beyond the mean"),
                "likeness",
                half=True,
            )
        )
    for _, one in tables["patches"].iterrows():
        text = f"{one.titles}: more of the one category's score than of the other's goes into these."
        figures.append(Drawing(f"The maps that tell them apart: {one.block}", text, one.svg, "maps"))
    return figures


STUDY = Study(
    name="imagenet/categories",
    title="Which categories of photographs share pathways, and from where on",
    paper=PAPER,
    needs=(
        "Traces photographs of all categories between feature maps, compares every two of them block by "
        "block, and finds the maps through which one category's pathways go and the other's do not."
    ),
    claims=(
        *(
            Claim(text, quantity, 0.5, controls, beside, over, "blocks", unit)
            for quantity, unit, texts in (
                (
                    WITHIN,
                    "chance that a pair within is more alike than a pair between",
                    (
                        "In every block, photographs of one category are more alike than of two",
                        "They are so on the mean of the blocks",
                        "More so than in the same network with random weights",
                    ),
                ),
                (
                    AMONG,
                    "chance that two dogs are more alike than a dog and a cat",
                    (
                        "In every block, dogs share more among themselves than with cats",
                        "Dogs do so on the mean of the blocks",
                        "Dogs do so more than in the same network with random weights",
                    ),
                ),
            )
            for text, controls, beside, over in zip(
                texts,
                ((SHUFFLED,), (SHUFFLED,), (RANDOM,)),
                ((RANDOM,), (RANDOM,), ()),
                OVER,
                strict=True,
            )
        ),
        Claim(
            "In every block, some maps carry more of the pathways of other dogs than of other cats",
            quantity=LEAD,
            null=0.0,
            controls=(MAPS_AT_RANDOM,),
            beside=(RANDOM,),
            layers="blocks",
            unit="share of the score through these maps, dogs less cats, on images they were not found on",
        ),
    ),
    measure=measure,
    options={"images": 100, "one": "dog", "other": "cat", "top": 10},
    over=GROUP,
    categories=True,
    draw=draw,
)
