"""A query's answer as neurons or edges of the network at hand, numbered within it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from graphpath.errors import AnswerError
from graphpath.ids import BLOCK
from graphpath.network import Network, Site

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]

COLUMNS: Final = {"edges": ("source", "target"), "neurons": ("neuron",), "maps": ("map",)}
"""What an answer is of, by the columns that it has; the first that fits."""
OWNERS: Final = ("sample", "pathway")
"""Columns that say which image a row is of."""


@dataclass(frozen=True, eq=False)
class AnswerSets:
    """The neurons, or edges, that an answer names, each once: the same for all images, or for each its own.

    ``columns`` are one column (R,) of neurons, or two of edges (source, target), numbers within the network;
    ``image`` (R,), ascending, are the positions of the rows' images; None where each row is of every image.
    ``layers`` are the numbers of the layers that are ablated, of the neurons or of the edges' targets.
    """

    columns: tuple[Ints, ...]
    image: Ints | None
    layers: tuple[int, ...]

    @property
    def edges(self) -> bool:
        """Whether it is of edges."""
        return len(self.columns) == 2

    @property
    def digest(self) -> str:
        """sha256 of what it holds."""
        found = hashlib.sha256(f"{len(self.columns)} {self.image is None}".encode())
        for column in (*self.columns, *(() if self.image is None else (self.image,))):
            found.update(np.ascontiguousarray(column).tobytes())
        return found.hexdigest()

    def list_images(self, count: int) -> Ints:
        """The positions, among ``count`` images given, of those that it is of."""
        return np.arange(count) if self.image is None else np.unique(self.image)


@dataclass(frozen=True)
class AnswerReader:
    """Resolves an answer's ids to neurons of ``network``, whose first neuron is ``first``, and to images.

    ``samples`` are the ids of the images given. ``pathways`` maps a pathway's id to its sample. ``models``
    are the names of the store's other models, by their first neuron.
    """

    network: Network
    first: int
    samples: Ints
    pathways: pd.Series[int]
    models: Mapping[int, str] = field(default_factory=dict)

    def read(self, frame: pd.DataFrame, layers: Sequence[int | str] | None, *, shared: bool) -> AnswerSets:
        """The answer in ``frame``: the columns source and target, or neuron, or map (all neurons of the map).

        ``layers`` (numbers or names) are those whose neurons, or incoming edges, are taken. By default they
        are all that the answer names; of neurons, without the input and the logits. A column sample or
        pathway gives the image of each row, unless ``shared``; rows of other images are left out.

        Raises AnswerError.
        """
        kind = find_kind(frame)
        if frame.empty:
            raise AnswerError("The answer is empty: there is nothing to ablate. Ask for more, or elsewhere.")
        columns = [self._read_numbers(frame, name) for name in COLUMNS[kind]]
        image = None if shared else self._match_images(frame)
        if kind == "maps":
            columns, image = self._expand_maps(columns[0], image)
        if kind == "edges":
            self._check_edges(*columns)
        given = np.stack([*([] if image is None else [image]), *columns], 1)
        if image is not None:
            given = given[image >= 0]
        site = self._find_sites(given[:, -1])
        wanted = self._choose_layers(np.unique(site), layers, edges=kind == "edges")
        return self._build(given[np.isin(site, wanted)], owned=image is not None)

    def _build(self, given: Ints, *, owned: bool) -> AnswerSets:
        rows = np.unique(given, axis=0)
        parts = [np.ascontiguousarray(rows[:, number]) for number in range(rows.shape[1])]
        owner = parts.pop(0) if owned else None
        layers = tuple(int(number) for number in np.unique(self._find_sites(parts[-1])))
        return AnswerSets(tuple(parts), owner, layers)

    def _read_numbers(self, frame: pd.DataFrame, name: str) -> Ints:
        """A column of ids as numbers within the network."""
        ids = read_integers(frame, name)
        outside = (ids < self.first) | (ids >= self.first + self.network.neurons)
        if outside.any():
            raise AnswerError(
                f"Column {name} names neuron {ids[outside][0]}, which this network has not (its neurons are "
                f"{self.first} to {self.first + self.network.neurons - 1}): the answer is of "
                f"{self._describe_owner(int(ids[outside][0]))}."
            )
        return ids - self.first

    def _describe_owner(self, neuron: int) -> str:
        before = [first for first in self.models if first <= neuron < first + BLOCK]
        if before:
            return f"the model {self.models[max(before)]}"
        return "another model, or of this one at another input size"

    def _find_sites(self, number: Ints) -> Ints:
        starts = np.array([site.offset for site in self.network.sites])
        return np.searchsorted(starts, number, side="right") - 1

    def _match_images(self, frame: pd.DataFrame) -> Ints | None:
        """The position of each row's image among those given, -1 for none; None without such a column."""
        owner = next((name for name in OWNERS if name in frame.columns), None)
        if owner is None:
            return None
        sample = read_integers(frame, owner)
        if owner == "pathway":
            sample = np.asarray(self.pathways.reindex(sample, fill_value=-1).to_numpy(), dtype=np.int64)
        order = np.argsort(self.samples, kind="stable")
        place = order[np.searchsorted(self.samples, sample, sorter=order).clip(max=len(order) - 1)]
        image: Ints = np.where(self.samples[place] == sample, place, -1)
        if (image < 0).all():
            raise AnswerError(
                f"Column {owner} names no image of those given: verify with the images that were traced."
            )
        return image

    def _expand_maps(self, first: Ints, image: Ints | None) -> tuple[list[Ints], Ints | None]:
        """All neurons of the feature maps with these first neurons."""
        planes = np.array([site.shape[1] * site.shape[2] for site in self.network.sites])
        starts = np.array([site.offset for site in self.network.sites])
        site = self._find_sites(first)
        if ((first - starts[site]) % planes[site] != 0).any():
            raise AnswerError(
                "Column map holds what is no feature map's id, which is that of its first neuron."
            )
        size = planes[site]
        within = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
        return [np.repeat(first, size) + within], None if image is None else np.repeat(image, size)

    def _check_edges(self, source: Ints, target: Ints) -> None:
        """Refuse edges between layers that the network does not join."""
        pairs = np.unique(np.stack([self._find_sites(source), self._find_sites(target)], 1), axis=0)
        sites = self.network.sites
        for one, other in pairs.tolist():
            if one not in self.network.sources(sites[other]):
                raise AnswerError(
                    f"The answer has edges from {sites[one].name} to {sites[other].name}, which does not "
                    "read it: source and target must be the neurons at the ends of an edge, in this order."
                )

    def _choose_layers(self, named: Ints, layers: Sequence[int | str] | None, *, edges: bool) -> list[int]:
        """The numbers of the layers that are ablated."""
        sites = self.network.sites
        if layers is not None:
            chosen = [find_layer(layer, sites) for layer in layers]
            if not set(chosen) & set(named.tolist()):
                raise AnswerError(f"The answer names nothing in the layers that you gave: {_list(layers)}.")
            return chosen
        ends = () if edges else (0, len(sites) - 1)
        found = [number for number in named.tolist() if number not in ends]
        if not found:
            raise AnswerError(
                "The answer names neurons of the input and the logits only, which are ablated where layers= "
                f"names them, such as layers=[{named[0]}]."
            )
        return found


def find_kind(frame: pd.DataFrame) -> str:
    """A key of COLUMNS. Raises AnswerError where the columns name no neurons or edges."""
    for kind, columns in COLUMNS.items():
        if set(columns) <= set(frame.columns):
            return kind
    raise AnswerError(
        f"The answer has the columns {_list(frame.columns)}: expected source and target (edges), neuron, or "
        "map (a feature map's id)."
    )


def read_integers(frame: pd.DataFrame, name: str) -> Ints:
    """A column of ids. Raises AnswerError where it holds anything else."""
    try:
        column = np.asarray(frame[name].to_numpy(dtype=np.int64))
        if not (frame[name].to_numpy() == column).all():
            raise ValueError("it has fractions")
    except (TypeError, ValueError, OverflowError) as error:
        raise AnswerError(f"Column {name} holds what is no id: {error}.") from error
    return column


def find_layer(layer: int | str, sites: Sequence[Site]) -> int:
    """The number of a layer given by number or name. Raises AnswerError."""
    numbers = {site.name: site.number for site in sites}
    if isinstance(layer, str) and layer in numbers:
        return numbers[layer]
    if re.fullmatch(r"[0-9]{1,9}", str(layer)) and int(layer) < len(sites):
        return int(layer)
    raise AnswerError(
        f"layers: there is no layer {layer!r}; there are 0 to {len(sites) - 1}, or by name {_list(numbers)}."
    )


def _list(names: Iterable[object]) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:12]) + (" ..." if len(listed) > 12 else "") or "none"
