"""The labelled samples of a store to fit a detector on: clean and attacked, outside of its class pathways."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from graphpath.analysis.resemblance import read_members
from graphpath.classes import CLASSES
from graphpath.detect import features
from graphpath.errors import RunNotFound, StoreError
from graphpath.naming import join_ids
from graphpath.queries import query_all
from graphpath.queries.units import NEURON
from graphpath.spoken import format_argument

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores.base import Store

REMEDY = "graphpath attack, graphpath trace --target own and graphpath load bring some"


@dataclass(frozen=True, eq=False)
class LabelledSamples:
    """Samples with their features, one a row."""

    values: npt.NDArray[np.float64]
    """(n, f), in the order of ``features.pivot_layers``."""
    attack: npt.NDArray[np.str_]
    """(n,): the attack and its epsilon, empty for a clean sample."""
    sample: npt.NDArray[np.int64]
    """(n,)."""
    original: npt.NDArray[np.int64]
    """(n,): the clean sample that it is or derives from."""
    softmax: npt.NDArray[np.float64]
    """(n,): 1 - the largest softmax probability, the baseline of Hendrycks and Gimpel (2017)."""

    def __len__(self) -> int:
        return len(self.attack)

    @property
    def attacked(self) -> npt.NDArray[np.bool_]:
        """(n,)."""
        attacked: npt.NDArray[np.bool_] = self.attack != ""
        return attacked

    @property
    def attacks(self) -> list[str]:
        return sorted(set(self.attack[self.attacked].tolist()))

    def select(self, chosen: npt.NDArray[np.bool_]) -> LabelledSamples:
        """Some of the samples."""
        return replace(self, **{column.name: getattr(self, column.name)[chosen] for column in fields(self)})

    def select_attacks(self, attacks: list[str]) -> LabelledSamples:
        """The clean samples, and those of these attacks."""
        return self.select(~self.attacked | np.isin(self.attack, attacks))

    def balance_weights(self) -> npt.NDArray[np.float64]:
        """(n,), of mean 1: clean samples weigh as much as all attacks, and each attack as any other."""
        _, kind, count = np.unique(self.attack, return_inverse=True, return_counts=True)
        share = np.where(self.attacked, 0.5 / max(1, len(self.attacks)), 0.5)
        weights: npt.NDArray[np.float64] = share / count[kind] * len(self)
        return weights


@dataclass(frozen=True)
class DetectorRuns:
    """The run whose class pathways images are compared with, and the runs of these images."""

    reference: str
    others: tuple[str, ...]
    description: Mapping[Hashable, str]
    """The row of ``runs/all`` of the reference."""
    own: frozenset[str]
    """The runs that were traced for each image's own prediction, whatever it is."""

    @property
    def all(self) -> list[str]:
        return [self.reference, *self.others]


def choose_runs(store: Store, reference: str | None, runs: Sequence[str] = ()) -> DetectorRuns:
    """The runs to use: by default those traced like an attacked one, and of them as reference the run with
    most original samples; beside it ``runs``, where any are named.

    Raises RunNotFound for a run that is not there, or was not traced like the reference; StoreError where
    there is no attacked run, or attacked runs of several models or methods.
    """
    found = store.query("runs/all")
    found = found[found.complete]
    reference = None if reference is None else store.find_run(reference)
    runs = [store.find_run(run) for run in runs]
    _check_known(store, found, [*([] if reference is None else [reference]), *runs])
    if reference is not None:
        alike = found[found.comparable == found.set_index("run").comparable[reference]]
        return _make_runs(alike, reference, runs)
    some = found[found.run.isin(list(runs))] if runs else found
    attacked = some[[_count_samples(store, run, "adversarial") > 0 for run in some.run]]
    if attacked.empty:
        raise StoreError(f"{store.uri} holds no run of attacked images: {REMEDY}.")
    if attacked.comparable.nunique() > 1:
        raise StoreError(
            f"{store.uri} holds attacked runs of several models, methods or options: say with "
            f"{format_argument('reference')} whose class pathways to use; there are {join_ids(found.run)}."
        )
    alike = found[found.comparable == attacked.comparable.iloc[0]]
    sizes = {run: _count_samples(store, run, "original") for run in alike.run}
    return _make_runs(alike, max(sizes, key=lambda run: sizes[run]), runs)


def _check_known(store: Store, found: pd.DataFrame, names: list[str]) -> None:
    for run in names:
        if run not in found.run.tolist():
            raise RunNotFound(
                f"{store.uri} holds no complete run {run!r}; it holds: {join_ids(found.run) or 'none'}."
            )


def _make_runs(alike: pd.DataFrame, reference: str, runs: Sequence[str]) -> DetectorRuns:
    for run in runs:
        if run not in alike.run.tolist():
            raise RunNotFound(
                f"Run {run!r} was not traced like {reference!r}, with which it cannot be compared."
            )
    [described] = alike[alike.run == reference].to_dict("records")
    targets = {
        run: json.loads(text).get("target")
        for run, text in zip(alike.run, alike.parameters, strict=True)
        if run != reference and (not runs or run in runs)
    }
    own = frozenset(run for run, target in targets.items() if target == "own")
    return DetectorRuns(reference, tuple(targets), described, own)


def _count_samples(store: Store, run: str, variant: str) -> int:
    return int(store.query("pathways/samples", run=run, variant=variant).samples.sum())


def gather_samples(
    store: Store, runs: DetectorRuns, layers: list[int], scheme: str = CLASSES, unit: str = NEURON
) -> LabelledSamples:
    """The clean samples that the network predicts rightly, and the attacks that changed one's prediction.

    Samples of the reference, and samples derived from them, are left out: the class pathways are made of
    them. Unlabelled samples count as right. In a ``scheme`` of categories, right is who predicts the label's
    category, and changed is a prediction of another category, or of none.

    Raises StoreError where there are no such samples, or their pathways are for another target than the
    network's own prediction.
    """
    _check_reference(store, runs, scheme)
    facts = features.list_samples(store, runs.others, scheme)
    clean = _find_clean(store, runs, facts)
    pairs = _find_fooled(store, runs, clean, facts)
    sample = np.concatenate([clean, pairs.derived.to_numpy(np.int64)])
    facts = _find_own_pathways(facts[facts["sample"].isin(sample)], runs).loc[sample]
    values = features.features_of_runs(store, runs.reference, runs.others, layers, scheme, unit)
    named = [
        _name_attack(attack, epsilon) for attack, epsilon in zip(pairs.attack, pairs.epsilon, strict=True)
    ]
    return LabelledSamples(
        values.reindex(facts.pathway, fill_value=0.0).to_numpy(np.float64),
        np.array([""] * len(clean) + named),
        sample,
        np.concatenate([clean, pairs.original.to_numpy(np.int64)]),
        1.0 - facts.confidence.to_numpy(np.float64),
    )


def _check_reference(store: Store, runs: DetectorRuns, scheme: str) -> None:
    classes = read_members(store, runs.reference, scheme).label.nunique()
    if classes < 2:
        raise StoreError(
            f"Run {runs.reference!r} has class pathways of {classes} class(es), and a detector needs two: "
            "trace and load rightly predicted images of all classes."
        )
    if not runs.others:
        raise StoreError(
            f"{store.uri} holds no images outside of the class pathways of run {runs.reference!r}: trace "
            "others (--split train for the classes, test for the rest) and load them."
        )


def _find_clean(store: Store, runs: DetectorRuns, facts: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The rightly predicted originals that are not in the reference."""
    theirs = features.list_samples(store, [runs.reference])["sample"]
    correct = (facts.label_key >= 0) & (facts.label_key == facts.predicted_key)
    right = (facts.variant == "original") & (correct | (facts.label < 0))
    clean: npt.NDArray[np.int64] = facts[right & ~facts["sample"].isin(theirs)]["sample"].unique()
    if not len(clean):
        raise StoreError(
            f"{store.uri} holds no rightly predicted clean image outside of the class pathways of run "
            f"{runs.reference!r}: trace others (such as --split test) and load them."
        )
    return clean


def _find_fooled(
    store: Store, runs: DetectorRuns, clean: npt.NDArray[np.int64], facts: pd.DataFrame
) -> pd.DataFrame:
    """The attacked samples of these originals that the network takes for another class or category."""
    pairs = query_all(store, "adversarial/pairs", runs=list(runs.others))
    key = facts.drop_duplicates("sample").set_index("sample").predicted_key
    changed = pairs.derived.map(key) != pairs.original.map(key)
    pairs = pairs[(pairs.variant == "adversarial") & pairs.fooled & changed & pairs.original.isin(clean)]
    if pairs.empty:
        raise StoreError(
            f"{store.uri} holds no attacked image whose prediction changed and whose original is a clean "
            f"image outside of the class pathways of run {runs.reference!r}: {REMEDY}."
        )
    return pairs.drop_duplicates("derived")


def _name_attack(attack: str, epsilon: float) -> str:
    return attack if np.isnan(epsilon) else f"{attack} {epsilon:g}"


def _find_own_pathways(facts: pd.DataFrame, runs: DetectorRuns) -> pd.DataFrame:
    """The pathway of each sample for the network's own prediction, by sample.

    Who scores an image does not know its original's prediction. A pathway toward another class than the
    prediction would give the attack away.
    """
    # An attack that stops at the boundary can leave two classes equal, either of which comes first.
    own = facts[(facts.target_name == facts.predicted) | facts.run.isin(runs.own)]
    if (repeated := own[own.duplicated(["run", "sample"])]).size:
        raise StoreError(
            f"Run {repeated.run.iloc[0]!r} has several pathways for a sample; a detector takes one."
        )
    others = facts[~facts["sample"].isin(own["sample"])]
    if len(others):
        raise StoreError(
            f"Run {others.run.iloc[0]!r} traces images for another class than the network's answer on them: "
            "trace them again with --target own, and load that."
        )
    return own.drop_duplicates("sample").set_index("sample")
