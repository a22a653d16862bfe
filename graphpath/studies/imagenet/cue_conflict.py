"""Shape or texture: what a network decides, and whose pathway an image takes, block by block.

The decisions are counted as Geirhos et al. 2019 count them (``conflicts``). Then some images with a conflict
are traced between feature maps, and so are images whose shape and texture are of one category, as many of
each: these are what a category's pathway is. The lean of an image in a block is its pathway's likeness to its
texture's category less that to its shape's (``pathways``).

Of images that are taken for their texture, the feature maps are set to 0 that they share most with its
category, beyond what they share with their shape's; and so are as many at random of the same layers. How many
are then taken for their shape?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from graphpath.data import BaseImages
from graphpath.data.rows import choose_balanced
from graphpath.modules.state import evaluating
from graphpath.network import take_apart
from graphpath.network.live import masked
from graphpath.record import Trace
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import GROUP, MEASURED, RANDOM, SHUFFLED
from graphpath.studies.decisions import decide, match_outputs
from graphpath.studies.imagenet.conflicts import Conflicts, Names, count_shape_bias, read_conflicts
from graphpath.studies.imagenet.maps import MAPS_AT_RANDOM
from graphpath.studies.imagenet.pathways import (
    Floats,
    MapPathways,
    average,
    compare_with,
    list_blocks,
    read_map_edges,
)
from graphpath.studies.imagenet.photographs import ASKED
from graphpath.studies.study import (
    Claim,
    Drawing,
    Effects,
    Measurement,
    PrintedFigure,
    Study,
    Tables,
    make_frame,
)

if TYPE_CHECKING:
    import pandas as pd

BATCH, DEALS, DRAWS = 16, 20, 5
LEAN, TURNED = "lean to the texture", "turned to the shape"
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Traced:
    """Some images of :class:`Conflicts`: their places among these, and their pathways."""

    places: Ints
    images: BaseImages
    trace: Trace
    pathways: MapPathways


def measure(bench: Bench) -> Measurement:
    """The shape bias of a group's images, their lean by block, and what ablation turns."""
    conflicts = read_conflicts(bench)
    mine = bench.deal_groups(conflicts.shape) == bench.place
    found = Effects()
    bias = count_shape_bias(conflicts, mine)
    dealt = bench.random_generator("textures").permutation(conflicts.texture)
    found.add("texture decisions", MEASURED, 1 - bias)
    found.add("texture decisions", SHUFFLED, 1 - count_shape_bias(conflicts, mine, dealt))
    tables = {"decisions": count_decisions(conflicts, mine)}
    if bench.options["images"]:
        tables |= measure_pathways(bench, conflicts, found)
    return Measurement(found.frame(), tables)


def count_decisions(conflicts: Conflicts, mine: Bools) -> pd.DataFrame:
    """Of each shape's images with a conflict, the shares of decisions for shape and texture, and the bias."""
    used, rows = mine & conflicts.conflicting, []
    for kind in ["all", *np.unique(conflicts.shape)]:
        some = used & ((conflicts.shape == kind) | (kind == "all"))
        shape = float((conflicts.decided == conflicts.shape)[some].mean()) if some.any() else float("nan")
        texture = float((conflicts.decided == conflicts.texture)[some].mean()) if some.any() else float("nan")
        bias = count_shape_bias(conflicts, some)
        rows.append(
            {"kind": kind, "images": int(some.sum()), "shape": shape, "texture": texture, "bias": bias}
        )
    return make_frame(rows)


def choose_references(conflicts: Conflicts, each: int) -> Ints:
    """At most ``each`` images of every category whose texture is of that category too."""
    places = np.flatnonzero(~conflicts.conflicting)
    kinds = np.unique(conflicts.shape[places], return_inverse=True)[1].astype(np.int32)
    turn = np.array([int((kinds[:place] == kind).sum()) for place, kind in enumerate(kinds)])
    return places[turn < each]


def choose_conflicts(conflicts: Conflicts, count: int, known: Names) -> Ints:
    """``count`` images of ``known`` categories, evenly by shape, that are taken for their shape or texture.

    A quarter of them, if there are so many, are taken for their shape.
    """
    usable = conflicts.conflicting & np.isin(conflicts.shape, known) & np.isin(conflicts.texture, known)
    found = []
    shapes = np.flatnonzero(usable & (conflicts.decided == conflicts.shape))
    textures = np.flatnonzero(usable & (conflicts.decided == conflicts.texture))
    for places, most in ((shapes, count // 4), (textures, count - count // 4)):
        kinds = np.unique(conflicts.shape[places], return_inverse=True)[1].astype(np.int32)
        found.append(places[choose_balanced(kinds, min(most, len(places)), 0)])
    return np.sort(np.concatenate(found))


def trace_some(bench: Bench, conflicts: Conflicts, places: Ints) -> Traced:
    """The pathways of these images, which have no label that the network knows."""
    images = bench.setting.match(bench.model, conflicts.images.subset(places))
    trace = bench.trace(images, **ASKED)
    return Traced(places, images, trace, read_map_edges(trace, images.rows()["sample"].to_pylist()))


def measure_pathways(bench: Bench, conflicts: Conflicts, found: Effects) -> dict[str, pd.DataFrame]:
    """The lean of a group's images by block, and how many ablation turns; ``found`` gets the values."""
    references = trace_some(bench, conflicts, choose_references(conflicts, bench.options["references"]))
    kinds = conflicts.shape[references.places]
    known = np.unique(kinds)
    chosen = trace_some(bench, conflicts, choose_conflicts(conflicts, bench.options["images"], known))
    means = average(references.pathways, [kinds == kind for kind in known])
    shape, texture = conflicts.shape[chosen.places], conflicts.texture[chosen.places]
    decided = conflicts.decided[chosen.places]
    sides = np.searchsorted(known, shape), np.searchsorted(known, texture)
    blocks = list_blocks(chosen.trace)[:-1]
    names = {place: block.name for place, block in enumerate(blocks)}
    alike = compare_with(chosen.pathways, means, blocks)
    mine = bench.deal_groups(shape) == bench.place
    lean = measure_lean(alike, *sides)
    by_block = lean[:, mine].mean(1)
    found.layers(LEAN, MEASURED, dict(enumerate(by_block)), names)
    found.layers(LEAN, SHUFFLED, dict(enumerate(deal_lean(alike, *sides)[:, mine].mean(1))), names)
    found.add("lean, late over early", MEASURED, by_block[-1] - by_block[0])
    turned = bench.make_once(
        f"turned-{bench.options['ablated']}",
        chosen.images,
        [bench.options["references"]],
        lambda: ablate_shared(bench, chosen, means, sides, decided),
    )
    sought = turned[mine[turned.image] & (decided == texture)[turned.image]]
    for condition, some in sought.groupby("condition"):
        found.add(TURNED, str(condition), (some.decided.to_numpy() == shape[some.image]).mean())
    rows = [
        {
            "decision": decision,
            "place": place,
            "block": names[place],
            "lean": value,
            "images": int(which.sum()),
        }
        for decision, which in (
            ("texture", mine & (decided == texture)),
            ("shape", mine & (decided == shape)),
        )
        if which.any()
        for place, value in enumerate(lean[:, which].mean(1))
    ]
    return {"lean": make_frame(rows), "ablation": sought.assign(shape=shape[sought.image])}


def measure_lean(alike: Floats, shape: Ints, texture: Ints) -> Floats:
    """The likeness to its texture's category less that to its shape's: (blocks, images)."""
    each = np.arange(alike.shape[1])
    found: Floats = alike[:, each, texture] - alike[:, each, shape]
    return found


def deal_lean(alike: Floats, shape: Ints, texture: Ints) -> Floats:
    """The same with the two categories of other images, a mean of some ways to deal them."""
    random = np.random.default_rng(0)
    dealt = [random.permutation(len(shape)) for _ in range(DEALS)]
    found: Floats = np.mean([measure_lean(alike, shape[one], texture[one]) for one in dealt], axis=0)
    return found


def choose_maps(
    pathways: MapPathways, means: MapPathways, shape: Ints, texture: Ints, count: int, last: int
) -> pd.DataFrame:
    """For each image the ``count`` maps that it shares most with its texture's category, beyond its shape's.

    Columns image, layer, map; no map of layer ``last``.
    """
    edges = pathways.edges[pathways.edges.layer < last]
    shared = share_edges(edges, means, texture) - share_edges(edges, means, shape)
    by_map = edges.assign(shared=shared).groupby(["image", "layer", "target"], as_index=False).shared.sum()
    best = by_map[by_map.shared > 0].sort_values(["image", "shared"], ascending=[True, False], kind="stable")
    kept: pd.DataFrame = best.groupby("image").head(count).rename(columns={"target": "map"})
    return kept[["image", "layer", "map"]]


def share_edges(edges: pd.DataFrame, means: MapPathways, of: Ints) -> Floats:
    """What each edge has in common with the mean pathway that belongs to its image: the lesser weight."""
    keys = ["kind", "layer", "source", "target"]
    own = edges.assign(kind=of[edges.image])[[*keys, "weight"]]
    theirs = means.edges.rename(columns={"image": "kind", "weight": "mean"})
    joined = own.merge(theirs, how="left", on=keys)
    both = joined[["weight", "mean"]].fillna(0.0).to_numpy(float)
    found: Floats = both.min(1)
    return found


def draw_maps(pathways: MapPathways, maps: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """As many maps of each image and layer at random, of those on its pathway."""
    on = pathways.edges[["image", "layer", "target"]].drop_duplicates().rename(columns={"target": "map"})
    shuffled = on.iloc[random.permutation(len(on))]
    turn = shuffled.groupby(["image", "layer"]).cumcount()
    wanted = maps.groupby(["image", "layer"]).size().rename("wanted").reset_index()
    joined = shuffled.assign(turn=turn).merge(wanted, on=["image", "layer"])
    return joined.loc[joined.turn < joined.wanted, ["image", "layer", "map"]]


def ablate_shared(
    bench: Bench, chosen: Traced, means: MapPathways, sides: tuple[Ints, Ints], decided: Names
) -> pd.DataFrame:
    """What is decided of each image without these maps, and without random ones: a row for each."""
    last = list_blocks(chosen.trace)[-1].numbers[0]
    shared = choose_maps(chosen.pathways, means, *sides, int(bench.options["ablated"]), last)
    random, sets = np.random.default_rng(0), [(MEASURED, shared)]
    sets += [(MAPS_AT_RANDOM, draw_maps(chosen.pathways, shared, random)) for _ in range(DRAWS)]
    assert bench.setting.scheme is not None
    classes = match_outputs(bench.model, bench.setting.scheme)
    layers = chosen.trace.layers().to_table().to_pandas().set_index("layer")
    rows = []
    with evaluating(bench.model.module), torch.no_grad():
        network = take_apart(bench.model.module, chosen.images.shape)
        for start in range(0, len(chosen.images), BATCH):
            pixels = chosen.images.batch(start, start + BATCH).to(network.device, network.dtype)
            for condition, maps in sets:
                factors = make_factors(maps, layers, start, len(pixels))
                moved = {layer: one.to(network.device, network.dtype) for layer, one in factors.items()}
                answers = decide(masked(network, pixels, moved), classes)
                rows += [
                    {"image": start + place, "condition": condition, "before": decided[start + place],
                     "decided": answer}
                    for place, answer in enumerate(answers)
                ]  # fmt: skip
            bench.show_progress("taking maps out", min(start + BATCH, len(chosen.images)), len(chosen.images))
    return make_frame(rows)


def make_factors(maps: pd.DataFrame, layers: pd.DataFrame, start: int, count: int) -> dict[int, torch.Tensor]:
    """By layer (N, C, 1, 1): 0 where a map of images ``start`` to ``start + count`` is taken out, else 1."""
    some = maps[(maps.image >= start) & (maps.image < start + count)]
    found = {}
    for layer in map(int, some.layer.unique()):
        its = some[some.layer == layer]
        channels, height, width, offset = (
            int(layers[name][layer]) for name in ("channels", "height", "width", "offset")
        )
        factors = torch.ones(count, channels, 1, 1)
        taken = (its["map"].to_numpy() - offset) // (height * width)
        factors[torch.from_numpy(its.image.to_numpy() - start), torch.from_numpy(taken)] = 0
        found[layer] = factors
    return found


def draw(tables: Tables) -> list[Drawing]:
    """The decisions by shape, and the lean by block."""
    decisions = tables["decisions"]
    figures = [
        Drawing(
            "Shape bias by shape",
            "Of decisions for shape or texture, the share for shape.",
            drawings.make_points(
                decisions.dropna(subset=["bias"]), "kind", "bias", null=0.5, label="shape bias"
            ),
            "decisions",
            half=True,
        )
    ]
    if "lean" in tables:
        lean = tables["lean"].assign(line="taken for its " + tables["lean"].decision)
        figures.append(
            Drawing(
                "The lean to the texture",
                "Likeness to the texture's category less that to the shape's, by block (0: the first).",
                drawings.draw_lines_over(lean, "place", "line", "lean", null=0.0, label="lean, by block"),
                "lean",
                half=True,
            )
        )
    return figures


README = "README.md of rgeirhos/texture-vs-shape"
RAW = "the decisions in raw-data/style-transfer-512-nomask-experiment* of rgeirhos/texture-vs-shape"
PRINTED = tuple(
    PrintedFigure(f"shape bias of {name}", value, where, "decisions", "bias", {"kind": "all"})
    for name, value, where in (
        ("ResNet-50 (theirs; ours is of the network given)", 0.2139, README),
        ("ResNet-50 trained on Stylized-ImageNet (model_A)", 0.8137, README),
        ("AlexNet of torchvision", 0.253, README),
        ("VGG-16 of torchvision", 0.092, README),
        ("GoogLeNet: 228 of 731", 0.312, RAW),
        ("DenseNet-121: 163 of 760", 0.214, RAW),
        ("SqueezeNet 1.1: 133 of 730", 0.182, RAW),
    )
)

STUDY = Study(
    name="imagenet/cue_conflict",
    title="Shape or texture: decisions and pathways",
    paper='Geirhos et al. 2019, "ImageNet-trained CNNs are biased towards texture", ICLR; pathways are ours',
    needs=(
        "Counts decisions for the shape and for the texture of cue-conflict images, traces some of them "
        "between feature maps, and compares their pathways with those of both categories block by block."
    ),
    claims=(
        Claim(
            "The network decides for the texture more often than for the shape",
            quantity="texture decisions",
            null=0.5,
            controls=(SHUFFLED,),
            beside=(RANDOM,),
            unit="share of decisions for the texture, of those for either",
        ),
        Claim(
            "In every block, an image's pathway is more like its texture's category than like its shape's",
            quantity=LEAN,
            null=0.0,
            controls=(SHUFFLED,),
            beside=(RANDOM,),
            layers="blocks",
            unit="likeness to the texture's category less that to the shape's",
        ),
        Claim(
            "It is so on the mean of the blocks",
            quantity=LEAN,
            null=0.0,
            controls=(SHUFFLED,),
            beside=(RANDOM,),
            over="mean",
            layers="blocks",
            unit="likeness to the texture's category less that to the shape's",
        ),
        Claim(
            "The lean to the texture grows from the first block to the last",
            quantity="lean, late over early",
            null=0.0,
            beside=(RANDOM,),
            unit="lean in the last block less that in the first",
        ),
        Claim(
            "Without the maps that it shares with its texture's category, an image is taken for its shape",
            quantity=TURNED,
            null=0.0,
            controls=(MAPS_AT_RANDOM,),
            unit="share of images taken for their texture that are taken for their shape then",
        ),
    ),
    measure=measure,
    options={"images": 80, "references": 3, "ablated": 20},
    over=GROUP,
    categories=True,
    draw=draw,
    printed=PRINTED,
)
