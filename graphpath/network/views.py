"""Where each element of a tensor comes from: integer algebra over the network's neurons.

Between two sites a network only moves, pads, pools and averages. A ``View`` says, for one tensor, which
*elements* each of its entries is a weighted sum of. Elements are numbered: first the network's neurons
(site by site), then the entries of every result that the image at hand decides upon (an ``Anchor``): a
max-pool's stand for whichever neuron won, a gate's for a neuron times a factor. They are resolved batch by
batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphpath.network.settings import Settings

NOTHING = -1
"""The element number of padding."""


@dataclass(frozen=True, eq=False)
class View:
    """The elements behind a tensor of ``shape`` (one image's, without the batch dimension).

    ``index`` (T, *shape) int64 holds T element numbers for each entry (-1: none), ``weight`` their weights
    (None: 1). A tensor that simply is a run of elements has no index, only the first one's number, ``base``.
    """

    shape: tuple[int, ...]
    base: int = 0
    index: Tensor | None = None
    weight: Tensor | None = None

    @property
    def taps(self) -> int:
        """Elements behind one entry."""
        return 1 if self.index is None else self.index.shape[0]

    def indexed(self, device: torch.device | None = None) -> Tensor:
        """``index``, made where there is none: (T, *shape) int64."""
        if self.index is not None:
            return self.index
        count = torch.Size(self.shape).numel()
        return torch.arange(self.base, self.base + count, device=device).reshape(1, *self.shape)

    def weighted(self) -> Tensor:
        """``weight``, made where there is none: (T, *shape) float64."""
        if self.weight is not None:
            return self.weight
        index = self.indexed()
        return torch.ones(index.shape, dtype=torch.float64, device=index.device)


def spread(view: View) -> View:
    """The same elements with one tap an entry: tap t of channel c becomes channel ``c * T + t``.

    A weight of the layer that reads the tensor is then repeated for every tap, so layers need to know of
    nothing but single taps. Axis 0 of ``shape`` is the channel (or feature).
    """
    if view.taps == 1:
        return view
    index = view.indexed().movedim(0, 1).flatten(0, 1)[None]
    weight = view.weighted().movedim(0, 1).flatten(0, 1)[None]
    return View(tuple(index.shape[1:]), index=index, weight=weight)


def compacted(view: View) -> View:
    """Without its index where that is a plain run of elements."""
    index = view.indexed()
    if view.taps != 1 or index.numel() == 0:
        return view
    flat = index.flatten()
    first = int(flat[0])
    run = torch.arange(first, first + flat.numel(), device=flat.device)
    return replace(view, base=first, index=None) if first >= 0 and torch.equal(flat, run) else view


@dataclass(frozen=True, eq=False)
class Anchor:
    """A result that the image decides upon; entry e with T taps owns the elements from ``base + e * T`` on.

    ``step`` is its number in the program, ``source`` the view of what it reads.
    """

    step: int
    base: int
    shape: tuple[int, ...]
    source: View

    @property
    def size(self) -> int:
        """How many elements it owns."""
        return torch.Size(self.shape).numel() * self.source.taps

    @property
    def span(self) -> slice:
        """Its elements among the network's."""
        return slice(self.base, self.base + self.size)

    @property
    def overlapping(self) -> bool:
        """Whether one element of the source may stand behind several entries."""
        raise NotImplementedError

    def view(self) -> View:
        """The view of the result."""
        taps = self.source.taps
        if taps == 1:
            return View(self.shape, base=self.base)
        elements = torch.arange(self.base, self.base + self.size, device=self.source.indexed().device)
        return View(self.shape, index=elements.reshape(*self.shape, taps).movedim(-1, 0))

    def behind(self, settings: Settings) -> tuple[Tensor, Tensor | None]:
        """The source's elements behind its own: (N or 1, size) numbers and weights (None: 1)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class PoolAnchor(Anchor):
    """The result of a max-pool: of each window, the element that won."""

    windows_overlap: bool

    @property
    def overlapping(self) -> bool:
        return self.windows_overlap

    def behind(self, settings: Settings) -> tuple[Tensor, Tensor | None]:
        switches = settings.switches[self.step]
        images, channels = switches.shape[:2]
        height, width = self.source.shape[1:]
        plane = torch.arange(channels, device=switches.device)[None, :, None] * (height * width)
        place = (switches.flatten(2) + plane).flatten(1)  # (N, entries)
        if self.source.index is None:
            return place + self.source.base, None

        def picked(planes: Tensor) -> Tensor:  # (T, C, H, W) -> (N, entries * T)
            return planes.flatten(1)[:, place].permute(1, 2, 0).reshape(images, -1)

        weight = self.source.weight
        return picked(self.source.index), None if weight is None else picked(weight)


@dataclass(frozen=True, eq=False)
class ScaleAnchor(Anchor):
    """The result of a gate, or of a norm over one image: every element times a factor of the image's."""

    @property
    def overlapping(self) -> bool:
        return False

    def behind(self, settings: Settings) -> tuple[Tensor, Tensor | None]:
        scale, taps = settings.scales[self.step], self.source.taps
        weight = scale.flatten(1).double().repeat_interleave(taps, 1)
        if self.source.weight is not None:
            weight = weight * self.source.weight.flatten(1).T.reshape(1, -1)
        return self.source.indexed(scale.device).flatten(1).T.reshape(1, -1), weight
