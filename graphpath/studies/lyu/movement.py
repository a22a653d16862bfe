"""E7: what moves in the pathways when an object moves?

Abstract: pathways are applied to the perception of moving objects. As in M2NIST, two objects stand side by
side on a black canvas. The left one, which the network is trained to tell, moves by whole pixels; the right
one stands still. A canvas's profile is the number of foreground pixels that have each map among their
largest. Profiles of the moved and the unmoved canvas are compared by Spearman's correlation. Expected: late
layers are more stable than early ones, and the pathways that change are those of the mover's pixels
(portion-hot vectors of each object's own pixels). A given network was trained on whole images; its canvas
has both objects in small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from graphpath.analysis import portion_hot
from graphpath.data import BaseImages, TensorImages
from graphpath.data.composed import ComposedImages, Placement
from graphpath.data.rows import choose_balanced
from graphpath.errors import StudyError
from graphpath.record import Trace
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import AREA, MEASURED, RANDOM
from graphpath.studies.lyu import KERNELS, PAPER
from graphpath.studies.lyu.occlusion import profile_correlation
from graphpath.studies.lyu.profiles import (
    Floats,
    count_maps,
    list_map_layers,
    list_names,
    mean_known,
    read_active_area,
    trace_diffusion,
)
from graphpath.studies.setting import room
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

FOREGROUND = 0.1
Masks = npt.NDArray[np.bool_]
MOVER, STILL = "the mover's pixels", "the other's pixels"


@dataclass(frozen=True, eq=False)
class Scene:
    """Canvases, unmoved and moved: their images, and which pixels are each object's (n, H, W).

    ``distance`` (n,) is by how many pixels the mover has moved, ``start`` the unmoved canvas's position;
    ``where`` is the unmoved placement, ``chosen`` the canvases of the test images that are taken.
    """

    images: BaseImages
    mover: Masks
    still: Masks
    distance: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    where: Placement
    chosen: npt.NDArray[np.int64]


def measure(bench: Bench) -> Measurement:
    """How stable each layer is under movement, and whose pixels' pathways change."""
    unmoved = stage_scenes(bench)
    moved = shift_scenes(bench, unmoved)
    before, after = trace_diffusion(bench, unmoved.images), trace_diffusion(bench, moved.images)
    layers = list_map_layers(before)
    profiles = {
        MEASURED: (count_maps(bench, before, unmoved.images), count_maps(bench, after, moved.images)),
        AREA: tuple(read_active_area(bench, one.images, layers) for one in (unmoved, moved)),
    }
    found, rows = Effects(), []
    for condition, (one, two) in profiles.items():
        kept = profile_correlation(one.select(moved.start), two)
        found.add("late over early", condition, mean_known(kept[max(kept)]) - mean_known(kept[min(kept)]))
        if condition == MEASURED:
            rows = _describe(kept, moved.distance, one.names)
    changes = measure_changes(bench, (before, unmoved), (after, moved))
    first, *later = list_names(layers).items()
    # There a pixel's pathways depend on the pixel alone (and, at the very border, on where it is cut off).
    found.leave_out("mover over still", *first)
    for layer, name in later:
        difference = changes[MOVER][layer] - changes[STILL][layer]
        found.add("mover over still", MEASURED, difference, layer=layer, name=name)
    return Measurement(
        found.frame(),
        {
            "stability": make_frame(rows),
            "changes": make_frame(_describe_objects(changes, list_names(layers))),
        },
    )


def stage_scenes(bench: Bench) -> Scene:
    """Canvases of test objects, both in the middle of their halves. Raises StudyError for other images."""
    test = bench.setting.images()
    if not isinstance(test, ComposedImages):
        raise StudyError("lyu/movement needs images of two objects: it composes them itself of --data.")
    chosen = choose_balanced(test.labels, min(int(bench.options["images"]), len(test)), bench.seed)
    half = test.shape[2] // 2
    top, spare = (test.shape[1] - test.objects.shape[1]) // 2, (half - test.objects.shape[2]) // 2
    left = np.where(test.where.find_leftmost(), spare, half + spare)
    middle = Placement(test.where.canvas, test.where.source, np.full_like(left, top), left)
    pixels, mover, still = _paint(test, middle, chosen)
    images = TensorImages(
        pixels,
        test.labels[chosen],
        dataset=f"{test.dataset}-staged",
        split=test.split,
        classes=test.classes,
        scheme=test.scheme,
    )
    none = np.zeros(len(chosen), np.int64)
    return Scene(images, mover, still, none, np.arange(len(chosen)), middle, chosen)


def shift_scenes(bench: Bench, unmoved: Scene) -> Scene:
    """Every canvas with the mover moved by each distance, up, down, left or right as drawn for it."""
    test, chosen = bench.setting.images(), unmoved.chosen
    assert isinstance(test, ComposedImages)
    most = room(test.objects.shape)
    steps = np.unique(np.linspace(1, most, min(int(bench.options["steps"]), most)).round().astype(np.int64))
    direction = bench.random_generator("direction").integers(0, 4, len(chosen))
    parts, details = [], []
    for step in steps:
        down, right = (np.choose(direction, choice) * step for choice in ([-1, 1, 0, 0], [0, 0, -1, 1]))
        parts.append(_paint(test, _move(unmoved, len(test), down, right), chosen))
        details += [
            {"down": int(d), "right": int(r), "of": int(s)}
            for d, r, s in zip(down, right, unmoved.images.rows()["sample"].to_pylist(), strict=True)
        ]
    again = np.tile(np.arange(len(chosen)), len(steps))
    pixels = torch.cat([part[0] for part in parts])
    images = bench.derive(pixels, unmoved.images, again, "shifted", details)
    mover, still = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    return Scene(images, mover, still, np.repeat(steps, len(chosen)), again, unmoved.where, chosen)


def _move(
    scene: Scene, canvases: int, down: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> Placement:
    """Where objects are once the mover of each chosen canvas has moved by its own whole pixels."""
    where, by = scene.where, np.zeros((2, canvases), np.int64)
    by[:, scene.chosen] = down, right
    top, left = (by[:, where.canvas] * where.find_leftmost()) + np.stack([where.top, where.left])
    return Placement(where.canvas, where.source, top, left)


def _paint(
    test: ComposedImages, where: Placement, chosen: npt.NDArray[np.int64]
) -> tuple[torch.Tensor, Masks, Masks]:
    """The canvases ``chosen`` of ``test`` with their objects at ``where``, and each object's foreground."""
    above = -test.objects.shape[1]  # where an object is cut off whole
    alone = [
        Placement(where.canvas, where.source, np.where(kept, where.top, above), where.left)
        for kept in (where.find_leftmost(), ~where.find_leftmost())
    ]
    mover, still = (test.paint(one, chosen).amax(1).numpy() > FOREGROUND for one in alone)
    return test.paint(where, chosen), mover, still


def measure_changes(
    bench: Bench, before: tuple[Trace, Scene], after: tuple[Trace, Scene]
) -> dict[str, dict[int, float]]:
    """By object and layer, the mean change of a map's portion among the object's own pixels."""
    found = {}
    for whose in (MOVER, STILL):
        vectors = []
        for traced, scene in (before, after):
            masks = scene.mover if whose == MOVER else scene.still
            samples = scene.images.rows()["sample"].to_pylist()
            hot = portion_hot(traced, pixels=dict(zip(samples, masks, strict=True)))
            vectors.append(hot.reindex(samples))
        bench.asked.append(f"graphpath.analysis.portion_hot({str(after[0].path)!r}, pixels=({whose}))")
        one, two = vectors[0].to_numpy(float)[after[1].start], vectors[1].to_numpy(float)
        layers = vectors[0].columns.get_level_values("layer").to_numpy()
        found[whose] = {
            int(n): mean_known(np.abs(two - one)[:, layers == n].ravel()) for n in np.unique(layers)
        }
    return found


def _describe(
    kept: dict[int, Floats], distance: npt.NDArray[np.int64], names: Mapping[int, str]
) -> list[dict[str, object]]:
    return [
        {
            "layer": layer,
            "name": names[layer],
            "distance": int(at),
            "kept": mean_known(values[distance == at]),
        }
        for layer, values in kept.items()
        for at in np.unique(distance)
    ]


def _describe_objects(changes: dict[str, dict[int, float]], names: dict[int, str]) -> list[dict[str, object]]:
    return [
        {"layer": layer, "name": names[layer], "whose": whose, "change": value}
        for whose, by_layer in changes.items()
        for layer, value in by_layer.items()
    ]


def draw(tables: Tables) -> list[Drawing]:
    """Stability over distance, and whose pathways change."""
    figures = []
    for part, some in tables["stability"].groupby("part", sort=False):
        svg = drawings.draw_lines_over(
            some, "distance", "name", "kept", label="likeness to the unmoved, by pixels"
        )
        text = "Spearman's correlation of profiles, moved and unmoved, by layer."
        figures.append(Drawing(f"What stays when an object moves, {part}", text, svg, "stability", half=True))
    for part, some in tables["changes"].groupby("part", sort=False):
        svg = drawings.draw_lines_over(
            some, "layer", "whose", "change", label="change of a map's portion, by layer"
        )
        text = "Mean absolute change of the portion of an object's own pixels that cross a map."
        figures.append(Drawing(f"Whose pathways change, {part}", text, svg, "changes", half=True))
    return figures


STUDY = Study(
    name="lyu/movement",
    title="E7: the perception of movement",
    paper=PAPER,
    needs=(
        "Composes canvases of two objects, trains networks to tell the left one, moves it by whole pixels, "
        "and traces by diffusion."
    ),
    claims=(
        Claim(
            "Pathways in the last layer are more stable under movement than in the first",
            quantity="late over early",
            null=0.0,
            controls=(AREA, RANDOM),
            unit="likeness to the unmoved, last layer less first",
        ),
        Claim(
            "In every layer, it is the mover's pixels whose pathways change, not those of what stands still",
            quantity="mover over still",
            null=0.0,
            beside=(RANDOM,),
            unit="change of portions, mover less still object",
        ),
    ),
    measure=measure,
    options={"images": 40, "top": 5, "steps": 3},
    parts=KERNELS,
    pairs=True,
    version=2,
    draw=draw,
)
