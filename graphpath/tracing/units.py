"""The neurons that methods threshold, as columns: multiplied, scored, and spread over the network again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network import Site, masked
from graphpath.tracing.batch import Batch
from graphpath.tracing.neurons import mark_thresholded


@dataclass(frozen=True, eq=False)
class Units:
    """The K thresholded neurons of a batch, in the network's order, and the sites that they are of."""

    batch: Batch
    pool: Tensor  # (neurons,) bool
    sites: tuple[Site, ...]

    @classmethod
    def from_batch(cls, batch: Batch) -> Units:
        """The batch's units. Raises MethodError where the network has no activation."""
        pool = mark_thresholded(batch)
        first = pool[
            torch.tensor([site.offset for site in batch.compiled.sites], device=pool.device)
        ].tolist()
        sites = tuple(s for s, inside in zip(batch.compiled.sites, first, strict=True) if inside)
        return cls(batch, pool, sites)

    @property
    def count(self) -> int:
        """K."""
        return sum(site.size for site in self.sites)

    @property
    def channels(self) -> Tensor:
        """The feature map of each unit, counted over all sites: (K,) int64."""
        device = self.pool.device
        size = [site.shape[1] * site.shape[2] for site in self.sites for _ in range(site.shape[0])]
        return torch.arange(len(size), device=device).repeat_interleave(torch.tensor(size, device=device))

    def run(self, factors: Tensor, goal: Site | None = None) -> Tensor:
        """The outputs of ``goal``, by default the logits, with units multiplied by ``factors`` (N or 1, K).

        The network itself, differentiable in the factors: (N, size).
        """
        parts = factors.split([site.size for site in self.sites], 1)
        by_site = {site.number: part for site, part in zip(self.sites, parts, strict=True)}
        return masked(self.batch.compiled.network, self.batch.images, by_site, goal)

    def compute_contributions(self, kept: Tensor) -> Tensor:
        """``a * df/da`` of each unit in the network that keeps only ``kept`` (N, K) bool: (N, K)."""
        held = self.batch.held
        with torch.enable_grad():
            factors = kept.to(held.output.dtype).requires_grad_(True)
            f = (self.run(factors, self.batch.goal) * held.seed).sum()
        (slope,) = torch.autograd.grad(f, factors)
        return slope * kept

    def spread_to_neurons(self, values: Tensor) -> Tensor:
        """Values of units (N, K) as values of all neurons (N, neurons), 0 or False elsewhere."""
        everywhere = values.new_zeros((len(values), len(self.pool)))
        everywhere[:, self.pool] = values
        return everywhere
