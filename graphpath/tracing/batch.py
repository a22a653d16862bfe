"""One batch under trace: the held network and what flows into each of its sites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor

from graphpath.network import Held, IncomingEdges, Network, Site, hold
from graphpath.network.incoming import FlowRows


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """A network with the incoming edges of every layer but the input, in the order they run; made once."""

    network: Network
    incoming: tuple[IncomingEdges, ...]

    @classmethod
    def of(cls, network: Network) -> CompiledNetwork:
        """The compiled form of ``network``."""
        return cls(network, tuple(IncomingEdges(network, site) for site in network.sites[1:]))

    @property
    def sites(self) -> tuple[Site, ...]:
        """The network's sites."""
        return self.network.sites


@dataclass(frozen=True, eq=False)
class Batch:
    """A compiled network, held for N images (N, C, H, W), with a seed for each, for methods that draw."""

    compiled: CompiledNetwork
    images: Tensor
    held: Held
    seeds: tuple[int, ...]

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """The constants b of each site but the input: (N, size) each."""
        return self.held.constants[1:]

    @property
    def goal(self) -> Site:
        """The site whose neurons f weighs: the logits, or where ``gp.at`` points."""
        return self.held.goal

    @property
    def ends(self) -> Ends:
        """Where routes end: at the goal."""
        return ((self.goal, self.held.seed),)

    def select(self, image: Tensor) -> Batch:
        """The batch of the images numbered ``image`` (Q,) int64 here; a number may occur more than once."""
        seeds = tuple(self.seeds[i] for i in image.tolist())
        return Batch(self.compiled, self.images[image], self.held.of(image), seeds)

    @property
    def incoming(self) -> tuple[IncomingEdges, ...]:
        """The incoming edges of the layers that f depends on, in running order; the target's are last."""
        return tuple(incoming for incoming in self.compiled.incoming if self.held.leads[incoming.site.number])

    @cached_property
    def true(self) -> Held:
        """The batch with the network's own gradient, for methods that are published with it."""
        if self.held.network.piecewise_linear:
            return self.held
        return hold(self.held.network, self.images, lambda logits: self.held.seed, self.goal, gates="true")

    def mark_target(self) -> Tensor:
        """The goal's neurons that f weighs and that are live: (N, size of the goal) bool."""
        return self.held.gradient_before(self.goal) != 0

    def draw_uniform(self, count: int) -> Tensor:
        """``count`` uniform numbers in (0, 1] for each image, by its seed: (N, count) float64."""
        rows = []
        for seed in self.seeds:
            generator = torch.Generator().manual_seed(seed)
            rows.append(1 - torch.rand(count, generator=generator, dtype=torch.float64))
        return torch.stack(rows).to(self.held.output.device)

    def iterate_rows(self, incoming: IncomingEdges, targets: Tensor, values: Tensor) -> Iterator[FlowRows]:
        """The flows into the neurons ``targets`` (N, size of the site) bool, from ``values`` (N, E)."""
        sample, target = targets.nonzero(as_tuple=True)
        if len(sample) == 0:
            return iter(())
        return incoming.iterate_rows(self.held.elements, values, sample, target)


Ends = tuple[tuple[Site, Tensor], ...]
"""Sites at which routes end, each with what its neurons weigh in f: (N, size)."""


@dataclass(frozen=True, eq=False)
class EdgeBlock:
    """Edges into one site, as columns (E,): the image, both ends (numbers within the network), the flow."""

    site: Site
    sample: Tensor
    source: Tensor
    target: Tensor
    flow: Tensor

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def places(self) -> Tensor:
        """Where the targets stand in a table (N, size of the site) laid out flat."""
        return self.sample * self.site.size + (self.target - self.site.offset)

    def take(self, place: Tensor) -> EdgeBlock:
        """The edges at ``place`` (K,) int64."""
        columns = (self.sample, self.source, self.target, self.flow)
        return EdgeBlock(self.site, *(column.index_select(0, place) for column in columns))

    @classmethod
    def join(
        cls, site: Site, parts: Sequence[tuple[Tensor, ...]], device: torch.device, dtype: torch.dtype
    ) -> EdgeBlock:
        """The block made of parts (sample, source, target, flow)."""
        if not parts:
            none = torch.empty(0, dtype=torch.int64, device=device)
            return cls(site, none, none, none, torch.empty(0, dtype=dtype, device=device))
        return cls(site, *(torch.cat(column) for column in zip(*parts, strict=True)))


class SelectedEdges(Protocol):
    """Selected edges: in memory, or made when they are read."""

    @property
    def blocks(self) -> tuple[EdgeBlock, ...]:
        """A block for each layer of ``Batch.incoming``, in their order."""
        ...

    @property
    def bias_fed(self) -> Tensor:
        """How many selected neurons have nothing selected before them: (N, sites) int64."""
        ...


@dataclass(frozen=True, eq=False)
class EdgesInMemory:
    """Selected edges that fit into memory."""

    blocks: tuple[EdgeBlock, ...]
    bias_fed: Tensor


@dataclass(frozen=True, eq=False)
class Selection:
    """What a method selects in a batch.

    ``sparsity`` (N,) is the share of thresholded neurons left out (NaN for methods that choose edges).
    ``neurons`` (N, neurons) bool are those that a method chose (None for methods that choose edges).
    ``ends`` are where routes end: at the goal, unless the method says otherwise. ``from_constants`` says
    whether they may start at a constant. ``first`` is the number of the first site that has edges into it;
    routes start at the outputs before it, so at pixels if it is 1. ``there`` is what there was to select
    from, where that is more than the blocks: edges and their |score|, (N, sites) each.
    """

    edges: SelectedEdges
    sparsity: Tensor
    neurons: Tensor | None = None
    ends: Ends | None = None
    from_constants: bool = True
    first: int = 1
    there: tuple[Tensor, Tensor] | None = None

    @property
    def blocks(self) -> tuple[EdgeBlock, ...]:
        """All chosen edges: a block for each layer of ``Batch.incoming``, in their order."""
        return self.edges.blocks

    @property
    def bias_fed(self) -> Tensor:
        """How many selected neurons have nothing selected before them: (N, sites) int64."""
        return self.edges.bias_fed


def as_array(tensor: Tensor) -> npt.NDArray[Any]:
    """A tensor as a numpy array; bfloat16, which numpy has not, as float32."""
    plain = tensor.detach().cpu()
    array: npt.NDArray[Any] = (plain.float() if plain.dtype is torch.bfloat16 else plain).numpy()
    return array
