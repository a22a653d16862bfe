"""Neurons that nearly all categories pass, and how little an edge at one says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphpath.chance.possible import Bools, Ints, Possible
from graphpath.chance.sets import Sets

Floats = npt.NDArray[np.float64]
Weigh = Callable[[Ints, Ints], Floats]
"""From the sources and targets of edges to what they count."""


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

    def kept(self, source: Ints, target: Ints) -> Bools:
        """Which edges have no hub at either end."""
        found: Bools = ~(np.isin(source, self.hubs) | np.isin(target, self.hubs))
        return found

    def left(self, sets: Sets) -> Sets:
        """The sets without what is dropped."""
        return sets.only(self.kept(sets.source, sets.target)) if self.drop else sets

    def possible(self, layer: Possible) -> int:
        """How many possible edges are not dropped."""
        return layer.count - (layer.at(self.hubs) if self.drop else 0)

    def busier(self, source: Ints, target: Ints) -> Ints:
        """How many categories pass the busier end of edges, at least 1."""
        return np.maximum(np.maximum(self._passing(source), self._passing(target)), 1)

    def weight(self, source: Ints, target: Ints) -> Floats:
        """What edges count."""
        return np.ones(source.shape) if self.drop else 1.0 / self.busier(source, target)

    def _passing(self, neuron: Ints) -> Ints:
        if not len(self.neurons):
            return np.zeros(neuron.shape, np.int64)
        place = np.searchsorted(self.neurons, neuron).clip(max=len(self.neurons) - 1)
        return np.where(self.neurons[place] == neuron, self.categories[place], 0)
