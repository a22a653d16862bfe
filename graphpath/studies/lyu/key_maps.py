"""E1: do the largest pathways of a pixel cross the feature maps that matter for the class?

Abstract: the "few largest pathways of an individual pixel" tend to cross, in each layer, the feature maps
important for classification. Key maps K(l, class) are those whose removal costs the class most balanced
accuracy, on images that are not traced (``graphpath.key_maps``). Take all pairs of a foreground pixel and one
of its large maps: the *hit* is the share of them whose map is key for the image's class. The *lift* is the
hit divided by the share of maps that are key, which is what chance gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame
from graphpath.tracing import key_maps

if TYPE_CHECKING:
    import pandas as pd

Keys = npt.NDArray[np.bool_]
"""(classes, channels): whether a map is key for a class."""


def measure(bench: Bench) -> Measurement:
    """Lift by layer: of pathways, of the classes' key maps dealt to other classes, and of the active area."""
    images = bench.images(bench.options["images"])
    traced = trace_diffusion(bench, images)
    layers = list_map_layers(traced)
    pathways = count_maps(bench, traced, images)
    area = read_active_area(bench, images, layers)
    keys = find_key_maps(bench, layers, beside=len(images))
    found, chances = Effects(), []
    for layer in pathways.layers:
        name, labels = pathways.names[layer], images.labels
        top = mark_largest(area.by_layer[layer], bench.options["top"]).astype(float)
        own = lift(pathways.by_layer[layer], keys[layer], labels)
        dealt = bench.random_generator("labels", layer).permutation(labels)
        found.add("lift", MEASURED, own, layer=layer, name=name)
        found.add("lift", AREA, lift(top, keys[layer], labels), layer=layer, name=name)
        found.add(
            "lift", SHUFFLED, lift(pathways.by_layer[layer], keys[layer], dealt), layer=layer, name=name
        )
        p = permutation_p(bench, pathways.by_layer[layer], keys[layer], labels, own)
        chances.append({"layer": layer, "name": name, "lift": own, "p": p})
    return Measurement(found.frame(), {"permutation": make_frame(chances)})


def find_key_maps(bench: Bench, layers: pd.DataFrame, beside: int) -> Mapping[int, Keys]:
    """By layer, the key maps of every class, measured on images beside the traced ones."""
    others = bench.other_images(bench.options["held_out"], beside)
    numbers = [int(layer) for layer in layers.layer]

    def look() -> pd.DataFrame:
        def show(done: int, total: int) -> None:
            bench.show_progress("looking for key maps", done, total)

        return key_maps(bench.model, others, layers=numbers, device=bench.setting.device, progress=show)

    frame = bench.make_once("key_maps", others, numbers, look)
    found = {}
    for layer, channels in zip(layers.layer, layers.channels, strict=True):
        keys = np.zeros((len(others.classes), int(channels)), bool)
        some = frame[(frame.layer == layer) & frame.key]
        keys[some.label.to_numpy(), some.channel.to_numpy()] = True
        found[int(layer)] = keys
    return found


def lift(counts: Floats, keys: Keys, labels: npt.NDArray[np.int32]) -> float:
    """The share of ``counts`` (images, channels) on maps that are key for the image's class, over chance's.

    Every image counts alike; one without any pathway there does not count.
    """
    sums = counts.sum(1)
    some = sums > 0
    hits = (counts * keys[labels]).sum(1)[some] / sums[some]
    expected = keys.mean(1)[labels][some]
    return float(hits.mean() / expected.mean()) if some.any() else float("nan")


def permutation_p(
    bench: Bench, counts: Floats, keys: Keys, labels: npt.NDArray[np.int32], own: float
) -> float:
    """p: how often as many maps drawn at random for each class give at least this lift."""
    random, rounds = bench.random_generator("permutation", counts.shape[1]), bench.options["permutations"]
    drawn = [lift(counts, random.permuted(keys, axis=1), labels) for _ in range(rounds)]
    return float((1 + np.sum(np.asarray(drawn) >= own)) / (1 + rounds))


def draw(tables: Tables) -> list[Drawing]:
    """The permutation tests by layer."""
    table = tables["permutation"]
    svg = drawings.draw_lines_over(
        table, "layer", "part", "p", null=0.01, label="p of the permutation test, by layer"
    )
    text = (
        "How often key maps drawn at random, as many for each class, are crossed as often. The dashed line "
        "is p = .01."
    )
    return [Drawing("Against key maps drawn at random", text, svg, "permutation")]


STUDY = Study(
    name="lyu/key_maps",
    title="E1: the largest pathways and the key feature maps",
    paper=PAPER,
    needs=(
        "Traces test images by diffusion, and takes every feature map out of the network in turn, on other "
        "test images, for what its loss does to each class."
    ),
    claims=(
        Claim(
            "In every layer, a pixel's few largest pathways cross its class's key maps beyond chance",
            quantity="lift",
            null=1.0,
            beside=(RANDOM, SHUFFLED, AREA),
            unit="hit rate over chance's",
        ),
        Claim(
            "More often than the most active maps are key, and than in networks with random weights",
            quantity="lift",
            null=1.0,
            controls=(AREA, RANDOM),
            over="mean",
            unit="hit rate over chance's",
        ),
        Claim(
            "More often than they cross the key maps of other classes",
            quantity="lift",
            null=1.0,
            controls=(SHUFFLED,),
            over="mean",
            unit="hit rate over chance's",
        ),
    ),
    measure=measure,
    options={"images": 150, "held_out": 1000, "top": 5, "permutations": 999},
    parts=KERNELS,
    draw=draw,
)
