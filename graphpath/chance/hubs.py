"""Hubs: neurons that nearly all categories pass; edges at them are dropped, or weigh less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphpath.chance.possible import Bools, Ints, PossibleEdges
from graphpath.chance.sets import EdgeSets

Floats = npt.NDArray[np.float64]
Weigh = Callable[[Ints, Ints], Floats]
"""From the sources and targets of edges to their weights."""


@dataclass(frozen=True, eq=False)
class Hubs:
    """How many ``categories`` pass each of ``neurons`` (ids in order), of ``count`` in all.

    ``drop`` leaves out edges at neurons that at least ``share`` of the categories pass; otherwise an edge
    counts one over the number of categories that pass its busier end.
    """

    neurons: Ints
    categories: Ints
    count: int
    drop: bool
    share: float

    @property
    def hubs(self) -> Ints:
        """The neurons that are dropped: at least two categories pass them."""
        busy = (self.categories >= self.share * self.count) & (self.categories > 1)
        return self.neurons[busy & self.drop]

    def mark_kept(self, source: Ints, target: Ints) -> Bools:
        """Which edges have no hub at either end."""
        found: Bools = ~(np.isin(source, self.hubs) | np.isin(target, self.hubs))
        return found

    def drop_hubs(self, sets: EdgeSets) -> EdgeSets:
        """The sets without the edges at hubs, where these are dropped."""
        return sets.select(self.mark_kept(sets.source, sets.target)) if self.drop else sets

    def count_possible(self, layer: PossibleEdges) -> int:
        """How many possible edges are not dropped."""
        return layer.count - (layer.count_at(self.hubs) if self.drop else 0)

    def count_busier(self, source: Ints, target: Ints) -> Ints:
        """How many categories pass the busier end of edges, at least 1."""
        return np.maximum(np.maximum(self._count_passing(source), self._count_passing(target)), 1)

    def weigh(self, source: Ints, target: Ints) -> Floats:
        """The weights of edges."""
        return np.ones(source.shape) if self.drop else 1.0 / self.count_busier(source, target)

    def _count_passing(self, neuron: Ints) -> Ints:
        if not len(self.neurons):
            return np.zeros(neuron.shape, np.int64)
        place = np.searchsorted(self.neurons, neuron).clip(max=len(self.neurons) - 1)
        return np.where(self.neurons[place] == neuron, self.categories[place], 0)
