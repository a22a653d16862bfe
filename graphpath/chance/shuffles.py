"""Sets of edges shuffled so that every neuron keeps its degree, within the edges that are possible.

A switch turns n1 -> m1, n2 -> m2 into n1 -> m2, n2 -> m1. One sweep proposes many at once. Edges whose
sources lie near each other are paired at random, and each pair is proposed with probability 1/2. A proposal
is accepted if both new edges are possible, and none of its four edges, old or new, is an edge of another
proposal or of a set that stays. A switch and its reverse are refused alike. So a sweep is as likely forwards
as backwards, and all arrangements that switches reach are equally likely in the end.

The length of the chain does not matter for the p-values (Besag and Clifford 1989, the parallel method). It is
run backwards once from the observed sets, and from its end forwards again for every draw. Observed and drawn
sets are then exchangeable under the null, whether or not the chain has mixed. A short chain only costs power.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graphpath.chance.possible import Bools, Ints, PossibleEdges

Words = npt.NDArray[np.uint64]
SWEEPS = 50
CHUNK = 1 << 16
"""Edges of all draws that are shuffled at a time."""
TABLE = 1 << 26
"""Pairs of neurons up to which a table says what is possible."""


@dataclass(frozen=True, eq=False)
class EdgeSlots:
    """The edges of several sets into one layer: slot i belongs to ``owner[i]`` and starts at ``source[i]``.

    All columns are (E,); ``owner`` numbers the sets from 0, ``source`` and ``target`` are ids of neurons. A
    set has no edge twice. Shuffles keep the sources where they are and move the targets.
    """

    possible: PossibleEdges
    owner: Ints
    source: Ints
    target: Ints

    @cached_property
    def _sources(self) -> tuple[Ints, Ints]:
        return np.unique(self.source, return_inverse=True)

    @cached_property
    def targets(self) -> tuple[Ints, Ints]:
        """The different targets, and of each slot which of them."""
        return np.unique(self.target, return_inverse=True)

    @cached_property
    def _sets(self) -> int:
        return int(self.owner.max(initial=0)) + 1

    @cached_property
    def _table(self) -> Bools | None:
        (source, _), (target, _) = self._sources, self.targets
        if len(source) * len(target) > TABLE:
            return None
        return self.possible.has(source[:, None], target[None])

    def are_allowed(self, slot: Ints, target: Ints) -> Bools:
        """Whether slots (P,) may have targets (D, P), numbers among the different ones."""
        if self._table is not None:
            found: Bools = self._table[self._sources[1][slot], target]
            return found
        return self.possible.has(self.source[slot], self.targets[0][target])

    def encode(self, target: Ints) -> Ints:
        """One number for each edge of an arrangement (D, E): equal where sets have an edge in common."""
        return self._sources[1] * len(self.targets[0]) + target

    def decode(self, code: Ints) -> tuple[Ints, Ints]:
        """The sources and targets behind codes."""
        source, target = np.divmod(code, len(self.targets[0]))
        return self._sources[0][source], self.targets[0][target]

    def shuffle(self, draws: int, sweeps: int = SWEEPS, seed: int = 0) -> Iterator[Ints]:
        """Independent draws as arrangements (D, E), some at a time: of each slot the number of its target."""
        random = np.random.default_rng([seed, self.possible.layer.number, 1])
        plan = [self._pair_slots(seed, sweep) for sweep in range(sweeps)]
        hub = self.targets[1][None].copy()
        for pairing in reversed(plan):
            self._sweep(hub, pairing, random)
        together = max(1, CHUNK // max(1, len(self.source)))
        for start in range(0, draws, together):
            drawn = np.repeat(hub, min(together, draws - start), axis=0)
            for pairing in plan:
                self._sweep(drawn, pairing, random)
            yield drawn

    def _pair_slots(self, seed: int, sweep: int) -> tuple[Ints, Ints, Words, Words]:
        """Slots paired with slots of the same set and near sources, and the hashes of one sweep."""
        random = np.random.default_rng([seed, self.possible.layer.number, 2, sweep])
        block = self._draw_blocks(random)
        order = np.lexsort((random.random(len(block)), block))
        block = block[order]
        first = np.flatnonzero(np.append(True, block[1:] != block[:-1])) if len(block) else np.empty(0, int)
        size = np.diff(np.append(first, len(block)))
        within = np.arange(len(block)) - np.repeat(first, size)
        left = np.flatnonzero((within % 2 == 0) & (within + 1 < np.repeat(size, size)))
        words = np.iinfo(np.uint64).max
        hashes = (
            random.integers(words, size=len(self._sources[0]) * self._sets, dtype=np.uint64),
            random.integers(words, size=len(self.targets[0]), dtype=np.uint64),
        )
        return order[left], order[left + 1], *hashes

    def _draw_blocks(self, random: np.random.Generator) -> Ints:
        """A number for each slot: equal for slots of one set whose sources share a cell of a random grid.

        Cells are as large as the windows of the layer, so every switch that is possible is proposed.
        """
        block = self.owner.astype(np.int64)
        for place, window in zip(self._places, self._windows, strict=True):
            cell = np.floor((place + window * random.random()) / window).astype(np.int64)
            block = block * (int(cell.max(initial=0)) + 1) + cell
        return block

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where each slot's source lies, as shares of its layer's height and width."""
        y, x = np.zeros((2, len(self.source)))
        for layer in {term.source.number: term.source for term in self.possible.terms}.values():
            mine = (self.source >= layer.offset) & (self.source < layer.offset + layer.size)
            _, row, column = layer.locate(self.source[mine])
            y[mine], x[mine] = (row + 0.5) / layer.shape[1], (column + 0.5) / layer.shape[2]
        return y, x

    @cached_property
    def _windows(self) -> tuple[float, float]:
        """The largest height and width of what one neuron reads, as shares of the layers that it reads."""
        found = []
        for axis in (1, 2):
            low, high = np.full((2, self.possible.layer.shape[axis]), np.nan)
            for term in self.possible.terms:
                cells = term.cells[axis]
                wide, live = cells.shape[1], cells.any(1)
                first = np.where(live, np.argmax(cells, axis=1) / wide, np.nan)
                last = np.where(live, 1 - np.argmax(cells[:, ::-1], axis=1) / wide, np.nan)
                low, high = np.fmin(low, first), np.fmax(high, last)
            found.append(float(np.nanmax(high - low, initial=1e-9)))
        return found[0], found[1]

    def _sweep(
        self, state: Ints, pairing: tuple[Ints, Ints, Words, Words], random: np.random.Generator
    ) -> None:
        """One sweep of every arrangement in ``state`` (D, E), in place."""
        one, two, source_hash, target_hash = pairing
        a, b = state[:, one], state[:, two]
        proposed = random.integers(2, size=a.shape, dtype=np.int8).astype(bool)
        proposed &= self.are_allowed(one, b) & self.are_allowed(two, a)
        start = source_hash[self._sources[1] * self._sets + self.owner]
        old = start + target_hash[state]
        new = start[one] + target_hash[b], start[two] + target_hash[a]
        taken = proposed & _mark_alone(old, new, proposed, one, two)
        state[:, one], state[:, two] = np.where(taken, b, a), np.where(taken, a, b)


def _mark_alone(old: Words, new: tuple[Words, Words], proposed: Bools, one: Ints, two: Ints) -> Bools:
    """Which proposals (D, P) have four edges that no other proposal or set has, by their hashes.

    Two edges with the same hash only make a proposal be refused, and its reverse too. They differ from sweep
    to sweep.
    """
    draws, edges = old.shape
    bits = max(4, int(16 * max(1, edges)).bit_length())
    row = (np.arange(draws, dtype=np.int64) << bits)[:, None]
    places = [((words >> np.uint64(64 - bits)).astype(np.int64) + row) for words in (old, *new)]
    seen = np.concatenate([places[0].ravel(), places[1][proposed], places[2][proposed]])
    single = np.bincount(seen, minlength=draws << bits) == 1
    four = (places[0][:, one], places[0][:, two], places[1], places[2])
    alone: Bools = np.logical_and.reduce([single[place] for place in four])
    return alone
