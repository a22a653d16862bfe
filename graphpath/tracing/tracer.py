"""``trace``: the pathways of many images through a network, as a record on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from graphpath import __version__
from graphpath.data import Given, Labels, MatchedImages
from graphpath.errors import MethodError
from graphpath.ids import BLOCK, digest
from graphpath.models import BY_NAME, LoadedModel
from graphpath.models.inputs import bring_together
from graphpath.modules.wrapping import any_tensor
from graphpath.naming import check_name
from graphpath.network.fields import tabulate_fields
from graphpath.network.reach import tabulate_reach
from graphpath.progress import AnyProgress, Progress, as_progress
from graphpath.record import (
    Trace,
    TraceWriter,
    check_same_name,
    holds_finished_run,
    holds_run,
    lock_directory,
)
from graphpath.tracing.batches import Batches, resolve_target
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.fitting import Fitted
from graphpath.tracing.influence import TABLES, Influence
from graphpath.tracing.maps import MapSelection, score_map_pathways
from graphpath.tracing.methods.channels import ChannelMethod
from graphpath.tracing.pathways import Pathways, score_pathways
from graphpath.tracing.ranks import Rank
from graphpath.tracing.registry import Method, TracingMethod, find_method, make_ready
from graphpath.tracing.reuse import open_fit
from graphpath.tracing.rows import Numbering
from graphpath.tracing.taking import Extraction
from graphpath.tracing.targets import Target, describe_target

BUDGET = 20_000
"""The default budget: edges kept of a pathway."""

EDGE = 80
"""Bytes that a kept edge takes until it is written."""


def trace(
    model: nn.Module | LoadedModel,
    images: Given,
    labels: Labels = None,
    *,
    method: str = "effective_path",
    target: Target = "predicted",
    routes: int = 10,
    seed: int = 0,
    max_edges: int | None = BUDGET,
    influence: float | None = None,
    edge_influence: float | None = None,
    floor: float | None = None,
    out: str | Path,
    dataset: str | None = None,
    classes: Sequence[str] | None = None,
    matching: str = BY_NAME,
    device: str | torch.device | None = None,
    batch: int | None = None,
    progress: AnyProgress | None = None,
    fitted_on: Trace | str | Path | None = None,
    name: str | None = None,
    output: str | int | None = None,
    **options: Any,
) -> Trace:
    """Trace images through a network and record their pathways in the directory ``out``.

    Args:
        model: any CNN that torch.export can take; it is run in evaluation mode and left as it was.
        images: (N, C, H, W) tensor or array (or (N, F), (N, C, L), (N, C, D, H, W)), a list of images, a
            Dataset or DataLoader, a set of images of graphpath's, or what an attack made.
        labels: the images' classes (N,), where ``images`` does not carry them.
        method: a name of ``graphpath.METHODS``; its options follow by name (``theta=0.5``).
        target: what is explained of each image: ``"predicted"`` (for a derived image, the prediction on
            its original), ``"own"``, ``"label"``, a class by number or name, or a tensor of classes
            (N,). A pair of classes asks for the difference of their logits, ``graphpath.at(...)`` for what
            lies inside the network.
        routes: how many of the largest routes to record of each pathway.
        seed: makes methods that draw at random reproducible.
        max_edges: the budget of each pathway, its strongest edges, those on routes from the image before
            those on routes from a constant alone; None keeps every edge. Only whole routes are kept, so a
            budget smaller than the strongest route keeps nothing.
        influence: prune by influence first, as circuit-tracer does: keep the neurons (or feature maps) of
            largest influence on f that hold this share of all, in (0, 1]; .8 is usual. ``max_edges`` is
            applied to what is left: None keeps all of it.
        edge_influence: with ``influence``, the share that the edges kept among these hold; .98 by default.
        floor: with ``influence``, the least edges that each layer keeps, 50 by default (0: none), or, below
            1, the least share of each layer's influence. ``max_edges`` cuts these last, where it must.
        out: a directory; an interrupted trace in it is finished, a finished one is returned. Processes that
            torchrun starts share the work on one directory, which all of them must see.
        dataset, classes: names for a tensor's or DataLoader's images and classes.
        matching: ``"by-name"``: where the model names its classes too, labels are brought to its numbers by
            name; ``"by-position"``: class k of the images is the model's class k, whatever the names.
        device: where to run; by default where the model is. "cuda" is, under torchrun, each process's own.
        batch: images at a time; by default what fits about one GiB.
        progress: called with ("tracing", images done, images in all) after every batch.
        fitted_on: for methods that learn from all images first: a finished trace by the same method and
            options, whose images were learned from instead of these. So attacked images are held against the
            classes, or the thresholds, of clean ones.
        output: which of several outputs is traced: its number, key or attribute; by default the first
            floating one with a dimension of classes, which the record names.
        name: what the run is called; queries take it for the run's id. Letters, digits and ``. _ + -``.

    Returns the opened record.

    Raises MethodError, NetworkError, UnsupportedOperation, DataError, or RecordError where ``out`` holds
    something else. What is finished of an interrupted trace is kept.
    """
    check_name(name)
    chosen_method = find_method(method)
    chosen_options = chosen_method.resolve_options(options)
    loaded, source = bring_together(
        model, images, labels, dataset=dataset, classes=classes, matching=matching, output=output
    )
    budget = Budget(max_edges, Influence.read(influence, edge_influence, floor))
    _check_counts(len(source), routes, max_edges, batch)
    target, network = resolve_target(target, loaded, source)
    fitted_run = None if fitted_on is None else open_fit(fitted_on, chosen_method, chosen_options, loaded)
    run = _describe(loaded, source, chosen_method, chosen_options, target, routes, seed, budget, fitted_run)
    rank, out = Rank.here(), Path(out)
    if name is not None:
        run["name"] = name
        if holds_run(out, run["id"]):
            check_same_name(out, name)
    if holds_finished_run(out, run["id"]):
        return Trace(out)
    device = None if device is None else rank.choose_device(device)
    with lock_directory(out) if rank.first else nullcontext(), in_eval_mode(loaded.module, device):
        batches = Batches(loaded, source, target, seed, network)
        tracer = _Tracer(batches, chosen_method, chosen_options, routes, budget, run["id"])
        # A network that is refused leaves no record.
        described = {**run, **tracer.prepare(batch, rank, fitted_run, resumed=holds_run(out, run["id"]))}
        with TraceWriter.open(out, described) as writer:
            if rank.first:
                rank.wait_for_all()
            return Trace(out) if writer.finished else tracer.record(writer, rank, as_progress(progress))


@dataclass(frozen=True)
class Budget:
    """What a pathway may keep: at most ``max_edges`` (None: all) of what ``influence`` leaves (None: all)."""

    max_edges: int | None
    influence: Influence | None = None

    @property
    def limited(self) -> bool:
        """Whether edges are dropped, so that all of them need not be in memory at once."""
        return self.max_edges is not None or self.influence is not None

    def describe(self) -> dict[str, Any]:
        """As the parameters of a run."""
        pruned = {} if self.influence is None else self.influence.describe()
        return {"max_edges": self.max_edges, **pruned}


@dataclass(eq=False)
class _Tracer:
    """One run over one set of images."""

    batches: Batches
    method: TracingMethod
    options: dict[str, Any]
    routes: int
    budget: Budget
    run: str

    def __post_init__(self) -> None:
        compiled, weights = self.batches.compiled, self.batches.model.sha256
        scheme = self.batches.images.scheme
        self.taker = make_ready(self.method, compiled, self.options)
        self.numbering = Numbering(
            compiled.network, weights, self.run, scheme, max(1, self.routes), self.taker.each
        )

    def prepare(
        self, batch: int | None, rank: Rank, fitted_run: Trace | None, *, resumed: bool
    ) -> dict[str, Any]:
        """What run.json says of the network and of what the method learned; returned when it may be begun.

        A ``resumed`` record goes on in parts of its first size and with what was learned then. Ranks other
        than the first wait here until that one has begun the record.
        """
        size = batch or self.batches.fit_size(self.method, self.options, self.memory(), self.budget.limited)
        found: dict[str, Any] = {"part_size": size}
        if not rank.first:
            rank.wait_for_all()
        elif fitted_run is not None:
            found["fitted"] = fitted_run.run["fitted"]
        elif not resumed and (fitted := self.batches.learn(self.method, size, self.options)):
            found["fitted"] = fitted
        if (head := self.batches.compiled.network.head) is not None:
            found["head"] = head
        return found

    def memory(self) -> int:
        """Bytes that an image's pathways take until they are written, beside what all methods keep."""
        kept = BUDGET if self.budget.max_edges is None else self.budget.max_edges
        tables = 0 if self.budget.influence is None else self._count_pruned() * TABLES
        return self.taker.memory + (self.taker.each - 1) * kept * EDGE + tables

    def _count_pruned(self) -> int:
        """Over how many nodes influence is spread: feature maps where a method's edges are between these."""
        if isinstance(self.taker, ChannelMethod):
            return self.taker.planes.count
        return self.batches.compiled.network.neurons

    def record(self, writer: TraceWriter, rank: Rank, progress: Progress) -> Trace:
        """Trace what is not done yet, part by part, and finish the record; each of many ranks its share."""
        size = int(str(writer.run["part_size"]))
        fitted = cast("Fitted | None", writer.run.get("fitted"))
        self.taker = make_ready(self.method, self.batches.compiled, self.options, fitted)
        started, total = time.monotonic(), len(self.batches)
        for part, start in enumerate(range(0, total, size)):
            stop = min(start + size, total)
            if part not in writer.done and rank.is_mine(part):
                writer.write_part(part, self.trace_part(start, stop))
            progress("tracing", stop, total)
        rank.wait_for_all()
        if rank.first:
            self._finish(writer, size, time.monotonic() - started)
        rank.wait_for_all()
        return Trace(writer.path)

    def _finish(self, writer: TraceWriter, size: int, seconds: float) -> None:
        writer.refresh()
        writer.finish(
            layers=self.numbering.make_layers(),
            categories=self.numbering.make_categories(self._name_classes()),
            reach=tabulate_reach(self.batches.compiled.network),
            fields=tabulate_fields(self.batches.compiled.network),
            parts=-(-len(self.batches) // size),
            images=len(self.batches),
            seconds=round(seconds, 3),
            **self.taker.notes,
        )

    def trace_part(self, start: int, stop: int) -> dict[str, Any]:
        """The record's rows for images ``start`` to ``stop``."""
        batch, targets, rows = self.batches.hold_images(start, stop)
        traced = [(taken, self._trace_pathways(taken)) for taken in self.taker.extract(batch)]
        return dict(self.numbering.make_part(batch, traced, rows, targets, start))

    def _trace_pathways(self, taken: Extraction) -> Pathways:
        if isinstance(taken.selection, MapSelection):
            return score_map_pathways(
                taken.batch, taken.selection, self.budget.max_edges, self.budget.influence
            )
        return score_pathways(
            taken.batch, taken.selection, self.budget.max_edges, self.routes, self.budget.influence
        )

    def _name_classes(self) -> dict[int, str]:
        """The name of each class: of all outputs, and of the labels beyond them that occur."""
        batches = self.batches
        names = batches.images.classes or batches.model.classes or ()
        labels = {int(label) for label in batches.images.labels if label >= 0}
        numbers = labels.union(range(max(batches.compiled.sites[-1].size, len(names))))
        return {label: names[label] if label < len(names) else str(label) for label in sorted(numbers)}


def _check_counts(images: int, routes: int, max_edges: int | None, batch: int | None) -> None:
    if routes < 0:
        raise MethodError(f"routes={routes} is negative; expected how many of the largest routes to record.")
    if routes * images >= BLOCK:
        raise MethodError(
            f"routes={routes:,} of {images:,} images are more than a run can number; expected at most "
            f"{(BLOCK - 1) // images:,}."
        )
    if max_edges is not None and max_edges < 1:
        raise MethodError(f"max_edges={max_edges} keeps nothing; expected at least 1, or None for all.")
    if batch is not None and batch < 1:
        raise MethodError(
            f"batch={batch} is not a number of images; expected at least 1, or None for what fits."
        )


def _describe(
    model: LoadedModel,
    images: MatchedImages,
    method: Method[Any],
    options: dict[str, Any],
    target: Target,
    routes: int,
    seed: int,
    budget: Budget,
    fitted_run: Trace | None,
) -> dict[str, Any]:
    """The content of run.json; equal runs have equal ids."""
    reused = {} if fitted_run is None else {"fitted_on": fitted_run.id}
    package = () if method.distribution is None else (method.distribution,)
    parameters = {**options, "target": describe_target(target), "routes": routes, **budget.describe()}
    content = (
        method.name,
        parameters,
        seed,
        model.sha256,
        images.fingerprint,
        images.scheme,
        *reused.values(),
    )
    content = (*content, *(name for name, _ in package))
    key = digest(*content)
    return {
        "id": f"{method.name}-{images.dataset}-{key[:10]}",
        "method": method.name,
        "parameters": parameters,
        "model": model.describe(),
        "dataset": {"name": images.dataset, "split": images.split, "images": len(images)},
        "labels": images.numbered.describe(),
        "seeds": {"seed": seed},
        "versions": {
            "graphpath": __version__,
            **{name: _format_version(name) for name in ("torch", "torchvision")},
            **dict(package),
        },
        "device": str(any_tensor(model.module).device),
        **reused,
    }


def _format_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
