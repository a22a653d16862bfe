"""Controls: random neurons or edges, as many in each layer as the answer has.

``random`` ones may be any. ``live`` ones are any with an output, or a flow, that is not 0 for the image.
``other`` ones are live and not of the answer, as many as there are. Against the first two a p-value holds: an
answer without meaning is such a draw itself. The third shows what the rest of the layers can do where the
answer has most live neurons, which random draws would share with it.

Where the answer is the same for all images, so is a draw. A fixed set has its effect on all images, and only
draws that are fixed likewise vary as it does. For each image, live ones are then the first live ones in one
random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphpath.ids import digest
from graphpath.network import IncomingEdges, Network
from graphpath.network.edits import Circuit, Cut, Running
from graphpath.network.elements import Elements, resolve
from graphpath.network.operations import MaxPool
from graphpath.verifying.sets import BatchSets, sets_from_edges, sets_from_neurons

CONTROLS = ("random", "live", "other")
NULLS = CONTROLS[:2]
"""The controls that are null distributions: an answer without meaning would be one of their draws."""
TRIES = 256
"""The most candidates tried for each live edge; in small layers, each is tried about 16 times."""


SCATTER = 0x9E3779B97F4A7C15
"""The golden ratio as a 64-bit fraction: multiples of it differ in all their bits."""


class RandomNumbers:
    """Random numbers for the images of a batch, or one row for all. They do not depend on the batch."""

    def __init__(self, keys: Sequence[object], device: torch.device) -> None:
        self._device = device
        self._seeds = [int(digest(key)[:15], 16) for key in keys]
        self._generators = [torch.Generator().manual_seed(seed) for seed in self._seeds]

    def restart_at(self, site: int) -> RandomNumbers:
        """The numbers for a layer, from their start, however many were drawn before."""
        for seed, generator in zip(self._seeds, self._generators, strict=True):
            generator.manual_seed(seed ^ (site * SCATTER % (1 << 60)))
        return self

    def draw_uniform(self, count: int) -> Tensor:
        """The next ``count`` of each, in [0, 1): (N or 1, count) float64."""
        rows = [torch.rand(count, generator=one, dtype=torch.float64) for one in self._generators]
        return torch.stack(rows).to(self._device)


@dataclass(frozen=True, eq=False)
class Controls:
    """Draws as large as an answer's sets in a batch; ``clean`` is the untouched pass, recorded.

    ``keys`` determine each image's random numbers; there is one for all where the answer is the same for all.
    """

    circuit: Circuit
    clean: Running
    answer: BatchSets
    seed: int
    keys: Sequence[object]

    def draw(self, kind: str, number: int) -> BatchSets:
        """Draw ``number`` of a control."""
        network = self.circuit.network
        lots = RandomNumbers([(self.seed, kind, number, key) for key in self.keys], network.device)
        if self.answer.neurons:
            return sets_from_neurons(
                {n: self._draw_neurons(lots.restart_at(n), n, kind) for n in self.answer.neurons}
            )
        elements = (
            self._throw_switches(lots)
            if kind == "random"
            else self.clean.resolving.elements(self.clean.settings)
        )
        cuts = {n: self._draw_edges(lots.restart_at(n), n, elements, kind) for n in self.answer.edges}
        return sets_from_edges(cuts, len(self.clean.values))

    def _draw_neurons(self, lots: RandomNumbers, number: int, kind: str) -> Tensor:
        site = self.circuit.network.sites[number]
        order = lots.draw_uniform(site.size)
        if kind != "random":
            order = torch.where(self.clean.values[:, site.span] != 0, order, -1)
        if kind == "other":
            order = order.masked_fill(self.answer.neurons[number], -1)
        return mark_highest(order, self.answer.size[number])

    def _draw_edges(self, lots: RandomNumbers, number: int, elements: Elements, kind: str) -> Cut:
        images = len(self.clean.values)
        wires = CandidateEdges(
            self.circuit.incoming[number],
            elements,
            None if kind == "random" else self.clean.values,
            self.answer.edges[number] if kind == "other" else None,
        )
        wanted = self.answer.size[number]
        wanted = wanted[:1] if len(self.keys) == 1 and kind == "random" else wanted
        key = wires.draw(lots, wanted)
        row, place = (key >= 0).nonzero(as_tuple=True)
        source, target = key[row, place] % wires.neurons, key[row, place] // wires.neurons
        if len(key) == images:
            return Cut(row, source, target)
        image = torch.arange(images, device=row.device).repeat_interleave(len(source))
        return Cut(image, source.repeat(images), target.repeat(images))

    def _throw_switches(self, lots: RandomNumbers) -> Elements:
        """The elements with the switches of max pools drawn at random, each position of a window alike.

        So edges from neurons that lose their window in the image are drawn like others.
        """
        network, settings, images = self.circuit.network, self.clean.settings, len(self.keys)
        if images < len(self.clean.values):
            settings = settings.of(torch.zeros(1, dtype=torch.int64, device=network.device))
        return resolve(network, replace(settings, switches=_draw_switches(network, lots)), images)


def _draw_switches(network: Network, lots: RandomNumbers) -> dict[int, Tensor]:
    switches = {}
    for anchor in network.anchors:
        step = network.program.steps[anchor.step]
        if isinstance(step.operation, MaxPool):
            shape = network.program.steps[step.inputs[0]].shape
            noise = lots.draw_uniform(torch.Size(shape).numel())
            switches[anchor.step] = step.operation.switched(noise.reshape(-1, *shape))[1]
    return switches


def mark_highest(order: Tensor, count: Tensor) -> Tensor:
    """The ``count`` (N or 1,) highest of each row of ``order`` (N or 1, size), below 0 never: bool."""
    value, place = order.topk(min(int(count.max()), order.shape[1]), 1)
    taken = (torch.arange(place.shape[1], device=place.device) < count[:, None]) & (value >= 0)
    return torch.zeros_like(order, dtype=torch.bool).scatter_(1, place, taken)


@dataclass(frozen=True, eq=False)
class CandidateEdges:
    """The possible edges into a layer, or with ``values`` (N, E) those with a flow; none of ``without``.

    Candidates are the columns of all neurons' rows. A pair that is joined by several parallel taps is so many
    times as likely.
    """

    incoming: IncomingEdges
    elements: Elements
    values: Tensor | None
    without: Cut | None = None

    @property
    def neurons(self) -> int:
        """How many neurons the network has."""
        return self.elements.neurons

    def draw(self, lots: RandomNumbers, wanted: Tensor) -> Tensor:
        """``wanted`` (N or 1,) different edges for each image, as target * neurons + source; -1 elsewhere.

        There are fewer where not so many are found.
        """
        total = self.incoming.site.size * self.incoming.columns
        goal = wanted.clamp(max=total)
        most = min(16 * total, TRIES * int(goal.max())) + 64
        pick = torch.empty((0, 0), dtype=torch.int64, device=wanted.device)
        while True:
            more = max(64, 2 * int(goal.max()), pick.shape[1])
            new = (lots.draw_uniform(more) * total).long().clamp_(max=total - 1)
            pick = torch.cat([pick.reshape(len(new), -1), new], 1)
            key = self._find_edges(pick)
            taken = mark_first_distinct(key, goal)
            if pick.shape[1] >= most or bool((taken.sum(1) >= goal).all()):
                return torch.where(taken, key, -1)

    def _find_edges(self, pick: Tensor) -> Tensor:
        """Candidates by number (N or 1, D) as edges, -1 where there is none."""
        target, column = pick // self.incoming.columns, pick % self.incoming.columns
        key, start = torch.full_like(pick, -1), 0
        for branch_in in self.incoming.branches:
            here = (column >= start) & (column < start + branch_in.map.columns)
            entry = branch_in.map.entries(target, torch.where(here, column - start, 0))
            here = here & (entry >= 0)
            entry = entry.clamp(min=0)
            source = self.elements.behind(self._image_column(entry), branch_in.behind(entry))
            here = here & (source >= 0)
            if self.values is not None:
                read = branch_in.read(self.values).flatten(1)
                matrix = branch_in.matrix(self.elements.matrices)
                weight = branch_in.map.between(entry, target, self._image_column(entry), matrix)
                carried = read.gather(1, entry.expand(len(read), -1)) * weight
                here = here & (carried != 0)
            key = torch.where(here, target * self.neurons + source, key)
            start += branch_in.map.columns
        return key if self.without is None else torch.where(self._are_excluded(key), -1, key)

    def _are_excluded(self, key: Tensor) -> Tensor:
        """Which edges (N, D) are among those left out: bool."""
        assert self.without is not None
        cut, span = self.without, self.incoming.site.size * self.neurons
        known = (cut.image * span + cut.target * self.neurons + cut.source).sort().values
        wanted = torch.where(key >= 0, key + self._image_column(key) * span, -1).contiguous()
        place = torch.searchsorted(known, wanted).clamp_(max=len(known) - 1)
        return known[place] == wanted

    def _image_column(self, entry: Tensor) -> Tensor:
        images = len(self.elements.winners)
        return torch.arange(images, device=entry.device)[:, None]


def mark_first_distinct(key: Tensor, count: Tensor) -> Tensor:
    """The first ``count`` (N or 1,) different values of each row of ``key`` (N, D), below 0 never: bool."""
    order = key.sort(dim=1, stable=True)
    fresh = order.values >= 0
    fresh[:, 1:] &= order.values[:, 1:] != order.values[:, :-1]
    distinct = torch.zeros_like(fresh).scatter_(1, order.indices, fresh)
    return distinct & (distinct.cumsum(1) <= count[:, None])
