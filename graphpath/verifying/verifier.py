"""``verify``: does what a query found matter to the network?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from graphpath.data import Given, Labels, MatchedImages
from graphpath.errors import MethodError, QueryParameterError
from graphpath.models import BY_NAME, LoadedModel
from graphpath.models.inputs import bring_together
from graphpath.network import Network, take_apart
from graphpath.progress import AnyProgress, as_progress
from graphpath.stores import Store, open_store
from graphpath.tracing.batches import number_classes
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.rows import first_neuron
from graphpath.tracing.targets import Class, check_target, describe_target, normalise_target
from graphpath.verifying.ablation import Ablation, AblationPlan
from graphpath.verifying.answer import AnswerReader, AnswerSets, Ints
from graphpath.verifying.asking import BY, AnswerQuery, StoreAnswer, ask_store, check_model
from graphpath.verifying.baselines import BASELINES
from graphpath.verifying.outcomes import MEASURES, Outcomes, make_table
from graphpath.verifying.sets import MODES
from graphpath.verifying.verdict import Verdict, describe_verdict, judge


def verify(
    model: nn.Module | LoadedModel,
    images: Given,
    labels: Labels = None,
    *,
    store: Store | str | Path | None = None,
    query: str | None = None,
    cypher: str | None = None,
    answer: pd.DataFrame | None = None,
    parameters: Mapping[str, object] | None = None,
    by: str | None = None,
    layers: Sequence[int | str] | None = None,
    mode: str = "remove",
    baseline: str = "zero",
    target: Class | Tensor = "predicted",
    measure: str = "logit",
    draws: int = 20,
    seed: int = 0,
    device: str | torch.device | None = None,
    batch: int | None = None,
    record: bool = True,
    matching: str = BY_NAME,
    progress: AnyProgress | None = None,
) -> Verdict:
    """Ablate the neurons or edges that a query found, and compare the effect with chance.

    They are removed from the network, or all others of their layers are, while it runs over the images. For
    comparison so are random neurons (or possible edges), random live ones, and live ones outside the answer,
    as many in each layer.

    Args:
        model, images, labels: the network that was traced, and images, as :func:`graphpath.trace` takes them.
        store, query, cypher, parameters: a store, and a named query or read-only Cypher for it, with its
            parameters. All of a named query's answer is taken, unless they limit it: then the verdict says
            that it was cut. The answer's columns are ``source`` and ``target`` (edges), ``neuron``, or
            ``map`` (all neurons of a feature map): ids.
        answer: such a data frame, instead of all these.
        by: "sample": each image is ablated by its own rows. These have its ``sample`` or ``pathway``, or the
            query returned them for that parameter. "answer": every image by all rows. By default "sample" if
            there is such a column; images without rows are left out.
        layers: the layers, by number or name, whose neurons are ablated, or the edges that lead into them. By
            default those that the answer names; other layers run as they are. The input's and the logits'
            neurons are ablated only where they are named here.
        mode: "remove" the answer, or "keep" it and remove all else in its layers.
        baseline: what neurons are set to and removed edges carry: "zero", "mean" (over the images given), or
            "resample" (of another image).
        target: whose logit and confidence are watched: "predicted", "own", "label", a class by number or
            name, or a tensor (N,).
        measure: which change decides: "logit", "confidence", "flipped" (predictions), or "accuracy".
        draws: of each control. Intervals are for other draws as well as for other images.
        seed: of the draws and the resampling, which do not depend on ``batch``.
        device, batch, matching: as of :func:`graphpath.trace`.
        record: keep the verdict in the store.
        progress: called with ("verifying", passes done, passes in all), counted in images.

    Removing an edge n -> m takes ``J a_n`` from z_m in the running pass, with that pass's own switches and
    gates.

    Returns the verdict: figures with 95 % intervals, p-values and words.

    Raises AnswerError where the answer is empty, no neurons or edges, or of another network; MethodError for
    an option that is unknown; QueryParameterError, QueryFailed ... as queries do; NetworkError, DataError.
    """
    loaded, source = bring_together(model, images, labels, matching=matching)
    _check_options(mode, baseline, measure, by)
    _check_counts(draws, batch)
    target = _check_target(target, measure, loaded, source)
    plan = AblationPlan(mode, baseline, target, draws, seed)
    if answer is None:
        query_or_answer: AnswerQuery | pd.DataFrame = AnswerQuery(query, cypher, dict(parameters or {}), by)
    else:
        query_or_answer = answer
    with in_eval_mode(loaded.module, device):
        case = _Case(take_apart(loaded.module, source.shape), loaded, source)
        given = case.get_answer(query_or_answer, store)
        found = case.read_sets(given, layers, shared=by == "answer")
        outcomes = Ablation(case.network, source, found, plan, batch).run(as_progress(progress))
    verdict = _make_verdict(case, given, found, plan, measure, outcomes)
    if given.runs and store is not None and record:
        with _open(store) as opened:
            opened.record_verdict(verdict.row(), verdict.runs)
    return verdict


def _open(store: Store | str | Path) -> AbstractContextManager[Store]:
    """A store that is open already stays so."""
    return nullcontext(store) if isinstance(store, Store) else open_store(store)


@dataclass(frozen=True, eq=False)
class _Case:
    """A network, and the images that it is run on."""

    network: Network
    model: LoadedModel
    images: MatchedImages

    @property
    def first(self) -> int:
        """The id of the network's first neuron."""
        return first_neuron(self.network, self.model.sha256)

    @property
    def samples(self) -> Ints:
        """The images' ids."""
        return np.asarray(self.images.rows()["sample"].to_numpy(), dtype=np.int64)

    def get_answer(
        self, query_or_answer: AnswerQuery | pd.DataFrame, store: Store | str | Path | None
    ) -> StoreAnswer:
        """The store's answer to a query, or the data frame given."""
        if isinstance(query_or_answer, pd.DataFrame):
            return StoreAnswer(query_or_answer, "", {}, (), pd.Series(dtype=np.int64), {})
        if store is None:
            raise QueryParameterError("A query needs a store: give store=, or an answer= instead.")
        with _open(store) as opened:
            check_model(opened, self.network, self.first, self.model.name)
            return ask_store(opened, query_or_answer, self.first, self.samples)

    def read_sets(
        self, given: StoreAnswer, layers: Sequence[int | str] | None, *, shared: bool
    ) -> AnswerSets:
        """The neurons or edges of the network that the answer names."""
        reader = AnswerReader(self.network, self.first, self.samples, given.pathways, given.models)
        return reader.read(given.frame, layers, shared=shared)


def _make_verdict(
    case: _Case, given: StoreAnswer, found: AnswerSets, plan: AblationPlan, measure: str, outcomes: Outcomes
) -> Verdict:
    table = make_table(outcomes, plan.mode)
    table.attrs = dict(given.frame.attrs)
    finding = judge(table, plan.mode, measure, outcomes.images, plan.draws)
    what = "edges" if found.edges else "neurons"
    return Verdict(
        query=given.query,
        text=given.text,
        parameters=given.parameters,
        runs=given.runs,
        answer=found.digest,
        kind=what,
        by="answer" if found.image is None else "sample",
        layers=found.layers,
        model=case.model.name,
        first=case.first,
        sha256=case.model.sha256,
        dataset=f"{case.images.dataset}/{case.images.split}",
        fingerprint=case.images.fingerprint,
        images=outcomes.images,
        mode=plan.mode,
        baseline=plan.baseline,
        target=describe_target(plan.target),
        measure=measure,
        draws=plan.draws,
        seed=plan.seed,
        decision=finding.decision,
        direction=finding.direction,
        words=" ".join(
            [
                *_describe_limit(given),
                describe_verdict(table, finding, plan.mode, what, measure, outcomes.images, plan.draws),
            ]
        ),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        table=table,
    )


def _describe_limit(given: StoreAnswer) -> list[str]:
    return [f"Of the query's answer only a part was ablated: {given.cut}"] if given.cut else []


def _check_options(mode: str, baseline: str, measure: str, by: str | None) -> None:
    known = {"mode": MODES, "baseline": BASELINES, "measure": MEASURES, "by": (None, *BY)}
    given = {"mode": mode, "baseline": baseline, "measure": measure, "by": by}
    for name, value in given.items():
        if value not in known[name]:
            choices = ", ".join(str(choice) for choice in known[name])
            raise MethodError(f"{name}={value!r} is unknown; expected one of {choices}.")


def _check_counts(draws: int, batch: int | None) -> None:
    if draws < 1:
        raise MethodError(f"draws={draws} is no number of random sets; expected at least 1, better 20.")
    if batch is not None and batch < 1:
        raise MethodError(
            f"batch={batch} is no number of images; expected at least 1, or None for what fits."
        )


def _check_target(
    given: Class | Tensor, measure: str, model: LoadedModel, images: MatchedImages
) -> Class | Tensor:
    target = number_classes(normalise_target(given), model, images)
    if not isinstance(target, str | int | Tensor):
        raise MethodError(f"target={target!r}: verify watches the logit of a class; expected one class each.")
    check_target(target, len(images))
    unlabelled = bool((images.rows()["label"].to_numpy() < 0).any())
    if measure == "accuracy" and unlabelled:
        raise MethodError('measure="accuracy" needs a label for every image; pass labels=.')
    return target
