"""E8: does the number of pathways on all layers' maps tell original, deformed and target samples apart?

Abstract: the total number of pathways on the feature maps of all layers clearly discriminates original,
deformed and target samples. We read it so: for two classes s and t there are clean images of s (originals),
the same images attacked until they are taken for t (deformed; targeted PGD), and clean images of t (targets).
A linear classifier tells the three from the counts of pathways on all maps, on images that it has not seen.
An original and what was made of it are always on one side. Three counts are tried: how many pixels have a map
among their largest, how many reach it, and the sum of their sizes there. Beside them stands the active area
of the maps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from graphpath.analysis import counts
from graphpath.data import BaseImages
from graphpath.record import Trace
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import AREA, MEASURED, RANDOM, SHUFFLED
from graphpath.studies.lyu import KERNELS, PAPER
from graphpath.studies.lyu.profiles import (
    Floats,
    list_map_layers,
    normalise_rows,
    read_active_area,
    spread_counts,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

COUNTS = {MEASURED: "pixels", "pixels that reach": "reached", "summed sizes": "total"}
"""Conditions, and their column in ``graphpath.analysis.counts``."""
ORIGINAL, DEFORMED, TARGET = range(3)
PIXELS = "raw pixels"
Kinds = npt.NDArray[np.int64]


def measure(bench: Bench) -> Measurement:
    """Accuracy and AUC beyond guessing, means over pairs of classes."""
    rows: list[dict[str, object]] = []
    for source, target in draw_pairs(bench):
        rows += measure_pair(bench, source, target)
    table = make_frame(rows)
    found = Effects()
    if len(table):
        for (quantity, condition), some in table.groupby(["quantity", "condition"], sort=False):
            found.add(str(quantity), str(condition), float(some.value.mean()))
    return Measurement(found.frame(), {"pairs": table})


def draw_pairs(bench: Bench) -> list[tuple[int, int]]:
    """Some pairs of different classes, drawn by seed."""
    classes = np.unique(bench.test.labels)
    random = bench.random_generator("pairs")
    drawn = [random.choice(classes, 2, replace=False) for _ in range(bench.options["pairs"])]
    return [(int(source), int(target)) for source, target in drawn]


def measure_pair(bench: Bench, source: int, target: int) -> list[dict[str, object]]:
    """The results for one pair of classes."""
    test, number = bench.test, int(bench.options["images"])
    sets = {
        kind: test.subset(np.flatnonzero(test.labels == kind)).limit(number, bench.seed)
        for kind in (source, target)
    }
    made = bench.attack(sets[source], "pgd", bench.options["epsilon"], target)
    reached = bench.predict(made) == target
    chosen = np.flatnonzero(reached) if reached.sum() >= bench.options["folds"] else np.arange(len(made))
    images = [sets[source].subset(chosen), made.subset(chosen), sets[target]]
    features = read_features(bench, images)
    kind = np.repeat([ORIGINAL, DEFORMED, TARGET], [len(some) for some in images])
    group = np.concatenate([chosen, chosen, len(made) + np.arange(len(sets[target]))])
    results = {name: measure_discrimination(bench, values, kind, group) for name, values in features.items()}
    dealt = bench.random_generator("kinds", source, target).permutation(kind)
    results[SHUFFLED] = measure_discrimination(bench, features[MEASURED], dealt, group)
    facts = {"source": source, "target": target, "fooled": float(reached.mean()), "images": len(kind)}
    return [
        {**facts, "condition": name, "quantity": quantity, "value": value}
        for name, values in results.items()
        for quantity, value in values.items()
    ]


def read_features(bench: Bench, images: list[BaseImages]) -> Mapping[str, Floats]:
    """By name, the features of all images, a row each."""
    traces = [trace_diffusion(bench, some, every_map=True) for some in images]
    layers = list_map_layers(traces[0])
    frames = [bench.analyse(counts, traced, by="sample") for traced in traces]
    found: dict[str, Floats] = {
        name: np.concatenate(
            [
                _pivot(frame, column, some, traced)
                for frame, some, traced in zip(frames, images, traces, strict=True)
            ]
        )
        for name, column in COUNTS.items()
    }
    areas = [read_active_area(bench, some, layers) for some in images]
    found[AREA] = np.concatenate(
        [np.concatenate([one.by_layer[n] for n in one.layers], axis=1) for one in areas]
    )
    found[PIXELS] = np.concatenate([some.batch(0, len(some)).flatten(1).numpy() for some in images])
    return found


def _pivot(frame: object, column: str, images: BaseImages, traced: Trace) -> Floats:
    """A count on all layers' maps.

    Large pathways and sizes are taken as shares of their layer's sum. The sum of the first is the number of
    pixels by construction; the scale of the second differs from layer to layer."""
    found = spread_counts(frame, column, images, list_map_layers(traced))  # type: ignore[arg-type]
    values = [
        normalise_rows(found.by_layer[n]) if column != "reached" else found.by_layer[n] for n in found.layers
    ]
    result: Floats = np.concatenate(values, axis=1)
    return result


def measure_discrimination(bench: Bench, values: Floats, kind: Kinds, group: Kinds) -> dict[str, float]:
    """Beyond guessing: balanced accuracy among the three kinds, and AUC of original against deformed."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    three = _predict(bench, values, kind, group, "predict_proba")
    two = kind != TARGET
    score = _predict(bench, values[two], kind[two], group[two], "decision_function")
    return {
        "three kinds": float(balanced_accuracy_score(kind, three.argmax(1))) - 1 / 3,
        "original or deformed": float(roc_auc_score(kind[two] == DEFORMED, score)) - 0.5,
    }


def _predict(bench: Bench, values: Floats, kind: Kinds, group: Kinds, method: str) -> Floats:
    """What a linear classifier says of each image, fitted on folds without its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedGroupKFold(int(bench.options["folds"]), shuffle=True, random_state=bench.seed)
    reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    result: Floats = cross_val_predict(reader, values, kind, groups=group, cv=folds, method=method)
    return result


def draw(tables: Tables) -> list[Drawing]:
    """Each count beside the others."""
    figures = []
    for (part, quantity), some in tables["pairs"].groupby(["part", "quantity"], sort=False):
        svg = drawings.make_points(some, "condition", "value", null=0.0, label=f"{quantity}, beyond guessing")
        text = "By the number of pixels with the map among their largest (measured), and by others."
        figures.append(Drawing(f"Discrimination: {quantity}, {part}", text, svg, "pairs", half=True))
    return figures


STUDY = Study(
    name="lyu/counts",
    title="E8: the number of pathways on all maps",
    paper=PAPER,
    needs=(
        "For some pairs of classes, attacks images of one until they are taken for the other, traces both "
        "and the other class's own, and classifies the three by their counts of pathways."
    ),
    claims=(
        Claim(
            "The number of pathways on all maps tells original, deformed and target samples apart",
            quantity="three kinds",
            null=0.0,
            controls=(SHUFFLED,),
            beside=("pixels that reach", "summed sizes", AREA, PIXELS, RANDOM),
            unit="balanced accuracy beyond guessing",
        ),
        Claim(
            "It tells an original from what an attack made of it",
            quantity="original or deformed",
            null=0.0,
            controls=(SHUFFLED,),
            beside=("pixels that reach", "summed sizes", AREA, PIXELS, RANDOM),
            unit="AUC beyond guessing",
        ),
        Claim(
            "It tells the three apart better than the active area of the maps",
            quantity="three kinds",
            null=0.0,
            controls=(AREA,),
            beside=(RANDOM,),
            unit="balanced accuracy beyond guessing",
        ),
    ),
    measure=measure,
    options={"images": 30, "top": 5, "pairs": 2, "epsilon": 0.3, "folds": 5},
    parts=KERNELS,
    draw=draw,
)
