"""One pass of the held network over a batch (``graphpath/README.md``, "The held network")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from graphpath.network.constants import constants
from graphpath.network.elements import Elements, resolve
from graphpath.network.settings import Settings
from graphpath.network.sites import Network, Site

Seed = Callable[[Tensor], Tensor]
"""From logits (N, classes) to the weights of the goal's neurons in f (N, size): what is asked."""


@dataclass(frozen=True, eq=False)
class Held:
    """What the held network is for one batch of N images.

    f is a weighted sum of the outputs of one site, the ``goal``: ``seed`` (N, size of the goal) are the
    weights. ``output`` (N, neurons) are the outputs a of all sites, ``gradient`` (N, neurons) df/da of the
    held network, 0 where f does not depend on a; ``leads[i]`` says whether f depends on site i at all.
    ``logits`` (N, classes) whatever the goal. ``before[i]`` (N, size) is a site's pre-activation z.
    ``settings`` are what the images set: switches, gates, norms.
    """

    network: Network
    output: Tensor
    gradient: Tensor
    before: tuple[Tensor, ...]
    logits: Tensor
    goal: Site
    seed: Tensor
    leads: tuple[bool, ...]
    settings: Settings
    elements: Elements
    source: tuple[Held, Tensor] | None = None  # the batch whose images these are, and which of them

    @property
    def images(self) -> int:
        """N."""
        return self.output.shape[0]

    @cached_property
    def values(self) -> Tensor:
        """The elements' values (N, E): ``output``, and what stands for it behind the anchors."""
        return self.elements.values(self.output)

    @property
    def value(self) -> Tensor:
        """f of each image (N,)."""
        return (self.output[:, self.goal.span] * self.seed).sum(1)

    @cached_property
    def gates(self) -> tuple[Tensor | None, ...]:
        """For each site ``(a - phi(0)) / z`` of its neurons (N, size), None where it has no activation."""
        return tuple(
            None if site.activation is None else site.activation.gate(before.view(-1, *site.shape)).flatten(1)
            for site, before in zip(self.network.sites, self.before, strict=True)
        )

    def gate(self, site: Site) -> Tensor | None:
        """The gates of one site."""
        return self.gates[site.number]

    def of(self, image: Tensor) -> Held:
        """The images ``image`` (Q,) int64 of the batch, held as they are in it."""
        return replace(
            self,
            output=self.output[image],
            gradient=self.gradient[image],
            before=tuple(z[image] for z in self.before),
            logits=self.logits[image],
            seed=self.seed[image],
            settings=self.settings.of(image),
            elements=self.elements.of(image),
            source=(self, image),
        )

    def gradient_before(self, site: Site) -> Tensor:
        """df/dz of a site's neurons (N, size)."""
        gradient, gate = self.gradient[:, site.span], self.gate(site)
        return gradient if gate is None else gradient * gate

    @cached_property
    def constants(self) -> tuple[Tensor, ...]:
        """The constants b of each site's neurons, ``z = sum_n J a + b``: (N, size) each, 0 for the input."""
        if self.source is not None:
            held, image = self.source
            return tuple(b[image] for b in held.constants)
        found = constants(self.network, self.settings)
        nothing = self.output.new_zeros((1, 1))
        return tuple(
            (nothing if b is None else b).expand(self.images, site.size)
            for site, b in zip(self.network.sites, found, strict=True)
        )


def hold(network: Network, images: Tensor, seed: Seed, goal: Site | None = None, gates: str = "held") -> Held:
    """Run the network on ``images`` (N, C, H, W), hold it, and send df back once from ``goal``: the logits
    unless it is another site.

    ``gates="true"`` gives the gradient of the network itself instead of the held one's, for methods that
    are published with it; the two differ where an activation is not piecewise linear, at gates, and at norms
    over one image.
    """
    goal = goal or network.sites[-1]
    with torch.enable_grad():
        image = images.detach().clone().requires_grad_(True)
        kept, settings = _forward(network, image, gates)
        logits = kept[network.program.output].flatten(1)
        weights = seed(logits.detach())
        outputs = [kept[site.after] for site in network.sites]
        f = (kept[goal.after].flatten(1) * weights).sum()
        found = torch.autograd.grad(f, outputs, allow_unused=True)
    # The logits may share their tensor with the site before them; what comes after the goal is no part of f.
    gradients = [g if number <= goal.number else None for number, g in enumerate(found)]
    output = torch.cat([a.detach().flatten(1) for a in outputs], 1)
    gradient = torch.cat(
        [
            torch.zeros_like(a).flatten(1) if g is None else g.flatten(1)
            for a, g in zip(outputs, gradients, strict=True)
        ],
        1,
    )
    before = tuple(kept[site.before].detach().flatten(1) for site in network.sites)
    elements = resolve(network, settings, images.shape[0])
    leads = tuple(g is not None for g in gradients)
    return Held(network, output, gradient, before, logits.detach(), goal, weights, leads, settings, elements)


def _forward(network: Network, image: Tensor, gates: str) -> tuple[dict[int, Tensor], Settings]:
    """The values of the steps that sites need, and what the images set."""
    steps, readers = network.program.steps, network.program.readers()
    wanted = {site.before for site in network.sites} | {site.after for site in network.sites}
    wanted.add(network.program.output)
    values: dict[int, Tensor] = {}
    settings = Settings()
    left = [len(reading) for reading in readers]
    for number, step in enumerate(steps):
        operands = [values[i] for i in step.inputs] if step.inputs else [image]
        values[number] = step.operation.note(operands, number, settings, gates == "true")
        for source in step.inputs:
            left[source] -= 1
            if left[source] == 0 and source not in wanted:
                del values[source]
    return values, settings
