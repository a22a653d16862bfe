"""What the class pathways of effective paths look like: apart, more so toward the logits, and saturating.

A class pathway holds the edges that at least 5 % of a class's rightly predicted images have (at least two).
The control deals the images' labels anew and makes the class pathways again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.chance.possible import read_possible_edges
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import ALL_LAYERS, MEASURED, SHUFFLED, TRAINED
from graphpath.studies.effective_path import PAPER
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

    from graphpath.record import Trace

Ints = npt.NDArray[np.int64]
SHARE, LEAST = 0.05, 2
"""The share and the number of a class's images that must have an edge for it to be on the class pathway."""


def measure(bench: Bench) -> Measurement:
    """Likeness of classes by layer, and how a class pathway grows as its images are merged."""
    images = bench.images(bench.options["images"])
    traced = bench.trace(images, method="effective_path", routes=0)
    similarity = bench.ask("categories/similarity", run=traced.id)
    layers = bench.ask("pathways/layers", run=traced.id).set_index("layer")["name"]
    edges = read_member_edges(traced)
    samples, labels = edges["sample"].unique(), edges.groupby("sample").label.first()
    dealt = dict(
        zip(samples, bench.random_generator("labels").permutation(labels[samples].to_numpy()), strict=True)
    )
    shuffled = edges.assign(label=edges["sample"].map(dealt))
    found, rows = Effects(), []
    for condition, likeness in ((MEASURED, similarity), (SHUFFLED, compare_classes(shuffled))):
        mean = likeness.groupby("layer").J.mean()
        for pair, (both, J) in enumerate(jaccard_of_pairs(likeness).items()):
            found.add("apart", condition, 1 - J, layer=pair, name=both)
        inner = [layer for layer in sorted(mean.index) if layer > 0]
        for before, layer in pairwise(inner):
            found.add("fall", condition, mean[before] - mean[layer], layer=layer, name=str(layers[layer]))
        rows += [{"layer": layer, "line": condition, "J": mean[layer]} for layer in inner]
    curves = []
    for condition, some in ((MEASURED, edges), (SHUFFLED, shuffled)):
        grown = measure_growth(some, bench.random_generator("order"))
        found.add("saturation", condition, share_at_half(grown))
        curves += [{"images": n + 1, "line": condition, "edges": edges} for n, edges in enumerate(grown)]
    overall = {"images": len(samples), "share": measure_overall_share(traced, edges)}
    tables = {"likeness": make_frame(rows), "merged": make_frame(curves), "overall": make_frame([overall])}
    return Measurement(found.frame(), tables)


def read_member_edges(traced: Trace) -> pd.DataFrame:
    """The edges of the rightly predicted samples: sample, label, layer, source, target."""
    predictions = traced.predictions().to_table().to_pandas()
    classes = traced.categories().to_table().to_pandas().set_index("category").label
    first = predictions[predictions["rank"] == 1].set_index("sample").category.map(classes)
    samples = traced.samples().to_table().to_pandas()
    right = samples[samples.label == samples["sample"].map(first)][["sample", "label"]]
    pathways = traced.pathways().to_table(columns=["pathway", "sample"]).to_pandas().merge(right, on="sample")
    edges = traced.edges().to_table(columns=["pathway", "layer", "source", "target"]).to_pandas()
    merged: pd.DataFrame = edges.merge(pathways, on="pathway").drop(columns="pathway")
    return merged


def compare_classes(edges: pd.DataFrame) -> pd.DataFrame:
    """J of the pathways of every two classes, by layer and (-1) together: as ``categories/similarity``."""
    import pandas as pd

    sizes = edges.groupby("label")["sample"].nunique()
    support = edges.groupby(["label", "layer", "source", "target"])["sample"].nunique().rename("support")
    kept = support.reset_index()
    least = {label: max(LEAST, math.ceil(SHARE * size)) for label, size in sizes.items()}
    kept = kept[kept.support >= kept.label.map(least)]
    labels = sorted(kept.label.unique())
    where = kept.set_index(["layer", "source", "target", "label"]).support.unstack(fill_value=0) > 0
    frames = []
    for layer in [ALL_LAYERS, *sorted(kept.layer.unique())]:
        has = (where if layer == ALL_LAYERS else where.loc[layer])[labels].to_numpy(np.float64)
        shared = has.T @ has
        size = np.diag(shared)
        either = size[:, None] + size - shared
        one, two = np.triu_indices(len(labels), 1)
        some = either[one, two] > 0
        J = np.divide(shared[one, two], either[one, two], out=np.full(len(one), np.nan), where=some)
        frames.append(pd.DataFrame({"layer": layer, "category1": one, "category2": two, "J": J}))
    return pd.concat(frames, ignore_index=True)


def jaccard_of_pairs(likeness: pd.DataFrame) -> dict[str, float]:
    """J of every two classes, all layers together, by "0 and 1"; in the classes' order."""
    whole = likeness[likeness.layer == ALL_LAYERS]
    ends = ["category1", "category2"]
    return {f"{row[0]} and {row[1]}": row[2] for row in whole.sort_values(ends)[[*ends, "J"]].to_numpy()}


def measure_growth(edges: pd.DataFrame, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """(n,): the number of distinct edges on 1 to n of a class's images, merged in random order.

    The mean over classes; n is the smallest class's number of images.
    """
    samples = edges.drop_duplicates("sample")[["sample", "label"]].sample(frac=1, random_state=random)
    place = samples.assign(place=samples.groupby("label").cumcount()).set_index("sample").place
    first = edges.assign(place=edges["sample"].map(place)).groupby(["label", "source", "target"]).place.min()
    least = int(samples.label.value_counts().min())
    counted = [
        np.bincount(some.to_numpy(), minlength=least)[:least].cumsum() for _, some in first.groupby("label")
    ]
    grown: npt.NDArray[np.float64] = np.mean(counted, axis=0)
    return grown


def measure_overall_share(traced: Trace, edges: pd.DataFrame) -> float:
    """The share of the edges that the network can have that are on any of the images' pathways."""
    every = sum(layer.count for layer in read_possible_edges(traced).values())
    return len(edges[["source", "target"]].drop_duplicates()) / every


def share_at_half(grown: npt.NDArray[np.float64]) -> float:
    """The share of all edges that half of the images have: .5 if every image brought as many new ones."""
    half = len(grown) // 2
    return float(grown[half - 1] / grown[2 * half - 1]) if half else float("nan")


PRINTED = {"LeNet, MNIST": 0.138, "AlexNet, ImageNet": 0.205, "VGG-16, ImageNet": 0.172}
"""Shares of all edges that are on the overall path at theta = .5, by network and images."""


def list_printed() -> Iterator[PrintedFigure]:
    """The paper's figures, of the union over all training images."""
    for where, share in PRINTED.items():
        yield PrintedFigure(
            "share of all edges on the overall path", share, f"paper: {where}", "overall", "share", {}
        )


def draw(tables: Tables) -> list[Drawing]:
    """Likeness by layer, and the merge curve."""
    likeness, merged = tables["likeness"], tables["merged"]
    common = merged[merged.network == TRAINED].groupby(["seed", "line"]).images.max().min()
    step = max(1, int(common) // 12)
    shown = merged[(merged.images <= common) & ((merged.images - 1) % step == 0)]
    return [
        Drawing(
            "Likeness of classes by layer",
            "The mean Jaccard index of every two class pathways, from the input to the logits.",
            drawings.draw_lines_over(likeness, "layer", "line", "J", label="J of two classes"),
            "likeness",
            half=True,
        ),
        Drawing(
            "How a class pathway grows",
            "The number of distinct edges when more and more images of a class are merged.",
            drawings.draw_lines_over(shown, "images", "line", "edges", label="edges"),
            "merged",
            half=True,
        ),
    ]


STUDY = Study(
    name="effective_path/classes",
    title="Class pathways: apart, specialised, saturating",
    paper=PAPER,
    needs="Traces test images by effective path and compares the class pathways.",
    claims=(
        Claim(
            "Any two classes share less than half of their edges",
            quantity="apart",
            layers="pairs",
            null=0.5,
            controls=(SHUFFLED,),
            unit="1 - J of two classes",
        ),
        Claim(
            "The likeness of classes falls from layer to layer",
            quantity="fall",
            null=0.0,
            beside=(SHUFFLED,),
            unit="J in the layer before - J",
        ),
        Claim(
            "Merged images of a class bring ever fewer new edges, and fewer than images of all classes",
            quantity="saturation",
            null=0.5,
            controls=(SHUFFLED,),
            unit="share of the edges that half of the images have",
        ),
    ),
    measure=measure,
    options={"images": 300},
    networks=(TRAINED,),
    draw=draw,
    printed=tuple(list_printed()),
    version=3,
)
