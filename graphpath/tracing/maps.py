"""Edges between feature maps as pathways: their strength, the budget, and what was there beside it.

A pathway between maps keeps its strongest edges too. The edge between two maps is a sum over many edges, so
what a route of maps contributes is no product of weights. Instead a route is as strong as its weakest edge,
by |score|, and an edge is as strong as the strongest route through it. Scores of one cut sum to f whatever
the layer, so they can be compared across layers. Cutting at any strength leaves whole routes, from the image
or a constant to the goal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from graphpath.network.channels import MapEdges
from graphpath.network.mapped import Planes
from graphpath.tracing.batch import Batch, as_array
from graphpath.tracing.budget import RouteKind, select_strongest
from graphpath.tracing.influence import Influence, Part, Pruning
from graphpath.tracing.pathways import Balance, Edges, Ints, Pathways, sum_constants
from graphpath.tracing.routes import make_no_routes


@dataclass(frozen=True, eq=False)
class MapSelection:
    """Edges between the feature maps ``planes`` of a batch, into each site that f depends on, in order."""

    planes: Planes
    edges: tuple[MapEdges, ...]


def score_map_pathways(
    batch: Batch, selection: MapSelection, max_edges: int | None, influence: Influence | None = None
) -> Pathways:
    """What is recorded of the images of a batch: no neurons and no routes, but edges between maps.

    ``influence`` prunes the selection first.
    """
    images, layers = batch.held.images, len(batch.compiled.sites)
    counts = np.zeros((2, images, layers), np.int64)
    sizes = np.zeros((2, images, layers))
    few, protected = selection, None
    if influence is not None:
        few, protected = _prune(batch, selection, influence, max_edges)
    strength, born = _compute_strengths(batch, few)
    kept = _keep(batch, few, strength, born, max_edges, protected)
    for part in selection.edges:
        _count(part.sample, part.score, part.site.number, counts[0], sizes[0])
    cell = (kept.sample, kept.layer)
    np.add.at(counts[1], cell, 1)
    np.add.at(sizes[1], cell, np.abs(kept.score.astype(np.float64)))
    balance = Balance(
        counts[0], counts[1], sizes[0], sizes[1], sum_constants(batch), np.zeros_like(counts[0])
    )
    return Pathways(_no_edges(), balance, make_no_routes(), np.full(images, np.nan), kept)


class LayeredMaps:
    """A selection's edges between maps by layer (``LayeredEdges``), numbered as ``Planes`` are."""

    def __init__(self, batch: Batch, selection: MapSelection) -> None:
        planes, self._edges = selection.planes, selection.edges
        self.images, self.width = batch.held.images, planes.count
        self.layers = tuple(planes.of_site(part.site) for part in selection.edges)
        self.start = planes.of_site(batch.compiled.sites[0]).stop
        given = _list_own(batch, planes)
        self.own = (given > 0).flatten()
        goals = torch.zeros_like(given, dtype=torch.bool)
        goals[:, planes.of_site(batch.goal)] = True
        self.goals = goals.flatten()

    def iterate_parts(self, number: int) -> Iterator[Part]:
        """All edges into the ``number``-th of the layers."""
        edges = self._edges[number]
        first, size = edges.sample * self.width, edges.score.double().abs()
        yield Part(number, edges.sample, first + edges.source, first + edges.target, size)


def _prune(
    batch: Batch, selection: MapSelection, influence: Influence, most: int | None
) -> tuple[MapSelection, list[Tensor]]:
    """The edges that stay, and of those into each site which ones a floor keeps, be the budget as it may."""
    layered = LayeredMaps(batch, selection)
    pruning = Pruning(layered, influence, most)
    few, protected = [], []
    for number, edges in enumerate(selection.edges):
        [part] = layered.iterate_parts(number)
        place = pruning.keeps(part).nonzero()[:, 0]
        few.append(edges.take(place))
        protected.append(pruning.protects(part)[place])
    return MapSelection(selection.planes, tuple(few)), protected


def _compute_strengths(batch: Batch, selection: MapSelection) -> tuple[list[Tensor], Tensor]:
    """How strong every edge is (E,) float64, -inf on no route; and the maps (N, M) at which routes start."""
    shape = (batch.held.images, selection.planes.count)
    reached = _list_own(batch, selection.planes)
    given, born = reached.clone(), torch.ones(shape, dtype=torch.bool, device=reached.device)
    arriving = []
    for part in selection.edges:
        way = torch.minimum(reached[part.sample, part.source], part.score.double().abs())
        _raise_to(reached, part.sample, part.target, way)
        arriving.append(way)
    born = given >= reached
    ahead = torch.full_like(reached, -torch.inf)
    ahead[:, selection.planes.of_site(batch.goal)] = torch.inf
    strength = []
    for part, way in zip(reversed(selection.edges), reversed(arriving), strict=True):
        through = torch.minimum(ahead[part.sample, part.target], part.score.double().abs())
        _raise_to(ahead, part.sample, part.source, through)
        strong = torch.minimum(way, through)
        strength.append(strong.where(strong > 0, -torch.inf))
    return strength[::-1], born


def _list_own(batch: Batch, planes: Planes) -> Tensor:
    """What each map has of its own: a constant's |share of f|, and any amount at the image (N, M) float64."""
    held = batch.held
    given = torch.zeros((held.images, planes.count), dtype=torch.float64, device=held.output.device)
    given[:, planes.of_site(batch.compiled.sites[0])] = torch.inf
    for site, b in zip(batch.compiled.sites[1:], batch.constants, strict=True):
        share = b.double() * held.gradient_before(site).double()
        if site.activation is not None and site.activation.at_zero:
            share = share + site.activation.at_zero * held.gradient[:, site.span].double()
        given[:, planes.of_site(site)] = share.unflatten(1, (site.shape[0], -1)).sum(2).abs()
    return given


def _raise_to(maps: Tensor, sample: Tensor, place: Tensor, values: Tensor) -> None:
    """Raises maps (N, M) to the largest value of their edges, where that is more."""
    maps.view(-1).scatter_reduce_(0, sample * maps.shape[1] + place, values, "amax")


def _keep(
    batch: Batch,
    selection: MapSelection,
    strength: list[Tensor],
    born: Tensor,
    max_edges: int | None,
    protected: list[Tensor] | None,
) -> Edges:
    """The edges that the budget allows, by image and rank."""
    whole = max_edges is not None or protected is not None
    columns = _make_columns(selection, strength, born, whole, protected)
    sample, source, target = columns["sample"], columns["source"], columns["target"]
    goal = selection.planes.of_site(batch.goal)
    goals = np.arange(goal.start, goal.stop)
    bounds = np.searchsorted(sample, np.arange(batch.held.images + 1))
    places, ranks = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start, stop in pairwise(bounds):
        mine = slice(start, stop)
        kind = RouteKind(columns["strength"][mine], columns["starts"][mine])
        budget = stop - start if whole and max_edges is None else max_edges
        floor = None if protected is None else columns["protected"][mine]
        kept = select_strongest(source[mine], target[mine], [kind], budget, goals, floor)
        places.append(start + kept)
        ranks.append(np.arange(1, len(kept) + 1))
    place = np.concatenate(places)
    first = as_array(selection.planes.first)
    layer, flow, score = (columns[name][place] for name in ("layer", "flow", "score"))
    rank = np.concatenate(ranks)
    return Edges(sample[place], first[source[place]], first[target[place]], layer, flow, score, rank)


def _make_columns(
    selection: MapSelection,
    strength: list[Tensor],
    born: Tensor,
    whole: bool,
    protected: list[Tensor] | None,
) -> dict[str, np.ndarray]:
    """The edges of all sites by image, those of score 0 left out, and, if asked, those on no route."""
    found: dict[str, list[np.ndarray]] = {}
    for number, (part, strong) in enumerate(zip(selection.edges, strength, strict=True)):
        there = (torch.isfinite(strong) if whole else part.score != 0).nonzero()[:, 0]
        sample, source = part.sample[there], part.source[there]
        columns = {
            "sample": sample,
            "source": source,
            "target": part.target[there],
            "layer": torch.full_like(sample, part.site.number),
            "flow": part.flow[there],
            "score": part.score[there],
            "strength": strong[there],
            "starts": born[sample, source],
        }
        if protected is not None:
            columns["protected"] = protected[number][there]
        for name, column in columns.items():
            found.setdefault(name, []).append(as_array(column))
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    order = np.argsort(joined["sample"].astype(np.int32), kind="stable")
    return {name: column[order] for name, column in joined.items()}


def _count(sample: Tensor, score: Tensor, layer: int, counts: Ints, sizes: np.ndarray) -> None:
    """Enter the edges of one layer: how many there are of each image, and their |score|."""
    images = len(counts)
    counts[:, layer] = as_array(sample[score != 0].bincount(minlength=images))
    sizes[:, layer] = as_array(sample.bincount(score.double().abs(), minlength=images))


def _no_edges() -> Edges:
    nothing, none = np.empty(0, np.int64), np.empty(0)
    return Edges(nothing, nothing, nothing, nothing, none, none, nothing)
