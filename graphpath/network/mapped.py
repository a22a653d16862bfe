"""Which feature map stands behind a channel of a tensor between sites."""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.network.sites import Network
from graphpath.network.views import Anchor, View

MIXED = -2
"""What stands for a channel that holds neurons of several maps, or of maps that the image decides upon."""

NONE = -1
"""What stands for a channel that holds no neurons at all."""


class Planes:
    """The feature maps of a network, each known by the number of its first neuron."""

    def __init__(self, network: Network) -> None:
        regions = [(site.offset, site.size, site.shape[1] * site.shape[2]) for site in network.sites]
        regions += [(a.base, a.size, torch.Size(a.shape[1:]).numel()) for a in network.anchors]
        self._starts = torch.tensor([start for start, _, _ in regions])
        self._regions, self._sites = regions, len(network.sites)
        self._neurons = network.neurons
        self._anchors: list[Tensor] = []  # the map behind each channel and tap of an anchor: (C, T)
        self._taps = [anchor.source.taps for anchor in network.anchors]
        for anchor in network.anchors:
            self._anchors.append(self._behind(anchor))

    def of_neurons(self, neuron: Tensor) -> Tensor:
        """The maps of neurons, any shape; NONE of a number below 0."""
        neuron = neuron.contiguous()
        starts = self._starts[: self._sites].to(neuron.device)
        sizes = torch.tensor([plane for _, _, plane in self._regions[: self._sites]], device=neuron.device)
        which = torch.searchsorted(starts, neuron, right=True).sub_(1).clamp_(min=0)
        first, plane = starts[which], sizes[which]
        return torch.where(neuron >= 0, neuron - (neuron - first) % plane, NONE)

    def of_channels(self, view: View) -> Tensor:
        """The map behind each channel (dimension 0) of a tensor with one tap an entry: (channels,)."""
        if (simple := self._run_of_maps(view)) is not None:
            return simple
        return self._common(self._of_elements(view.indexed()[0].reshape(view.shape[0], -1)))

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
            return torch.arange(channels) * plane + view.base
        maps = self._anchors[region - self._sites]
        return maps[first : first + channels, 0] if maps.shape[1] == 1 else None

    def _behind(self, anchor: Anchor) -> Tensor:
        """The map behind each channel and tap of an anchor: (C, T). An entry stays within its channel."""
        source = anchor.source
        taps = source.taps
        if taps == 1:
            return self.of_channels(source)[:, None]
        planes = source.indexed().reshape(taps, source.shape[0], -1)
        return torch.stack([self._common(self._of_elements(planes[tap])) for tap in range(taps)], 1)

    def _of_elements(self, element: Tensor) -> Tensor:
        """The maps of elements, any shape; NONE of padding, MIXED where an anchor's image decides."""
        maps = self.of_neurons(element.where(element < self._neurons, NONE))
        element = element.contiguous()
        which = torch.searchsorted(self._starts.to(element.device), element, right=True) - 1 - self._sites
        for number in which[which >= 0].unique().tolist():
            start, _, plane = self._regions[self._sites + number]
            inside = which == number
            taps = self._taps[number]
            local = element[inside] - start
            maps[inside] = self._anchors[number].to(element.device)[local // taps // plane, local % taps]
        return maps

    @staticmethod
    def _common(maps: Tensor) -> Tensor:
        """The one map of each row (C, places), padding apart; MIXED where there are several."""
        highest = maps.amax(1)
        lowest = maps.where(maps != NONE, highest[:, None]).amin(1)
        return highest.where(highest == lowest, MIXED)
