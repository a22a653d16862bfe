"""The network itself, running: neurons multiplied by factors, and a pass taken up again from a site.

Here nothing is held: max-pools switch as they like and activations are what they are, with their own
gradients. Methods that take neurons out, scale them or learn gates for them run on this. Neurons are those
of sites, which are calls and not modules, so a ReLU used twice has two sets of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network.program import Step
from graphpath.network.sites import Network, Site

Factors = Tensor | Mapping[int, Tensor]
"""What neurons are multiplied by: (N or 1, neurons), of any dtype; or by site number, for some sites only,
(N or 1, size) or what broadcasts to (N, channels, height, width)."""


def masked(network: Network, images: Tensor, factors: Factors, goal: Site | None = None) -> Tensor:
    """The outputs (N, size) of ``goal``, by default the logits, with neurons multiplied by ``factors``.

    ``images`` is (N, C, H, W). Differentiable in the images and in the factors; factors of 1 leave outputs
    exactly as they are. A neuron's factor meets its value wherever it is read, and where it is asked for.
    """
    goal = goal or network.sites[-1]
    by_site = _by_site(network, factors)
    behind = {site.after: site for site in network.sites[:-1]}  # the logits may share their step with another
    readers = [len(reading) for reading in network.program.readers()]
    values: dict[int, Tensor] = {}
    for number, step in enumerate(network.program.steps[: goal.after + 1]):
        value = step.operation.true(*([values[i] for i in step.inputs] or [images]))
        values[number] = _multiplied(value, step, by_site, behind.get(number))
        for source in step.inputs:
            readers[source] -= 1
            if readers[source] == 0:
                del values[source]
    result = values[goal.after]
    if goal is network.sites[-1]:
        result = _multiplied(result, network.program.steps[goal.after], by_site, goal)
    return result.flatten(1)


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass over N images, kept (N, ...) step by step, so that later sites can be tried again alone."""

    network: Network
    values: tuple[Tensor, ...]

    @classmethod
    def of(cls, network: Network, images: Tensor) -> Pass:
        """The pass of ``images`` (N, C, H, W)."""
        values: list[Tensor] = []
        with torch.no_grad():
            for step in network.program.steps:
                values.append(step.operation.true(*([values[i] for i in step.inputs] or [images])))
        return cls(network, tuple(values))

    @property
    def logits(self) -> Tensor:
        """(N, classes)."""
        return self.values[self.network.program.output].flatten(1)

    def output(self, site: Site) -> Tensor:
        """The outputs of a site's neurons (N, size)."""
        return self.values[site.after].flatten(1)

    def resumed(self, site: Site, output: Tensor, goal: Site | None = None) -> Tensor:
        """The outputs (N, size) of ``goal``, by default the logits, if ``site`` gave ``output`` (N, size).

        Differentiable in ``output``. Only those steps run again that depend on the site, up to the goal.
        """
        goal = goal or self.network.sites[-1]
        if site is goal:
            return output
        if site.number > goal.number:
            return self.output(goal)
        steps = self.network.program.steps
        changed = {site.after: output.reshape(-1, *steps[site.after].shape)}
        for number in range(site.after + 1, goal.after + 1):
            step = steps[number]
            if any(i in changed for i in step.inputs):
                operands = [changed.get(i, self.values[i]) for i in step.inputs]
                changed[number] = step.operation.true(*operands)
        return changed.get(goal.after, self.values[goal.after]).flatten(1)


def _by_site(network: Network, factors: Factors) -> Mapping[int, Tensor]:
    if not isinstance(factors, Tensor):
        return factors
    # One split: its gradient is one concatenation, where slices would each fill a tensor of all neurons.
    parts = factors.to(network.dtype).split([site.size for site in network.sites], 1)
    return dict(enumerate(parts))


def _multiplied(value: Tensor, step: Step, factors: Mapping[int, Tensor], site: Site | None) -> Tensor:
    if site is None or site.number not in factors:
        return value
    factor = factors[site.number].to(value.dtype)
    if factor.dim() == 2:
        return value * factor.reshape(-1, *step.shape)
    # A dense layer's neurons have no height and width.
    return value * factor.reshape(factor.shape[: 1 + len(step.shape)])
