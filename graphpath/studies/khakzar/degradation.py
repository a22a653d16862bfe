"""Input degradation: does the answer stay when the least relevant pixels go, and change when the most do?

Pixels are ranked by the saliency of the pathway gradient and set to the mean colour (as published: it is 0
where a network's images are normalised). Either the least relevant go first (LeRF), or the most relevant
(MoRF). The *change* is |p - p'| / p of the class predicted on the whole image. The mean over 1 to 10 %
counts; changes are drawn up to 50 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor, nn

from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, RANDOM, SHUFFLED
from graphpath.studies.khakzar import PAPER, PATHWAYS, RANDOM_NEURONS
from graphpath.studies.khakzar.saliency import (
    BASELINES,
    RANDOM_PIXELS,
    Floats,
    compute_logits,
    fill_pixels,
    mean_colour,
    rank_pixels,
    read_all,
    saliency,
)
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

CONTROLS = (RANDOM_NEURONS, RANDOM_PIXELS, SHUFFLED)
ORDERS = ("LeRF", "MoRF")
JUDGED = tuple(range(1, 11))
"""The percentages whose mean counts."""
PERCENT = (*JUDGED, 15, 20, 30, 40, 50)


def measure(bench: Bench) -> Measurement:
    """Changes by order, method and share of pixels; and how much better the unit's pathway does."""
    images = bench.images(bench.options["images"])
    pixels, fill = read_all(images), mean_colour(bench.test)
    rows, means = [], {}
    for method in (bench.part, *BASELINES, *CONTROLS):
        values = saliency(bench, images, method)
        for order in ORDERS:
            curve = measure_changes(bench.model.module, pixels, values if order == "LeRF" else -values, fill)
            rows += [{"order": order, "method": method, "percent": at, "change": curve[at]} for at in PERCENT]
            means[order, method] = float(np.mean([curve[at] for at in JUDGED]))
    found = Effects()
    for order, sign in (("LeRF", -1), ("MoRF", 1)):
        gradient = means[order, "gradient"]
        found.add(order, MEASURED, sign * (means[order, bench.part] - gradient))
        for other in (*CONTROLS, "grad_cam"):
            found.add(order, other, sign * (means[order, other] - gradient))
        found.add(f"{order} grad_cam", MEASURED, sign * (means[order, bench.part] - means[order, "grad_cam"]))
    return Measurement(found.frame(), {"changes": make_frame(rows)})


def measure_changes(module: nn.Module, pixels: Tensor, values: Floats, fill: Tensor) -> Mapping[int, float]:
    """By percentage, the mean of |p - p'| / p over images that lack that many pixels of the lowest values."""
    whole = compute_logits(module, pixels).softmax(1)
    sure, which = whole.max(1)
    places, found = rank_pixels(values), {}
    for percent in PERCENT:
        gone = places < max(1, round(percent / 100 * values.shape[1]))
        left = (
            compute_logits(module, fill_pixels(pixels, gone, fill)).softmax(1).gather(1, which[:, None])[:, 0]
        )
        found[percent] = float(((sure - left).abs() / sure).mean())
    return found


PRINTED = {"gradient": (0.216, 0.540), "grad_cam": (0.076, 0.148), "neuron_mct": (0.039, 0.152)}
"""Changes by the least relevant pixels, 1 and 10 % of them."""


def list_printed() -> Iterator[PrintedFigure]:
    """The figures in the authors' repository."""
    for method, values in PRINTED.items():
        for percent, value in zip((1, 10), values, strict=True):
            rows: dict[str, str | int] = {"order": "LeRF", "method": method, "percent": percent}
            figure = f"change without the {percent} % least relevant pixels, {method}"
            yield PrintedFigure(figure, value, "authors' code: CIFAR-10", "changes", "change", rows)


def draw(tables: Tables) -> list[Drawing]:
    """A curve for each method."""
    table = tables["changes"]
    return [
        Drawing(
            f"{rank} relevant pixels first ({order})",
            "Changes of the predicted class's probability, |p - p'| / p, over the percentage of pixels gone.",
            drawings.draw_lines_over(
                table[table.order == order], "percent", "method", "change", label="change"
            ),
            "changes",
        )
        for order, rank in zip(ORDERS, ("Least", "Most"), strict=True)
    ]


def _make_claims() -> tuple[Claim, ...]:
    return (
        Claim(
            "The pixels that the pathway gradient ranks least relevant matter less than the plain gradient's",
            quantity="LeRF",
            null=0.0,
            controls=(*CONTROLS, RANDOM),
            beside=("grad_cam",),
            unit="change by the gradient's least relevant pixels, less by these",
        ),
        Claim(
            "The pixels that it ranks most relevant matter more than the plain gradient's",
            quantity="MoRF",
            null=0.0,
            controls=(*CONTROLS, RANDOM),
            beside=("grad_cam",),
            unit="change by these most relevant pixels, less by the gradient's",
        ),
        Claim(
            "Its least relevant pixels matter less than Grad-CAM's",
            quantity="LeRF grad_cam",
            null=0.0,
            beside=(RANDOM,),
            unit="change by Grad-CAM's least relevant pixels, less by these",
        ),
    )


STUDY = Study(
    name="khakzar/degradation",
    title="Input degradation: least and most relevant pixels removed",
    paper=PAPER,
    needs="Ranks the pixels of test images by the pathway gradient and others, and removes them by rank.",
    claims=_make_claims(),
    measure=measure,
    options={"images": 200, "sparsity": 0.9},
    parts=PATHWAYS,
    draw=draw,
    printed=tuple(list_printed()),
    version=2,
)
