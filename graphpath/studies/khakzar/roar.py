"""ROAR (Hooker et al. 2019): remove the pixels that a method ranks highest, and see what is still learned.

In every image, training and test, a share of the pixels, those of largest saliency, is set to the mean
colour. A network of the same architecture is trained from the same seed on these images, and tested on them.
The more accuracy is lost, the more of what tells classes apart the method had found.

Every retrained network's accuracy is kept as it comes, so an interrupted unit goes on with the next one. The
network that is retrained is the small one that studies train themselves, whatever network the saliency is of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphpath.data import BaseImages, TensorImages
from graphpath.ids import digest
from graphpath.models import match_classes, train
from graphpath.record.files import read_number, write_json
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, TRAINED
from graphpath.studies.khakzar import PAPER, PATHWAYS
from graphpath.studies.khakzar.saliency import (
    BASELINES,
    RANDOM_PIXELS,
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

PERCENT = (10, 30, 50, 70, 90)
METHODS = (*PATHWAYS, *BASELINES, RANDOM_PIXELS)


def measure(bench: Bench) -> Measurement:
    """Accuracies by method and share of pixels; and how much more pathways lose than other methods do."""
    learned = match_classes(bench.model, bench.setting.images("train", int(bench.options["train_images"])))
    tested = bench.images(int(bench.options["test_images"]))
    fill, rows = mean_colour(learned), []
    mean = dict.fromkeys(METHODS, 0.0)
    for method in METHODS:
        both = RankedImages(bench, learned, method, fill), RankedImages(bench, tested, method, fill)
        for percent in PERCENT:
            accuracy = retrain(bench, *both, percent)
            rows.append({"method": method, "percent": percent, "accuracy": accuracy})
            mean[method] += accuracy / len(PERCENT)
    found = Effects()
    for other in (RANDOM_PIXELS, *BASELINES):
        for place, method in enumerate(PATHWAYS):
            more = mean[other] - mean[method]
            found.add(f"lost beside {other}", MEASURED, more, layer=place, name=method)
    return Measurement(found.frame(), {"accuracies": make_frame(rows)})


@dataclass(frozen=True, eq=False)
class RankedImages:
    """Images whose pixels a method ranks, when it is asked."""

    bench: Bench
    images: BaseImages
    method: str
    fill: Tensor

    @cached_property
    def ranks(self) -> npt.NDArray[np.int64]:
        """Each pixel's place from the least salient (0) on: (N, H * W)."""
        return rank_pixels(saliency(self.bench, self.images, self.method))

    def remove_pixels(self, percent: int) -> TensorImages:
        """The images with the ``percent`` of their pixels that are most salient set to the mean colour."""
        images, count = self.images, self.ranks.shape[1]
        gone = self.ranks >= count - round(percent / 100 * count)
        return TensorImages(
            fill_pixels(read_all(images), gone, self.fill),
            np.asarray(images.labels),
            dataset=f"{images.dataset}-without",
            split=images.split,
            classes=images.classes,
            scheme=images.scheme,
        )


def retrain(bench: Bench, learned: RankedImages, tested: RankedImages, percent: int) -> float:
    """The accuracy of a network trained and tested without the most salient pixels; made once."""
    sets = (learned.images.fingerprint, tested.images.fingerprint)
    asked = (*sets, dict(bench.options), learned.method, percent, bench.seed, bench.setting.widths)
    file = bench.make_folder("roar") / f"{digest(*asked)[:12]}.json"
    if file.is_file():
        return read_number(file, "accuracy")
    bench.show_progress(f"retraining without {percent} % by {learned.method}", 0, 0)
    done = train(
        "cnn",
        learned.remove_pixels(percent),
        tested.remove_pixels(percent),
        seed=bench.seed,
        epochs=int(bench.options["epochs"]),
        device=bench.setting.device,
        widths=bench.setting.widths,
    )
    write_json(file, {"method": learned.method, "percent": percent, "accuracy": done.accuracy})
    return done.accuracy


PRINTED = {
    "gradient": (0.791, 0.828, 0.755),
    "grad_cam": (0.747, 0.633, 0.476),
    "neuron_mct": (0.744, 0.655, 0.444),
    "neuron_intgrad": (0.751, 0.617, 0.480),
}
"""Accuracies without 10, 50 and 90 % of the pixels; .8436 with all."""


def list_printed() -> Iterator[PrintedFigure]:
    """The figures in the authors' repository."""
    where = "authors' code: ResNet-8, CIFAR-10, 84.36 % with all pixels"
    for method, values in PRINTED.items():
        for percent, value in zip((10, 50, 90), values, strict=True):
            figure = f"accuracy retrained without {percent} % of the pixels, {method}"
            rows: dict[str, str | int] = {"method": method, "percent": percent}
            yield PrintedFigure(figure, value, where, "accuracies", "accuracy", rows)


def draw(tables: Tables) -> list[Drawing]:
    """Accuracy by the share of pixels removed."""
    svg = drawings.draw_lines_over(tables["accuracies"], "percent", "method", "accuracy", label="accuracy")
    text = "Test accuracy of networks retrained without the most salient pixels, by their percentage."
    return [Drawing("What is still learned", text, svg, "accuracies")]


def _make_claim(text: str, other: str) -> Claim:
    return Claim(
        text,
        quantity=f"lost beside {other}",
        layers="methods",
        null=0.0,
        unit=f"accuracy without {other} less that without the pathway's pixels, mean over 10 to 90 %",
    )


STUDY = Study(
    name="khakzar/roar",
    title="ROAR: remove the most salient pixels, and retrain",
    paper=PAPER,
    needs="Retrains a small network 25 times a seed, on images without their most salient pixels.",
    claims=(
        _make_claim(
            "Less is learned without the pathways' most salient pixels than without random ones",
            RANDOM_PIXELS,
        ),
        _make_claim("Less than without the plain gradient's", "gradient"),
        _make_claim("Less than without Grad-CAM's", "grad_cam"),
    ),
    measure=measure,
    options={"train_images": 600, "test_images": 300, "epochs": 10, "sparsity": 0.9},
    networks=(TRAINED,),
    draw=draw,
    printed=tuple(list_printed()),
)
