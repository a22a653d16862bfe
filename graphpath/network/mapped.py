"""The feature maps of a network, and which of them stands behind a channel of a tensor between sites."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from graphpath.network.sites import Network, Site
from graphpath.network.views import Anchor, View

MIXED = -2
"""What stands for a channel that holds neurons of several maps, or of maps that the image decides upon."""

NONE = -1
"""What stands for a channel that holds no neurons at all."""


class Planes:
    """The M feature maps of a network, numbered site by site.

    ``first`` (M,) are the numbers of their first neurons within the network.
    """

    def __init__(self, network: Network) -> None:
        sites, device = network.sites, network.device
        self._begins = [0, *accumulate(site.shape[0] for site in sites)]
        self.first = torch.cat(
            [torch.arange(s.shape[0], device=device) * (s.shape[1] * s.shape[2]) + s.offset for s in sites]
        )
        regions = [(site.offset, site.size, site.shape[1] * site.shape[2]) for site in sites]
        regions += [(a.base, a.size, torch.Size(a.shape[1:]).numel()) for a in network.anchors]
        self._regions, self._sites, self._neurons = regions, len(sites), network.neurons
        self._starts = torch.tensor([start for start, _, _ in regions], device=device)
        self._sizes = torch.tensor([size for _, _, size in regions], device=device)
        self._behind: list[Tensor] = []  # for each anchor the map behind its channels and taps: (C, T)
        for anchor in network.anchors:
            self._behind.append(self._of_anchor(anchor))

    @property
    def count(self) -> int:
        """M."""
        return self._begins[-1]

    def of_site(self, site: Site) -> slice:
        """The maps of a site."""
        return slice(self._begins[site.number], self._begins[site.number + 1])

    def of_neurons(self, neuron: Tensor) -> Tensor:
        """The maps of neurons, any shape; NONE of a number below 0."""
        neuron = neuron.contiguous()
        site = torch.searchsorted(self._starts[: self._sites], neuron, right=True).sub_(1).clamp_(min=0)
        begins = torch.tensor(self._begins, device=neuron.device)
        return torch.where(
            neuron >= 0, begins[site] + (neuron - self._starts[site]) // self._sizes[site], NONE
        )

    def of_channels(self, view: View) -> Tensor:
        """The map behind each channel (dimension 0) of a tensor with one tap an entry: (channels,)."""
        if (simple := self._run_of_maps(view)) is not None:
            return simple
        element = view.indexed(self.first.device)[0]
        return _common(self._of_elements(element.reshape(view.shape[0], -1)))

    def _run_of_maps(self, view: View) -> Tensor | None:
        """The maps of a view that is a run of whole ones."""
        if view.index is not None:
            return None
        region = int(torch.searchsorted(self._starts, view.base, right=True)) - 1
        start, size, plane = self._regions[region]
        channels, inside = view.shape[0], torch.Size(view.shape[1:]).numel()
        first, rest = divmod(view.base - start, plane)
        if rest or inside != plane or (first + channels) * plane > size:
            return None
        if region < self._sites:
            return torch.arange(channels, device=self.first.device) + self._begins[region] + first
        maps = self._behind[region - self._sites]
        return maps[first : first + channels, 0] if maps.shape[1] == 1 else None

    def _of_anchor(self, anchor: Anchor) -> Tensor:
        """The map behind each channel and tap of an anchor: (C, T). Its entries stay within their channel."""
        source = anchor.source
        if source.taps == 1:
            return self.of_channels(source)[:, None]
        planes = source.indexed(self.first.device).reshape(source.taps, source.shape[0], -1)
        return torch.stack([_common(self._of_elements(plane)) for plane in planes], 1)

    def _of_elements(self, element: Tensor) -> Tensor:
        """The maps of elements, any shape; NONE of padding, MIXED where an anchor's image decides."""
        element = element.contiguous()
        maps = self.of_neurons(element.where(element < self._neurons, NONE))
        anchor = torch.searchsorted(self._starts, element, right=True) - 1 - self._sites
        for number in anchor[anchor >= 0].unique().tolist():
            start, _, plane = self._regions[self._sites + number]
            inside, behind = anchor == number, self._behind[number]
            local = element[inside] - start
            taps = behind.shape[1]
            maps[inside] = behind[local // taps // plane, local % taps]
        return maps


def _common(maps: Tensor) -> Tensor:
    """The one map of each row (C, places), padding apart; MIXED where there are several."""
    highest = maps.amax(1)
    lowest = maps.where(maps != NONE, highest[:, None]).amin(1)
    return highest.where(highest == lowest, MIXED)
