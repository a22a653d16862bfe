"""The neurons that a method selects of each image, as arrays; and the network with only these left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from graphpath.data import Images
from graphpath.models import LoadedModel, match_classes
from graphpath.report.captions import name_layer
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.batches import Batches, resolve_target
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.neurons import mark_thresholded
from graphpath.tracing.registry import NEURON_METHODS
from graphpath.tracing.targets import Target

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Selections:
    """Of N images and the K thresholded neurons of a network: which are selected, and which are not zero.

    ``layer`` (K,) is each neuron's layer, ``names`` what layers are called.
    """

    kept: Bools
    live: Bools
    layer: npt.NDArray[np.int64]
    names: Mapping[int, str]

    @property
    def dead(self) -> Floats:
        """The share of each image's selected neurons that is zero in the network itself: (N,)."""
        return shares(self.kept & ~self.live, self.kept)


def select_neurons(
    model: LoadedModel,
    images: Images,
    method: str,
    *,
    seed: int = 0,
    device: str = "cpu",
    target: Target = "predicted",
    **options: Any,
) -> Selections:
    """What ``method``, one of those that select neurons, selects of each image. Raises MethodError."""
    kept, live = [], []
    for batch, selection in iterate_selections(model, images, method, seed, device, target, **options):
        pool = mark_thresholded(batch)
        if selection.neurons is None:
            raise TypeError(f"{method} selects edges, not neurons.")
        kept.append(selection.neurons[:, pool].cpu().numpy())
        live.append((batch.held.output[:, pool] != 0).cpu().numpy())
        sites = [site for site in batch.compiled.sites if bool(pool[site.offset])]
    layer = np.repeat([site.number for site in sites], [site.size for site in sites])
    names = {site.number: name_layer(site.name, site.kind) for site in sites}
    return Selections(np.concatenate(kept), np.concatenate(live), layer, names)


def iterate_selections(
    model: LoadedModel,
    images: Images,
    method: str,
    seed: int = 0,
    device: str = "cpu",
    target: Target = "predicted",
    **options: Any,
) -> Iterator[tuple[Batch, Selection]]:
    """Images batch by batch, with what the method selects of them."""
    chosen = NEURON_METHODS[method]
    given = chosen.resolve_options(options)
    source = match_classes(model, images)
    target, network = resolve_target(target, model, source)
    with in_eval_mode(model.module, device):
        batches = Batches(model, source, target, seed, network)
        size = batches.fit_size(chosen, given)
        select: Callable[[Batch], Selection] = partial(
            chosen.bind_fit(batches.learn(chosen, size, given)), **given
        )
        for batch, _ in batches.iterate_examples(size):
            yield batch, select(batch)


def jaccard(one: Bools, two: Bools) -> Floats:
    """|A and B| / |A or B| of each row; NaN where both are empty."""
    return shares(one & two, one | two)


def independent_jaccard(one: Bools, two: Bools) -> Floats:
    """What :func:`jaccard` would be of sets of these sizes if they had nothing to do with each other.

    pq / (p + q - pq) for shares p and q of the neurons: (1 - s) / (1 + s) if both leave out the share s.
    """
    p, q = one.mean(1), two.mean(1)
    return shares((p * q)[:, None], (p + q - p * q)[:, None])


def shares(some: npt.NDArray[Any], of: npt.NDArray[Any]) -> Floats:
    """The sum of each row over that of the row of ``of``; NaN where that is 0."""
    whole = of.sum(1).astype(float)
    found: Floats = np.divide(some.sum(1), whole, out=np.full(len(of), np.nan), where=whole > 0)
    return found
