"""Sums of neuron edges between feature maps, as columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class Columns(NamedTuple):
    """Edges between feature maps as columns (E,): the image, numbers of maps, sums of flows and of scores."""

    sample: Tensor
    source: Tensor
    target: Tensor
    flow: Tensor
    score: Tensor

    @classmethod
    def of(cls, source: Tensor, target: Tensor, flow: Tensor, score: Tensor) -> Columns:
        """Edges in G groups, each from K maps (G, K) to O maps (G, O): sums (N, G, O, K), zeros left out."""
        there = ((flow != 0) | (score != 0)).flatten().nonzero()[:, 0]
        outer, inner = there // flow.shape[3], there % flow.shape[3]
        into = outer % target.numel()
        ends = source.flatten()[into // target.shape[1] * source.shape[1] + inner], target.flatten()[into]
        return cls(outer // target.numel(), *ends, *(sums.flatten()[there] for sums in (flow, score)))

    @classmethod
    def together(cls, parts: Iterable[Columns]) -> Columns:
        """The edges of all ``parts``, of which there is at least one."""
        first, *others = parts
        if not others:
            return first
        return cls(*(torch.cat(column) for column in zip(first, *others, strict=True)))


class Behind(NamedTuple):
    """The maps behind the channels that a branch reads, by its groups (G, K): each of ``taps`` channels."""

    maps: Tensor
    taps: int

    def over(self, sums: Tensor) -> Tensor:
        """Sums over the channels of each map (the last dimension)."""
        return sums if self.taps == 1 else sums.unflatten(-1, (-1, self.taps)).sum(-1)
