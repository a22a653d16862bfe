"""Pruning by influence: which edges, and which neurons or feature maps, a share of f comes through.

After ``prune_graph`` of circuit-tracer (Ameisen et al. 2025, "Circuit Tracing"). The |score| of the edges
into a neuron are divided by their sum. The influence of a neuron on f is what products of these carry to it
from the target, over all chains of edges; the influence of an edge is that of its target times the edge's
part of it. Of the neurons those of largest influence stay that hold a share of all influence, and those where
routes start and end. Among these it is computed anew, and of the edges those of largest influence stay.

There it is the inverse of a dense matrix, here a pass over the edges from the last layer back, which may be
made when they are asked for.

A floor keeps what each layer has of influence, whatever other layers have: some edges into it, and for each
of them one chain of edges to the target and one from the image, or from a constant where none comes from
there, by the strongest edge at every step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.tracing.cuts import find_cuts, mark_above

EDGE_SHARE = 0.98
"""The default share of edges, circuit-tracer's."""

FLOOR = 50
"""The default floor: edges into each layer."""

TABLES = 12 * 8
"""Bytes that are kept of each neuron (or feature map) of an image."""

NONE = -1


@dataclass(frozen=True)
class Influence:
    """How much influence a pathway keeps.

    ``share`` of that of neurons (feature maps), ``edge_share`` of that of edges among these, in (0, 1].
    ``floor``: at least so many edges into every layer that has any, or, below 1, so large a share of the
    influence of the layer's edges; 0 for none. Raises MethodError where one is out of range.
    """

    share: float
    edge_share: float = EDGE_SHARE
    floor: float = FLOOR

    def __post_init__(self) -> None:
        for name, value in (("influence", self.share), ("edge_influence", self.edge_share)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
                raise MethodError(
                    f"{name}={value!r} is no share of the influence; expected a number above 0 and up to 1."
                )
        floor = self.floor
        number = isinstance(floor, int | float) and not isinstance(floor, bool)
        if not number or not 0 <= floor < math.inf or (floor >= 1 and floor != int(floor)):
            raise MethodError(
                f"floor={floor!r} is no floor; expected a number of edges into every layer (0 for none), or "
                "a share of each layer's influence below 1."
            )

    @classmethod
    def read(
        cls, influence: float | None, edge_influence: float | None, floor: float | None
    ) -> Influence | None:
        """What the arguments of a trace ask for; None without ``influence``.

        Raises MethodError where one is out of range, or means nothing without ``influence``.
        """
        if influence is not None:
            edge_share = EDGE_SHARE if edge_influence is None else edge_influence
            return cls(influence, edge_share, FLOOR if floor is None else floor)
        for name, value in (("edge_influence", edge_influence), ("floor", floor)):
            if value is not None:
                raise MethodError(
                    f"{name}={value!r} means nothing without influence; give influence too, 1 to keep all."
                )
        return None

    def describe(self) -> Mapping[str, Any]:
        """As the parameters of a run."""
        floor = int(self.floor) if self.floor >= 1 or self.floor == 0 else float(self.floor)
        return {"influence": float(self.share), "edge_influence": float(self.edge_share), "floor": floor}

    @property
    def amount(self) -> float:
        """The floor for :func:`graphpath.tracing.cuts.find_cuts`: an int is a number of edges."""
        return int(self.floor) if self.floor >= 1 else float(self.floor)


@dataclass(frozen=True, eq=False)
class Part:
    """Some edges into a layer, the ``number``-th of those that have edges, with their |score| (E,) float64.

    ``sources`` and ``targets`` are places of their ends in a table (N, width) laid out flat.
    """

    number: int
    sample: Tensor
    sources: Tensor
    targets: Tensor
    size: Tensor


class LayeredEdges(Protocol):
    """The edges of N images, layer by layer, between neurons or feature maps numbered below ``width``.

    ``layers`` are the spans of numbers that edges lead into, in running order. Routes start at numbers below
    ``start``, and where ``own`` (N * width,) bool; they end at ``goals`` (N * width,) bool.
    """

    images: int
    width: int
    layers: tuple[slice, ...]
    start: int
    own: Tensor
    goals: Tensor

    def iterate_parts(self, number: int) -> Iterator[Part]:
        """The edges into the ``number``-th of the layers; all those of one target are in one part."""
        ...


@dataclass(frozen=True, eq=False)
class Spread:
    """The influence of all neurons: tables (N * width,) float64.

    ``entering`` is the sum of |score| of the edges into each that count; ``passed`` its influence: f's is the
    sum of the |score| that enters the target. ``rate`` is what of it an edge has for each unit of |score|.
    """

    entering: Tensor
    passed: Tensor
    rate: Tensor
    kept: Tensor | None

    def weigh(self, part: Part) -> Tensor:
        """The influence of edges, 0 of those that do not count: (E,) float64."""
        return self.rate[part.targets].mul_(_mask(part, self.kept))


def _mask(part: Part, kept: Tensor | None) -> Tensor:
    """|score| of edges, 0 of those with an end that is not kept."""
    if kept is None:
        return part.size
    return part.size.where(kept[part.sources] & kept[part.targets], 0)


def spread_influence(edges: LayeredEdges, kept: Tensor | None = None, given: Tensor | None = None) -> Spread:
    """The influence of each neuron on f, over edges between those ``kept`` (N * width,) bool, or all.

    ``given`` (N * width,) is what the target's neurons have; by default the |score| that enters each.
    """
    entering = torch.zeros(edges.images * edges.width, dtype=torch.float64, device=edges.goals.device)
    passed = entering.clone()
    for number in reversed(range(len(edges.layers))):
        for part in edges.iterate_parts(number):
            size = _mask(part, kept)
            entering.index_add_(0, part.targets, size)
            at_goal = part.targets[edges.goals[part.targets]].unique()
            passed[at_goal] += entering[at_goal] if given is None else given[at_goal]
            share = passed[part.targets] * size / entering[part.targets]
            passed.index_add_(0, part.sources, share.nan_to_num_(0))  # where nothing enters
    rate = torch.where(entering > 0, passed / entering, 0)
    return Spread(entering, passed, rate, kept)


def mark_influential(edges: LayeredEdges, spread: Spread, share: float) -> Tensor:
    """The neurons of largest influence that hold ``share`` of all, and all starts and ends.

    Returns (N * width,) bool. As in circuit-tracer, starts count in the sum; the target's neurons do not.
    """
    values = spread.passed.masked_fill(edges.goals, 0).view(edges.images, -1)

    def by_image() -> Iterator[tuple[Tensor, Tensor]]:
        for image, row in enumerate(values):
            mine = row[row > 0]
            yield torch.full_like(mine, image, dtype=torch.int64), mine

    cuts = find_cuts(by_image, float(share), edges.images, values.device)
    kept = (values > 0) & (values.float() >= cuts[:, None])
    kept[:, : edges.start] = True
    return kept.flatten() | edges.goals


class Pruning:
    """Which edges stay."""

    def __init__(self, edges: LayeredEdges, influence: Influence, most: int | None = None) -> None:
        """``most`` is the most edges of an image that a floor may protect; with more it protects none."""
        whole = spread_influence(edges)
        given = whole.entering.where(edges.goals, 0)
        self._whole = whole
        self._pruned = spread_influence(edges, mark_influential(edges, whole, influence.share), given)
        self._cuts = find_cuts(
            lambda: _iterate_influence(edges, self._pruned),
            float(influence.edge_share),
            edges.images,
            whole.passed.device,
        )
        self._floor = None if influence.floor == 0 else Floor(edges, whole, influence.amount, most)

    def keeps(self, part: Part) -> Tensor:
        """Which edges stay, as long as they are on a whole route: (E,) bool."""
        kept = mark_above(part.sample, self._pruned.weigh(part), self._cuts)
        return kept if self._floor is None else kept | self._floor.keeps(part)

    def protects(self, part: Part) -> Tensor:
        """Which edges stay whatever a budget of ``most`` edges cuts: (E,) bool."""
        if self._floor is None:
            return torch.zeros_like(part.sample, dtype=torch.bool)
        return self._floor.keeps(part) & self._floor.fits[part.sample]


def _iterate_influence(edges: LayeredEdges, spread: Spread) -> Iterator[tuple[Tensor, Tensor]]:
    for number in range(len(edges.layers)):
        for part in edges.iterate_parts(number):
            influence = spread.weigh(part)
            there = influence.nonzero()[:, 0]
            yield part.sample[there], influence[there]


class Floor:
    """The edges of largest influence into each layer, and a chain of edges through each of them.

    ``fits`` (N,) bool says of which images they are within a budget.
    """

    def __init__(self, edges: LayeredEdges, spread: Spread, amount: float, most: int | None) -> None:
        self._edges, self._spread = edges, spread
        self._reached, self._before = _find_ways_in(edges, spread)
        self._behind = _Best(edges)
        cuts = [self._find_cuts(number, amount) for number in range(len(edges.layers))]
        self._cuts = torch.stack(cuts, 1)
        self._from, self._onward = self._follow()
        self.fits = torch.full((edges.images,), True, device=edges.goals.device)
        if most is not None:
            self.fits = self._count() <= most

    def keeps(self, part: Part) -> Tensor:
        """Which edges it keeps: (E,) bool."""
        chosen = self._mark_largest(part)
        chosen |= self._onward[part.sources] & (self._behind.end[part.sources] == part.targets)
        chosen |= self._from[part.targets] & (self._before.end[part.targets] == part.sources)
        return chosen

    def _weigh(self, part: Part) -> Tensor:
        """The influence of edges, 0 of those that no route can come to."""
        return self._spread.weigh(part).where(self._reached[part.sources], 0)

    def _mark_largest(self, part: Part) -> Tensor:
        return mark_above(part.sample, self._weigh(part), self._cuts[:, part.number])

    def _find_cuts(self, number: int, amount: float) -> Tensor:
        def parts() -> Iterator[tuple[Tensor, Tensor]]:
            for part in self._edges.iterate_parts(number):
                value = self._weigh(part)
                there = value.nonzero()[:, 0]
                yield part.sample[there], value[there]

        return find_cuts(parts, amount, self._edges.images, self._reached.device)

    def _follow(self) -> tuple[Tensor, Tensor]:
        """The neurons whose best edge in, and those whose best edge out, is kept: (N * width,) bool each."""
        into, onward = torch.zeros((2, *self._reached.shape), dtype=torch.bool, device=self._reached.device)
        for number in range(len(self._edges.layers)):
            for part in self._edges.iterate_parts(number):
                influence = self._spread.weigh(part)
                there = influence.nonzero()[:, 0]
                self._behind.offer(part.sources[there], influence[there], part.targets[there])
                chosen = self._mark_largest(part)
                onward[part.targets[chosen]] = True
                into[part.sources[chosen]] = True
        onward &= ~self._edges.goals
        for span in self._edges.layers:
            _mark_ends(onward, self._behind, span, self._edges)
        onward &= ~self._edges.goals
        for span in reversed(self._edges.layers):
            _mark_ends(into, self._before, span, self._edges)
        return into, onward

    def _count(self) -> Tensor:
        """The edges of each image that it keeps: (N,) int64."""
        count = torch.zeros_like(self.fits, dtype=torch.int64)
        for number in range(len(self._edges.layers)):
            for part in self._edges.iterate_parts(number):
                count += part.sample[self.keeps(part)].bincount(minlength=len(count))
        return count


def _find_ways_in(edges: LayeredEdges, spread: Spread) -> tuple[Tensor, _Best]:
    """Which neurons a route from a start can reach (N * width,) bool, and the best edge into each.

    The best comes from the image if any does, and is the strongest of those.
    """
    from_image = torch.zeros((edges.images, edges.width), dtype=torch.bool, device=edges.goals.device)
    from_image[:, : edges.start] = True
    from_image = from_image.flatten()
    reached, best = from_image | edges.own, _Best(edges)
    for number in range(len(edges.layers)):
        for part in edges.iterate_parts(number):
            there = ((part.size > 0) & reached[part.sources]).nonzero()[:, 0]
            sources, targets = part.sources[there], part.targets[there]
            part_of_target = part.size[there] / spread.entering[targets]
            best.offer(targets, part_of_target + from_image[sources].double(), sources)
            reached[targets] = True
            from_image[targets[from_image[sources]]] = True
    return reached, best


def _mark_ends(marked: Tensor, best: _Best, span: slice, edges: LayeredEdges) -> None:
    """Mark the other ends of the best edges of the marked neurons of a layer."""
    places = marked.view(edges.images, -1)[:, span].nonzero()
    ends = best.end[places[:, 0] * edges.width + places[:, 1] + span.start]
    marked[ends[ends != NONE]] = True


class _Best:
    """For each neuron the other end of its best edge, the smallest of equals; NONE where there is no edge."""

    def __init__(self, edges: LayeredEdges) -> None:
        count, device = edges.images * edges.width, edges.goals.device
        self.value = torch.zeros(count, dtype=torch.float64, device=device)
        self.end = torch.full((count,), NONE, dtype=torch.int64, device=device)

    def offer(self, places: Tensor, value: Tensor, ends: Tensor) -> None:
        """Take edges at neurons ``places``, with values above 0, to the ends ``ends``."""
        before = self.value[places]
        self.value.scatter_reduce_(0, places, value, "amax")
        best = value == self.value[places]
        better = places[best & (value > before)]
        self.end[better] = self.end.numel()
        self.end.scatter_reduce_(0, places[best], ends[best], "amin")
