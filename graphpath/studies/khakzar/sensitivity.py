"""Sensitivity-n (Ancona et al. 2018): do attributions of sets of pixels go with what their loss costs?

In an image, many random sets of n pixels are made black. The sensitivity is Pearson's correlation over these
sets: of the sum of their pixels' attributions with the drop of the predicted class's logit. Attributions are
gradient times pixel, through the pathway for the paper's methods; Grad-CAM's and Integrated Gradients' are
taken as they are. The experiment is in neither of the authors' repositories: the claim is what their argument
leads one to expect.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from graphpath.data import BaseImages
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, RANDOM, SHUFFLED
from graphpath.studies.khakzar import PAPER, PATHWAYS, RANDOM_NEURONS
from graphpath.studies.khakzar.saliency import (
    RANDOM_PIXELS,
    Floats,
    attribute_images,
    compute_logits,
    fill_pixels,
    read_all,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

PERCENT = (2, 5, 10, 20, 35, 50)
OTHERS = ("gradient", "integrated_gradients", "grad_cam", RANDOM_NEURONS, RANDOM_PIXELS, SHUFFLED)
TIMES_PIXEL = (*PATHWAYS, "gradient", RANDOM_NEURONS, SHUFFLED)
"""Gradients, to be multiplied by the pixels."""


def measure(bench: Bench) -> Measurement:
    """Sensitivity by method and share of pixels; the effects have the percentage for a layer."""
    images = bench.images(bench.options["images"])
    methods = (bench.part, *OTHERS)
    values = {method: compute_contributions(bench, images, method) for method in methods}
    pixels, found, rows = read_all(images), Effects(), []
    for percent in PERCENT:
        sets = draw_subsets(bench, pixels[0, 0].numel(), percent)
        drops = measure_drops(bench.model.module, pixels, sets)
        for method in methods:
            value = mean_correlation(values[method] @ sets.T.astype(float), drops)
            rows.append({"method": method, "percent": percent, "sensitivity": value})
            condition = MEASURED if method == bench.part else method
            found.add("sensitivity", condition, value, layer=percent, name=f"{percent} %")
    return Measurement(found.frame(), {"sensitivity": make_frame(rows)})


def compute_contributions(bench: Bench, images: BaseImages, method: str) -> Floats:
    """What each pixel adds to the logit by a method, all colours together: (N, H * W)."""
    given = attribute_images(bench, images, method)
    signed = given * read_all(images) if method in TIMES_PIXEL else given
    found: Floats = signed.sum(1).flatten(1).double().numpy()
    return found


def draw_subsets(bench: Bench, count: int, percent: int) -> npt.NDArray[np.bool_]:
    """Random sets of ``percent`` of ``count`` pixels, the same for every image: (sets, count)."""
    random = bench.random_generator("subsets", percent)
    order = random.random((int(bench.options["subsets"]), count)).argsort(1).argsort(1)
    found: npt.NDArray[np.bool_] = order < max(1, round(percent / 100 * count))
    return found


def measure_drops(module: nn.Module, pixels: Tensor, sets: npt.NDArray[np.bool_]) -> Floats:
    """What black pixels cost the logit of each image's predicted class: (N, sets)."""
    before, which = compute_logits(module, pixels).max(1)
    drops = []
    for image, value, label in zip(pixels, before, which, strict=True):
        after = compute_logits(module, fill_pixels(image.expand(len(sets), *image.shape), sets, 0.0))
        drops.append(value - after[:, label])
    found: Floats = torch.stack(drops).double().numpy()
    return found


def mean_correlation(one: Floats, two: Floats) -> float:
    """The mean over rows of Pearson's correlation; a row of one value counts 0."""
    left, right = (values - values.mean(1, keepdims=True) for values in (one, two))
    length = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    each = np.divide((left * right).sum(1), length, out=np.zeros(len(one)), where=length > 1e-12)
    return float(each.mean())


def draw(tables: Tables) -> list[Drawing]:
    """Sensitivity over the share of pixels."""
    svg = drawings.draw_lines_over(
        tables["sensitivity"], "percent", "method", "sensitivity", null=0.0, label="correlation"
    )
    text = "Over the percentage of pixels made black. Integrated Gradients sums to the logit by construction."
    return [Drawing("Sensitivity-n of all methods", text, svg, "sensitivity")]


STUDY = Study(
    name="khakzar/sensitivity",
    title="Sensitivity-n of pathway gradients",
    paper=PAPER,
    needs="Makes random sets of pixels black, and compares the logit's drop with what they were attributed.",
    claims=(
        Claim(
            "What the pathway attributes to pixels goes with what their loss costs the logit, at every size "
            "of set",
            quantity="sensitivity",
            layers="sizes of sets",
            null=0.0,
            controls=(RANDOM_NEURONS, RANDOM_PIXELS, SHUFFLED),
            beside=("integrated_gradients", RANDOM),
            unit="correlation of attribution and drop",
        ),
        Claim(
            "More than what the plain gradient attributes",
            quantity="sensitivity",
            layers="sizes of sets",
            null=0.0,
            controls=("gradient",),
            over="mean",
            unit="correlation of attribution and drop",
        ),
        Claim(
            "More than what Grad-CAM attributes",
            quantity="sensitivity",
            layers="sizes of sets",
            null=0.0,
            controls=("grad_cam",),
            over="mean",
            unit="correlation of attribution and drop",
        ),
    ),
    measure=measure,
    options={"images": 40, "subsets": 100, "sparsity": 0.9},
    parts=PATHWAYS,
    draw=draw,
    version=2,
)
