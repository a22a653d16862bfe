"""Whether one neuron can reach another by several taps of the same map.

Overlapping max-pools, padding that repeats, and tensors concatenated with themselves make that happen.
Edges are unique, so such taps are summed, and summing is only worth its price where it can be needed.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum

import torch
from torch import Tensor

from graphpath.network.operations.maps import LinearMap
from graphpath.network.sites import Network
from graphpath.network.views import Anchor, ScaleAnchor, View


class Repeats(Enum):
    """Where in a row the same neuron may stand more than once."""

    NONE = 0
    IN_CHANNEL = 1  # only among the places of one channel
    ANYWHERE = 2


def repeats(network: Network, view: View, taps: int, linear: LinearMap) -> Repeats:
    """Where the rows of a map that reads ``view`` may hold a neuron twice.

    The view's channels are those of what was pooled, ``taps`` of them each.
    """
    touched = _touched(network, view)
    if _meet_again(network, touched):
        return Repeats.ANYWHERE
    overlapping = any(_overlapping(network, anchor) for anchor in touched if isinstance(anchor, Anchor))
    if not overlapping and (_unique(view) or (linear.one_place and _unique_at_places(view))):
        return Repeats.NONE
    if not linear.by_channel or not _keeps_channels(network, view, taps, touched):
        return Repeats.ANYWHERE
    return Repeats.IN_CHANNEL


def shared_roots(network: Network, views: list[View]) -> bool:
    """Whether two of the views can hold the same neuron."""
    per_view = [frozenset().union(*(_roots(network, s) for s in _touched(network, view))) for view in views]
    counted = Counter(site for roots in per_view for site in roots)
    return any(count > 1 for count in counted.values())


def _touched(network: Network, view: View) -> list[int | Anchor]:
    """The sites (by number) and anchors whose elements a view holds."""
    if view.index is None:
        ends = torch.tensor([view.base, view.base + torch.Size(view.shape).numel() - 1])
        first, last = _owners(network, ends).tolist()
        numbers = list(range(first, last + 1))
    else:
        numbers = _owners(network, view.index[view.index >= 0].unique()).unique().tolist()
    sites = len(network.sites)
    return [number if number < sites else network.anchors[number - sites] for number in numbers]


def _owners(network: Network, element: Tensor) -> Tensor:
    """Which of sites and anchors, in their order, has each element: int64, the shape of ``element``."""
    return torch.searchsorted(network.starts.to(element.device), element, right=True) - 1


def _roots(network: Network, source: int | Anchor) -> frozenset[int]:
    """The sites whose neurons a site or anchor holds."""
    if isinstance(source, int):
        return frozenset([source])
    inside = (_roots(network, earlier) for earlier in _touched(network, source.source))
    return frozenset().union(*inside)


def _meet_again(network: Network, touched: list[int | Anchor]) -> bool:
    counted = Counter(site for source in touched for site in _roots(network, source))
    return any(count > 1 for count in counted.values())


def _overlapping(network: Network, anchor: Anchor) -> bool:
    earlier = _touched(network, anchor.source)
    return (
        anchor.overlapping
        or not _unique(anchor.source)
        or any(_overlapping(network, source) for source in earlier if isinstance(source, Anchor))
    )


def _unique(view: View) -> bool:
    if view.index is None:
        return True
    present = view.index[view.index >= 0]
    return len(present.unique()) == len(present)


def _unique_at_places(view: View) -> bool:
    """Whether no place of the view holds an element twice, in any of its channels."""
    channels = view.indexed()[0]
    if channels.dim() < 2:
        return _unique(view)  # its one axis may be places
    element = channels.flatten(1).sort(0).values
    return not bool(((element[1:] == element[:-1]) & (element[1:] >= 0)).any())


def _keeps_channels(network: Network, view: View, taps: int, touched: list[int | Anchor]) -> bool:
    """Whether every feature map that the view holds stays within one of its channels."""
    if len(view.shape) != 3:
        return False
    if any(isinstance(source, Anchor) and source.source.taps > 1 for source in touched):
        return False
    if any(isinstance(source, ScaleAnchor) and _overlapping(network, source) for source in touched):
        return False  # its planes need not be feature maps
    element = view.indexed(network.device)[0].flatten(1)  # (channels * taps, places), one tap each
    plane = _planes(network, element)
    lowest = torch.where(element >= 0, plane, torch.iinfo(plane.dtype).max).amin(1)
    highest = plane.amax(1)
    if bool((highest > lowest).any()):
        return False
    channel = torch.arange(len(plane), device=plane.device) // taps
    held = highest >= 0
    width = network.neurons + network.pooled
    pairs = (channel * width + highest)[held].unique()
    return len(highest[held].unique()) == len(pairs)


def _planes(network: Network, element: Tensor) -> Tensor:
    """The first element of the feature map, or channel of an anchor, of each element (-1 for none)."""
    places = [(site.offset, site.shape) for site in network.sites]
    anchors = [(anchor.base, anchor.shape) for anchor in network.anchors]
    starts, shapes = zip(*places, *anchors, strict=True)
    start = torch.tensor(starts, device=element.device)
    size = torch.tensor([torch.Size(shape[1:]).numel() for shape in shapes], device=element.device)
    which = torch.searchsorted(start, element.contiguous(), right=True).sub_(1).clamp_(min=0)
    first, plane = start[which], size[which]
    return torch.where(element >= 0, element - (element - first) % plane, -1)
