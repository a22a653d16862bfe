"""From a selection to pathways: scores, the budget, and what was there beside what was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphpath.tracing.batch import Batch, EdgeBlock, EdgesInMemory, Ends, Selection, as_array
from graphpath.tracing.budget import Bools, RouteKind, select_strongest
from graphpath.tracing.influence import Influence
from graphpath.tracing.neurons import InducedEdges
from graphpath.tracing.pruned import PrunedEdges
from graphpath.tracing.routes import Routes, find_largest_routes, make_no_routes
from graphpath.tracing.sieve import sieve_selection
from graphpath.tracing.strength import Links, Strengths, compute_strengths, weigh_selection

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EdgeColumns:
    """Edges of a batch, ordered by image, as columns (E,): ends are numbers within the network."""

    sample: Ints
    source: Ints
    target: Ints
    layer: Ints
    flow: Floats
    score: Floats


@dataclass(frozen=True)
class Edges(EdgeColumns):
    """Kept edges, in each image by rank (from 1, the strongest)."""

    rank: Ints


@dataclass(frozen=True)
class Balance:
    """Per image and layer (N, layers): edges and |score|, all and kept; constants; neurons fed by bias."""

    edges_all: Ints
    edges_kept: Ints
    abs_all: Floats
    abs_kept: Floats
    bias: Floats
    bias_fed: Ints


@dataclass(frozen=True)
class Pathways:
    """What is recorded of a batch of N images.

    ``maps`` are edges between feature maps, by the ids of their first neurons, where a method finds such.
    """

    edges: Edges
    balance: Balance
    routes: Routes
    sparsity: Floats
    maps: Edges | None = None


def score_pathways(
    batch: Batch, selection: Selection, max_edges: int | None, routes: int, influence: Influence | None = None
) -> Pathways:
    """Score a selection, find its largest routes, and keep what the budget allows of each image.

    Routes are found before the budget is applied, so a small budget loses none of them. ``influence`` prunes
    the selection first.
    """
    if influence is not None:
        return _score_pruned_pathways(batch, selection, max_edges, routes, influence)
    if isinstance(selection.edges, InducedEdges) and max_edges is not None:
        selection = sieve_selection(batch, selection, selection.edges, max_edges, routes)
    parts = weigh_selection(batch, selection)
    reached = _compute_kinds(batch, selection, parts)
    found = find_largest_routes(batch, parts, reached[0], routes, selection.ends, selection.first)
    columns = _Selected.of(batch, selection, reached)
    place, rank = _keep_budget(batch, columns, max_edges, selection.ends or batch.ends)
    balance = _make_balance(batch, selection, columns, place)
    return Pathways(columns.kept(place, rank), balance, found, selection.sparsity.double().cpu().numpy())


def _score_pruned_pathways(
    batch: Batch, selection: Selection, max_edges: int | None, routes: int, influence: Influence
) -> Pathways:
    """The same of a selection that is pruned by influence. Its routes, and what there was, are of all."""
    every, found = _find_routes_of_all(batch, selection, routes)
    pruned = PrunedEdges(batch, selection, influence, max_edges)
    if isinstance(selection.edges, InducedEdges) and max_edges is not None:
        few = sieve_selection(batch, selection, pruned, max_edges, 0)
    else:
        few = pruned.load(selection)
    protected = [as_array(pruned.protects(block)) for block in few.blocks]
    columns = _Selected.of(batch, few, _compute_kinds(batch, few, weigh_selection(batch, few)), protected)
    ends = selection.ends or batch.ends
    place, rank = _keep_budget(batch, columns, max_edges, ends, whole=True)
    if max_edges is not None:  # what a floor keeps is ranked by the routes that the cut leaves it
        few = _take_places(few, columns, place)
        columns = _Selected.of(batch, few, _compute_kinds(batch, few, weigh_selection(batch, few)))
        place, rank = _keep_budget(batch, columns, None, ends)
    balance = _make_balance(batch, every, columns, place)
    return Pathways(columns.kept(place, rank), balance, found, selection.sparsity.double().cpu().numpy())


def _find_routes_of_all(batch: Batch, selection: Selection, routes: int) -> tuple[Selection, Routes]:
    """The largest routes of a selection, and the selection with what there is: of its edges a few may do."""
    if isinstance(selection.edges, InducedEdges):
        selection = sieve_selection(batch, selection, selection.edges, 1, routes)
    else:
        selection = replace(selection, there=_count_edges(batch, selection.blocks))
    if routes == 0:
        return selection, make_no_routes()
    parts = weigh_selection(batch, selection)
    reached = compute_strengths(batch, parts, False, selection.ends, selection.first)
    return selection, find_largest_routes(batch, parts, reached, routes, selection.ends, selection.first)


def _count_edges(batch: Batch, blocks: Sequence[EdgeBlock]) -> tuple[torch.Tensor, torch.Tensor]:
    """The edges of each image into each site, and their |score|: (N, sites) each."""
    images, sites = batch.held.images, len(batch.compiled.sites)
    counts = torch.zeros((images, sites), dtype=torch.int64, device=batch.held.output.device)
    sums = torch.zeros_like(counts, dtype=torch.float64)
    for block in blocks:
        size = (block.flow * _gradient_at_target(batch, block)).abs().double()
        counts[:, block.site.number] = block.sample.bincount(minlength=images)
        sums[:, block.site.number] = block.sample.bincount(size, minlength=images)
    return counts, sums


def _compute_kinds(batch: Batch, selection: Selection, parts: tuple[Links, ...]) -> list[Strengths]:
    """Strengths by routes from the image, and by those from constants too where these count."""
    kinds = (False, True) if selection.from_constants else (False,)
    return [compute_strengths(batch, parts, one, selection.ends, selection.first) for one in kinds]


def _take_places(selection: Selection, columns: _Selected, place: Ints) -> Selection:
    """The selection with the edges alone that stand at these places of its columns."""
    kept = np.zeros(len(columns.sample), bool)
    kept[columns.order[place]] = True
    marks = np.split(kept, np.cumsum([len(block) for block in selection.blocks])[:-1])
    device = selection.sparsity.device
    blocks = [
        block.take(torch.from_numpy(np.flatnonzero(mark)).to(device))
        for block, mark in zip(selection.blocks, marks, strict=True)
    ]
    return replace(selection, edges=EdgesInMemory(tuple(blocks), selection.bias_fed))


@dataclass(frozen=True)
class _Selected(EdgeColumns):
    """All selected edges, with the kinds of routes that they are on, and whether a floor keeps them.

    ``order`` are their places in the selection's blocks, one after the other.
    """

    kinds: tuple[RouteKind, ...]
    protected: Bools | None
    order: Ints

    @classmethod
    def of(
        cls,
        batch: Batch,
        selection: Selection,
        reached: Sequence[Strengths],
        protected: Sequence[Bools] | None = None,
    ) -> _Selected:
        blocks = selection.blocks
        score = [block.flow * _gradient_at_target(batch, block) for block in blocks]
        sample = _join([block.sample for block in blocks])
        order = np.argsort(sample.astype(np.int32), kind="stable")
        layer = np.repeat([block.site.number for block in blocks], [len(block) for block in blocks])
        return cls(
            sample[order],
            _join([block.source for block in blocks])[order],
            _join([block.target for block in blocks])[order],
            layer[order],
            _join([block.flow for block in blocks])[order],
            _join(score)[order],
            tuple(_make_kind(batch, selection, one, order) for one in reached),
            None if protected is None else np.concatenate(protected)[order],
            order,
        )

    def kept(self, place: Ints, rank: Ints) -> Edges:
        """The edges at these places, with their ranks."""
        columns = {column.name: getattr(self, column.name)[place] for column in fields(EdgeColumns)}
        return Edges(**columns, rank=rank)


def _make_kind(batch: Batch, selection: Selection, reached: Strengths, order: Ints) -> RouteKind:
    """The edges by routes of one kind, in this order."""
    first = batch.compiled.sites[selection.first].offset  # routes start at what lies before it
    starts = [reached.born[b.sample, b.source] | (b.source < first) for b in selection.blocks]
    return RouteKind(_join(list(reached.edges))[order], _join(starts)[order].astype(bool))


def _keep_budget(
    batch: Batch, columns: _Selected, max_edges: int | None, ends: Ends, whole: bool = False
) -> tuple[Ints, Ints]:
    """Places of the kept edges, image by image, strongest first; and their ranks from 1.

    ``whole`` leaves edges on no route out even without a budget.
    """
    goals = [(site.offset, as_array(weight)) for site, weight in ends]
    bounds = np.searchsorted(columns.sample, np.arange(batch.held.images + 1))
    places, ranks = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for image, (start, stop) in enumerate(pairwise(bounds)):
        mine = slice(start, stop)
        kept = select_strongest(
            columns.source[mine],
            columns.target[mine],
            [RouteKind(kind.strength[mine], kind.starts[mine]) for kind in columns.kinds],
            stop - start if whole and max_edges is None else max_edges,
            np.concatenate([offset + np.flatnonzero(weight[image]) for offset, weight in goals]),
            None if columns.protected is None else columns.protected[mine],
        )
        places.append(start + kept)
        ranks.append(np.arange(1, len(kept) + 1))
    return np.concatenate(places), np.concatenate(ranks)


def _make_balance(batch: Batch, selection: Selection, columns: _Selected, kept: Ints) -> Balance:
    images, layers = batch.held.images, len(batch.compiled.sites)
    cell = columns.sample * layers + columns.layer
    shape = (images, layers)

    def counted(places: Ints | slice, weights: Floats | None = None) -> npt.NDArray[Any]:
        weight = None if weights is None else weights[places]
        return np.bincount(cell[places], weight, images * layers).reshape(shape)

    def summed(places: Ints | slice) -> Floats:
        return counted(places, strength).astype(np.float64)  # numpy counts integers where there are no places

    strength = np.abs(columns.score).astype(np.float64)
    every = slice(None)
    there = selection.there
    return Balance(
        counted(every).astype(np.int64) if there is None else as_array(there[0]),
        counted(kept).astype(np.int64),
        summed(every) if there is None else as_array(there[1].double()),
        summed(kept),
        sum_constants(batch),
        selection.bias_fed.cpu().numpy(),
    )


def sum_constants(batch: Batch) -> Floats:
    """What the constants that enter at each layer give to f: (N, layers) float64."""
    held = batch.held
    shares = [torch.zeros(held.images, dtype=torch.float64, device=held.output.device)]
    for site, constants in zip(batch.compiled.sites[1:], batch.constants, strict=True):
        share = (constants.double() * held.gradient_before(site).double()).sum(1)
        if site.activation is not None and site.activation.at_zero:
            share = share + site.activation.at_zero * held.gradient[:, site.span].double().sum(1)
        shares.append(share)
    result: Floats = torch.stack(shares, 1).cpu().numpy()
    return result


def _gradient_at_target(batch: Batch, block: EdgeBlock) -> torch.Tensor:
    """df/dz at the heads of edges: (E,)."""
    gradient = batch.held.gradient_before(block.site)
    return gradient[block.sample, block.target - block.site.offset]


def _join(parts: list[torch.Tensor]) -> npt.NDArray[Any]:
    return as_array(torch.cat(parts))
