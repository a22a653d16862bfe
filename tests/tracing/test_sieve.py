"""Edges let go of part by part change nothing: budget, ranks, routes and balances are those of all edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from graphpath.tracing import sieve
from graphpath.tracing.batch import Batch, EdgesInMemory, Selection
from graphpath.tracing.methods import controls, neuron_mct
from graphpath.tracing.neurons import InducedEdges, join
from graphpath.tracing.pathways import Pathways, score_pathways
from tests.tracing import harness, nets
from tests.tracing.test_methods import tied

NAMES = (
    "plain",
    "residual",
    "sums",
    "concatenations",
    "norm_alone",
    "activation_silu",
    "activation_sigmoid",
    "channel_shuffle",
    "tied",
)

SELECTIONS: dict[str, Callable[[Batch], Selection]] = {
    "neuron_mct": lambda batch: neuron_mct.select(batch, sparsity=0.5),
    "random": lambda batch: controls.select_random(batch, sparsity=0.3),
    "all": lambda batch: join(batch, torch.ones_like(batch.held.output, dtype=torch.bool)),
}


def case(name: str, images: int) -> Batch:
    if name == "tied":
        return harness.held(*tied(3))[0]
    model, shape = nets.made(name, seed=5)
    return harness.held(model, nets.images(shape, images, seed=11))[0]


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("method", SELECTIONS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("images", (1, 3))
def test_a_sieved_selection_gives_the_same_pathways(name: str, method: str, images: int) -> None:
    batch = case(name, images)
    selection = SELECTIONS[method](batch)
    whole = replace(selection, edges=EdgesInMemory(selection.blocks, selection.bias_fed))
    total = sum(len(block) for block in selection.blocks)
    for budget, routes in ((1, 0), (2, 5), (40, 3), (total // 2, 10), (5, 60)):
        same(score_pathways(batch, selection, budget, routes), score_pathways(batch, whole, budget, routes))


def same(ours: Pathways, theirs: Pathways) -> None:
    for name in ("sample", "source", "target", "layer", "rank", "flow", "score"):
        assert np.array_equal(getattr(ours.edges, name), getattr(theirs.edges, name)), name
    for name in ("sample", "rank", "sign", "log10_abs", "route", "neuron", "position"):
        assert np.array_equal(getattr(ours.routes, name), getattr(theirs.routes, name)), name
    for name in ("edges_all", "edges_kept", "bias", "bias_fed"):
        assert np.array_equal(getattr(ours.balance, name), getattr(theirs.balance, name)), name
    for name in ("abs_all", "abs_kept"):
        assert getattr(ours.balance, name) == pytest.approx(getattr(theirs.balance, name), rel=1e-12)
    assert np.array_equal(ours.sparsity, theirs.sparsity, equal_nan=True)


@pytest.mark.usefixtures("little_room")
def test_edges_are_let_go_of() -> None:
    batch = case("residual", 2)
    selection = SELECTIONS["all"](batch)
    assert isinstance(selection.edges, InducedEdges)
    few = sieve.sieve_selection(batch, selection, selection.edges, 20, 2)
    there = sum(len(block) for block in selection.blocks)
    assert sum(len(block) for block in few.blocks) < there / 10
    assert few.there is not None
    assert int(few.there[0].sum()) == there
