"""Where do the pathways of attacked photographs leave their originals', and do they give the attack away?

Photographs are attacked by PGD with two sizes. Block by block, an attacked image's pathway is compared with
its original's, and the original's with those of other photographs of its category: what two images of one
category share is the null. An image has left its pathway where it shares less with its original than that.

A detector (``graphpath.detect``, between feature maps, of categories) compares pathways with those of
categories of other photographs. Each group of images is scored by a detector that was fitted on the other
groups. The area under the ROC curve stands beside that of max-softmax (Hendrycks and Gimpel 2017). Attacks
count that changed the category.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.data import BaseImages
from graphpath.detect.areas import area_under_curve
from graphpath.detect.features import list_layers
from graphpath.detect.learners import learn
from graphpath.detect.material import LabelledSamples, choose_runs, gather_samples
from graphpath.queries.units import MAP
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import GROUP, MEASURED, TRAINED
from graphpath.studies.imagenet import PAPER
from graphpath.studies.imagenet.pathways import (
    Floats,
    compare_all,
    compare_with,
    list_blocks,
    read_map_edges,
)
from graphpath.studies.imagenet.photographs import ASKED, choose_photographs
from graphpath.studies.imagenet.resampling import Chosen, make_pseudo_value
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
OWN = {**ASKED, "target": "own"}
"""An attacked image is traced for what the network takes it for: who detects it knows nothing else."""
EPSILONS = {"1/255": 1 / 255, "4/255": 4 / 255}
SOFTMAX = "max-softmax"


def measure(bench: Bench) -> Measurement:
    """By size of the attack: what is kept of the original's pathway by block, and how well it is detected."""
    photographs = choose_photographs(bench, bench.options["images"] + bench.options["references"])
    kinds = bench.name_categories(photographs)
    referred = split_references(kinds, bench.options["references"])
    clean, kinds = photographs.subset(np.flatnonzero(~referred)), kinds[~referred]
    groups = bench.deal_groups(kinds)
    reference = bench.trace(photographs.subset(np.flatnonzero(referred)), **OWN).id
    traced = bench.trace(clean, **OWN)
    attacked = {name: bench.attack(clean, "pgd", epsilon) for name, epsilon in EPSILONS.items()}
    runs = {name: bench.trace(images, **OWN) for name, images in attacked.items()}
    blocks, samples = list_blocks(traced), clean.rows()["sample"].to_pylist()
    originals = read_map_edges(traced, samples)
    others = average_companions(compare_all(originals, blocks), kinds)
    found, names, rows = Effects(), {place: block.name for place, block in enumerate(blocks)}, []
    mine = groups == bench.place
    for name, run in runs.items():
        theirs = read_map_edges(run, order_by_parent(attacked[name], samples))
        kept = np.diagonal(compare_with(originals, theirs, blocks), axis1=1, axis2=2)
        beyond = average_known((kept - others)[:, mine])
        found.layers(f"kept, {name}", MEASURED, dict(enumerate(beyond)), names)
        found.add(f"kept early, {name}", MEASURED, beyond[0] - beyond[-1])
        rows += describe_kept(kept[:, mine], others[:, mine], names, name)
    samples_of = gather(bench, reference, [traced.id, *(run.id for run in runs.values())])
    scores = score_in_turn(samples_of, str(bench.options["kind"]), dict(zip(samples, groups, strict=True)))
    areas = measure_areas(samples_of, scores, dict(zip(samples, groups, strict=True)), bench.place)
    for name, (own, softmax) in areas.items():
        found.add(f"auc, {name}", MEASURED, own)
        found.add(f"auc, {name}", SOFTMAX, softmax)
    counted = [
        {"attack": attack or "none", "images": int((samples_of.attack == attack).sum())}
        for attack in ["", *samples_of.attacks]
    ]
    return Measurement(found.frame(), {"kept": make_frame(rows), "counted": make_frame(counted)})


def split_references(kinds: npt.NDArray[np.str_], count: int) -> npt.NDArray[np.bool_]:
    """Which photographs class pathways are made of: every other one of a category, ``count`` at most."""
    turn = np.empty(len(kinds), np.int64)
    for kind in np.unique(kinds):
        turn[kinds == kind] = np.arange(int((kinds == kind).sum()))
    odd = np.flatnonzero(turn % 2)
    chosen = np.zeros(len(kinds), bool)
    chosen[odd[np.argsort(turn[odd], kind="stable")][:count]] = True
    return chosen


def order_by_parent(attacked: BaseImages, samples: Sequence[int]) -> list[int]:
    """The attacked images' ids in the order of their originals."""
    rows = attacked.rows()
    of = dict(zip(rows["parent"].to_pylist(), rows["sample"].to_pylist(), strict=True))
    return [of[sample] for sample in samples]


def average_companions(alike: Floats, kinds: npt.NDArray[np.str_]) -> Floats:
    """The mean likeness of each image to others of its category: (blocks, images), NaN without any."""
    same = (kinds[:, None] == kinds[None, :]) & ~np.eye(len(kinds), dtype=bool)
    return average_known(np.where(same, alike, np.nan))


def average_known(values: Floats) -> Floats:
    """The mean over the last axis, images, of those that have a value; NaN where none has."""
    known = np.isfinite(values)
    count = known.sum(-1)
    total = np.where(known, values, 0.0).sum(-1)
    found: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return found


def describe_kept(
    kept: Floats, others: Floats, names: dict[int, str], attack: str
) -> list[dict[str, object]]:
    """By block: the likeness to the original, that of the category, and the share of images that left."""
    left = np.where(np.isfinite(kept - others), kept < others, np.nan)
    means = average_known(kept), average_known(others), average_known(left)
    return [
        {"attack": attack, "place": place, "block": names[place], "likeness": means[0][place],
         "null": means[1][place], "left": means[2][place]}
        for place in names
    ]  # fmt: skip


def gather(bench: Bench, reference: str, runs: Sequence[str]) -> LabelledSamples:
    """What a detector sees of the clean and the attacked images."""
    assert bench.setting.scheme is not None
    scheme = bench.setting.scheme.name
    bench.asked.append(
        f"graphpath.fit_detector(store, {bench.options['kind']!r}, reference={reference!r}, runs=[...], "
        f"scheme={scheme!r}, unit='map')"
    )
    used = choose_runs(bench.store, reference, runs)
    return gather_samples(bench.store, used, list(list_layers(bench.store, reference)), scheme, MAP)


def score_in_turn(samples: LabelledSamples, kind: str, groups: dict[int, int]) -> Floats:
    """The score of every sample by a detector that was fitted on the other groups'; NaN without one."""
    group = np.array([groups[int(one)] for one in samples.original])
    scores = np.full(len(samples), np.nan)
    for place in np.unique(group):
        rest = samples.select(group != place)
        if rest.attacked.any() and not rest.attacked.all():
            scorer = learn(kind, rest.values, rest.attacked, rest.balance_weights(), 0)
            scores[group == place] = scorer.score(samples.values[group == place])
    return scores


def measure_areas(
    samples: LabelledSamples, scores: Floats, groups: dict[int, int], group: int
) -> dict[str, tuple[float, float]]:
    """By attack, the areas of the detector and of max-softmax, as pseudo-values of ``group``."""
    dealt = np.array([groups[int(one)] for one in samples.original])
    found = {}
    for name, attack in zip(EPSILONS, name_attacks(samples), strict=True):

        def compute(chosen: Chosen, attack: str = attack) -> Floats:
            return np.array(
                [find_area(samples, some, attack, chosen) for some in (scores, samples.softmax)], float
            )

        own, softmax = make_pseudo_value(compute, dealt, group)
        found[name] = (float(own), float(softmax))
    return found


def name_attacks(samples: LabelledSamples) -> list[str]:
    """What the attacks of each size are called, in the order of ``EPSILONS``."""
    return [f"pgd {epsilon:g}" for epsilon in EPSILONS.values()]


def find_area(samples: LabelledSamples, scores: Floats, attack: str, chosen: Chosen) -> float:
    """The chance that an image so attacked has a larger score than a clean one; NaN without either."""
    used = chosen & ((samples.attack == attack) | ~samples.attacked)
    attacked, score = samples.attacked[used], scores[used]
    if attacked.all() or not attacked.any() or np.isnan(score).any():
        return float("nan")
    return area_under_curve(score, attacked).value


def draw(tables: Tables) -> list[Drawing]:
    """Likeness to the original beside that of two images of a category, and who left, by block."""
    kept = tables["kept"]
    lines = [
        kept.assign(line=kept.attack + ": to its original", value=kept.likeness),
        kept.assign(line="another image of its category", value=kept.null),
    ]
    left = kept.assign(line=kept.attack)
    return [
        Drawing(
            "What an attacked image keeps of its original's pathway",
            "Weighted J of map edges, by block (0: the first).",
            drawings.draw_lines_over(_join(lines), "place", "line", "value", label="likeness, by block"),
            "kept",
            half=True,
        ),
        Drawing(
            "Images that left",
            "The share of images that are less like their original than like others of its category.",
            drawings.draw_lines_over(left, "place", "line", "left", label="share that left, by block"),
            "kept",
            half=True,
        ),
    ]


def _join(tables: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


STUDY = Study(
    name="imagenet/attacks",
    title="Where attacked photographs leave their pathways, and whether that gives them away",
    paper=PAPER,
    needs=(
        "Attacks photographs by PGD with 1/255 and 4/255, traces them and their originals between feature "
        "maps, compares them block by block, and fits detectors."
    ),
    claims=tuple(
        claim
        for name in EPSILONS
        for claim in (
            Claim(
                f"In every block, an image attacked with {name} is more like its original than two images of "
                "its category are alike",
                quantity=f"kept, {name}",
                null=0.0,
                layers="blocks",
                unit="likeness of the two less that of two images of the category",
            ),
            Claim(
                f"With {name} it keeps more of its original in the first block than in the last",
                quantity=f"kept early, {name}",
                null=0.0,
                unit="likeness beyond the category's, first block less last",
            ),
            Claim(
                f"Pathways tell images attacked with {name} from clean ones",
                quantity=f"auc, {name}",
                null=0.5,
                beside=(SOFTMAX,),
                unit="AUC on images that were not fitted on",
            ),
            Claim(
                f"With {name} they do so better than max-softmax",
                quantity=f"auc, {name}",
                null=0.5,
                controls=(SOFTMAX,),
                unit="AUC on images that were not fitted on",
            ),
        )
    ),
    measure=measure,
    options={"images": 100, "references": 50, "kind": "linear"},
    networks=(TRAINED,),
    over=GROUP,
    categories=True,
    draw=draw,
)
