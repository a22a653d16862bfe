"""The sites of a network and the linear maps between them (``graphpath/README.md``, "Layers").

A site is a place whose elements are neurons: the input, each convolution or dense layer with the
activation that alone reads it, each sum with its activation, a batch norm or activation that stands
alone, and the logits. All else (pooling, concatenation, padding, gates, ...) belongs to the edges; a branch
that only makes a gate holds no sites, since the held network takes its result for a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from graphpath.errors import UnsupportedOperation
from graphpath.network.operations import Activation, Layer, Part, Weighted
from graphpath.network.program import Program, Step
from graphpath.network.views import Anchor, View, spread
from graphpath.shapes import fold


@dataclass(frozen=True, eq=False)
class Branch:
    """One linear map into a site: ``operation`` (None: identity) applied to the tensor behind ``view``.

    ``taps`` is how many elements stood behind an entry of that tensor before they were spread into channels.
    ``reads`` is the step that gives the tensor, ``linear`` that of the operation.
    """

    operation: Layer | None
    view: View
    taps: int
    reads: int
    linear: int | None


@dataclass(frozen=True, eq=False)
class Site:
    """A place of neurons.

    ``shape`` is (channels, height, width), ``offset`` the number of its first neuron within the network,
    ``before`` and ``after`` the steps that give its pre-activation z and its output a (the same step where
    it has no activation), ``branches`` the maps whose values, with constants, sum to z.
    """

    number: int
    name: str
    kind: str
    shape: tuple[int, int, int]
    offset: int
    before: int
    after: int
    activation: Activation | None
    branches: tuple[Branch, ...]

    @property
    def size(self) -> int:
        """How many neurons it has."""
        channels, height, width = self.shape
        return channels * height * width

    @property
    def span(self) -> slice:
        """Its neurons among the network's."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True, eq=False)
class Network:
    """A program, its sites in the order they run (input first, logits last) and its anchors.

    ``head`` names the softmax behind the logits that was cut off, if there is one.
    """

    program: Program
    sites: tuple[Site, ...]
    anchors: tuple[Anchor, ...]
    device: torch.device
    dtype: torch.dtype
    head: str | None = None

    @property
    def neurons(self) -> int:
        """How many neurons all sites have together."""
        return self.sites[-1].offset + self.sites[-1].size

    @property
    def pooled(self) -> int:
        """How many elements the anchors have; they follow the neurons' numbers."""
        return sum(anchor.size for anchor in self.anchors)

    @cached_property
    def owners(self) -> dict[int, Site]:
        """The site whose output each step gives: the first, where two stand on one tensor."""
        return {site.after: site for site in reversed(self.sites)}

    @cached_property
    def starts(self) -> torch.Tensor:
        """The first elements of all sites, then of all anchors: int64, ascending."""
        return torch.tensor(
            [*(site.offset for site in self.sites), *(anchor.base for anchor in self.anchors)]
        )

    @property
    def piecewise_linear(self) -> bool:
        """Whether the held network's gradient is the true gradient."""
        return all(step.operation.exact for step in self.program.steps)

    def sources(self, site: Site) -> frozenset[int]:
        """The numbers of the sites that a site reads."""
        owner = {other.after: other.number for other in self.sites[: site.number]}
        found: set[int] = set()
        waiting = [site.before]
        while waiting:
            step = waiting.pop()
            if step in owner:
                found.add(owner[step])
            else:
                waiting += self.program.steps[step].carried
        return frozenset(found)

    def site(self, name: str) -> Site:
        """The site called ``name``; KeyError where there is none."""
        return {site.name: site for site in self.sites}[name]


def find_sites(program: Program, device: torch.device, dtype: torch.dtype) -> Network:
    """The sites of ``program`` and the maps between them."""
    drafts = _Grouping(program).drafts()
    drafts = _with_logits(program, drafts)
    offsets, total = [], 0
    for draft in drafts:
        offsets.append(total)
        total += torch.Size(program.steps[draft.after].shape).numel()
    views, anchors = _views(program, drafts, offsets, total, device)
    sites = []
    for number, (draft, offset) in enumerate(zip(drafts, offsets, strict=True)):
        branches = tuple(_branch(program, part, views, device) for part in draft.parts)
        shape = fold(program.steps[draft.after].shape)
        activation = program.steps[draft.after].operation if draft.after != draft.before else None
        assert activation is None or isinstance(activation, Activation)
        sites.append(
            Site(
                number, draft.name, draft.kind, shape, offset, draft.before, draft.after, activation, branches
            )
        )
    return Network(program, tuple(sites), tuple(anchors), device, dtype)


@dataclass(frozen=True)
class _Draft:
    """A site before its views are known; ``parts``: (step of the linear map or None, step it reads)."""

    name: str
    kind: str
    before: int
    after: int
    parts: tuple[tuple[int | None, int], ...]


@dataclass
class _Grouping:
    """Groups the steps of a program into drafts of sites."""

    program: Program
    readers: list[list[int]] = field(init=False)

    carrying: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.readers = self.program.readers()
        self.carrying = self.program.carrying()

    def drafts(self) -> list[_Draft]:
        taken: set[int] = set()
        drafts: list[_Draft] = []
        for number, step in enumerate(self.program.steps):
            if number in taken or number not in self.carrying:
                continue
            if not isinstance(step.operation, Layer) or self._feeds_a_sum(number):
                continue
            draft = self._draft(number, step, step.operation)
            taken.add(draft.after)
            drafts.append(draft)
        return drafts

    def _draft(self, number: int, step: Step, layer: Layer) -> _Draft:
        if number == 0:
            return _Draft(step.place, layer.kind, 0, 0, ())
        if isinstance(layer, Activation):  # that stands alone: what it reads is its pre-activation
            return _Draft(step.place, layer.kind, step.inputs[0], number, ((None, step.inputs[0]),))
        parts = ((number, step.inputs[0]),) if layer.mapped else self._operands(step)
        return _Draft(step.place, layer.kind, number, self._activated(number), parts)

    def _operands(self, step: Step) -> tuple[tuple[int | None, int], ...]:
        return tuple(
            (source, self.program.steps[source].inputs[0]) if self._feeds_a_sum(source) else (None, source)
            for source in step.inputs
        )

    def _feeds_a_sum(self, number: int) -> bool:
        """Whether a step is a convolution or dense layer that one sum alone reads."""
        steps, readers = self.program.steps, self.readers[number]
        if not isinstance(steps[number].operation, Weighted) or len(readers) != 1 or readers[0] <= 0:
            return False
        reader = steps[readers[0]].operation
        return isinstance(reader, Layer) and reader.kind == "add"

    def _activated(self, number: int) -> int:
        """The activation that alone reads a step, or the step itself."""
        readers = self.readers[number]
        if len(readers) == 1 and readers[0] > 0:
            reader = self.program.steps[readers[0]]
            if isinstance(reader.operation, Activation):
                return readers[0]
        return number


def _with_logits(program: Program, drafts: list[_Draft]) -> list[_Draft]:
    """The drafts with the last one being the logits: the last linear site, or the network's output as one."""
    last, output = drafts[-1], program.output
    if last.after == output == last.before and last.kind != "input":
        return [*drafts[:-1], replace(last, kind="logits")]
    name = "logits" if all(draft.name != "logits" for draft in drafts) else "logits of the network"
    return [*drafts, _Draft(name, "logits", output, output, ((None, output),))]


def _views(
    program: Program, drafts: list[_Draft], offsets: list[int], neurons: int, device: torch.device
) -> tuple[dict[int, View], list[Anchor]]:
    """The view of every step that an edge may start from, and the anchors."""
    starts = {
        draft.after: offset for draft, offset in zip(drafts, offsets, strict=True) if draft.kind != "logits"
    }
    views: dict[int, View] = {}
    anchors: list[Anchor] = []
    elements = neurons
    carrying = program.carrying()
    for number, step in enumerate(program.steps):
        if number not in carrying:
            continue
        if isinstance(step.operation, Part):
            sources = [views[i] for i in step.carried]
            found = step.operation.view(sources, step.shape)
            if found is None:
                anchor = _anchor(number, elements, step, step.operation, _on(sources[0], device))
                anchors.append(anchor)
                elements += anchor.size
                found = anchor.view()
            views[number] = found
        elif number in starts:
            views[number] = View(step.shape, base=starts[number])
    return views, anchors


def _anchor(number: int, base: int, step: Step, part: Part, source: View) -> Anchor:
    anchor = part.anchor(number, base, step.shape, source)
    if anchor is None:
        raise UnsupportedOperation(
            f"{step.place} is {type(part).__name__}, of which neither a view nor an anchor is known."
        )
    return anchor


def _branch(
    program: Program, part: tuple[int | None, int], views: dict[int, View], device: torch.device
) -> Branch:
    number, source = part
    operation = None if number is None else program.steps[number].operation
    assert operation is None or isinstance(operation, Layer)
    return Branch(operation, _on(spread(views[source]), device), views[source].taps, source, number)


def _on(view: View, device: torch.device) -> View:
    index = None if view.index is None else view.index.to(device)
    weight = None if view.weight is None else view.weight.to(device)
    return replace(view, index=index, weight=weight)
