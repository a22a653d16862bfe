"""Images held batch by batch for one target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from graphpath.data import Images, LoaderImages, TensorImages
from graphpath.data.stored import StoredImages
from graphpath.errors import DataError
from graphpath.ids import digest
from graphpath.models import LoadedModel
from graphpath.network import hold, take_apart
from graphpath.record import ImageSet
from graphpath.tracing.batch import Batch, Wiring
from graphpath.tracing.fitting import Fitted
from graphpath.tracing.registry import Method
from graphpath.tracing.targets import Asked, At, Target, checked, goal_of, weighed

MEMORY = 1 << 30
"""Bytes that a batch may take, about, beside the weights."""

SIEVE = 12 * 8
"""Bytes of a neuron while edges that are not needed are let go of: best ways and routes, of two kinds."""


@dataclass(eq=False)
class Batches:
    """The images of a set held for a target, some at a time; the model is where and as it shall run."""

    model: LoadedModel
    images: Images
    target: Target
    seed: int

    def __post_init__(self) -> None:
        self.wiring = Wiring.of(take_apart(self.model.module, self.images.shape))
        self.goal = goal_of(self.target, self.wiring.network)
        self.rows = self.images.rows()

    def __len__(self) -> int:
        return len(self.images)

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

    def examples(self, size: int) -> Iterator[tuple[Batch, Tensor]]:
        """All images, ``size`` at a time, with their labels (N,), -1 for none."""
        for start in range(0, len(self), size):
            batch, _, rows = self.held(start, min(start + size, len(self)))
            yield batch, torch.from_numpy(rows["label"].to_numpy().astype(np.int64)).to(batch.images.device)

    def learned(self, method: Method[Any], size: int, options: Mapping[str, Any]) -> Fitted | None:
        """What ``method`` learns from all images before it selects on any, None where it learns nothing."""
        return None if method.fit is None else method.fit(self.examples(size), **options)

    def fitting(
        self, method: Method[Any], options: Mapping[str, Any], beside: int = 0, budgeted: bool = True
    ) -> int:
        """Images that ``method`` can take about ``MEMORY`` for at a time, from the network's size.

        ``beside`` are the bytes that it keeps of an image beside what all methods keep. Without a budget all
        edges among the neurons that it chooses are there at once.
        """
        network = self.wiring.network
        item = torch.empty((), dtype=network.dtype).element_size()
        values = beside + (network.neurons + network.pooled) * (item * 8 + 8 * 5)
        if not method.edges and budgeted:
            values += network.neurons * SIEVE
        elif not method.edges:
            kept = method.kept(options)
            pairs = sum(inlets.columns * inlets.site.size for inlets in self.wiring.inlets[:-1])
            values += int(pairs * kept * kept) * 64
        return max(1, min(64, MEMORY // values))


def as_images(
    images: Tensor | DataLoader[Any] | ImageSet | Images,
    labels: Tensor | np.ndarray | list[int] | None,
    dataset: str | None = None,
    classes: list[str] | tuple[str, ...] | None = None,
) -> Images:
    """Any of the kinds of images that ``trace`` takes, as one of graphpath's sets.

    Raises DataError where there are none, or where labels come twice.
    """
    found = _as_images(images, labels, dataset, classes)
    if len(found) == 0:
        raise DataError("There are no images to trace.")
    return found


def settled(target: Target, model: LoadedModel, images: Images) -> Target:
    """The target, checked; what points into the network does so by the layer's name."""
    checked(target, len(images))
    if not isinstance(target, At):
        return target
    return replace(target, layer=goal_of(target, take_apart(model.module, images.shape)).name)


def originals_of(rows: pa.Table) -> list[int]:
    """For each sample the network's prediction on the original that it derives from, -1 where none is."""
    details = zip(rows["parent"].to_pylist(), rows["detail"].to_pylist(), strict=True)
    return [
        -1 if parent is None else int(json.loads(detail).get("predicted", -1)) for parent, detail in details
    ]


def _as_images(
    images: Tensor | DataLoader[Any] | ImageSet | Images,
    labels: Tensor | np.ndarray | list[int] | None,
    dataset: str | None,
    classes: list[str] | tuple[str, ...] | None,
) -> Images:
    if isinstance(images, Tensor):
        return TensorImages(images, labels, dataset=dataset or "tensor", classes=classes or ())
    if labels is not None:
        raise DataError("labels= is for a tensor of images; a DataLoader or a set of images carries its own.")
    if isinstance(images, DataLoader):
        return LoaderImages(images, dataset=dataset, classes=classes)
    return StoredImages(images) if isinstance(images, ImageSet) else images
