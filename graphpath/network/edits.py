"""The network itself, running, with neurons set and edges cut (``graphpath/README.md``, "Ablation").

A neuron is set to its baseline, wherever it is read. An edge n -> m is cut by taking ``J a_n`` from z_m, with
the switches and gates that this very pass has; what comes later runs on from there. So to cut all edges out
of a neuron is to set it to zero, but for what is no edge: behind a max-pool no other neuron wins in its
place, and gates still see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graphpath.network.elements import Resolving
from graphpath.network.incoming import IncomingBranch, IncomingEdges
from graphpath.network.settings import Settings
from graphpath.network.sites import Network, Site
from graphpath.network.views import Anchor

PIECE = 1 << 20
"""Edges whose flows are looked up at once."""


@dataclass(frozen=True, eq=False)
class Cut:
    """Edges into one site, as columns (E,) int64, each edge of an image at most once.

    ``image`` is the number within the batch, ``source`` the neuron's within the network, ``target`` the
    neuron's within the site. With ``others`` these are kept, and all other edges into the site are cut.
    """

    image: Tensor
    source: Tensor
    target: Tensor
    others: bool = False


@dataclass(frozen=True, eq=False)
class Edits:
    """What is changed in a pass over N images, by the numbers of sites; nothing at other sites.

    ``neurons`` (N or 1, size) bool are set to their ``baseline`` (N or 1, neurons of the network), 0 where it
    is None; an edge that is cut carries what it would from the baseline.
    """

    neurons: Mapping[int, Tensor] = field(default_factory=dict)
    cuts: Mapping[int, Cut] = field(default_factory=dict)
    baseline: Tensor | None = None


NOTHING_CHANGED = Edits()


class Circuit:
    """A network with the incoming edges of its layers, to be run with edits as often as one likes."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.incoming = {site.number: IncomingEdges(network, site) for site in network.sites[1:]}
        self.anchors = {anchor.step: anchor for anchor in network.anchors}
        self._places: dict[int, tuple[Tensor, Tensor]] = {}

    def run(self, images: Tensor, edits: Edits = NOTHING_CHANGED, *, recorded: bool = False) -> Running:
        """The pass of ``images`` (N, C, H, W) with ``edits``; it leaves nothing to differentiate."""
        with torch.no_grad():
            return Running(self, images, edits, recorded)

    def flows(self, incoming: IncomingEdges, running: Running, cut: Cut) -> Tensor:
        """What chosen edges carry in a pass, (E,), from the values of the elements before their site.

        Edges that do not carry anything, or that the network has not, have 0.
        """
        found = torch.zeros(len(cut.image), dtype=running.values.dtype, device=running.values.device)
        for branch_in in incoming.branches:
            read = branch_in.read(running.values).flatten(1)
            for start in range(0, len(cut.image), PIECE):
                part = slice(start, start + PIECE)
                edge, entry = self._entries(branch_in, running, cut.image[part], cut.source[part])
                edge += start
                matrix = branch_in.matrix(running.settings.matrices)
                weight = branch_in.map.between(entry, cut.target[edge], cut.image[edge], matrix)
                found.index_add_(0, edge, read[cut.image[edge], entry] * weight)
        return found

    def _entries(
        self, branch_in: IncomingBranch, running: Running, image: Tensor, source: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where neurons stand in the tensor that a branch reads: pairs (number of the row, entry)."""
        key, order, entries = self._sorted(branch_in, running)
        source = source.contiguous()
        if len(order) > entries:  # a table for each image
            source = source + image * self.network.neurons
        first = torch.searchsorted(key, source)
        count = torch.searchsorted(key, source, right=True) - first
        row = torch.arange(len(source), device=source.device).repeat_interleave(count)
        within = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
        return row, order[first[row] + within] % entries

    def _sorted(self, branch_in: IncomingBranch, running: Running) -> tuple[Tensor, Tensor, int]:
        """The neurons behind the entries that a branch reads, sorted; their places; how many entries it has.

        The same for all images where no anchor stands between; then they are sorted only once.
        """
        entries = torch.Size(branch_in.view.shape).numel()
        if id(branch_in) in self._places:
            return *self._places[id(branch_in)], entries
        element = branch_in.behind(torch.arange(entries, device=running.values.device))
        pooled = element >= self.network.neurons
        if not bool(pooled.any()):
            self._places[id(branch_in)] = element.sort()
            return *self._places[id(branch_in)], entries
        won = running.resolving.winners[:, (element - self.network.neurons).clamp(min=0)]
        neuron = torch.where(pooled, won, element)
        first = torch.arange(len(neuron), device=neuron.device)[:, None] * self.network.neurons
        key, order = torch.where(neuron >= 0, neuron + first, -1).flatten().sort()
        return key, order, entries


class Running:
    """One pass: ``logits`` (N, classes), and what its edges start from.

    ``values`` (N, elements) are the elements' values less what the baseline gives them, ``resolving`` says
    which neuron each element stands for, ``settings`` what the images set. The first two are kept where edges
    are cut, and where ``recorded`` asks for them.
    """

    def __init__(self, circuit: Circuit, images: Tensor, edits: Edits, recorded: bool) -> None:
        network = circuit.network
        self.circuit, self.edits = circuit, edits
        self.recorded = recorded or bool(edits.cuts)
        kept = (len(images), network.neurons + network.pooled) if self.recorded else (0, 0)
        self.values, self.settings = images.new_zeros(kept), Settings()
        self.resolving = Resolving(network, kept[0])
        last = network.sites[-1]
        logits = self._run(images)
        # The logits may share their step with a site before them.
        self.logits = (
            logits if last is self._owner(last.after) else self._output(last, self._cut(last, logits))
        )

    def _run(self, images: Tensor) -> Tensor:
        """The steps one after the other: the network's output (N, classes)."""
        program = self.circuit.network.program
        readers = [len(reading) for reading in program.readers()]
        values: dict[int, Tensor] = {}
        for number, step in enumerate(program.steps):
            operands = [values[i] for i in step.inputs] or [images]
            values[number] = self._step(number, operands)
            for source in step.inputs:
                readers[source] -= 1
                if readers[source] == 0:
                    del values[source]
        return values[program.output].flatten(1)

    def _step(self, number: int, operands: list[Tensor]) -> Tensor:
        operation, site = self.circuit.network.program.steps[number].operation, self._owner(number)
        # A pre-activation may have other readers, which do not see what is cut from it.
        if site is not None and site.activation is not None:
            operands = [self._cut(site, operands[0])]
        value = operation.note(operands, number, self.settings, True)
        if site is not None:
            return self._output(site, value if site.activation is not None else self._cut(site, value))
        if self.recorded and (anchor := self.circuit.anchors.get(number)) is not None:
            self._settle(anchor)
        return value

    def _owner(self, step: int) -> Site | None:
        return self.circuit.network.owners.get(step)

    def _cut(self, site: Site, before: Tensor) -> Tensor:
        """The pre-activation of a site without what the edges that are cut carry."""
        cut = self.edits.cuts.get(site.number)
        if cut is None:
            return before
        incoming = self.circuit.incoming[site.number]
        flow = self.circuit.flows(incoming, self, cut)
        carried = before.new_zeros((len(before), site.size))
        carried.index_put_((cut.image, cut.target), flow, accumulate=True)
        if cut.others:
            carried = incoming.forward(self.values, self.settings.matrices) - carried
        return before - carried.reshape(before.shape)

    def _output(self, site: Site, after: Tensor) -> Tensor:
        """The outputs of a site with those neurons set that are to be."""
        baseline = self.edits.baseline
        at = None if baseline is None else baseline[:, site.span].reshape(-1, *after.shape[1:])
        chosen = self.edits.neurons.get(site.number)
        if chosen is not None:
            other = after.new_zeros(()) if at is None else at
            after = torch.where(chosen.reshape(-1, *after.shape[1:]), other, after)
        if self.recorded:
            self.values[:, site.span] = (after if at is None else after - at).flatten(1)
        return after

    def _settle(self, anchor: Anchor) -> None:
        """Which neurons an anchor's elements stand for in this pass, and what they are worth."""
        resolving = self.resolving
        resolving.resolve_anchor(anchor, self.settings)
        mine = resolving.span(anchor)
        winners = resolving.winners[:, mine]
        values = self.values.gather(1, winners.clamp(min=0))
        if resolving.shares is not None:
            values *= resolving.shares[:, mine].to(values.dtype)
        self.values[:, anchor.span] = values.masked_fill_(winners < 0, 0)
