"""``fit_detector``: a detector learned from a store, and what it is worth on images that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.detect.areas import compared
from graphpath.detect.detector import Detector
from graphpath.detect.features import layers_of
from graphpath.detect.learners import learn
from graphpath.detect.material import Material, chosen_runs, gathered
from graphpath.detect.scorers import Scorer
from graphpath.detect.traced import Traced
from graphpath.errors import MethodError, StoreError

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
    seed: int = 0,
) -> Detector:
    """A detector of attacked images, fitted on the pathways that a store holds.

    The features are the shares of an image's pathway, layer by layer, inside the class pathways of its first
    and second prediction (Qiu et al. 2019), plain and weighted, from ``adversarial/class_similarity``. Clean
    samples are the rightly predicted ones, attacked ones those whose prediction changed; none is, or derives
    from, a member of the class pathways.

    Originals are split: ``share`` of them, with all that derives from them, are fitted on, the others give
    ``Detector.report``: AUC per attack, trained on each attack and on all, with 95 % intervals,
    beside those of max-softmax.

    Args:
        kind: a name of ``graphpath.detect.KINDS``.
        reference: the run whose class pathways are the classes' ways; by default the one with most originals
            among the runs traced like the attacked ones.
        runs: the runs whose images are used; by default all others that were traced like the reference.
        attacks: only these are fitted on ("bim", or "bim 0.3" with its epsilon); all are tested.
        share: of the originals, in (0, 1).
        false_alarms: the share of clean images that the threshold lets be taken for attacked, in [0, 1),
            estimated on clean images that were left out of the fit in turn (five folds).
        seed: of the split and the classifier.

    Raises:
        MethodError: an unknown kind or attack, or a share out of range.
        RunNotFound: the reference or one of the runs is not in the store.
        StoreError: the store holds no attacked images, no clean ones outside of the class pathways, the
            pathways of one class only, or pathways traced for another class than the network's answer.
        MissingExtra: scikit-learn is not installed.
    """
    _check_shares(share, false_alarms)
    used = chosen_runs(store, reference, runs)
    layers = layers_of(store, used.reference)
    trained, held_out = split(gathered(store, used, list(layers)), share, seed)
    chosen = _attacks(trained, attacks)
    scorer = _learned(kind, trained.under(chosen), seed)
    threshold = _threshold(kind, trained.under(chosen), false_alarms, seed)
    clean = trained.values[~trained.attacked]
    return Detector(
        kind=kind,
        scorer=scorer,
        threshold=threshold,
        layers=layers,
        normal=clean.mean(0),
        spread=clean.std(0),
        reference=used.reference,
        traced=Traced.of(used.described),
        report=_report(kind, trained, held_out, chosen, scorer, threshold, seed),
        notes={
            "seed": seed,
            "attacks": chosen,
            "originals": {"fitted": _originals(trained), "tested": _originals(held_out)},
            "false_alarms": {"asked": false_alarms, "tested": _alarms(scorer, held_out, threshold)},
        },
    )


def _alarms(scorer: Scorer, material: Material, threshold: float) -> float:
    """The share of clean samples beyond the threshold."""
    return float((scorer.score(material.values[~material.attacked]) > threshold).mean())


def _check_shares(share: float, false_alarms: float) -> None:
    if not 0 < share < 1:
        raise MethodError(f"share={share}: expected the share of the originals to fit on, between 0 and 1.")
    if not 0 <= false_alarms < 1:
        raise MethodError(f"false_alarms={false_alarms}: expected a share of the clean images, below 1.")


def _attacks(material: Material, asked: Sequence[str]) -> list[str]:
    """The attacks meant by ``asked``, whose epsilon may be left out; all where none is."""
    known = material.attacks
    found = [name for name in known if not asked or name in asked or name.split()[0] in asked]
    for name in asked:
        if name not in {*found, *(one.split()[0] for one in found)}:
            raise MethodError(f"attack {name!r} is not in the store; there are {', '.join(known)}.")
    return found


def _originals(material: Material) -> int:
    return len(np.unique(material.original))


def split(material: Material, share: float, seed: int) -> tuple[Material, Material]:
    """Those to fit on and those to test on, by original: an image and what was made of it are on one side.

    Raises StoreError where a side has no clean sample, or none of some attack.
    """
    shuffled = np.random.default_rng(seed).permutation(np.unique(material.original))
    first = np.isin(material.original, shuffled[: round(share * len(shuffled))])
    sides = material.of(first), material.of(~first)
    for side in sides:
        if side.attacked.all() or _originals(side) < 2 or len(side.attacks) < len(material.attacks):
            raise StoreError(
                f"There are too few images outside of the class pathways: {(~material.attacked).sum()} clean "
                f"ones, and of one attack only {_fewest(material)}, where each side of the split needs some."
            )
    return sides


def _fewest(material: Material) -> int:
    return min(int((material.attack == name).sum()) for name in material.attacks)


def _learned(kind: str, some: Material, seed: int) -> Scorer:
    return learn(kind, some.values, some.attacked, some.weights(), seed)


def _threshold(kind: str, trained: Material, false_alarms: float, seed: int) -> float:
    """Beyond it lies the share ``false_alarms`` of clean images, scored by fits without their originals."""
    originals = np.random.default_rng(seed + 1).permutation(np.unique(trained.original))
    folds = min(FOLDS, len(originals))
    scores: list[npt.NDArray[np.float64]] = []
    for fold in range(folds):
        out = np.isin(trained.original, originals[fold::folds])
        rest = trained.of(~out)
        if rest.attacked.any() and not rest.attacked.all():
            scores.append(_learned(kind, rest, seed).score(trained.values[out & ~trained.attacked]))
    return float(np.quantile(np.concatenate(scores), 1 - false_alarms))


def _report(
    kind: str,
    trained: Material,
    held_out: Material,
    chosen: list[str],
    scorer: Scorer,
    threshold: float,
    seed: int,
) -> pd.DataFrame:
    """AUC on held-out originals for every attack: by the detector itself, then by those of single attacks."""
    import pandas as pd

    whole = EVERY_ATTACK if len(chosen) == len(held_out.attacks) > 1 else ", ".join(chosen)
    rows = [
        {"trained_on": whole, **_row(scorer, held_out.under([attack]), attack, threshold)}
        for attack in held_out.attacks
    ]
    for single in trained.attacks:
        if [single] == chosen:
            continue
        other = _learned(kind, trained.under([single]), seed)
        rows += [
            {"trained_on": single, **_row(other, held_out.under([attack]), attack, None)}
            for attack in held_out.attacks
        ]
    return pd.DataFrame(rows)


def _row(scorer: Scorer, tested: Material, attack: str, threshold: float | None) -> dict[str, object]:
    score = scorer.score(tested.values)
    found = compared(score, tested.softmax, tested.attacked, tested.original)
    caught = np.nan if threshold is None else float((score[tested.attacked] > threshold).mean())
    named = {
        name.replace("area", "auc").replace("baseline", "softmax"): v for name, v in asdict(found).items()
    }
    counts = {"attacked": int(tested.attacked.sum()), "clean": int((~tested.attacked).sum())}
    return {"tested_on": attack, **counts, **named, "than_softmax": found.verdict, "caught": caught}
