"""Images held batch by batch for one target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import InitVar, dataclass, replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from graphpath.data import Images, MatchedImages
from graphpath.errors import NetworkError
from graphpath.ids import digest
from graphpath.models import LoadedModel, find_class
from graphpath.modules.wrapping import any_tensor
from graphpath.network import Network, hold, take_apart
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.fitting import Fitted
from graphpath.tracing.registry import Method
from graphpath.tracing.targets import (
    NAMES,
    WORDS,
    At,
    Class,
    Target,
    TargetRows,
    check_target,
    find_goal,
    normalise_target,
    weigh_target,
)

MEMORY = 1 << 30
"""Bytes that a batch may take, about, beside the weights."""

SIEVE = 12 * 8
"""Bytes a neuron while unneeded edges are dropped: its best ways and routes, of two kinds."""


@dataclass(eq=False)
class Batches:
    """The images of a set held for a target, some at a time; the model is in eval mode on its device.

    ``network`` is the model's where it was taken apart already, which is used if it is where the model is.
    """

    model: LoadedModel
    images: MatchedImages
    target: Target
    seed: int
    network: InitVar[Network | None] = None

    def __post_init__(self, network: Network | None) -> None:
        if network is None or network.device != any_tensor(self.model.module).device:
            network = take_apart(self.model.module, self.images.shape)
        self.compiled = CompiledNetwork.of(network)
        self.goal = find_goal(self.target, self.compiled.network)
        self.rows = self.images.rows()

    def __len__(self) -> int:
        return len(self.images)

    def hold_images(self, start: int, stop: int) -> tuple[Batch, np.ndarray, pa.Table]:
        """Images ``start`` to ``stop`` held, the classes they are traced for, and their sample rows."""
        network = self.compiled.network
        rows = self.rows.slice(start, stop - start)
        pixels = self.images.batch(start, stop).to(device=network.device, dtype=network.dtype)
        labels = torch.from_numpy(rows["label"].to_numpy().astype(np.int64)).to(network.device)
        originals = torch.from_numpy(read_originals(rows, self.images)).to(network.device)
        asked = TargetRows(labels, originals, slice(start, stop))
        targets = torch.empty(0, dtype=torch.int64)

        def seed(logits: Tensor) -> Tensor:
            nonlocal targets
            weights, targets = weigh_target(self.target, self.goal, logits, asked)
            return weights

        held = hold(network, pixels, seed, self.goal)
        self._check_finite(held.logits, start)
        seeds = tuple(int(digest(self.seed, sample)[:15], 16) for sample in rows["sample"].to_pylist())
        return Batch(self.compiled, pixels, held, seeds), targets.cpu().numpy(), rows

    def _check_finite(self, logits: Tensor, start: int) -> None:
        wrong = (~torch.isfinite(logits).all(1)).nonzero().flatten().tolist()
        if wrong:
            raise NetworkError(
                f"{self.model.name}: the logits of image {start + wrong[0]} are NaN or infinite; look at its "
                "pixels and at the size of the network's weights, or trace in float64 (model.double())."
            )

    def iterate_examples(self, size: int) -> Iterator[tuple[Batch, Tensor]]:
        """All images, ``size`` at a time, with their labels (N,), -1 for none."""
        for start in range(0, len(self), size):
            batch, _, rows = self.hold_images(start, min(start + size, len(self)))
            yield batch, torch.from_numpy(rows["label"].to_numpy().astype(np.int64)).to(batch.images.device)

    def learn(self, method: Method[Any], size: int, options: Mapping[str, Any]) -> Fitted | None:
        """What ``method`` learns from all images before it selects on any, None where it learns nothing."""
        return None if method.fit is None else method.fit(self.iterate_examples(size), **options)

    def fit_size(
        self, method: Method[Any], options: Mapping[str, Any], beside: int = 0, budgeted: bool = True
    ) -> int:
        """Images that ``method`` can take about ``MEMORY`` for at a time, from the network's size.

        ``beside`` are the bytes that it keeps of an image in addition to what all methods keep. Without a
        budget, all edges among the neurons that it chooses are in memory at once.
        """
        network = self.compiled.network
        item = torch.empty((), dtype=network.dtype).element_size()
        values = beside + (network.neurons + network.pooled) * (item * 8 + 8 * 5)
        if not method.edges and budgeted:
            values += network.neurons * SIEVE
        elif not method.edges:
            kept = method.kept(options)
            pairs = sum(incoming.columns * incoming.site.size for incoming in self.compiled.incoming[:-1])
            values += int(pairs * kept * kept) * 64
        return max(1, min(64, MEMORY // values))


def resolve_target(
    target: Target, model: LoadedModel, images: MatchedImages
) -> tuple[Target, Network | None]:
    """The target, checked: classes by number, and what points into the network by the layer's name.

    With it the network, where it was taken apart to find that.
    """
    target = number_classes(normalise_target(target), model, images)
    check_target(target, len(images))
    if not isinstance(target, At):
        return target, None
    network = take_apart(model.module, images.shape)
    return replace(target, layer=find_goal(target, network).name), network


def number_classes(target: Target, model: LoadedModel, images: MatchedImages) -> Target:
    """``target`` with the numbers of the classes that it names. Raises MethodError where there is none."""
    if isinstance(target, tuple):
        return cast("tuple[Class, Class]", tuple(_number(side, model, images) for side in target))
    return _number(target, model, images) if isinstance(target, str) else target


def _number(side: Class, model: LoadedModel, images: MatchedImages) -> Class:
    if not isinstance(side, str) or side in NAMES:
        return side
    return find_class(side, model, images, "target", WORDS)


def read_originals(rows: pa.Table, images: Images) -> np.ndarray:
    """For each sample the prediction on the original that it derives from, -1 where none is: (N,) int64.

    Classes are numbered as in the set that an attack wrote; the model at hand may number them otherwise.
    """
    details = zip(rows["parent"].to_pylist(), rows["detail"].to_pylist(), strict=True)
    known = [
        -1 if parent is None else int(json.loads(detail).get("predicted", -1)) for parent, detail in details
    ]
    found = np.array(known, np.int64)
    return images.numbered.renumber(found) if isinstance(images, MatchedImages) else found
