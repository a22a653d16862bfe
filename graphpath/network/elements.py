"""The elements of a network for one batch: its neurons, then what its images decided upon (anchors)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network.settings import Settings
from graphpath.network.sites import Network
from graphpath.network.views import ScaleAnchor


@dataclass(frozen=True, eq=False)
class Elements:
    """Which neuron each element stands for in each image of a batch.

    ``winners`` (N, P) int64 are the neurons behind the anchors' elements (-1: padding won), ``shares``
    (N, P) float64 their weights, None where all are 1.
    """

    neurons: int
    winners: Tensor
    shares: Tensor | None

    def values(self, neurons: Tensor) -> Tensor:
        """Neuron values (N, neurons) with those of the anchors' elements behind them: (N, neurons + P)."""
        if self.winners.shape[1] == 0:
            return neurons
        pooled = neurons.gather(1, self.winners.clamp(min=0))
        if self.shares is not None:
            pooled = pooled * self.shares.to(neurons.dtype)
        return torch.cat([neurons, pooled], 1)

    def of(self, image: Tensor) -> Elements:
        """The elements of the images ``image`` (Q,) int64 of the batch."""
        return Elements(
            self.neurons, self.winners[image], None if self.shares is None else self.shares[image]
        )

    def behind(self, sample: Tensor, element: Tensor) -> Tensor:
        """The neuron behind an element of an image (-1 behind -1), any shape."""
        pooled = element >= self.neurons
        if not bool(pooled.any()):
            return element
        won = self.winners[sample, (element - self.neurons).clamp(min=0)]
        return torch.where(pooled, won, element)


def resolve(network: Network, settings: Settings, images: int) -> Elements:
    """The elements of a batch of ``images`` images, given what they set."""
    size, device = (images, network.pooled), network.device
    winners = torch.empty(size, dtype=torch.int64, device=device)
    shares = torch.ones(size, dtype=torch.float64, device=device) if _weighted(network) else None
    for anchor in network.anchors:
        element, weight = anchor.behind(settings)
        mine = slice(anchor.base - network.neurons, anchor.base - network.neurons + anchor.size)
        later = element >= network.neurons  # an earlier anchor's
        if shares is not None:
            shares[:, mine] = _share(network, shares, element, later, weight)
        if bool(later.any()):
            element = element.expand(images, -1)
            earlier = winners.gather(1, (element - network.neurons).clamp(min=0))
            element = torch.where(later, earlier, element)
        winners[:, mine] = element
    if shares is not None:
        shares.masked_fill_(winners < 0, 0)
    elif bool((winners < 0).any()):
        shares = (winners >= 0).double()
    return Elements(network.neurons, winners, shares)


def _weighted(network: Network) -> bool:
    """Whether an anchor's elements can have weights other than 1."""
    return any(
        isinstance(anchor, ScaleAnchor) or anchor.source.weight is not None for anchor in network.anchors
    )


def _share(network: Network, shares: Tensor, element: Tensor, later: Tensor, weight: Tensor | None) -> Tensor:
    """The weights of an anchor's elements, those of earlier anchors behind them included: (N or 1, size)."""
    own = torch.ones((1, 1), dtype=torch.float64, device=shares.device) if weight is None else weight
    if not bool(later.any()):
        return own
    place = (element - network.neurons).clamp(min=0).expand(len(shares), -1)
    return own * torch.where(later, shares.gather(1, place), 1.0)
