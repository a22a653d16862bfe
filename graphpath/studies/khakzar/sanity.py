"""Sanity check by cascading randomisation: does the saliency change with the weights (Adebayo et al. 2018)?

From the logits backwards, one layer after the other is drawn anew from N(0, .1), as published. After each,
the saliency of the class that the whole network had predicted is compared with the whole network's saliency.
The *resemblance* is Spearman's correlation of |saliency| over an image's pixels. An image whose saliency is
the same everywhere (nothing of the class's logit is left) resembles nothing and counts 0.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from graphpath.models import LoadedModel
from graphpath.models.loaded import digest_weights
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, TRAINED
from graphpath.studies.khakzar import PAPER, PATHWAYS
from graphpath.studies.khakzar.saliency import Floats, saliency
from graphpath.studies.lyu.profiles import paired_spearman
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

SPREAD = 0.1
"""The standard deviation of weights that are drawn anew."""
GUIDED = "guided_backprop"
METHODS = (*PATHWAYS, "gradient", "grad_cam", GUIDED)


def measure(bench: Bench) -> Measurement:
    """Resemblances by method and stage, and how far they fall."""
    images = bench.images(bench.options["images"])
    whole = {method: saliency(bench, images, method) for method in METHODS}
    rows, last = [], {}
    for stage, (layer, model) in enumerate(randomise_cascade(bench.model, bench.seed), start=1):
        for method in METHODS:
            alike = rank_correlation(whole[method], saliency(bench, images, method, model))
            rows.append({"method": method, "stage": stage, "name": layer, "resemblance": alike})
            last[method] = alike
    first = {str(row["method"]): float(str(row["resemblance"])) for row in rows if row["stage"] == 1}
    found = Effects()
    for place, pathway in enumerate(PATHWAYS):
        for condition, method in ((MEASURED, pathway), (GUIDED, GUIDED), ("gradient", "gradient")):
            found.add("change", condition, 1 - last[method], layer=place, name=pathway)
        for condition, method in ((MEASURED, pathway), ("gradient", "gradient")):
            found.add("fall", condition, 1 - last[method] / first[method], layer=place, name=pathway)
    table = make_frame(rows)
    return Measurement(found.frame(), {"resemblance": table.assign(left=table.stage.max() - table.stage)})


def randomise_cascade(model: LoadedModel, seed: int) -> Iterator[tuple[str, LoadedModel]]:
    """The network with its last layer drawn anew, then the last two, and so on: (name of the layer, network).

    A layer is a module with parameters of its own; all of them are drawn from N(0, .1).
    """
    module = copy.deepcopy(model.module)
    random = torch.Generator().manual_seed(seed)
    layers = [(name, part) for name, part in module.named_modules() if own_parameters(part)]
    for name, part in reversed(layers):
        with torch.no_grad():
            for parameter in own_parameters(part):
                drawn = SPREAD * torch.randn(parameter.shape, generator=random)
                parameter.copy_(drawn)
        found = copy.deepcopy(module)
        label = f"{model.name}-anew-from-{name}"
        yield name, replace(model, module=found, name=label, sha256=digest_weights(found))


def own_parameters(part: nn.Module) -> list[nn.Parameter]:
    """The parameters of a module itself."""
    return list(part.parameters(recurse=False))


def rank_correlation(one: Floats, two: Floats) -> float:
    """The mean over images of Spearman's correlation of pixels' values (N, P); 0 where there is none."""
    return float(np.nan_to_num(paired_spearman(one, two)).mean())


PRINTED = {
    "gradient": (0.485, 0.042),
    GUIDED: (0.991, 0.149),
    "grad_cam": (0.710, 0.416),
    "neuron_mct": (0.504, 0.116),
    "neuron_intgrad": (0.514, 0.151),
}
"""Resemblances with the last layer drawn anew, and with all."""


def list_printed() -> Iterator[PrintedFigure]:
    """The figures in the authors' repository."""
    where = "authors' code: ResNet-50, ImageNet, sparsity .7"
    for method, (first, last) in PRINTED.items():
        for value, column, at, which in (
            (first, "stage", 1, "the last layer"),
            (last, "left", 0, "all layers"),
        ):
            figure = f"resemblance with {which} drawn anew, {method}"
            yield PrintedFigure(
                figure, value, where, "resemblance", "resemblance", {"method": method, column: at}
            )


def draw(tables: Tables) -> list[Drawing]:
    """Resemblance by stage."""
    svg = drawings.draw_lines_over(
        tables["resemblance"], "stage", "method", "resemblance", null=0.0, label="resemblance"
    )
    text = "Spearman's correlation of |saliency| with the whole network's, by how many layers are drawn anew."
    return [Drawing("As layers are drawn anew, from the logits backwards", text, svg, "resemblance")]


STUDY = Study(
    name="khakzar/sanity",
    title="Sanity check: saliency while layers are drawn anew",
    paper=PAPER,
    needs="Draws the network's layers anew, from the last to the first, and compares saliency with before.",
    claims=(
        Claim(
            "With all layers drawn anew, the pathways' saliency is less than half of what it resembled with "
            "the last layer only",
            quantity="fall",
            layers="methods",
            null=0.5,
            beside=("gradient",),
            unit="fall of the resemblance from the first stage to the last",
        ),
        Claim(
            "It then changes more than guided backpropagation's, which is known to fail this check",
            quantity="change",
            layers="methods",
            null=0.5,
            controls=(GUIDED,),
            beside=("gradient",),
            unit="1 - resemblance with all layers drawn anew",
        ),
    ),
    measure=measure,
    options={"images": 100, "sparsity": 0.7},
    networks=(TRAINED,),
    draw=draw,
    printed=tuple(list_printed()),
    version=3,
)
