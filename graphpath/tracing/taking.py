"""What a method takes of a batch: pathways, one of each image or several, and what their pixels cross."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.maps import MapSelection

Ints = npt.NDArray[np.int64]
SmallInts = npt.NDArray[np.int32]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Crosses:
    """Feature maps that pixels cross, as columns (M,): there may be millions.

    ``pathway`` is a row of the batch, ``pixel`` the number of the pixel's neuron in the first channel,
    ``size`` how large its signal is on the map, ``signed`` the signed sum, ``rank`` 1 for the pixel's largest
    map of the layer.
    """

    pathway: SmallInts
    pixel: SmallInts
    layer: SmallInts
    channel: SmallInts
    size: Singles
    signed: Singles
    rank: SmallInts


@dataclass(frozen=True, eq=False)
class Extraction:
    """Q pathways of a batch, and the batch as it is for them: a row for each.

    ``image`` (Q,) is each one's image in the first batch. ``number`` (Q,) tells those of one image apart.
    ``origin`` (Q,) is the neuron at which each starts, if it starts at one pixel.
    """

    batch: Batch
    selection: Selection | MapSelection
    image: Ints
    number: Ints
    origin: Ints | None = None
    crosses: Crosses | None = None


class Extractor(Protocol):
    """A method made ready for one network."""

    @property
    def each(self) -> int:
        """How many pathways an image may have: ids are kept for so many."""
        ...

    @property
    def notes(self) -> Mapping[str, Any]:
        """What run.json says beside the method's options."""
        ...

    @property
    def memory(self) -> int:
        """Bytes that it keeps of an image, in addition to what all methods keep."""
        ...

    def extract(self, batch: Batch) -> Iterator[Extraction]:
        """The pathways of a batch, some at a time."""
        ...


@dataclass(frozen=True)
class OneAnImage:
    """A method that selects one pathway of each image."""

    select: Callable[..., Selection | MapSelection]
    options: Mapping[str, Any]
    each: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)
    memory: int = 0

    def extract(self, batch: Batch) -> Iterator[Extraction]:
        every = np.arange(batch.held.images)
        yield Extraction(batch, self.select(batch, **self.options), every, np.zeros_like(every))
