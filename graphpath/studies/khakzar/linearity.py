"""Local linearity: is the network of an image's critical neurons nearer to a linear one about the image?

For random steps d on a sphere about the image, the *error* is |f(x + d) - f(x) - g.d| / (|g| |d|), where g is
the gradient at x and f the predicted class's logit. It is measured in the whole network, and in the one that
keeps only the pathway's neurons, its mask frozen. The *gain* is log10 of the whole network's mean error over
the pathway's: 1 is ten times. An image whose pathway has no gradient at all has no error; it is left out of
both means, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphpath.attribution.pathway import mask_kept_neurons
from graphpath.data import BaseImages
from graphpath.network import masked
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, RANDOM
from graphpath.studies.khakzar import PAPER, PATHWAYS, RANDOM_NEURONS
from graphpath.studies.khakzar.saliency import Floats
from graphpath.studies.khakzar.selections import iterate_selections
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame
from graphpath.tracing.batch import Batch

LEAST = 1e-9
"""An error below which there is none."""
SPARSITIES = (0.8, 0.9, 0.95)
METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "neuron_mct": ("neuron_mct", {}),
    "neuron_intgrad": ("neuron_intgrad", {}),
    "activation": ("activation", {}),
    RANDOM_NEURONS: ("random", {}),
}


def measure(bench: Bench) -> Measurement:
    """Errors and gains by method and sparsity; the effects have the percentage left out for a layer."""
    images = bench.images(bench.options["images"])
    found, rows = Effects(), []
    for sparsity in SPARSITIES:
        percent = round(100 * sparsity)
        for name in (bench.part, "activation", RANDOM_NEURONS):
            whole, left = compare_errors(bench, images, name, sparsity)
            some = ~np.isnan(left)
            value = gain(whole[some], left[some])
            condition = MEASURED if name == bench.part else name
            found.add("gain", condition, value, layer=percent, name=f"{percent} % left out")
            rows.append(
                {
                    "method": name,
                    "sparsity": sparsity,
                    "whole": float(whole.mean()),
                    "pathway": float(left[some].mean()) if some.any() else float("nan"),
                    "gain": value,
                    "without_gradient": float((~some).mean()),
                }
            )
    return Measurement(found.frame(), {"errors": make_frame(rows)})


def gain(whole: Floats, left: Floats) -> float:
    """log10 of the mean of ``whole`` over that of ``left``, NaN of no image at all."""
    return float(np.log10(whole.mean() / max(left.mean(), LEAST))) if len(left) else float("nan")


def compare_errors(bench: Bench, images: BaseImages, name: str, sparsity: float) -> tuple[Floats, Floats]:
    """Each image's mean error in the whole network, and in what a method leaves of it: (N,) twice."""
    method, options = METHODS[name]
    bench.asked.append(f"graphpath.tracing {method} sparsity={sparsity}")
    whole, left = [], []
    for batch, selection in iterate_selections(
        bench.model, images, method, bench.seed, bench.setting.device, sparsity=sparsity, **options
    ):
        steps = draw_steps(bench, batch.images)
        mask = mask_kept_neurons(batch, selection)
        whole.append(linearity_errors(batch, torch.ones_like(mask), steps))
        left.append(linearity_errors(batch, mask, steps))
    return np.concatenate(whole), np.concatenate(left)


def draw_steps(bench: Bench, images: Tensor) -> Tensor:
    """Random steps of one length from each image, the same for all methods: (steps, N, C, H, W)."""
    count, radius = int(bench.options["steps"]), float(bench.options["radius"])
    drawn = bench.random_generator("steps").standard_normal((count, *images.shape))
    drawn *= radius / np.sqrt((drawn**2).sum((2, 3, 4), keepdims=True))
    return torch.from_numpy(drawn).to(images.device, images.dtype)


def linearity_errors(batch: Batch, mask: Tensor, steps: Tensor) -> Floats:
    """|f(x + d) - f(x) - g.d| / (|g| |d|), its mean over steps d: (N,), NaN where g is 0."""
    factors = mask.to(batch.images.dtype)
    with torch.enable_grad():
        images = batch.images.detach().clone().requires_grad_(True)
        start = masked_outputs(batch, images, factors)
        (slope,) = torch.autograd.grad(start.sum(), images)
    found = []
    with torch.no_grad():
        for step in steps:
            moved = masked_outputs(batch, batch.images + step, factors) - start
            along = (slope * step).double().flatten(1).sum(1)
            length = slope.double().flatten(1).norm(dim=1) * step.double().flatten(1).norm(dim=1)
            found.append(torch.where(length > 0, (moved.double() - along).abs() / length, torch.nan))
    mean: Floats = torch.stack(found).mean(0).cpu().numpy()
    return mean


def masked_outputs(batch: Batch, images: Tensor, factors: Tensor) -> Tensor:
    """f of images (N, C, H, W) in the network whose neurons are multiplied by ``factors``: (N,)."""
    return (masked(batch.compiled.network, images, factors, batch.goal) * batch.held.seed).sum(1)


def draw(tables: Tables) -> list[Drawing]:
    """The gain by sparsity."""
    svg = drawings.draw_lines_over(tables["errors"], "sparsity", "method", "gain", null=0.0, label="gain")
    text = (
        "log10 of the whole network's error over that of the neurons left, by the share of neurons left out."
    )
    return [Drawing("How much more linear", text, svg, "errors")]


STUDY = Study(
    name="khakzar/linearity",
    title="Local linearity of critical pathways",
    paper=PAPER,
    needs="Takes random steps from test images, and holds logits against what their gradients foretell.",
    claims=(
        Claim(
            "About the image the network of its critical neurons is nearer to a linear one than the whole "
            "network, at every sparsity",
            quantity="gain",
            layers="sparsities",
            null=0.0,
            beside=("activation", RANDOM_NEURONS, RANDOM),
            unit="log10 of the whole network's error over the pathway's",
        ),
        Claim(
            "Nearer than a network of as many random neurons",
            quantity="gain",
            layers="sparsities",
            null=0.0,
            controls=(RANDOM_NEURONS,),
            over="mean",
            unit="log10 of the whole network's error over the pathway's",
        ),
    ),
    measure=measure,
    options={"images": 100, "steps": 20, "radius": 0.1},
    parts=PATHWAYS,
    draw=draw,
)
