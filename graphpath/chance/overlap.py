"""How many edges sets share, in many arrangements at once, and their Jaccard indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from graphpath.chance.possible import Ints, PossibleEdges
from graphpath.chance.sets import EdgeSets
from graphpath.chance.shuffles import CHUNK
from graphpath.progress import Progress, as_progress

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """How sets are drawn: ``kind`` "degree" or "independent", how often, and from which seed."""

    kind: str
    draws: int
    sweeps: int
    seed: int
    progress: Progress = field(default_factory=lambda: as_progress(None))
    """Counts the draws of all layers."""

    def draw(self, sets: EdgeSets, layer: int) -> Iterator[Ints]:
        """The sets into one layer, drawn ``draws`` times, some at a time: keys of edges (D, E).

        Columns belong to the owners of the observed edges into the layer.
        """
        layers = sets.layers
        done, total = layers.index(layer) * self.draws, len(layers) * self.draws
        for drawn in self._draw_keys(sets, layer):
            yield drawn
            done += len(drawn)
            self.progress("drawing", done, total)

    def _draw_keys(self, sets: EdgeSets, layer: int) -> Iterator[Ints]:
        if self.kind == "degree":
            slots = sets.make_slots(layer)
            for drawn in slots.shuffle(self.draws, self.sweeps, self.seed):
                yield sets.reach[layer].encode(*slots.decode(slots.encode(drawn)))
            return
        random = np.random.default_rng([self.seed, layer, 3])
        sizes = sets.count_edges(layer)
        together = max(1, CHUNK // max(1, int(sizes.sum())))
        for start in range(0, self.draws, together):
            count = min(together, self.draws - start)
            yield np.stack([_draw_independent(sets.reach[layer], sizes, random) for _ in range(count)])


def _draw_independent(reach: PossibleEdges, sizes: Ints, random: np.random.Generator) -> Ints:
    none = np.empty(0, np.int64)
    return np.concatenate([none, *(reach.encode(*reach.draw(int(size), random)) for size in sizes)])


def count_common(key: Ints, owner: Ints, owners: int, weigh: Callable[[Ints], Floats]) -> Floats:
    """The weight of the edges that every two sets share: (D, owners, owners), symmetric.

    On the diagonal is the weight of each set. ``key`` (D, E) are the edges, ``owner`` (E,) their sets;
    ``weigh`` gives the weights of keys.
    """
    draws = len(key)
    packed = np.sort(key * owners + owner, axis=1)
    key, whose = np.divmod(packed, owners)
    found = np.zeros(draws * owners * owners)
    apart = 0
    while apart < key.shape[1]:
        draw, place = np.nonzero(key[:, apart:] == key[:, : key.shape[1] - apart])
        if not len(draw):
            break
        pair = (draw * owners + whose[draw, place]) * owners + whose[draw, place + apart]
        found += np.bincount(pair, weights=weigh(key[draw, place]), minlength=len(found))
        apart += 1
    both = found.reshape(draws, owners, owners)
    whole: Floats = np.maximum(both, both.transpose(0, 2, 1))
    return whole


def jaccard(shared: Floats, one: Floats, two: Floats) -> Floats:
    """``shared / (one + two - shared)``, NaN where both are empty."""
    either = one + two - shared
    found: Floats = np.divide(shared, either, out=np.full(either.shape, np.nan), where=either > 0)
    return found


def compare_pairs(
    sets: EdgeSets, pairs: Ints, weigh: Callable[[Ints, Ints], Floats], null: NullDistribution | None = None
) -> Iterator[tuple[int, Floats]]:
    """The Jaccard index of ``pairs`` (P, 2) of owners, layer by layer and last, as layer -1, of all together.

    (1, P) as observed, or (draws, P) under a null.
    """
    total = None
    for layer in sets.layers:
        sums = np.concatenate(list(_count_shared(sets, layer, pairs, weigh, null)), axis=1)
        total = sums if total is None else total + sums
        yield layer, jaccard(*sums)
    if total is not None:
        yield -1, jaccard(*total)


def _count_shared(
    sets: EdgeSets,
    layer: int,
    pairs: Ints,
    weigh: Callable[[Ints, Ints], Floats],
    null: NullDistribution | None,
) -> Iterator[Floats]:
    """The weight that pairs share in one layer, and of each of the two: (3, D, P), some draws at a time."""
    reach, mine = sets.reach[layer], sets.layer == layer
    observed = reach.encode(sets.source[mine], sets.target[mine])[None]
    one, two = pairs.T
    for key in [observed] if null is None else null.draw(sets, layer):
        both = count_common(key, sets.owner[mine], len(sets.owners), lambda k: weigh(*reach.decode(k)))
        yield np.stack([both[:, one, two], both[:, one, one], both[:, two, two]])
