"""Do their pathways reveal attacked images, and better than the network's own confidence does?

A detector (``graphpath.detect``) compares pathways with class pathways of training images. It is fitted on
half of the test images and the attacks on them, and tested on the other half. An attack counts where it
changed the prediction. The baseline is max-softmax (Hendrycks and Gimpel 2017), the rival DGR's gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphpath.detect import fit_detector
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, TRAINED
from graphpath.studies.effective_path import PAPER
from graphpath.studies.effective_path.gates import measure_auc_by_gates
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame

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
GATES = "DGR's gates"
FITTED = 0.5
"""The share of originals that detectors are fitted on."""
ENOUGH = 0.8
"""The area under the ROC curve that a useful detector has."""


def measure(bench: Bench) -> Measurement:
    """AUC by attack: the detector's, max-softmax's, that by DGR's gates, and of detectors of one attack."""
    asked = {"method": "effective_path", "target": "own", "routes": 0}
    clean = bench.images(bench.options["images"])
    images = [clean, *(bench.attack(clean, *attack) for attack in ATTACKS.values())]
    classes = bench.trace(bench.setting.images("train", bench.options["classes"]), **asked).id
    runs = [bench.trace(some, **asked).id for some in images]
    kind = str(bench.options["kind"])
    bench.asked.append(f"graphpath.fit_detector(store, {kind!r}, reference={classes!r}, runs=[...])")
    report = fit_detector(
        bench.store, kind, reference=classes, runs=runs, share=FITTED, seed=bench.seed
    ).report
    gates = measure_auc_by_gates(bench, classes, runs, images, FITTED)
    own = report[report.caught.notna()].set_index("tested_on")
    others = report[report.caught.isna() & (report.trained_on != report.tested_on)]
    transferred = others.groupby("tested_on").auc.mean()
    found = Effects()
    for place, name in enumerate(ATTACKS):
        found.add("auc", MEASURED, own.auc[name], layer=place, name=name)
        found.add("auc", GATES, gates[name], layer=place, name=name)
        found.add("transfer", MEASURED, transferred[name], layer=place, name=name)
        found.add(f"lead {name}", MEASURED, own.auc[name] - own.softmax[name])
    rival = make_frame([{"tested_on": name, "auc": area} for name, area in gates.items()])
    return Measurement(found.frame(), {"auc": report, "gates": rival})


def draw(tables: Tables) -> list[Drawing]:
    """The areas beside the baseline's, and those of detectors that know one attack."""
    report = tables["auc"]
    known = report[report.caught.notna()]
    pathway = known.assign(line=known.tested_on + ": its pathway", value=known.auc)
    softmax = known.assign(line=known.tested_on + ": max-softmax", value=known.softmax)
    gates = tables["gates"].assign(line=tables["gates"].tested_on + ": " + GATES, value=tables["gates"].auc)
    beside = _sort_rows(pathway, softmax, gates)
    single = report[report.caught.isna()]
    crossed = single.assign(line="fitted on " + single.trained_on + ", tested on " + single.tested_on)
    return [
        Drawing(
            "The area under the ROC curve, by attack",
            "On originals that were not fitted on. .5 is chance.",
            drawings.make_points(beside, "line", "value", null=0.5, label="AUC"),
            "auc",
            half=True,
        ),
        Drawing(
            "Fitted on one attack, tested on another",
            "The area under the ROC curve of detectors that know one attack only.",
            drawings.make_points(crossed, "line", "auc", null=0.5, label="AUC"),
            "auc",
            half=True,
        ),
    ]


def _sort_rows(*detectors: pd.DataFrame) -> pd.DataFrame:
    """The rows of all, those of an attack together."""
    import pandas as pd

    joined = pd.concat(detectors)
    return joined.sort_values("tested_on", key=lambda names: names.map(list(ATTACKS).index), kind="stable")


STUDY = Study(
    name="effective_path/detection",
    title="Attacked images leave the pathway of their class",
    paper=PAPER,
    needs="Traces training images, test images and six attacks on them, and fits detectors.",
    claims=(
        Claim(
            f"The way tells every attack from clean images, with an area of {ENOUGH} at least",
            quantity="auc",
            layers="attacks",
            null=ENOUGH,
            beside=(GATES,),
            unit="AUC",
        ),
        Claim(
            "The way tells them better than the gates of distillation-guided routing do",
            quantity="auc",
            layers="attacks",
            null=0.5,
            controls=(GATES,),
            over="mean",
            unit="AUC",
        ),
        Claim(
            "A detector that knows one attack tells the others too",
            quantity="transfer",
            layers="attacks",
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
    version=2,
)
