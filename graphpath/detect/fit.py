"""``fit_detector``: a detector fitted on a store, with its AUC on images that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.classes import CLASSES
from graphpath.detect.areas import compare_areas
from graphpath.detect.detector import Detector
from graphpath.detect.features import list_layers
from graphpath.detect.learners import learn
from graphpath.detect.material import LabelledSamples, choose_runs, gather_samples
from graphpath.detect.scorers import Scorer
from graphpath.detect.traced import TracingSetup
from graphpath.errors import MethodError, StoreError
from graphpath.queries.units import MAP, NEURON

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores.base import Store

FOLDS = 5
EVERY_ATTACK = "all"


def fit_detector(
    store: Store,
    kind: str = "linear",
    *,
    reference: str | None = None,
    runs: Sequence[str] = (),
    attacks: Sequence[str] = (),
    share: float = 0.5,
    false_alarms: float = 0.05,
    scheme: str = CLASSES,
    unit: str = NEURON,
    seed: int = 0,
) -> Detector:
    """A detector of attacked images, fitted on the pathways that a store holds.

    The features are the shares of an image's pathway, layer by layer, inside the class pathways of its first
    and second prediction (Qiu et al. 2019), plain and weighted, from ``adversarial/class_similarity``. Clean
    samples are the rightly predicted ones, attacked ones those whose prediction changed; none is, or derives
    from, a member of the class pathways.

    Originals are split, each with all samples derived from it. The detector is fitted on ``share`` of them.
    The others give ``Detector.report``: AUC per attack, trained on each attack and on all, with 95 %
    intervals, beside those of max-softmax.

    Args:
        kind: a name of ``graphpath.detect.KINDS``.
        reference: the run whose class pathways images are compared with; by default the one with most
            originals among the runs traced like the attacked ones.
        runs: the runs whose images are used; by default all others that were traced like the reference.
        attacks: only these are fitted on ("bim", or "bim 0.3" with its epsilon); all are tested.
        share: of the originals, in (0, 1).
        false_alarms: the share of clean images that the threshold lets be taken for attacked, in [0, 1),
            estimated on clean images that were left out of the fit in turn (five folds).
        scheme: of the categories whose class pathways are used: then clean samples are those whose label's
            category is predicted, attacked ones those whose category changed.
        unit: of the edges that pathways share with the class pathways: "neuron", or "map", which is what
            images that are not aligned share (photographs).
        seed: of the split and the classifier.

    Raises:
        MethodError: an unknown kind, attack or unit, or a share out of range.
        RunNotFound: the reference or one of the runs is not in the store.
        StoreError: the store holds no attacked images, no clean ones outside of the class pathways, the
            pathways of one class only, or pathways traced for another class than the network's answer.
        MissingExtra: scikit-learn is not installed.
    """
    _check_shares(share, false_alarms)
    if unit not in (NEURON, MAP):
        raise MethodError(f"unit={unit!r}: expected {NEURON!r} or {MAP!r}.")
    used = choose_runs(store, reference, runs)
    layers = list_layers(store, used.reference)
    trained, held_out = split_by_original(
        gather_samples(store, used, list(layers), scheme, unit), share, seed
    )
    chosen = _choose_attacks(trained, attacks)
    scorer = _learn(kind, trained.select_attacks(chosen), seed)
    threshold = _choose_threshold(kind, trained.select_attacks(chosen), false_alarms, seed)
    clean = trained.values[~trained.attacked]
    return Detector(
        kind=kind,
        scorer=scorer,
        threshold=threshold,
        layers=layers,
        normal=clean.mean(0),
        spread=clean.std(0),
        reference=used.reference,
        scheme=scheme,
        unit=unit,
        traced=TracingSetup.from_row(used.description),
        report=_make_report(kind, trained, held_out, chosen, scorer, threshold, seed),
        notes={
            "seed": seed,
            "attacks": chosen,
            "originals": {"fitted": _count_originals(trained), "tested": _count_originals(held_out)},
            "false_alarms": {"asked": false_alarms, "tested": _false_alarm_rate(scorer, held_out, threshold)},
        },
    )


def _false_alarm_rate(scorer: Scorer, material: LabelledSamples, threshold: float) -> float:
    """The share of clean samples beyond the threshold."""
    return float((scorer.score(material.values[~material.attacked]) > threshold).mean())


def _check_shares(share: float, false_alarms: float) -> None:
    if not 0 < share < 1:
        raise MethodError(f"share={share}: expected the share of the originals to fit on, between 0 and 1.")
    if not 0 <= false_alarms < 1:
        raise MethodError(f"false_alarms={false_alarms}: expected a share of the clean images, below 1.")


def _choose_attacks(material: LabelledSamples, names: Sequence[str]) -> list[str]:
    """The attacks that ``names`` select, which may leave out the epsilon; all where there are none."""
    known = material.attacks
    found = [name for name in known if not names or name in names or name.split()[0] in names]
    for name in names:
        if name not in {*found, *(one.split()[0] for one in found)}:
            raise MethodError(f"attack {name!r} is not in the store; there are {', '.join(known)}.")
    return found


def _count_originals(material: LabelledSamples) -> int:
    return len(np.unique(material.original))


def split_by_original(
    material: LabelledSamples, share: float, seed: int
) -> tuple[LabelledSamples, LabelledSamples]:
    """The samples to fit on and those to test on; an original and its derived samples are on one side.

    Raises StoreError where a side has no clean sample, or none of some attack.
    """
    shuffled = np.random.default_rng(seed).permutation(np.unique(material.original))
    first = np.isin(material.original, shuffled[: round(share * len(shuffled))])
    sides = material.select(first), material.select(~first)
    for side in sides:
        if side.attacked.all() or _count_originals(side) < 2 or len(side.attacks) < len(material.attacks):
            raise StoreError(
                f"There are too few images outside of the class pathways: {(~material.attacked).sum()} "
                f"clean ones, and of one attack only {_count_fewest(material)}, where each side of the split "
                "needs some."
            )
    return sides


def _count_fewest(material: LabelledSamples) -> int:
    return min(int((material.attack == name).sum()) for name in material.attacks)


def _learn(kind: str, some: LabelledSamples, seed: int) -> Scorer:
    return learn(kind, some.values, some.attacked, some.balance_weights(), seed)


def _choose_threshold(kind: str, trained: LabelledSamples, false_alarms: float, seed: int) -> float:
    """Beyond it lies the share ``false_alarms`` of clean images, scored by fits without their originals."""
    originals = np.random.default_rng(seed + 1).permutation(np.unique(trained.original))
    folds = min(FOLDS, len(originals))
    scores: list[npt.NDArray[np.float64]] = []
    for fold in range(folds):
        out = np.isin(trained.original, originals[fold::folds])
        rest = trained.select(~out)
        if rest.attacked.any() and not rest.attacked.all():
            scores.append(_learn(kind, rest, seed).score(trained.values[out & ~trained.attacked]))
    return float(np.quantile(np.concatenate(scores), 1 - false_alarms))


def _make_report(
    kind: str,
    trained: LabelledSamples,
    held_out: LabelledSamples,
    chosen: list[str],
    scorer: Scorer,
    threshold: float,
    seed: int,
) -> pd.DataFrame:
    """AUC on held-out originals for every attack: by the detector itself, then by those of single attacks."""
    import pandas as pd

    whole = EVERY_ATTACK if len(chosen) == len(held_out.attacks) > 1 else ", ".join(chosen)
    rows = [
        {"trained_on": whole, **_make_row(scorer, held_out.select_attacks([attack]), attack, threshold)}
        for attack in held_out.attacks
    ]
    for single in trained.attacks:
        if [single] == chosen:
            continue
        other = _learn(kind, trained.select_attacks([single]), seed)
        rows += [
            {"trained_on": single, **_make_row(other, held_out.select_attacks([attack]), attack, None)}
            for attack in held_out.attacks
        ]
    return pd.DataFrame(rows)


def _make_row(
    scorer: Scorer, tested: LabelledSamples, attack: str, threshold: float | None
) -> dict[str, object]:
    score = scorer.score(tested.values)
    found = compare_areas(score, tested.softmax, tested.attacked, tested.original)
    caught = np.nan if threshold is None else float((score[tested.attacked] > threshold).mean())
    named = {
        name.replace("area", "auc").replace("baseline", "softmax"): v for name, v in asdict(found).items()
    }
    counts = {"attacked": int(tested.attacked.sum()), "clean": int((~tested.attacked).sum())}
    return {"tested_on": attack, **counts, **named, "than_softmax": found.verdict, "caught": caught}
