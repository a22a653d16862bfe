"""``trace``: the pathways of many images through a network, as a record on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from graphpath.data import Images, LoaderImages, TensorImages
from graphpath.data.stored import StoredImages
from graphpath.errors import DataError, MethodError
from graphpath.ids import digest
from graphpath.models import LoadedModel, as_loaded
from graphpath.network import hold, take_apart
from graphpath.network.lowering import evaluating
from graphpath.record import ImageSet, Trace, TraceWriter
from graphpath.tracing.batch import Batch, Wiring
from graphpath.tracing.pathways import pathways
from graphpath.tracing.registry import Method, method_named
from graphpath.tracing.rows import Numbering
from graphpath.tracing.targets import Asked, At, Target, checked, described, goal_of, weighed

Progress = Callable[[int, int], None]
"""Called with the images done and the images in all."""

MEMORY = 1 << 30
"""Bytes that a batch may take, about, beside the weights."""


def trace(
    model: nn.Module | LoadedModel,
    images: Tensor | DataLoader[Any] | ImageSet | Images,
    labels: Tensor | np.ndarray | list[int] | None = None,
    *,
    method: str = "effective_path",
    target: Target = "predicted",
    routes: int = 10,
    seed: int = 0,
    max_edges: int | None = 20_000,
    out: str | Path,
    dataset: str | None = None,
    classes: list[str] | tuple[str, ...] | None = None,
    device: str | torch.device | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Trace:
    """Trace images through a network and record their pathways in the directory ``out``.

    Args:
        model: any CNN that torch.fx can trace; it is run in evaluation mode and left as it was.
        images: (N, C, H, W) tensor, DataLoader, a set of images of graphpath's, or what an attack made.
        labels: the images' classes (N,), where ``images`` does not carry them.
        method: a name of ``graphpath.METHODS``; its options follow by name (``theta=0.5``).
        target: the question asked of each image: ``"predicted"`` (for a derived image, the prediction on
            its original), ``"own"``, ``"label"``, a class, or a tensor of classes (N,). A pair of classes
            asks for the difference of their logits, ``graphpath.at(...)`` for what lies inside the network.
        routes: how many of the largest routes to record of each pathway.
        seed: makes methods that draw at random reproducible.
        max_edges: the budget of each pathway, its strongest edges; None keeps every edge. Only whole routes
            are kept, so a budget smaller than the strongest route keeps nothing.
        out: a directory; an interrupted trace in it is finished, a finished one is returned.
        dataset, classes: names for a tensor's or DataLoader's images and classes.
        device: where to run; by default where the model is.
        batch: images at a time; by default what fits about one GiB.
        progress: called with (images done, images in all) after every batch.

    Returns the opened record.

    Raises MethodError, NetworkError, UnsupportedOperation, DataError, or RecordError where ``out`` holds
    something else. What is finished of an interrupted trace is kept.
    """
    chosen_method = method_named(method)
    settled = chosen_method.settled(options)
    loaded = as_loaded(model)
    source = as_images(images, labels, dataset, classes)
    _check_counts(routes, max_edges, batch, source)
    target = _settled(target, loaded, source)
    run = _describe(loaded, source, chosen_method, settled, target, routes, seed, max_edges)
    if (Path(out) / "run.json").is_file() and TraceWriter.open(out, run).finished:
        return Trace(out)
    # The caller may be in inference mode, in which no gradient can be had.
    with torch.inference_mode(False), _placed(loaded.module, device), evaluating(loaded.module):
        tracer = _Tracer(loaded, source, chosen_method, settled, target, routes, seed, max_edges, run["id"])
        # What is begun goes on in parts of its first size; a network that is refused leaves no record.
        writer = TraceWriter.open(out, {**run, "part_size": batch or tracer.batch_size()})
        return tracer.record(writer, progress)


@dataclass(eq=False)
class _Tracer:
    """One run over one set of images."""

    model: LoadedModel
    images: Images
    method: Method
    options: dict[str, Any]
    target: Target
    routes: int
    seed: int
    max_edges: int | None
    run: str

    def __post_init__(self) -> None:
        self.wiring = Wiring.of(take_apart(self.model.module, self.images.shape))
        self.goal = goal_of(self.target, self.wiring.network)
        self.rows = self.images.rows()
        self.numbering = Numbering(
            self.wiring.network, self.model.sha256, self.run, self.images.scheme, max(1, self.routes)
        )

    def record(self, writer: TraceWriter, progress: Progress | None) -> Trace:
        """Trace what is not done yet, part by part, and finish the record."""
        size = int(str(writer.run["part_size"]))
        started, total = time.monotonic(), len(self.images)
        for part, start in enumerate(range(0, total, size)):
            stop = min(start + size, total)
            if part not in writer.done:
                writer.write_part(part, self.part(start, stop))
            if progress is not None:
                progress(stop, total)
        return writer.finish(
            layers=self.numbering.layers(),
            categories=self.numbering.categories(self._class_names()),
            seconds=round(time.monotonic() - started, 3),
        )

    def part(self, start: int, stop: int) -> dict[str, Any]:
        """The record's rows for images ``start`` to ``stop``."""
        batch, targets, rows = self.held(start, stop)
        selection = self.method.select(batch, **self.options)
        found = pathways(batch, selection, self.max_edges, self.routes)
        return dict(self.numbering.part(batch, found, rows, targets, start))

    def held(self, start: int, stop: int) -> tuple[Batch, np.ndarray, pa.Table]:
        """Images ``start`` to ``stop`` held, the classes they are traced for, and their sample rows."""
        network = self.wiring.network
        rows = self.rows.slice(start, stop - start)
        pixels = self.images.batch(start, stop).to(device=network.device, dtype=network.dtype)
        labels = torch.from_numpy(rows["label"].to_numpy().astype(np.int64)).to(network.device)
        originals = torch.tensor(originals_of(rows), device=network.device)
        asked = Asked(labels, originals, slice(start, stop))
        targets = torch.empty(0, dtype=torch.int64)

        def seed(logits: Tensor) -> Tensor:
            nonlocal targets
            weights, targets = weighed(self.target, self.goal, logits, asked)
            return weights

        held = hold(network, pixels, seed, self.goal)
        seeds = tuple(int(digest(self.seed, sample)[:15], 16) for sample in rows["sample"].to_pylist())
        return Batch(self.wiring, pixels, held, seeds), targets.cpu().numpy(), rows

    def batch_size(self) -> int:
        """Images that fit about ``MEMORY`` at a time, from the network's size."""
        network = self.wiring.network
        item = torch.empty((), dtype=network.dtype).element_size()
        values = (network.neurons + network.pooled) * (item * 8 + 8 * 5)
        if not self.method.edges:
            kept = 1 - float(self.options.get("sparsity", 0))
            pairs = sum(inlets.columns * inlets.site.size for inlets in self.wiring.inlets[:-1])
            values += int(pairs * kept * kept) * 64
        return max(1, min(64, MEMORY // values))

    def _class_names(self) -> list[str]:
        names = list(self.images.classes or self.model.classes or ())
        count = max(self.wiring.sites[-1].size, int(self.rows["label"].to_numpy().max(initial=-1)) + 1)
        return names + [str(label) for label in range(len(names), count)]


def as_images(
    images: Tensor | DataLoader[Any] | ImageSet | Images,
    labels: Tensor | np.ndarray | list[int] | None,
    dataset: str | None,
    classes: list[str] | tuple[str, ...] | None,
) -> Images:
    """Any of the kinds of images that ``trace`` takes, as one of graphpath's sets."""
    if isinstance(images, Tensor):
        return TensorImages(images, labels, dataset=dataset or "tensor", classes=classes or ())
    if labels is not None:
        raise DataError("labels= is for a tensor of images; a DataLoader or a set of images carries its own.")
    if isinstance(images, DataLoader):
        return LoaderImages(images, dataset=dataset, classes=classes)
    return StoredImages(images) if isinstance(images, ImageSet) else images


def originals_of(rows: pa.Table) -> list[int]:
    """For each sample the network's prediction on the original that it derives from, -1 where none is."""
    details = zip(rows["parent"].to_pylist(), rows["detail"].to_pylist(), strict=True)
    return [
        -1 if parent is None else int(json.loads(detail).get("predicted", -1)) for parent, detail in details
    ]


def _settled(target: Target, model: LoadedModel, images: Images) -> Target:
    """The target, checked; what points into the network does so by the layer's name."""
    checked(target, len(images))
    if not isinstance(target, At):
        return target
    return replace(target, layer=goal_of(target, take_apart(model.module, images.shape)).name)


def _check_counts(routes: int, max_edges: int | None, batch: int | None, images: Images) -> None:
    if routes < 0:
        raise MethodError(f"routes={routes} is negative; expected how many of the largest routes to record.")
    if max_edges is not None and max_edges < 1:
        raise MethodError(f"max_edges={max_edges} keeps nothing; expected at least 1, or None for all.")
    if batch is not None and batch < 1:
        raise MethodError(
            f"batch={batch} is not a number of images; expected at least 1, or None for what fits."
        )
    if len(images) == 0:
        raise DataError("There are no images to trace.")


def _describe(
    model: LoadedModel,
    images: Images,
    method: Method,
    options: dict[str, Any],
    target: Target,
    routes: int,
    seed: int,
    max_edges: int | None,
) -> dict[str, Any]:
    """What run.json says; equal questions have equal ids."""
    parameters = {**options, "target": described(target), "routes": routes, "max_edges": max_edges}
    key = digest(method.name, parameters, seed, model.sha256, images.fingerprint, images.scheme)
    return {
        "id": f"{method.name}-{images.dataset}-{key[:10]}",
        "method": method.name,
        "parameters": parameters,
        "model": {"name": model.name, "sha256": model.sha256},
        "dataset": {"name": images.dataset, "split": images.split, "images": len(images)},
        "seeds": {"seed": seed},
        "versions": {name: _version(name) for name in ("graphpath", "torch", "torchvision")},
        "device": str(next(model.module.parameters()).device),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


@contextmanager
def _placed(module: nn.Module, device: str | torch.device | None) -> Iterator[None]:
    """The module on ``device`` for a while, then where it was."""
    parameter = next(module.parameters(), None)
    if device is None or parameter is None:
        yield
        return
    home = parameter.device
    try:
        module.to(device)
    except (RuntimeError, AssertionError) as error:  # PyTorch raises either for a device that is not there
        module.to(home)
        raise MethodError(f"device={str(device)!r} cannot be used: {error}") from error
    try:
        yield
    finally:
        module.to(home)
