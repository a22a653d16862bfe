"""Neurons or edges of the images of a batch, and the edits that keep or remove them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from graphpath.network import Network
from graphpath.network.edits import Cut, Edits
from graphpath.verifying.answer import AnswerSets, Ints

MODES = ("remove", "keep")


@dataclass(frozen=True, eq=False)
class BatchSets:
    """Neurons of the ablated layers, (N or 1, size) bool, or edges into them, for N images.

    Both by the number of the layer; ``size`` (N or 1,) is how many each image has there.
    """

    neurons: Mapping[int, Tensor] = field(default_factory=dict)
    edges: Mapping[int, Cut] = field(default_factory=dict)
    size: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """How many each image has in all: (N or 1,)."""
        return torch.stack(list(self.size.values())).sum(0)

    def make_edits(self, mode: str, baseline: Tensor | None) -> Edits:
        """What removes them from a pass, or with "keep" all others of these sites."""
        keep = mode == "keep"
        neurons = {number: ~mask if keep else mask for number, mask in self.neurons.items()}
        cuts = {
            number: Cut(cut.image, cut.source, cut.target, others=keep) for number, cut in self.edges.items()
        }
        return Edits(neurons, cuts, baseline)


def sets_from_neurons(masks: Mapping[int, Tensor]) -> BatchSets:
    """Neurons by site, (N or 1, size) bool each."""
    return BatchSets(neurons=masks, size={number: mask.sum(1) for number, mask in masks.items()})


def sets_from_edges(cuts: Mapping[int, Cut], images: int) -> BatchSets:
    """Edges by the site that they lead into."""
    size = {number: torch.bincount(cut.image, minlength=images) for number, cut in cuts.items()}
    return BatchSets(edges=cuts, size=size)


def sets_from_answer(answer: AnswerSets, images: Ints, network: Network) -> BatchSets:
    """The answer's neurons or edges for the images with these numbers (N,), ascending."""
    columns, image = answer.columns, answer.image
    if image is not None:
        first, last = np.searchsorted(image, [images[0], images[-1] + 1])
        columns, image = tuple(column[first:last] for column in columns), image[first:last]
        image = np.searchsorted(images, image)
    site = np.searchsorted([s.offset for s in network.sites], columns[-1], side="right") - 1
    parts = {number: site == number for number in answer.layers}
    if not answer.edges:
        rows = {n: (None if image is None else image[p], columns[0][p]) for n, p in parts.items()}
        return sets_from_neurons(
            {n: _make_mask(network, n, *pair, count=len(images)) for n, pair in rows.items()}
        )
    cuts = {}
    for number, part in parts.items():
        owner = None if image is None else image[part]
        cuts[number] = _make_cut(network, number, owner, *(c[part] for c in columns), count=len(images))
    return sets_from_edges(cuts, len(images))


def _make_mask(network: Network, site: int, image: Ints | None, neuron: Ints, *, count: int) -> Tensor:
    span = network.sites[site].span
    mask = torch.zeros((1 if image is None else count, span.stop - span.start), dtype=torch.bool)
    row = np.zeros_like(neuron) if image is None else image
    mask[torch.from_numpy(row), torch.from_numpy(neuron - span.start)] = True
    return mask.to(network.device)


def _make_cut(
    network: Network, site: int, image: Ints | None, source: Ints, target: Ints, *, count: int
) -> Cut:
    target = target - network.sites[site].offset
    if image is None:
        image = np.repeat(np.arange(count), len(source))
        source, target = np.tile(source, count), np.tile(target, count)
    columns = [torch.from_numpy(column).to(network.device) for column in (image, source, target)]
    return Cut(columns[0], columns[1], columns[2])
