"""The elements of a network for one batch: its neurons, then what its images decided upon (anchors)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graphpath.network.settings import Settings
from graphpath.network.sites import Network
from graphpath.network.views import NOTHING, Anchor, ScaleAnchor


@dataclass(frozen=True, eq=False)
class Elements:
    """Which neuron each element stands for in each image of a batch.

    ``winners`` (N, P) int64 are the neurons behind the anchors' elements (-1: padding won), ``shares``
    (N, P) float64 their weights, None where all are 1. ``matrices`` are those of the images' settings.
    """

    neurons: int
    winners: Tensor
    shares: Tensor | None
    matrices: Mapping[int, Tensor] = field(default_factory=dict)

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
        shares = None if self.shares is None else self.shares[image]
        matrices = {step: matrix[image] for step, matrix in self.matrices.items()}
        return Elements(self.neurons, self.winners[image], shares, matrices)

    def behind(self, sample: Tensor, element: Tensor) -> Tensor:
        """The neuron behind an element of an image (-1 behind -1), any shape."""
        pooled = element >= self.neurons
        if not bool(pooled.any()):
            return element
        won = self.winners[sample, (element - self.neurons).clamp(min=0)]
        return torch.where(pooled, won, element)


class Resolving:
    """The elements of a batch of ``images`` images, found anchor by anchor in the order they run.

    ``winners`` and ``shares`` are those of :class:`Elements`, which mean nothing until an anchor is resolved.
    """

    def __init__(self, network: Network, images: int) -> None:
        size, device = (images, network.pooled), network.device
        self.network = network
        self.winners = torch.full(size, NOTHING, dtype=torch.int64, device=device)
        self.shares = torch.ones(size, dtype=torch.float64, device=device) if _weighted(network) else None

    def resolve_anchor(self, anchor: Anchor, settings: Settings) -> None:
        """Find the elements of ``anchor``, given what the images set; those before it are resolved."""
        element, weight = anchor.behind(settings)
        mine = self.span(anchor)
        later = element >= self.network.neurons  # an earlier anchor's
        if self.shares is not None:
            self.shares[:, mine] = _share(self.network, self.shares, element, later, weight)
        if bool(later.any()):
            element = element.expand(len(self.winners), -1)
            earlier = self.winners.gather(1, (element - self.network.neurons).clamp(min=0))
            element = torch.where(later, earlier, element)
        self.winners[:, mine] = element

    def span(self, anchor: Anchor) -> slice:
        """The columns of an anchor's elements."""
        first = anchor.base - self.network.neurons
        return slice(first, first + anchor.size)

    def elements(self, settings: Settings) -> Elements:
        """The elements, once all anchors are resolved."""
        shares = self.shares
        if shares is not None:
            shares = shares.masked_fill(self.winners < 0, 0)
        elif bool((self.winners < 0).any()):
            shares = (self.winners >= 0).double()
        return Elements(self.network.neurons, self.winners, shares, settings.matrices)


def resolve(network: Network, settings: Settings, images: int) -> Elements:
    """The elements of a batch of ``images`` images, given what they set."""
    resolving = Resolving(network, images)
    for anchor in network.anchors:
        resolving.resolve_anchor(anchor, settings)
    return resolving.elements(settings)


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
