"""Small made-up layers to draw sets in, and what a plain loop makes of them."""

from __future__ import annotations

from collections import deque
from itertools import combinations

import numpy as np

from graphpath.chance.possible import EdgeTerm, NeuronRange, PossibleEdges

Graph = frozenset[tuple[int, int]]


def layer(random: np.random.Generator, density: float = 0.6) -> PossibleEdges:
    """A layer that reads one or two others of 1 to 3 channels, rows and columns, by any relation."""
    shapes = random.integers(1, 4, size=(3, 3))
    offset, before = 0, []
    for number in range(int(random.integers(1, 3))):
        before.append(NeuronRange(number, f"layer {number}", offset, tuple(int(n) for n in shapes[number])))
        offset += before[-1].size
    target = NeuronRange(2, "layer 2", offset, tuple(int(n) for n in shapes[2]))
    terms = []
    for source in before:
        cells = [random.random((m, n)) < density for m, n in zip(target.shape, source.shape, strict=True)]
        for matrix in cells:
            matrix.flat[random.integers(matrix.size)] = True
        terms.append(EdgeTerm(source, target, tuple(cells)))
    return PossibleEdges(target, tuple(terms))


def windows(channels: tuple[int, int] = (4, 6), side: int = 8) -> PossibleEdges:
    """A convolution of 3 x 3."""
    source = NeuronRange(1, "one", 0, (channels[0], side, side))
    target = NeuronRange(2, "two", source.size, (channels[1], side, side))
    near = abs(np.subtract.outer(np.arange(side), np.arange(side))) <= 1
    return PossibleEdges(target, (EdgeTerm(source, target, (np.ones(channels[::-1], bool), near, near)),))


def reached(graph: Graph, possible: PossibleEdges) -> set[Graph]:
    """Every graph that single switches lead to from ``graph``."""
    found, waiting = {graph}, deque([graph])
    allowed = {(int(s), int(t)) for s, t in zip(*possible.list_all(), strict=True)}
    while waiting:
        here = waiting.popleft()
        for (n1, m1), (n2, m2) in combinations(sorted(here), 2):
            new = {(n1, m2), (n2, m1)}
            if len(new) == 2 and new <= allowed and not new & here:
                there = here - {(n1, m1), (n2, m2)} | new
                if there not in found:
                    found.add(there)
                    waiting.append(there)
    return found
