"""The linear maps into a site, row by row: what every neuron receives from each of its inputs.

A map reads a tensor x (one value an entry, taps already spread into channels) and gives for chosen target
neurons the products ``weight * x`` over their inputs, as a matrix (rows, columns). ``entries`` says which
entry of x a row's column is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from graphpath.network.operations.map_sums import Behind, Columns

Kept = Callable[[Tensor], Tensor]
"""What stays of weights, any shape: a rule of relevance keeps the positive or the negative ones."""


class LinearMap(ABC):
    """A linear map from a tensor to the pre-activation of a site with ``shape`` (C, H, W).

    ``columns`` of a row are ordered (places, channels, taps): ``places`` of the kernel, and ``taps`` of one
    channel of what was pooled. A row's column is entry ``starts + steps`` of the flattened x, unless that is
    padding; ``steps`` (columns,) int64. ``one_place`` says whether a row reads a single place of x,
    ``by_channel`` whether its columns are told apart by channels.
    """

    columns: int
    places: int
    taps: int
    steps: Tensor
    one_place: bool = False
    by_channel: bool = True

    @abstractmethod
    def unfold(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """x (N, *shape of x) laid out for ``rows``, once a batch.

        ``matrix`` is what the images set of the map, None where they set nothing.
        """

    @abstractmethod
    def rows(self, unfolded: Tensor, sample: Tensor, target: Tensor) -> Tensor:
        """The map's inputs of chosen neurons: (R, columns), without the weights.

        ``sample`` and ``target`` are (R,) int64: the image, and the neuron's number within the site.
        """

    @abstractmethod
    def weights(self, target: Tensor) -> Tensor:
        """The weights of chosen neurons: (R, columns), or what broadcasts to it."""

    @abstractmethod
    def entries(self, target: Tensor, column: Tensor) -> Tensor:
        """Which entry of the flattened x a column of a neuron's row is (-1: padding), broadcast over both."""

    @abstractmethod
    def between(self, entry: Tensor, target: Tensor, image: Tensor, matrix: Tensor | None) -> Tensor:
        """The weights from entries of the flattened x to neurons (0 where a neuron does not read the entry).

        The other way round than ``entries``: ``entry``, ``target`` and ``image`` (the number in the batch)
        are int64 of one shape or broadcast to it, which is that of the result.
        """

    @abstractmethod
    def starts(self, target: Tensor) -> Tensor:
        """What is added to ``steps`` for the rows of chosen neurons: int64, the shape of ``target``."""

    @abstractmethod
    def forward(self, x: Tensor, matrix: Tensor | None, kept: Kept | None = None) -> Tensor:
        """The map without constants: (N, *shape of x) to (N, size of the site).

        With ``kept`` only that of its weights.
        """

    @abstractmethod
    def groups(self, channels: int) -> int:
        """Groups of the ``channels`` of x that do not mix."""

    @abstractmethod
    def sums(self, x: Tensor, before: Tensor, behind: Behind, into: Tensor, matrix: Tensor | None) -> Columns:
        """The sums of flows and scores from feature map to feature map.

        ``before`` (N, C, H, W) is df/dz of the site, ``behind`` says which maps stand behind the channels of
        x, ``into`` (C,) are the numbers of the site's own.
        """
