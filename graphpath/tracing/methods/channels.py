"""Channels: every edge between feature maps, exactly, from one backward pass.

The edge from map c to map o has the sums of flow and score over all neuron edges between the two. For a
convolution the sum of scores is ``sum over space of W * dW`` (the quantity by which SNIP prunes, signed); for
every other map the same sum is taken. No neuron is selected and no neuron edge is made. The record holds the
edges in ``channels``, a store in ``MAP_FLOWS_TO``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from graphpath.network.channels import MapIncoming
from graphpath.network.mapped import Planes
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.maps import MapSelection
from graphpath.tracing.taking import Extraction

MEMORY = 1 << 30
"""Bytes that the edges of some images may take, about."""

EDGE = 64
"""Bytes of an edge, with what is computed of it."""


def select(batch: Batch) -> MapSelection:
    """The edges between feature maps of each image of a batch."""
    return prepare(batch.compiled).select(batch)


def prepare(compiled: CompiledNetwork) -> ChannelMethod:
    """The method made ready for a network."""
    planes = Planes(compiled.network)
    return ChannelMethod(
        planes, tuple(MapIncoming(compiled.network, incoming, planes) for incoming in compiled.incoming)
    )


@dataclass(frozen=True, eq=False)
class ChannelMethod:
    """All edges between the maps of one network."""

    planes: Planes
    incoming: tuple[MapIncoming, ...]
    each: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)
    memory: int = 0

    def select(self, batch: Batch) -> MapSelection:
        """The edges into every site that f depends on."""
        leads = batch.held.leads
        edges = (incoming.edges(batch.held) for incoming in self.incoming if leads[incoming.site.number])
        return MapSelection(self.planes, tuple(edges))

    def extract(self, batch: Batch) -> Iterator[Extraction]:
        bound = sum(incoming.sums for incoming in self.incoming) * EDGE
        every = torch.arange(batch.held.images, device=batch.held.output.device)
        for some in every.split(max(1, MEMORY // bound)):
            part = batch if len(some) == len(every) else batch.select(some)
            image = some.cpu().numpy()
            yield Extraction(part, self.select(part), image, np.zeros_like(image))
