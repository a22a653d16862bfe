"""What is planned once a network before pixels are carried through it: steps, kernels, footprints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from graphpath.errors import MethodError
from graphpath.network import Network, Site
from graphpath.network.operations import Activation, Identity, Modulation, Operation, Rearrange
from graphpath.network.sites import find_sites
from graphpath.tracing.diffusion import kernels
from graphpath.tracing.diffusion.footprints import Footprints, Window, compute_footprints, plan_footprints


@dataclass(frozen=True, eq=False)
class DiffusionPlan:
    """The way to some sites of a network.

    ``steps`` are those that lead there, in the order they run. ``sites`` are the sites on the way, by the
    step that gives their output. ``operations`` is what every step does; those on the way have the kernel for
    weights and no constants.
    """

    network: Network
    kernel: str
    operations: tuple[Operation, ...]
    steps: tuple[int, ...]
    sites: dict[int, tuple[Site, ...]]
    footprints: Footprints
    readers: Counter[int]

    @classmethod
    def make(
        cls, network: Network, kernel: str, ends: tuple[Site, ...], cropped: bool = True
    ) -> DiffusionPlan:
        """The plan for carrying pixels to the sites ``ends``, whole or, with ``cropped``, by footprints."""
        steps = _find_steps_to(network, ends)
        operations = kernels.list_operations(network.program, kernel, steps)
        last = max(site.number for site in ends)
        sites: dict[int, tuple[Site, ...]] = {}
        for site in network.sites[: last + 1]:
            if site.after in steps:
                sites[site.after] = (*sites.get(site.after, ()), site)
        program = network.program
        reach = plan_footprints(program, steps) if cropped else compute_footprints(program, None)
        readers = Counter(source for step in steps for source in program.steps[step].carried)
        return cls(network, kernel, operations, tuple(steps), sites, reach, readers)

    @cached_property
    def carrier(self) -> Network:
        """The network with the kernel for weights on the way."""
        program = self.network.program
        steps = zip(program.steps, self.operations, strict=True)
        program = replace(program, steps=tuple(replace(step, operation=given) for step, given in steps))
        return find_sites(program, self.network.device, self.network.dtype)

    def find_window(self, step: int) -> Window:
        """What pixels touch of a step's result."""
        return self.footprints.windows[step]

    def list_inputs(self, step: int) -> tuple[int, ...]:
        """The steps that a step's signal comes from."""
        return self.network.program.steps[step].carried

    def find_shape(self, step: int) -> tuple[int, ...]:
        """The shape of a step's result for one image."""
        return self.network.program.steps[step].shape

    def is_masked(self, step: int) -> bool:
        """Whether all that reads a step multiplies it by gates."""
        steps = self.network.program.steps
        reading = [steps[number].operation for number in self.steps if step in self.list_inputs(number)]
        return step not in self.sites and all(isinstance(op, (Activation, Modulation)) for op in reading)

    def is_spent(self, step: int) -> bool:
        """Whether a step's result is of no use once its one reader has read it.

        A result that was only moved may share memory with what it was moved from, and others may read that.
        """
        moved = isinstance(self.network.program.steps[step].operation, (Identity, Rearrange))
        return self.readers[step] == 1 and step not in self.sites and not moved

    def fit_rows(self, memory: int) -> int:
        """How many pixels at a time take about ``memory`` bytes, at least 1."""
        item = torch.empty((), dtype=self.network.dtype).element_size()
        return max(1, memory // (self._find_peak() * item))

    def _find_peak(self) -> int:
        """The most numbers that a pixel takes at any time: all that is live, and once what a step reads."""
        live, peak, left = 0, 1, Counter(self.readers)
        for step in self.steps:
            own, sources = (
                self._count_elements(step),
                [self._count_elements(source) for source in self.list_inputs(step)],
            )
            live += own
            peak = max(peak, live + max(own, *sources, 0))
            for source in self.list_inputs(step):
                left[source] -= 1
                live -= self._count_elements(source) if left[source] == 0 else 0
        return peak

    def _count_elements(self, step: int) -> int:
        return self.footprints.count_elements(self.network.program, step)


def find_last_maps(network: Network) -> tuple[Site, ...]:
    """The sites of feature maps that no other site of feature maps reads.

    Raises MethodError where the network has none but the image.
    """
    steps = network.program.steps
    maps = [site for site in network.sites if len(steps[site.after].shape) == 3 and site.kind != "logits"]
    read = {source for site in maps for source in network.sources(site)}
    last = tuple(site for site in maps if site.number not in read and site.number > 0)
    if not last:
        raise MethodError(
            "The network has no feature maps to diffuse to; through='logits' goes on to its logits."
        )
    return last


def _find_steps_to(network: Network, ends: tuple[Site, ...]) -> list[int]:
    """The steps that sites depend on, in the order they run."""
    steps = network.program.steps
    needed = {site.after for site in ends}
    for number in range(len(steps) - 1, -1, -1):
        if number in needed:
            needed.update(steps[number].carried)
    return sorted(needed)
