"""How far do methods select the same neurons, and how many of those are dead?

The figure compares NeuronMCT, NeuronIntGrad, DGR, greedy pruning and random neurons by Jaccard index, at one
sparsity s. Independent sets of these sizes share (1 - s) / (1 + s) of their neurons, .053 at s = .9.

In the printed matrix (poster; VGG-16, ImageNet, s = .9) the labels "Greedy" and "Random" are swapped. The row
printed "Greedy" is 5.26 % throughout, which is exactly what independent sets share; the row printed "Random"
has 4.10 to 9.74 %. We compare with ours only the pairs that the swap does not concern, and random neurons'.
Greedy pruning is the authors' own (``variant="published"``). It keeps some three quarters of all neurons
whatever the sparsity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from graphpath.report.figures import draw_heatmaps
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, RANDOM, SHUFFLED, TRAINED
from graphpath.studies.khakzar import PAPER, RANDOM_NEURONS
from graphpath.studies.khakzar.saliency import deal_classes
from graphpath.studies.khakzar.selections import Selections, independent_jaccard, jaccard, select_neurons
from graphpath.studies.lyu.profiles import mean_known
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
from graphpath.tracing.targets import Target

if TYPE_CHECKING:
    import pandas as pd

METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "NeuronMCT": ("neuron_mct", {}),
    "NeuronIntGrad": ("neuron_intgrad", {}),
    "DGR": ("dgr", {}),
    "greedy": ("greedy", {"variant": "published"}),
    "activation": ("activation", {}),
    "random": ("random", {}),
}
FIGURE = ("NeuronMCT", "NeuronIntGrad", "DGR", "greedy", "random")
"""Those of the figure; the largest activations are our control."""
POSTER = "poster: VGG-16, ImageNet, sparsity .9"
PRINTED = {
    ("NeuronMCT", "NeuronIntGrad"): 0.6591,
    ("NeuronIntGrad", "DGR"): 0.2959,
    ("NeuronMCT", "DGR"): 0.2984,
    ("NeuronMCT", "random"): 0.0526,
}
"""Jaccard indices; the last is printed as that of greedy pruning."""
PRINTED_DEAD = {"NeuronMCT": 0.0, "NeuronIntGrad": 0.0, "DGR": 0.0779, "greedy": 0.6878, "random": 0.5951}
"""Shares of zero neurons among those selected."""
EVERYWHERE = -1
NOTED = 0.001
"""A share of dead neurons that is more than a neuron or two by accident."""


def measure(bench: Bench) -> Measurement:
    """Overlaps of all pairs of methods, and dead shares."""
    found = {name: _select(bench, name) for name in METHODS}
    overlaps, dead = make_frame(list(compare_methods(found))), make_frame(list(measure_dead(found)))
    mct, intgrad, dgr, greedy, random = (found[name].kept for name in FIGURE)
    alike, chance = mean_known(jaccard(mct, intgrad)), mean_known(independent_jaccard(mct, random))
    effects = Effects()
    effects.add("J", MEASURED, alike)
    effects.add("J", "NeuronMCT with DGR", mean_known(jaccard(mct, dgr)))
    effects.add("J", "NeuronIntGrad with DGR", mean_known(jaccard(intgrad, dgr)))
    effects.add("J", "with activation", mean_known(jaccard(mct, found["activation"].kept)))
    effects.add("J", SHUFFLED, mean_known(jaccard(mct, _select_for_others(bench, "NeuronIntGrad").kept)))
    for layer, name in found["NeuronMCT"].names.items():
        some = found["NeuronMCT"].layer == layer
        beyond = mean_known(
            jaccard(mct[:, some], intgrad[:, some]) - independent_jaccard(mct[:, some], intgrad[:, some])
        )
        effects.add("above chance", MEASURED, beyond, layer=layer, name=name)
    effects.add("DGR above chance", MEASURED, mean_known(jaccard(mct, dgr)) - chance)
    effects.add("greedy above chance", MEASURED, mean_known(jaccard(mct, greedy)) - chance)
    effects.add("greedy above chance", RANDOM_NEURONS, mean_known(jaccard(mct, random)) - chance)
    _add_dead(effects, {name: mean_known(one.dead) for name, one in found.items()})
    return Measurement(effects.frame(), {"overlaps": overlaps, "dead": dead})


def _add_dead(effects: Effects, share: Mapping[str, float]) -> None:
    for place, name in enumerate(("NeuronMCT", "NeuronIntGrad")):
        effects.add("live", MEASURED, 1 - share[name], layer=place, name=name)
        effects.add("live", RANDOM_NEURONS, 1 - share["random"], layer=place, name=name)
    effects.add("DGR dead", MEASURED, share["DGR"])
    effects.add("greedy dead", MEASURED, share["greedy"])
    effects.add("greedy dead", RANDOM_NEURONS, share["random"])


def compare_methods(found: Mapping[str, Selections]) -> Iterator[dict[str, object]]:
    """A row for each pair of methods and layer (-1 for all): means over images of J, and of J by chance."""
    for (name1, one), (name2, two) in combinations(found.items(), 2):
        columns = {EVERYWHERE: np.ones(len(one.layer), bool)}
        columns |= {layer: one.layer == layer for layer in one.names}
        for layer, some in columns.items():
            left, right = one.kept[:, some], two.kept[:, some]
            yield {
                "one": name1,
                "two": name2,
                "layer": layer,
                "name": one.names.get(layer, "all layers"),
                "J": mean_known(jaccard(left, right)),
                "chance": mean_known(independent_jaccard(left, right)),
            }


def measure_dead(found: Mapping[str, Selections]) -> Iterator[dict[str, object]]:
    """A row for each method: the shares of neurons that it keeps, of these that are zero, and of all."""
    for name, one in found.items():
        yield {
            "method": name,
            "kept": float(one.kept.mean()),
            "dead": mean_known(one.dead),
            "base": float((~one.live).mean()),
        }


def list_printed() -> Iterator[PrintedFigure]:
    """The poster's figures."""
    for (one, two), J in PRINTED.items():
        rows: dict[str, str | int] = {"one": one, "two": two, "layer": EVERYWHERE}
        yield PrintedFigure(f"Jaccard index of {one} and {two}", J, POSTER, "overlaps", "J", rows)
    for method, share in PRINTED_DEAD.items():
        figure = f"zero neurons among those of {method}"
        yield PrintedFigure(figure, share, POSTER, "dead", "dead", {"method": method})


def draw(tables: Tables) -> list[Drawing]:
    """The matrix, and the dead shares."""
    overlaps, dead = tables["overlaps"], tables["dead"]
    matrix = draw_heatmaps(
        _make_square(overlaps), [(EVERYWHERE, "Jaccard, all layers")], list(METHODS), value="J"
    )
    text = "Means over seeds and images. Independent sets of one sparsity s share (1 - s) / (1 + s)."
    shares = drawings.make_points(dead, "method", "dead", label="share of selected neurons that are zero")
    return [
        Drawing("Which methods select the same neurons", text, matrix, "overlaps"),
        Drawing("Dead neurons among those selected", "Zero in the network itself.", shares, "dead"),
    ]


def _select_for_others(bench: Bench, name: str) -> Selections:
    """The neurons by the classes that other images are predicted as."""
    return _select(bench, name, torch.from_numpy(deal_classes(bench, bench.images(bench.options["images"]))))


def _select(bench: Bench, name: str, target: Target = "predicted") -> Selections:
    method, options = METHODS[name]
    given = {**options, "sparsity": bench.options["sparsity"]}
    if method == "dgr":
        given["iterations"] = bench.options["iterations"]
    bench.show_progress(f"selecting by {name}", 0, 0)
    bench.asked.append(f"graphpath.tracing {method} {given}")
    images = bench.images(bench.options["images"])
    return select_neurons(
        bench.model, images, method, seed=bench.seed, device=bench.setting.device, target=target, **given
    )


def _make_square(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Both halves of the matrix, as the figure wants it."""
    own = overlaps[(overlaps.network == TRAINED) & (overlaps.layer == EVERYWHERE)]
    means = {pair: float(some["J"].mean()) for pair, some in own.groupby(["one", "two"])}
    both = [(*pair, J) for pair, J in means.items()] + [(two, one, J) for (one, two), J in means.items()]
    return make_frame(
        [{"category1": one, "category2": two, "layer": EVERYWHERE, "J": J} for one, two, J in both]
    )


STUDY = Study(
    name="khakzar/overlap",
    title="Which methods select the same neurons, and which select dead ones",
    paper=PAPER,
    needs="Selects neurons of test images by six methods at one sparsity, and compares the sets.",
    claims=(
        Claim(
            "NeuronMCT and NeuronIntGrad select much the same neurons, and DGR others",
            quantity="J",
            null=1 / 19,
            controls=("NeuronMCT with DGR", "NeuronIntGrad with DGR"),
            beside=(SHUFFLED, "with activation", RANDOM),
            unit="Jaccard index of NeuronMCT and NeuronIntGrad",
        ),
        Claim(
            "They do in every layer, beyond what sets of these sizes share by chance",
            quantity="above chance",
            null=0.0,
            beside=(RANDOM,),
            unit="Jaccard index less that of independent sets",
        ),
        Claim(
            "DGR shares more neurons with NeuronMCT than independent sets do",
            quantity="DGR above chance",
            null=0.0,
            beside=(RANDOM,),
            unit="Jaccard index less that of independent sets",
        ),
        Claim(
            "The printed matrix has its labels Greedy and Random swapped: the published greedy ones "
            "overlap more than independent sets and than random neurons do",
            quantity="greedy above chance",
            null=0.0,
            controls=(RANDOM_NEURONS,),
            unit="Jaccard index with NeuronMCT less that of independent sets",
        ),
        Claim(
            "NeuronMCT and NeuronIntGrad select no dead neuron (fewer than one in a thousand)",
            quantity="live",
            layers="methods",
            null=1 - NOTED,
            controls=(RANDOM_NEURONS,),
            unit="share of selected neurons that are not zero",
        ),
        Claim(
            "DGR selects dead neurons (more than one in a thousand)",
            quantity="DGR dead",
            null=NOTED,
            beside=(RANDOM,),
            unit="share of selected neurons that are zero",
        ),
        Claim(
            "Greedy pruning as published keeps dead neurons more often than random draws do",
            quantity="greedy dead",
            null=0.0,
            controls=(RANDOM_NEURONS,),
            beside=(RANDOM,),
            unit="share of selected neurons that are zero",
        ),
    ),
    measure=measure,
    options={"images": 100, "sparsity": 0.9, "iterations": 300},
    draw=draw,
    printed=tuple(list_printed()),
    version=4,
)
