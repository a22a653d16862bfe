"""Do the ways of attacked images give them away, and better than the network's own confidence does?

A detector (``graphpath.detect``) is fitted on the pathways of half of the test images and of attacks on them,
held against class pathways of training images, and tested on the other half. An attack counts where it
changed the prediction. The baseline is max-softmax (Hendrycks and Gimpel 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphpath.detect import fit_detector
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, TRAINED
from graphpath.studies.effective_path import PAPER
from graphpath.studies.study import Claim, Drawing, Effects, Measured, Study, Tables

if TYPE_CHECKING:
    import pandas as pd

ATTACKS: dict[str, tuple[str, float | None]] = {
    "fgsm 0.1": ("fgsm", 0.1),
    "fgsm 0.3": ("fgsm", 0.3),
    "bim 0.3": ("bim", 0.3),
    "pgd 0.3": ("pgd", 0.3),
    "deepfool": ("deepfool", None),
    "cw": ("cw", None),
}
ENOUGH = 0.8
"""The area under the ROC curve that a useful detector has."""


def measure(bench: Bench) -> Measured:
    """AUC by attack, of the detector and of max-softmax, and of detectors that know one attack only."""
    asked = {"method": "effective_path", "target": "own", "routes": 0}
    images = bench.images(bench.options["images"])
    classes = bench.trace(bench.setting.images("train", bench.options["classes"]), **asked)
    runs = [bench.trace(images, **asked).id]
    runs += [bench.trace(bench.attack(images, *attack), **asked).id for attack in ATTACKS.values()]
    kind = str(bench.options["kind"])
    bench.asked.append(f"graphpath.fit_detector(store, {kind!r}, reference={classes.id!r}, runs=[...])")
    report = fit_detector(bench.store, kind, reference=classes.id, runs=runs, seed=bench.seed).report
    own = report[report.caught.notna()].set_index("tested_on")
    others = report[report.caught.isna() & (report.trained_on != report.tested_on)]
    transferred = others.groupby("tested_on").auc.mean()
    found = Effects()
    for place, name in enumerate(ATTACKS):
        found.add("auc", MEASURED, own.auc[name], layer=place, name=name)
        found.add("transfer", MEASURED, transferred[name], layer=place, name=name)
        found.add(f"lead {name}", MEASURED, own.auc[name] - own.softmax[name])
    return Measured(found.frame(), {"auc": report})


def draw(tables: Tables) -> list[Drawing]:
    """The areas beside the baseline's, and those of detectors that know one attack."""
    report = tables["auc"]
    known = report[report.caught.notna()]
    way = known.assign(line=known.tested_on + ": its way", value=known.auc)
    softmax = known.assign(line=known.tested_on + ": max-softmax", value=known.softmax)
    both = _in_order(way, softmax)
    single = report[report.caught.isna()]
    crossed = single.assign(line="fitted on " + single.trained_on + ", tested on " + single.tested_on)
    return [
        Drawing(
            "The area under the ROC curve, by attack",
            "On originals that were not fitted on. .5 is chance.",
            drawings.rows_of(both, "line", "value", null=0.5, label="AUC"),
            "auc",
            half=True,
        ),
        Drawing(
            "Fitted on one attack, tested on another",
            "The area under the ROC curve of detectors that know one attack only.",
            drawings.rows_of(crossed, "line", "auc", null=0.5, label="AUC"),
            "auc",
            half=True,
        ),
    ]


def _in_order(one: pd.DataFrame, two: pd.DataFrame) -> pd.DataFrame:
    """The rows of both, those of an attack together."""
    import pandas as pd

    joined = pd.concat([one, two])
    return joined.sort_values("tested_on", key=lambda names: names.map(list(ATTACKS).index), kind="stable")


STUDY = Study(
    name="effective_path/detection",
    title="Attacked images leave their class's way",
    paper=PAPER,
    needs="Traces training images, test images and six attacks on them, and fits detectors.",
    claims=(
        Claim(
            f"The way tells every attack from clean images, with an area of {ENOUGH} at least",
            quantity="auc",
            null=ENOUGH,
            unit="AUC",
        ),
        Claim(
            "A detector that knows one attack tells the others too",
            quantity="transfer",
            null=0.5,
            unit="AUC, fitted on another attack",
        ),
        *(
            Claim(
                f"The way tells {name} better than max-softmax does",
                quantity=f"lead {name}",
                null=0.0,
                unit="AUC beyond max-softmax's",
            )
            for name in ATTACKS
        ),
    ),
    measure=measure,
    options={"images": 200, "classes": 500, "kind": "linear"},
    networks=(TRAINED,),
    draw=draw,
)
