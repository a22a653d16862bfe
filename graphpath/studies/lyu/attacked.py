"""E5: do the pathways of an attacked image leave its own class for the one that it is mistaken for?

Abstract: pathways "illuminate" adversarial attacks. An image's profile in a layer is the share of its pixels
that have each map among their largest. Only pixels of the original's foreground count, because an attack also
lights up the background. An attacked image's profile is compared by Spearman's correlation with two mean
profiles of clean images: those of the class that it comes from, without its own original, and those of the
class that the network now sees. Expected: like its source in early layers, like its target in late ones, with
a crossing in between.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    Profiles,
    list_map_layers,
    list_names,
    mean_known,
    normalise_rows,
    paired_spearman,
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

Ints = npt.NDArray[np.int64]
ATTACKS = {"pgd": "least_likely", "fgsm": None}
"""PGD towards the least likely class; FGSM, which seldom gets there, away from its own."""
THRESHOLD = 0.1


@dataclass(frozen=True, eq=False)
class FoolingImages:
    """Attacked images that changed the network's answer.

    Beside the images: each one's position of its original, the class that it comes from, and the class that
    the network sees."""

    images: BaseImages
    original: Ints
    source: Ints
    target: Ints


def measure(bench: Bench) -> Measurement:
    """How much more like its source than like its target an attacked image is, by layer and attack."""
    clean = bench.images(bench.options["images"])
    traced = trace_diffusion(bench, clean)
    layers = list_map_layers(traced)
    places = mark_foreground(clean)
    before = {
        MEASURED: measure_portions(bench, traced, clean, places),
        AREA: read_active_area(bench, clean, layers),
    }
    seen = bench.predict(clean)
    dealt = bench.random_generator("labels").permutation(seen)
    found, rows = Effects(), []
    for name in ATTACKS:
        fooled = attack_images(bench, clean, seen, name)
        after = {
            MEASURED: measure_portions(
                bench, trace_diffusion(bench, fooled.images), fooled.images, places[fooled.original]
            ),
            AREA: read_active_area(bench, fooled.images, layers),
        }
        leans = {
            MEASURED: measure_lean(before[MEASURED], after[MEASURED], seen, fooled),
            AREA: measure_lean(before[AREA], after[AREA], seen, fooled),
            SHUFFLED: measure_lean(before[MEASURED], after[MEASURED], dealt, fooled),
        }
        if name == "pgd":
            _add_claims(found, leans)
        rows += _describe(name, leans, before[MEASURED], fooled)
    return Measurement(found.frame(), {"lean": make_frame(rows)})


def mark_foreground(images: BaseImages) -> npt.NDArray[np.bool_]:
    """Which pixels are brighter than the diffusion's threshold in some channel: (images, height, width)."""
    bright: npt.NDArray[np.bool_] = (images.batch(0, len(images)).amax(1) > THRESHOLD).numpy()
    return bright


def measure_portions(
    bench: Bench, traced: Trace, images: BaseImages, places: npt.NDArray[np.bool_]
) -> Profiles:
    """The share of an image's pixels in ``places`` that have each map among their largest."""
    samples = images.rows()["sample"].to_pylist()
    asked = dict(zip(samples, places, strict=True))
    hot = bench.analyse(portion_hot, traced, pixels=asked).reindex(samples).fillna(0.0)
    layers = hot.columns.get_level_values("layer").to_numpy()
    values = hot.to_numpy(float)
    return Profiles(
        {int(n): values[:, layers == n] for n in np.unique(layers)}, list_names(list_map_layers(traced))
    )


def attack_images(bench: Bench, clean: BaseImages, seen: Ints, name: str) -> FoolingImages:
    """The attacked images that changed the network's answer; all, where none did."""
    made = bench.attack(clean, name, bench.options["epsilon"], ATTACKS[name])
    now = bench.predict(made)
    chosen = np.flatnonzero(now != seen)
    if not len(chosen):
        chosen = np.arange(len(made))
    return FoolingImages(made.subset(chosen), chosen, seen[chosen], now[chosen])


def measure_lean(before: Profiles, after: Profiles, seen: Ints, fooled: FoolingImages) -> dict[int, float]:
    """By layer, the mean over images of likeness to the target's mean profile less that to the source's."""
    found = {}
    for layer in before.layers:
        clean, now = normalise_rows(before.by_layer[layer]), normalise_rows(after.by_layer[layer])
        toward = mean_profiles(clean, seen, fooled.target, fooled.original)
        away = mean_profiles(clean, seen, fooled.source, fooled.original)
        found[layer] = mean_known(paired_spearman(now, toward) - paired_spearman(now, away))
    return found


def mean_profiles(clean: Floats, seen: Ints, wanted: Ints, but: Ints) -> Floats:
    """For each of ``wanted``, the mean profile of the images seen as that class, image ``but`` left out.

    NaN where no other image is.
    """
    classes = max(int(seen.max()), int(wanted.max())) + 1
    sums, counts = np.zeros((classes, clean.shape[1])), np.bincount(seen, minlength=classes)
    np.add.at(sums, seen, clean)
    own = seen[but] == wanted
    total = sums[wanted] - np.where(own[:, None], clean[but], 0)
    number = (counts[wanted] - own)[:, None]
    none = np.full_like(total, np.nan)
    result: Floats = np.divide(total, number, out=none, where=number > 0)
    return result


def _add_claims(found: Effects, leans: dict[str, dict[int, float]]) -> None:
    """The claims are on the first and on the last layer."""
    for condition, by_layer in leans.items():
        found.add("like its source, early", condition, -by_layer[min(by_layer)])
        found.add("like its target, late", condition, by_layer[max(by_layer)])
        found.add("turned from early to late", condition, by_layer[max(by_layer)] - by_layer[min(by_layer)])


def _describe(
    name: str, leans: dict[str, dict[int, float]], profiles: Profiles, fooled: FoolingImages
) -> list[dict[str, object]]:
    return [
        {
            "attack": name,
            "condition": condition,
            "line": f"{name}, {condition}",
            "layer": layer,
            "name": profiles.names[layer],
            "lean": value,
            "images": len(fooled.images),
            "fooled": int((fooled.source != fooled.target).sum()),
        }
        for condition, by_layer in leans.items()
        for layer, value in by_layer.items()
    ]


def draw(tables: Tables) -> list[Drawing]:
    """The lean by layer, of both attacks."""
    figures = []
    for part, some in tables["lean"].groupby("part", sort=False):
        svg = drawings.draw_lines_over(
            some, "layer", "line", "lean", null=0.0, label="lean to the target, by layer"
        )
        text = (
            "Likeness (Spearman's correlation of profiles) to the class that the attacked image is mistaken "
            "for, less that to the class that it comes from. Above 0 it is more like its target."
        )
        figures.append(Drawing(f"From source to target, {part}", text, svg, "lean", half=True))
    return figures


STUDY = Study(
    name="lyu/attacked",
    title="E5: the pathways of attacked images",
    paper=PAPER,
    needs=(
        "Attacks test images by PGD towards the least likely class and by FGSM, traces both by diffusion, "
        "and compares those that fooled the network with clean images of both classes."
    ),
    claims=(
        Claim(
            "In the first layer, the pathways of an attacked image are like those of the class it comes from",
            quantity="like its source, early",
            null=0.0,
            controls=(SHUFFLED,),
            beside=(AREA, RANDOM),
            unit="likeness to the source less to the target, first layer",
        ),
        Claim(
            "In the last layer, they are like those of the class that it is mistaken for",
            quantity="like its target, late",
            null=0.0,
            controls=(SHUFFLED,),
            beside=(AREA, RANDOM),
            unit="likeness to the target less to the source, last layer",
        ),
        Claim(
            "They turn to that class on their way, by more than the active area of the maps",
            quantity="turned from early to late",
            null=0.0,
            controls=(SHUFFLED, AREA),
            beside=(RANDOM,),
            unit="lean to the target, last layer less first",
        ),
    ),
    measure=measure,
    options={"images": 150, "top": 5, "epsilon": 0.3},
    parts=KERNELS,
    version=2,
    draw=draw,
)
