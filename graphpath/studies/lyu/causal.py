"""E2: are the feature maps that a class's pathways cross most those that the class cannot do without?

Abstract: pathways let one "test the causal components". In one layer at a time, the maps that the pathways of
a class's images cross most are set to 0. So are, for comparison, as many maps drawn at random, and as many of
those crossed least. The running network then classifies images of the class that were not traced (protocol
after Bau et al. 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphpath.data import BaseImages
from graphpath.modules.state import evaluating
from graphpath.network import take_apart
from graphpath.network.live import Pass
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import AREA, MEASURED, RANDOM, SHUFFLED
from graphpath.studies.lyu import KERNELS, PAPER
from graphpath.studies.lyu.profiles import (
    Floats,
    count_maps,
    list_map_layers,
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

Sets = npt.NDArray[np.bool_]
"""(classes, channels): which maps are taken out for images of a class."""
Plan = Mapping[int, Mapping[str, Sequence[Sets]]]
"""By layer and name, the sets of maps that are taken out, one after the other."""
BATCH = 128


def measure(bench: Bench) -> Measurement:
    """Accuracy and logit lost, by layer and by which maps are taken out."""
    images = bench.images(bench.options["images"])
    traced = trace_diffusion(bench, images)
    layers = list_map_layers(traced)
    pathways, area = count_maps(bench, traced, images), read_active_area(bench, images, layers)
    others = bench.other_images(bench.options["held_out"], len(images))
    classes, found, rows, plan = len(images.classes), Effects(), [], {}
    dealt = bench.random_generator("labels").permutation(images.labels)
    for layer in pathways.layers:
        crossed = sum_by_class(pathways.by_layer[layer], images.labels, classes)
        count = max(1, round(bench.options["share"] * crossed.shape[1]))
        plan[layer] = {
            "most crossed": [mark_largest(crossed, count)],
            "least crossed": [mark_largest(-crossed, count)],
            "at random": draw_maps(bench, crossed.shape, count, layer),
            "most active": [mark_largest(sum_by_class(area.by_layer[layer], images.labels, classes), count)],
            "most crossed by others": [
                mark_largest(sum_by_class(pathways.by_layer[layer], dealt, classes), count)
            ],
        }
    for layer, lost in measure_losses(bench, others, plan).items():
        place = {"layer": layer, "name": pathways.names[layer]}
        rows += [
            {**place, "maps": name, "accuracy": accuracy, "logit": logit}
            for name, (accuracy, logit) in lost.items()
        ]
        _compare_losses(found, lost, layer, pathways.names[layer])
    return Measurement(found.frame(), {"ablation": make_frame(rows)})


def _compare_losses(found: Effects, lost: dict[str, tuple[float, float]], layer: int, name: str) -> None:
    chance, least = lost["at random"], lost["least crossed"]
    for condition, maps in (
        (MEASURED, "most crossed"),
        (AREA, "most active"),
        (SHUFFLED, "most crossed by others"),
    ):
        for place, quantity in enumerate(("accuracy", "logit")):
            more = lost[maps][place] - chance[place]
            found.add(f"{quantity}, most over random", condition, more, layer=layer, name=name)
    found.add("logit, random over least", MEASURED, chance[1] - least[1], layer=layer, name=name)


def sum_by_class(values: Floats, labels: npt.NDArray[np.int32], classes: int) -> Floats:
    """The sums over each class's images: (classes, channels)."""
    sums = np.zeros((classes, values.shape[1]))
    np.add.at(sums, labels, values)
    return sums


def mark_largest(values: Floats, count: int) -> Sets:
    """The ``count`` largest of each row, ties to the lower channel."""
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, np.argsort(-values, axis=1, kind="stable")[:, :count], values=True, axis=1)
    return chosen


def draw_maps(bench: Bench, shape: tuple[int, ...], count: int, layer: int) -> list[Sets]:
    """As many maps of each class at random, several times."""
    random = bench.random_generator("maps", layer)
    return [mark_largest(random.random(shape), count) for _ in range(bench.options["draws"])]


def measure_losses(bench: Bench, images: BaseImages, plan: Plan) -> dict[int, dict[str, tuple[float, float]]]:
    """What it costs images to take out their class's maps: accuracy (a mean over classes) and logit.

    By layer and name; the mean over all sets of that name.
    """
    module, labels = bench.model.module, torch.from_numpy(images.labels.astype(np.int64))
    weight = 1 / labels.bincount().double()[labels] / labels.unique().numel()
    each = [(n, name, one) for n, some in plan.items() for name, sets in some.items() for one in sets]
    lost = {layer: {name: np.zeros(2) for name in some} for layer, some in plan.items()}
    with evaluating(module), torch.no_grad():
        network = take_apart(module, images.shape)
        for start in range(0, len(images), BATCH):
            run = Pass.of(network, images.batch(start, start + BATCH).to(network.device, network.dtype))
            batch = slice(start, start + BATCH)
            whole = _read_logits(run.logits, labels[batch])
            share = torch.stack([weight[batch], torch.full_like(weight[batch], 1 / len(images))])
            for layer, name, one in each:
                less = whole - _read_logits(_ablate_maps(run, layer, one, labels[batch]), labels[batch])
                lost[layer][name] += (less * share).sum(1).numpy() / len(plan[layer][name])
            bench.show_progress("taking maps out", min(start + BATCH, len(images)), len(images))
    return {
        layer: {name: (float(both[0]), float(both[1])) for name, both in some.items()}
        for layer, some in lost.items()
    }


def _ablate_maps(run: Pass, layer: int, sets: Sets, labels: Tensor) -> Tensor:
    """The logits (N, classes) without the maps of their class."""
    site = run.network.sites[layer]
    output = run.output(site)
    kept = torch.from_numpy(~sets)[labels].to(output.device, output.dtype)
    channels = output.reshape(*kept.shape, -1) * kept[:, :, None]
    return run.resumed(site, channels.flatten(1))


def _read_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """(2, N), float64: whether the label's logit is the largest, and what it is."""
    logits = logits.cpu().double()
    return torch.stack([(logits.argmax(1) == labels).double(), logits.gather(1, labels[:, None])[:, 0]])


def draw(tables: Tables) -> list[Drawing]:
    """Accuracy and logit lost by layer."""
    table, figures = tables["ablation"], []
    for part, some in table.groupby("part", sort=False):
        for value in ("accuracy", "logit"):
            svg = drawings.draw_lines_over(
                some, "layer", "maps", value, null=0.0, label=f"{value} lost, by layer"
            )
            title = f"What taking maps out costs a class: {value}, {part}"
            figures.append(
                Drawing(title, "A quarter of a layer's maps is set to 0.", svg, "ablation", half=True)
            )
    return figures


STUDY = Study(
    name="lyu/causal",
    title="E2: taking out what pathways cross",
    paper=PAPER,
    needs=(
        "Traces test images by diffusion, sets the feature maps that a class's pathways cross most to 0 in "
        "the running network, and compares with random and with the least crossed ones."
    ),
    claims=(
        Claim(
            "In every layer, a class loses more accuracy without the maps that its pathways cross most than "
            "without random ones",
            quantity="accuracy, most over random",
            null=0.0,
            controls=(RANDOM,),
            beside=(AREA, SHUFFLED),
            unit="accuracy lost beyond random maps",
        ),
        Claim(
            "In every layer, its logit falls more without them than without random ones",
            quantity="logit, most over random",
            null=0.0,
            controls=(RANDOM,),
            beside=(AREA, SHUFFLED),
            unit="logit lost beyond random maps",
        ),
        Claim(
            "In every layer, its logit falls more without random maps than without the least crossed",
            quantity="logit, random over least",
            null=0.0,
            controls=(RANDOM,),
            unit="logit lost with random beyond the least crossed maps",
        ),
        Claim(
            "Its logit falls more without the most crossed maps than without the most active ones",
            quantity="logit, most over random",
            null=0.0,
            controls=(AREA,),
            over="mean",
            unit="logit lost beyond random maps",
        ),
    ),
    measure=measure,
    options={"images": 150, "held_out": 1000, "top": 5, "share": 0.25, "draws": 10},
    parts=KERNELS,
    draw=draw,
)
