"""E3: are the large pathways of two images of one category more alike than those of two categories?

Abstract: large pathways within a category are more consistent in their trend than across categories; reviews
say so of early layers. We take the trend of an image in a layer to be its profile T(l, .): the number of its
foreground pixels that have each map among their largest. Two images are compared by Spearman's correlation of
their profiles, and by the Jaccard index of their most crossed maps. The effect is the chance that a pair of
one category is more alike than a pair of two (AUC).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import AREA, MEASURED, RANDOM, SHUFFLED
from graphpath.studies.lyu import KERNELS, PAPER
from graphpath.studies.lyu.profiles import (
    Floats,
    count_maps,
    list_map_layers,
    mark_largest,
    mean_known,
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame


def measure(bench: Bench) -> Measurement:
    """The AUC of each layer, and the likenesses behind it."""
    images = bench.images(bench.options["images"])
    traced = trace_diffusion(bench, images)
    pathways = count_maps(bench, traced, images)
    area = read_active_area(bench, images, list_map_layers(traced))
    dealt = bench.random_generator("labels").permutation(images.labels)
    found, rows, aucs = Effects(), [], {}
    for layer in pathways.layers:
        name, alike = pathways.names[layer], spearman(pathways.by_layer[layer])
        aucs[layer] = auc(alike, images.labels)
        found.add("AUC", MEASURED, aucs[layer], layer=layer, name=name)
        found.add("AUC", AREA, auc(spearman(area.by_layer[layer]), images.labels), layer=layer, name=name)
        found.add("AUC", SHUFFLED, auc(alike, dealt), layer=layer, name=name)
        sets = jaccard(mark_largest(pathways.by_layer[layer], bench.options["top"]))
        for measured, values in (("Spearman", alike), ("Jaccard", sets)):
            within, between = mean_similarity(values, images.labels)
            rows += [
                {"layer": layer, "name": name, "likeness": f"{measured}, {kind}", "value": value}
                for kind, value in (("one class", within), ("two classes", between))
            ]
    found.add("early over late", MEASURED, aucs[min(aucs)] - aucs[max(aucs)])
    edges = bench.ask("categories/consistency", run=traced.id, max_samples=len(images))
    return Measurement(found.frame(), {"likeness": make_frame(rows), "edges": edges})


def spearman(profiles: Floats) -> Floats:
    """Spearman's correlation of every two rows, NaN where one has a single value: (rows, rows)."""
    from scipy import stats

    ranks = stats.rankdata(profiles, axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    length = np.sqrt((centred**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (centred @ centred.T) / np.outer(length, length)
    result: Floats = np.where(np.isfinite(alike), alike, np.nan)
    return result


def jaccard(sets: npt.NDArray[np.bool_]) -> Floats:
    """The Jaccard index of every two rows; NaN for two empty ones."""
    whole = sets.astype(float)
    shared = whole @ whole.T
    either = whole.sum(1)[:, None] + whole.sum(1)[None, :] - shared
    result: Floats = np.divide(shared, either, out=np.full_like(shared, np.nan), where=either > 0)
    return result


def auc(alike: Floats, labels: npt.NDArray[np.int32]) -> float:
    """The chance that a pair of one label is more alike than a pair of two; ties count half."""
    from sklearn.metrics import roc_auc_score

    same, values = _compare_pairs(alike, labels)
    return float(roc_auc_score(same, values)) if 0 < same.sum() < len(same) else float("nan")


def mean_similarity(alike: Floats, labels: npt.NDArray[np.int32]) -> tuple[float, float]:
    """The mean likeness of pairs of one label and of two."""
    same, values = _compare_pairs(alike, labels)
    return mean_known(values[same]), mean_known(values[~same])


def _compare_pairs(alike: Floats, labels: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Of every pair that can be compared: whether its labels are the same, and the likeness."""
    one, two = np.triu_indices(len(labels), 1)
    values = alike[one, two]
    known = np.isfinite(values)
    return (labels[one] == labels[two])[known], values[known]


def draw(tables: Tables) -> list[Drawing]:
    """Likeness within and between categories, by layer."""
    figures = []
    for part, some in tables["likeness"].groupby("part", sort=False):
        svg = drawings.draw_lines_over(some, "layer", "likeness", "value", label="mean likeness, by layer")
        text = "Profiles by Spearman's correlation, the five most crossed maps by the Jaccard index."
        figures.append(Drawing(f"Likeness of two images, {part}", text, svg, "likeness", half=True))
    for part, some in tables["edges"].groupby("part", sort=False):
        long = some.melt(["network", "seed", "layer"], ["J_within", "J_between"], "pairs", "J")
        svg = drawings.draw_lines_over(
            long, "layer", "pairs", "J", label="Jaccard index of edges, by layer (-1: all)"
        )
        text = "The strongest edges between neurons on the pathways: J_between is the null of J_within."
        figures.append(Drawing(f"The same of edges, {part}", text, svg, "edges", half=True))
    return figures


STUDY = Study(
    name="lyu/consistency",
    title="E3: pathways within and between categories",
    paper=PAPER,
    needs="Traces test images by diffusion and compares every two of them in every layer.",
    claims=(
        Claim(
            "In every layer, large pathways of images of one category are more alike than of two",
            quantity="AUC",
            null=0.5,
            controls=(SHUFFLED,),
            beside=(AREA, RANDOM),
            unit="chance that a pair within is more alike than a pair between",
        ),
        Claim(
            "More so than the active area of the maps, and than pathways through random weights",
            quantity="AUC",
            null=0.5,
            controls=(AREA, RANDOM),
            over="mean",
            unit="chance that a pair within is more alike than a pair between",
        ),
        Claim(
            "They are more so in early than in late layers",
            quantity="early over late",
            null=0.0,
            beside=(RANDOM,),
            unit="AUC of the first layer less that of the last",
        ),
    ),
    measure=measure,
    options={"images": 150, "top": 5},
    parts=KERNELS,
    draw=draw,
)
