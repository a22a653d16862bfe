"""E6: what is left of an object's pathways where part of it is hidden?

Abstract: pathways are applied to object completion. A black rectangle at a random place hides 10 to 60 % of
the image. An image's profile is the number of foreground pixels that have each map among their largest. The
occluded image's profile is compared with the whole one's by Spearman's correlation, in every layer. Expected:
of images with equally much hidden, those still classified as labelled keep more of the whole object's
pathways in late layers than the others; and late layers keep more than early ones.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from graphpath.data import BaseImages
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import AREA, MEASURED, RANDOM, SHUFFLED
from graphpath.studies.lyu import KERNELS, PAPER
from graphpath.studies.lyu.profiles import (
    Floats,
    Profiles,
    count_maps,
    list_map_layers,
    mean_known,
    paired_spearman,
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
Right = npt.NDArray[np.bool_]


def measure(bench: Bench) -> Measurement:
    """What is kept of the whole objects' profiles, by layer, share hidden and answer."""
    whole = mark_known(bench, bench.images(bench.options["images"]))
    images, share = occlude(bench, whole)
    again = np.tile(np.arange(len(whole)), len(SHARES))
    traced = trace_diffusion(bench, whole)
    layers = list_map_layers(traced)
    before = {MEASURED: count_maps(bench, traced, whole), AREA: read_active_area(bench, whole, layers)}
    after = {
        MEASURED: count_maps(bench, trace_diffusion(bench, images), images),
        AREA: read_active_area(bench, images, layers),
    }
    right = bench.predict(images) == images.labels
    found, rows = Effects(), []
    for condition in (MEASURED, AREA):
        kept = profile_correlation(before[condition].select(again), after[condition])
        late, early = kept[max(kept)], kept[min(kept)]
        found.add("kept by the right", condition, measure_advantage(late, right, share))
        found.add("late over early", condition, mean_known(late) - mean_known(early))
        if condition == MEASURED:
            dealt = permute_within(bench, right, share)
            found.add("kept by the right", SHUFFLED, measure_advantage(late, dealt, share))
            rows = _describe(kept, right, share, before[MEASURED])
    return Measurement(found.frame(), {"kept": make_frame(rows)})


def mark_known(bench: Bench, images: BaseImages) -> BaseImages:
    """The images that a trained network classifies as labelled; of a random network, all."""
    right = bench.predict(images) == images.labels
    return images.subset(np.flatnonzero(right)) if right.mean() > 0.5 else images


def occlude(bench: Bench, whole: BaseImages) -> tuple[BaseImages, Floats]:
    """Every image with each of ``SHARES`` hidden, and which share: those of the first share first."""
    pixels = whole.batch(0, len(whole))
    parts, details = [], []
    for share in SHARES:
        hidden = pixels.clone()
        boxes = draw_rectangles(bench.random_generator("box", share), len(whole), whole.shape[1:], share)
        for image, (top, left, height, width) in zip(hidden, boxes, strict=True):
            image[:, top : top + height, left : left + width] = 0
        parts.append(hidden)
        details += [{"occluded": share, "box": [int(v) for v in box]} for box in boxes]
    which = np.tile(np.arange(len(whole)), len(SHARES))
    made = bench.derive(torch.cat(parts), whole, which, "occluded", details)
    return made, np.repeat(np.asarray(SHARES), len(whole))


def draw_rectangles(
    random: np.random.Generator, count: int, shape: tuple[int, ...], share: float
) -> npt.NDArray[np.int64]:
    """(count, 4): top, left, height and width of rectangles that cover about ``share`` of an image each."""
    height, width = shape
    least = max(share, 0.5 * share**0.5)
    tall = np.clip(np.round(height * random.uniform(least, min(1.0, 2 * share**0.5), count)), 1, height)
    wide = np.clip(np.round(share * height * width / tall), 1, width)
    top = random.integers(0, height - tall.astype(int) + 1)
    left = random.integers(0, width - wide.astype(int) + 1)
    return np.stack([top, left, tall.astype(int), wide.astype(int)], axis=1)


def profile_correlation(one: Profiles, two: Profiles) -> dict[int, Floats]:
    """By layer, Spearman's correlation of each image's two profiles."""
    return {layer: paired_spearman(one.by_layer[layer], two.by_layer[layer]) for layer in one.layers}


def measure_advantage(kept: Floats, right: Right, share: Floats) -> float:
    """How much more the right ones keep than the wrong ones, equally much being hidden.

    Differences at each share are weighted by n1 n2 / (n1 + n2); NaN where no share has both.
    """
    total, weights = 0.0, 0.0
    for at in np.unique(share):
        some = (share == at) & np.isfinite(kept)
        one, two = kept[some & right], kept[some & ~right]
        if len(one) and len(two):
            weight = len(one) * len(two) / (len(one) + len(two))
            total, weights = total + weight * (one.mean() - two.mean()), weights + weight
    return total / weights if weights else float("nan")


def permute_within(bench: Bench, right: Right, share: Floats) -> Right:
    """``right`` dealt anew among the images of which equally much is hidden."""
    random, dealt = bench.random_generator("right"), right.copy()
    for at in np.unique(share):
        dealt[share == at] = random.permutation(right[share == at])
    return dealt


def _describe(
    kept: dict[int, Floats], right: Right, share: Floats, profiles: Profiles
) -> list[dict[str, object]]:
    return [
        {
            "layer": layer,
            "name": profiles.names[layer],
            "hidden": at,
            "answer": answer,
            "line": f"{profiles.names[layer]}, {answer}",
            "images": int(some.sum()),
            "accuracy": float(right[share == at].mean()),
            "kept": mean_known(values[some]),
        }
        for layer, values in kept.items()
        for at in SHARES
        for answer, some in (("right", right & (share == at)), ("wrong", ~right & (share == at)))
    ]


def draw(tables: Tables) -> list[Drawing]:
    """What is kept, by share hidden, and the accuracy beside it."""
    figures = []
    for part, some in tables["kept"].groupby("part", sort=False):
        ends = some[some.layer.isin([some.layer.min(), some.layer.max()])].dropna(subset=["kept"])
        svg = drawings.draw_lines_over(
            ends, "hidden", "line", "kept", label="likeness to the whole, by share hidden"
        )
        text = "Of images that are still classified as labelled (right) and no longer (wrong)."
        figures.append(Drawing(f"What is left of the pathways, {part}", text, svg, "kept", half=True))
    table = tables["kept"].assign(line="accuracy")
    svg = drawings.draw_lines_over(table, "hidden", "line", "accuracy", label="accuracy, by share hidden")
    figures.append(Drawing("What is still recognised", "Test images, as labelled.", svg, "kept", half=True))
    return figures


STUDY = Study(
    name="lyu/occlusion",
    title="E6: occlusion and completion",
    paper=PAPER,
    needs="Hides 10 to 60 % of test images that are classified as labelled, and traces them by diffusion.",
    claims=(
        Claim(
            "Of images equally occluded, those still recognised keep more pathways of the whole, last layer",
            quantity="kept by the right",
            null=0.0,
            controls=(SHUFFLED,),
            beside=(AREA, RANDOM),
            unit="likeness to the whole, right less wrong, last layer",
        ),
        Claim(
            "They keep more of them than of the active area of the maps",
            quantity="kept by the right",
            null=0.0,
            controls=(AREA,),
            unit="likeness to the whole, right less wrong, last layer",
        ),
        Claim(
            "The last layer keeps more of the whole object's pathways than the first",
            quantity="late over early",
            null=0.0,
            controls=(AREA, RANDOM),
            unit="likeness to the whole, last layer less first",
        ),
    ),
    measure=measure,
    options={"images": 50, "top": 5},
    parts=KERNELS,
    draw=draw,
)
