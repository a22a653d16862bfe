"""E4: does the portion-hot vector of an image tell its category?

Abstract: representations made of pathways are "clearly distinguishable" by category. A portion-hot vector is
like a one-hot one, but a portion of the feature maps is hot: those that at least half of the foreground
pixels have among their largest (``graphpath.analysis.portion_hot``). The nearest neighbour and logistic
regression tell the category from it, on images split into folds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from graphpath.analysis import portion_hot
from graphpath.data import BaseImages
from graphpath.record import Trace
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import AREA, MEASURED, RANDOM, SHUFFLED
from graphpath.studies.lyu import KERNELS, PAPER
from graphpath.studies.lyu.profiles import (
    Floats,
    list_map_layers,
    read_activations,
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables

PIXELS, ACTIVATIONS, SHARES = "raw pixels", "plain activations", "shares, not binary"
Labels = npt.NDArray[np.int32]


def measure(bench: Bench) -> Measurement:
    """How well each representation tells categories, less what guessing would."""
    images = bench.images(bench.options["images"])
    traced = trace_diffusion(bench, images)
    vectors = {
        name: (values, images.labels) for name, values in make_representations(bench, images, traced).items()
    }
    dealt = bench.random_generator("labels").permutation(images.labels)
    vectors[SHUFFLED] = (vectors[MEASURED][0], dealt)
    found, chance = Effects(), 1 / len(np.unique(images.labels))
    for condition, (values, labels) in vectors.items():
        for name, share in classifier_accuracies(values, labels, bench).items():
            found.add(name, condition, share - chance)
        found.add("silhouette", condition, silhouette(values, labels))
    frame = found.frame()
    return Measurement(frame, {"representations": frame.drop(columns=["layer", "name"])})


def make_representations(bench: Bench, images: BaseImages, traced: Trace) -> Mapping[str, Floats]:
    """By name, a row for each image."""
    layers = list_map_layers(traced)
    hot = bench.analyse(portion_hot, traced)
    shares = hot.reindex(images.rows()["sample"].to_numpy()).fillna(0.0).to_numpy(float)
    return {
        MEASURED: (shares >= bench.options["portion"]).astype(float),
        SHARES: shares,
        AREA: read_active_area(bench, images, layers).join(),
        ACTIVATIONS: read_activations(bench, images, layers, lambda maps: maps.mean(2)).join(),
        PIXELS: images.batch(0, len(images)).flatten(1).double().numpy(),
    }


def classifier_accuracies(values: Floats, labels: Labels, bench: Bench) -> Mapping[str, float]:
    """The shares of images that two simple classifiers tell right, each on images that they have not seen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    least = int(np.bincount(labels)[np.unique(labels)].min())
    folds = StratifiedKFold(min(bench.options["folds"], least), shuffle=True, random_state=bench.seed)
    readers = {
        "1-NN": KNeighborsClassifier(1),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
    }
    return {
        name: float(cross_val_score(reader, values, labels, cv=folds).mean())
        for name, reader in readers.items()
    }


def silhouette(values: Floats, labels: Labels) -> float:
    """How much nearer images are to their own category than to the next, in [-1, 1] (Rousseeuw 1987)."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(values, labels))


def draw(tables: Tables) -> list[Drawing]:
    """Every representation beside the others."""
    table, figures = tables["representations"], []
    for (part, quantity), some in table.groupby(["part", "quantity"], sort=False):
        beyond = "" if quantity == "silhouette" else ": accuracy beyond guessing"
        svg = drawings.make_points(some, "condition", "value", null=0.0, label=f"{quantity}{beyond}")
        text = "Of the portion-hot vector (measured) and of other representations of the same images."
        figures.append(Drawing(f"{quantity}, {part}", text, svg, "representations", half=True))
    return figures


STUDY = Study(
    name="lyu/portion_hot",
    title="E4: categories read off pathways",
    paper=PAPER,
    needs="Traces test images by diffusion, and classifies them by the feature maps that their pixels cross.",
    claims=(
        Claim(
            "Categories can be read off the portion-hot vector far better than by guessing",
            quantity="1-NN",
            null=0.0,
            controls=(SHUFFLED,),
            beside=(AREA, RANDOM, PIXELS, ACTIVATIONS),
            unit="accuracy of the nearest neighbour beyond guessing",
        ),
        Claim(
            "Better than by the active area of the maps, and than by pathways through random weights",
            quantity="1-NN",
            null=0.0,
            controls=(AREA, RANDOM),
            beside=(PIXELS, ACTIVATIONS),
            unit="accuracy of the nearest neighbour beyond guessing",
        ),
        Claim(
            "Images of one category lie nearer to each other than to those of the next",
            quantity="silhouette",
            null=0.0,
            controls=(SHUFFLED,),
            beside=(AREA, RANDOM, PIXELS, ACTIVATIONS),
            unit="mean silhouette",
        ),
    ),
    measure=measure,
    options={"images": 150, "top": 5, "portion": 0.5, "folds": 5},
    parts=KERNELS,
    draw=draw,
)
