"""The elements of a network for one batch: its neurons, then the winners of its max-pools."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network.sites import Network


@dataclass(frozen=True, eq=False)
class Elements:
    """Which neuron each element stands for in each image of a batch.

    ``winners`` (N, P) int64 are the neurons behind the max-pools' elements (-1: padding won),
    ``shares`` (N, P) their weights, None where all are 1.
    """

    neurons: int
    winners: Tensor
    shares: Tensor | None

    def values(self, neurons: Tensor) -> Tensor:
        """Neuron values (N, neurons) with those of the max-pools' elements behind them: (N, neurons + P)."""
        if self.winners.shape[1] == 0:
            return neurons
        pooled = neurons.gather(1, self.winners.clamp(min=0))
        if self.shares is not None:
            pooled = pooled * self.shares.to(neurons.dtype)
        return torch.cat([neurons, pooled], 1)

    def behind(self, sample: Tensor, element: Tensor) -> Tensor:
        """The neuron behind an element of an image (-1 behind -1), any shape."""
        pooled = element >= self.neurons
        if not bool(pooled.any()):
            return element
        won = self.winners[sample, (element - self.neurons).clamp(min=0)]
        return torch.where(pooled, won, element)


def resolve(network: Network, switches: dict[int, Tensor], images: int) -> Elements:
    """The elements of a batch, given the switches (N, C, H, W) of every max-pool by its step."""
    neurons = network.neurons
    winners = torch.empty((images, 0), dtype=torch.int64, device=network.device)
    shares: Tensor | None = None
    for anchor in network.anchors:
        element, weight = anchor.winners(switches[anchor.step])
        pooled = element >= neurons  # winners of an earlier pool
        if bool(pooled.any()):
            earlier = (element - neurons).clamp(min=0)
            if shares is not None:
                weight = _or_ones(weight, element) * torch.where(pooled, shares.gather(1, earlier), 1.0)
            element = torch.where(pooled, winners.gather(1, earlier), element)
        if bool((element < 0).any()):
            weight = torch.where(element < 0, 0.0, _or_ones(weight, element))
        if weight is not None or shares is not None:
            shares = torch.cat([_or_ones(shares, winners), _or_ones(weight, element)], 1)
        winners = torch.cat([winners, element], 1)
    return Elements(neurons, winners, shares)


def _or_ones(weight: Tensor | None, like: Tensor) -> Tensor:
    return torch.ones(like.shape, dtype=torch.float64, device=like.device) if weight is None else weight
