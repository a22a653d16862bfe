"""The toy of graphpath/tracing/README.md: conv16-conv32-pool-fc64-fc10 on digits, 3,136 units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from graphpath.data import open_images
from graphpath.models import LoadedModel
from graphpath.network import masked
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.methods import neuron_intgrad, neuron_mct
from graphpath.tracing.neurons import most
from graphpath.tracing.units import Units
from tests.tracing import harness

SEEDS = (0, 1, 2)
UNITS = 3_136
EDGES = 288_960
"""Of the whole network."""


@dataclass(frozen=True)
class Toy:
    """A trained network, rightly predicted images with their labels, and the units of its ReLUs."""

    model: LoadedModel
    batch: Batch
    labels: np.ndarray
    pool: Tensor
    layers: list[slice]
    """The units of each site within ``pool``'s."""

    @classmethod
    def of(cls, model: LoadedModel, images: int) -> Toy:
        """Those of so many test images that the model, on digits, predicts rightly."""
        digits = open_images("digits", split="test", limit=images)
        pixels, labels = digits.batch(0, len(digits)), digits.rows()["label"].to_numpy()
        with torch.no_grad():
            right = model.module(pixels).argmax(1).numpy() == labels
        assert right.mean() >= 0.95
        batch, _ = harness.held(model.module, pixels[torch.from_numpy(right)])
        units = Units.from_batch(batch)
        assert units.count == UNITS
        ends = np.cumsum([0, *(site.size for site in units.sites)]).tolist()
        return cls(model, batch, labels[right], units.pool, [slice(a, b) for a, b in pairwise(ends)])

    def few(self, count: int) -> Toy:
        """The first ``count`` images."""
        part = self.batch.select(torch.arange(count))
        return Toy(self.model, part, self.labels[:count], self.pool, self.layers)

    def path(self, sparsity: float) -> Tensor:
        """NeuronMCT's units (N, units) bool."""
        return most(self.batch, neuron_mct.score(self.batch), sparsity)[:, self.pool]

    def random(self, sparsity: float) -> Tensor:
        draws = self.batch.draw_uniform(self.batch.compiled.network.neurons)
        return most(self.batch, draws, sparsity)[:, self.pool]

    def units(self, selection: Selection) -> Tensor:
        """The units that a method of neurons selected (N, units) bool."""
        assert selection.neurons is not None
        return selection.neurons[:, self.pool]

    def examples(self) -> Iterator[tuple[Batch, Tensor]]:
        """All images, as methods learn from them."""
        yield self.batch, torch.from_numpy(self.labels)

    @property
    def live(self) -> Tensor:
        return self.batch.held.output[:, self.pool] > 0

    def dead_share(self, kept: Tensor) -> float:
        """The mean share of dead units on a path, of the images that have one."""
        size = kept.sum(1)
        return float(((kept & ~self.live).sum(1) / size)[size > 0].double().mean())

    def logits(self, kept: Tensor, images: Tensor | None = None) -> Tensor:
        """The logits when all other units are set to zero."""
        x, place = self.batch.images if images is None else images, 0
        for module in self.model.module:
            x = module(x)
            if isinstance(module, torch.nn.ReLU):
                mask = kept[:, place : place + x[0].numel()].reshape(-1, *x.shape[1:])
                x, place = x * mask, place + x[0].numel()
        assert place == kept.shape[1]
        return x

    def flips(self, kept: Tensor) -> float:
        """The share of images that are predicted otherwise when all other units are set to zero."""
        with torch.no_grad():
            return float((self.logits(kept).argmax(1).numpy() != self.labels).mean())

    def bent(self, kept: Tensor, length: float, seed: int = 0) -> float:
        """How far f is from linear around the images in the network that keeps only some units.

        The mean over images and four random directions of ``|df - g . d| / (|g| |d|)``, |d| = ``length``.
        """
        x = self.batch.images.clone().requires_grad_(True)
        at = torch.from_numpy(self.labels)[:, None]
        f = self.logits(kept, x).gather(1, at)[:, 0]
        (g,) = torch.autograd.grad(f.sum(), x)
        generator, found = torch.Generator().manual_seed(seed), []
        for _ in range(4):
            d = torch.randn(x.shape, generator=generator)
            d *= length / d.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            with torch.no_grad():
                change = self.logits(kept, x + d).gather(1, at)[:, 0] - f
                error = (change - (g * d).flatten(1).sum(1)).abs()
                found.append(error / (g.flatten(1).norm(dim=1) * length))
        return float(torch.stack(found).mean())


def jaccard(a: Tensor, b: Tensor) -> Tensor:
    """J of sets row by row."""
    return (a & b).sum(-1).double() / (a | b).sum(-1).double()


def overlaps_of(masks: Tensor) -> np.ndarray:
    """J of every two rows."""
    ones = masks.double()
    both, size = ones @ ones.T, ones.sum(1)
    return (both / (size[:, None] + size[None] - both)).numpy()


def completeness(toy: Toy, steps: int) -> np.ndarray:
    """|sum of the attributions - (f(a) - f(0))| / |f(a) - f(0)| of each image and layer."""
    batch, errors = toy.batch, []
    found = neuron_intgrad.attribution(batch, steps)
    for site in batch.compiled.sites:
        if site.activation is None:
            continue
        gone = masked(batch.compiled.network, batch.images, {site.number: torch.zeros(1, site.size)})
        lost = batch.held.value - (gone * batch.held.seed).sum(1)
        errors.append(((found[:, site.span].sum(1) - lost) / lost).abs())
    return torch.cat(errors).numpy()
