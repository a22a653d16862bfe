"""The largest chain of feature maps that a pixel's pathway, or that of several pixels, runs through.

A chain is a map in every layer that it passes, from a channel of the image to a last feature map; the largest
has the largest product of the flows E along it (``flows.py``), found exactly by dynamic programming.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphpath.network import Held, Network, Site
from graphpath.tracing.diffusion.flows import MapFlows, compute_map_flows
from graphpath.tracing.diffusion.plan import DiffusionPlan, find_last_maps

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MEMORY = 1 << 28
"""Bytes that the flows of the pixels in hand may take."""


@dataclass(frozen=True)
class Chains:
    """The largest chains of S sets of pixels: columns (M,), chain by chain from the image on.

    ``owner`` is the set, ``position`` counts from 0 at the image, ``layer`` and ``channel`` are the map,
    ``log2`` that of the product of the flows up to it.
    """

    owner: Ints
    position: Ints
    layer: Ints
    channel: Ints
    log2: Floats


def find_chains(network: Network, flows: Sequence[MapFlows], ends: tuple[Site, ...]) -> Chains:
    """The largest chains through ``flows``, from a channel of the image to a map of ``ends``.

    The flows into a site come before those out of it. Ties go to the map of the lower layer and channel.
    """
    maps, sets = _Maps.from_network(network), flows[0].log2.shape[0]
    best = np.full((sets, maps.count + 1), -np.inf)  # the last is no map
    best[:, maps.locate(network.sites[0])] = 0
    came = np.full((sets, maps.count), maps.count)
    for flow in flows:
        source, into = maps.find_numbers(flow.sources.cpu().numpy()), maps.locate(flow.site)
        value = best[:, None, source] + flow.log2.cpu().numpy()
        first = value.argmax(2)
        largest = np.take_along_axis(value, first[:, :, None], 2)[:, :, 0]
        before = source[first]
        better = (largest > best[:, into]) | ((largest == best[:, into]) & (before < came[:, into]))
        best[:, into] = np.where(better, largest, best[:, into])
        came[:, into] = np.where(better, before, came[:, into])
    last = np.concatenate([np.arange(maps.count)[maps.locate(site)] for site in ends])
    return _walk_back(best, came, last, maps)


@dataclass(frozen=True)
class _Maps:
    """The feature maps of all sites numbered through: where each site's begin, its neurons and its planes."""

    starts: Ints
    offsets: Ints
    planes: Ints
    count: int

    @classmethod
    def from_network(cls, network: Network) -> _Maps:
        channels = [site.shape[0] for site in network.sites]
        offsets = np.array([site.offset for site in network.sites])
        planes = np.array([site.shape[1] * site.shape[2] for site in network.sites])
        return cls(np.cumsum([0, *channels[:-1]]), offsets, planes, sum(channels))

    def locate(self, site: Site) -> slice:
        start = int(self.starts[site.number])
        return slice(start, start + site.shape[0])

    def find_numbers(self, neuron: Ints) -> Ints:
        """The maps with these first neurons; ``count`` for -1."""
        layer = np.searchsorted(self.offsets, neuron, side="right") - 1
        number = self.starts[layer] + (neuron - self.offsets[layer]) // self.planes[layer]
        return np.where(neuron < 0, self.count, number)


def _walk_back(best: Floats, came: Ints, last: Ints, maps: _Maps) -> Chains:
    """The chains that are best at the maps ``last``, walked back to the image."""
    at_end = best[:, last]
    at = last[at_end.argmax(1)]
    owner = np.flatnonzero(np.isfinite(at_end.max(1)))
    at, owners, found = at[owner], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    while len(owner):
        owners.append(owner)
        found.append(at)
        before = came[owner, at]
        owner, at = owner[before < maps.count], before[before < maps.count]
    back = np.repeat(np.arange(len(found)), [len(step) for step in found])
    of, map_ = np.concatenate(owners), np.concatenate(found)
    order = np.lexsort((-back, of))
    of, map_ = of[order], map_[order]
    position = np.bincount(of)[of] - 1 - (back[order] - 1) if len(of) else of
    layer = np.searchsorted(maps.starts, map_, side="right") - 1
    return Chains(of, position, layer, map_ - maps.starts[layer], best[of, map_])


def chains_of_image(
    plan: DiffusionPlan, held: Held, image: Tensor, place: Tensor, init: str, together: bool
) -> Iterator[tuple[Chains, Ints]]:
    """The largest chains of an image's pixels (R,), some at a time, and their places (-1: all together)."""
    if len(place) == 0:
        return
    network, ends = held.network, find_last_maps(held.network)
    total: list[MapFlows] = []
    for rows in torch.arange(len(place), device=place.device).split(_fit_size(plan)):
        owner = torch.zeros_like(rows) if together else torch.arange(len(rows), device=rows.device)
        sets = 1 if together else len(rows)
        flows = list(compute_map_flows(plan, held, image[rows], place[rows], owner, sets, init))
        if not together:
            yield find_chains(network, flows, ends), place[rows].cpu().numpy()
            continue
        total = [_sum_flows(one, two) for one, two in zip(total, flows, strict=True)] if total else flows
    if together:
        yield find_chains(network, total, ends), np.array([-1])


def _sum_flows(one: MapFlows, two: MapFlows) -> MapFlows:
    return replace(one, log2=torch.logaddexp2(one.log2, two.log2))


def _fit_size(plan: DiffusionPlan) -> int:
    """How many pixels at a time have flows that fit about MEMORY."""
    sites = [site for sites in plan.sites.values() for site in sites]
    numbers = sum(site.shape[0] * branch.view.shape[0] for site in sites for branch in site.branches)
    return max(1, min(plan.fit_rows(MEMORY), MEMORY // (8 * max(1, numbers))))
