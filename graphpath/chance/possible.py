"""The edges that a network can have, from a trace's ``reach``: counted, tested, drawn from, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphpath.errors import RecordError
from graphpath.record import Trace

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
AXES = ("channel", "y", "x")


@dataclass(frozen=True, eq=False)
class NeuronRange:
    """The neurons of a layer: from id ``offset`` on, of ``shape`` (channels, height, width).

    Or its feature maps, which have one row and column, with ``step`` neurons, and so ids, each.
    """

    number: int
    name: str
    offset: int
    shape: tuple[int, int, int]
    step: int = 1

    @property
    def size(self) -> int:
        """How many neurons it has."""
        return self.shape[0] * self.shape[1] * self.shape[2] * self.step

    def select(self, neurons: Ints) -> Ints:
        """The neurons among ``neurons`` that are the layer's."""
        return neurons[(neurons >= self.offset) & (neurons < self.offset + self.size)]

    def locate(self, neuron: Ints) -> tuple[Ints, Ints, Ints]:
        """Channel, y and x of neurons of the layer, by their ids."""
        channel, place = np.divmod((neuron - self.offset) // self.step, self.shape[1] * self.shape[2])
        return channel, *np.divmod(place, self.shape[2])

    def neuron_ids(self, channel: Ints, y: Ints, x: Ints) -> Ints:
        """The ids of the neurons there."""
        return self.offset + ((channel * self.shape[1] + y) * self.shape[2] + x) * self.step


@dataclass(frozen=True, eq=False)
class EdgeTerm:
    """The edges from one layer to another whose channels, rows and columns are each related.

    ``cells`` are, axis by axis, the related pairs (target, source) as bool matrices.
    """

    source: NeuronRange
    target: NeuronRange
    cells: tuple[Bools, Bools, Bools]

    @cached_property
    def count(self) -> int:
        """How many edges."""
        return int(np.prod([int(cells.sum()) for cells in self.cells], dtype=object))

    def has(self, source: Ints, target: Ints) -> Bools:
        """Whether edges are among them, from and to neurons of the two layers (ids, broadcast)."""
        ends = zip(self.cells, self.target.locate(target), self.source.locate(source), strict=True)
        channel, y, x = (cells[to, back] for cells, to, back in ends)
        found: Bools = channel & y & x
        return found

    def count_at(self, neurons: Ints) -> int:
        """How many edges have an end among ``neurons``."""
        source, target = self.source.select(neurons), self.target.select(neurons)
        both = sum(int(self.has(source[:, None], part[None]).sum()) for part in np.array_split(target, 64))
        found = -both
        for end, layer, mine in ((0, self.source, source), (1, self.target, target)):
            degrees = [cells.sum(axis=end) for cells in self.cells]
            places = layer.locate(mine)
            per_neuron = [degree[place] for degree, place in zip(degrees, places, strict=True)]
            found += int(np.prod(np.stack(per_neuron), axis=0, dtype=np.int64).sum())
        return found

    def draw(self, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
        """``count`` of them, uniform and with replacement: sources and targets."""
        places = [np.argwhere(cells) for cells in self.cells]
        drawn = [place[random.integers(len(place), size=count)] for place in places]
        target, source = ([axis[:, end] for axis in drawn] for end in (0, 1))
        return self.source.neuron_ids(*source), self.target.neuron_ids(*target)


@dataclass(frozen=True, eq=False)
class PossibleEdges:
    """The possible edges into one layer, each in one term."""

    layer: NeuronRange
    terms: tuple[EdgeTerm, ...]

    @cached_property
    def count(self) -> int:
        """How many there are."""
        return sum(term.count for term in self.terms)

    def has(self, source: Ints, target: Ints) -> Bools:
        """Whether edges into the layer are possible (ids of neurons, broadcast)."""
        source, target = np.broadcast_arrays(source, target)
        found = np.zeros(source.shape, bool)
        for layer in {term.source.number: term.source for term in self.terms}.values():
            mine = (source >= layer.offset) & (source < layer.offset + layer.size)
            terms = [term for term in self.terms if term.source is layer]
            found[mine] = np.logical_or.reduce([term.has(source[mine], target[mine]) for term in terms])
        return found

    def draw(self, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
        """``count`` different ones, every set of them equally likely: sources and targets."""
        if count > self.count:
            raise ValueError(f"{count} of the {self.count} possible edges into {self.layer.name} are wanted")
        if count > self.count // 2:  # better to draw what is left out
            source, target = self.list_all()
            kept = random.permutation(self.count)[:count]
            return source[kept], target[kept]
        source, target = np.empty((2, 0), np.int64)
        while len(source) < count:  # the first different ones of a uniform sequence
            more = self._draw_repeated(2 * (count - len(source)) + 8, random)
            source, target = (np.append(*ends) for ends in zip((source, target), more, strict=True))
            first = np.sort(np.unique(self.encode(source, target), return_index=True)[1])[:count]
            source, target = source[first], target[first]
        return source, target

    def count_at(self, neurons: Ints) -> int:
        """How many edges have an end among ``neurons``."""
        return sum(term.count_at(neurons) for term in self.terms) if len(neurons) else 0

    def encode(self, source: Ints, target: Ints) -> Ints:
        """One number an edge."""
        return (source - self._lowest) * self.layer.size + (target - self.layer.offset)

    def decode(self, key: Ints) -> tuple[Ints, Ints]:
        """The source and the target behind keys."""
        source, target = np.divmod(key, self.layer.size)
        return source + self._lowest, target + self.layer.offset

    @cached_property
    def _lowest(self) -> int:
        return min((term.source.offset for term in self.terms), default=0)

    def list_all(self) -> tuple[Ints, Ints]:
        """All of them, for layers that are small."""
        found = []
        for term in self.terms:
            channel, y, x = (np.argwhere(cells) for cells in term.cells)
            grid = np.meshgrid(*(np.arange(len(axis)) for axis in (channel, y, x)), indexing="ij")
            ends = [axis[index.ravel()] for axis, index in zip((channel, y, x), grid, strict=True)]
            target, source = ([axis[:, end] for axis in ends] for end in (0, 1))
            found.append(np.stack([term.source.neuron_ids(*source), term.target.neuron_ids(*target)]))
        both = np.concatenate([np.empty((2, 0), np.int64), *found], axis=1)
        return both[0], both[1]

    def _draw_repeated(self, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
        share = np.array([term.count / self.count for term in self.terms])
        many = random.multinomial(count, share / share.sum())
        drawn = [term.draw(int(n), random) for term, n in zip(self.terms, many, strict=True)]
        mixed = random.permutation(count)
        return tuple(np.concatenate(ends)[mixed] for ends in zip(*drawn, strict=True))  # type: ignore[return-value]


def read_possible_edges(trace: Trace) -> dict[int, PossibleEdges]:
    """The possible edges into each layer of a trace's network, by the layer's number.

    Raises RecordError where the trace does not record them.
    """
    layers = _read_layers(trace)
    if not trace.files("reach"):
        raise RecordError(
            f"{trace.path} does not record which edges its network can have (reach.parquet), so it cannot be "
            "compared with chance: trace again with this graphpath (an imported graph does not record them)."
        )
    found: dict[int, list[EdgeTerm]] = {number: [] for number in layers}
    fill_rectangles = cache(_fill_rectangles)  # windows of attention have the same over and over
    for (number, source, _), parts in _split_terms(trace.reach().to_table().to_pandas()).items():
        shapes = zip(layers[number].shape, layers[source].shape, strict=True)
        cells = [
            fill_rectangles(parts[axis].tobytes(), shape) for axis, shape in zip(AXES, shapes, strict=True)
        ]
        found[number].append(EdgeTerm(layers[source], layers[number], (cells[0], cells[1], cells[2])))
    return {number: PossibleEdges(layers[number], tuple(terms)) for number, terms in found.items()}


def between_maps(layer: PossibleEdges) -> PossibleEdges:
    """The possible edges between feature maps: of maps that some edge between their neurons can join."""
    joined: dict[int, tuple[NeuronRange, Bools]] = {}
    for term in layer.terms:
        source, cells = joined.get(term.source.number, (term.source, np.zeros_like(term.cells[0])))
        joined[source.number] = source, cells | term.cells[0]
    one, target = np.ones((1, 1), bool), _take_maps(layer.layer)
    terms = [EdgeTerm(_take_maps(source), target, (cells, one, one)) for source, cells in joined.values()]
    return PossibleEdges(target, tuple(terms))


def _take_maps(layer: NeuronRange) -> NeuronRange:
    channels, height, width = layer.shape
    return NeuronRange(layer.number, layer.name, layer.offset, (channels, 1, 1), height * width)


def _read_layers(trace: Trace) -> dict[int, NeuronRange]:
    rows: Sequence[dict[str, int]] = trace.layers().to_table().to_pylist()
    return {
        row["layer"]: NeuronRange(
            row["layer"], str(row["name"]), row["offset"], (row["channels"], row["height"], row["width"])
        )
        for row in rows
    }


def _split_terms(table: pd.DataFrame) -> dict[tuple[int, int, int], dict[str, Ints]]:
    """The rectangles (R, 4) of each term's axes, by layer, source layer and term, in their order."""
    table = table.sort_values(["layer", "source_layer", "term", "axis"], kind="stable")
    names = table[["layer", "source_layer", "term"]].to_numpy()
    axes, rectangles = table["axis"].to_numpy(), table.iloc[:, 4:].to_numpy().astype(np.int64)
    changed = (names[1:] != names[:-1]).any(1) | (axes[1:] != axes[:-1])
    first = np.flatnonzero(np.append(True, changed)) if len(table) else np.empty(0, np.int64)
    found: dict[tuple[int, int, int], dict[str, Ints]] = {}
    for start, part in zip(first.tolist(), np.split(rectangles, first[1:]), strict=True):
        layer, source, term = names[start].tolist()
        found.setdefault((layer, source, term), {})[str(axes[start])] = part
    return found


def _fill_rectangles(rectangles: bytes, shape: tuple[int, int]) -> Bools:
    """The matrix of rectangles (R, 4) int64, given as bytes."""
    cells = np.zeros(shape, bool)
    for to, high, back, wide in np.frombuffer(rectangles, np.int64).reshape(-1, 4).tolist():
        cells[to : to + high, back : back + wide] = True
    return cells
