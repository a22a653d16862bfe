"""The critical-neuron methods against twins written with plain loops, in float64 and on three seeds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
import torch
from captum.attr import LayerConductance, LayerGradientXActivation, LayerIntegratedGradients
from torch import nn

from graphpath.errors import MethodError
from graphpath.network import masked
from graphpath.tracing import at
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.methods import dgr, greedy, neuron_intgrad, neuron_mct
from graphpath.tracing.methods.dgr import RECIPES, GateRecipe
from graphpath.tracing.neurons import most
from graphpath.tracing.units import Units
from tests.tracing import harness, nets, twins
from tests.tracing.test_methods import same

SEEDS = (0, 1, 2)
NAMES = (
    "plain",
    "residual",
    "norm_alone",
    "relu_spellings",
    "concatenations",
    "max_pool_overlapping",
    "activation_alone",
    "logits_of_an_average",
    "channel_shuffle",
)


@cache
def case(name: str, seed: int) -> tuple[Batch, list[twins.Twin], list[int]]:
    model, shape = nets.made(name, seed=seed)
    batch, classes = harness.held(model, nets.images(shape, 2, seed=seed))
    return batch, [twins.take_apart(model, image) for image in batch.images], classes


def neurons(mask: torch.Tensor) -> set[int]:
    return set(mask.nonzero()[:, 0].tolist())


def joined(batch: Batch, selection: Selection, pair: list[twins.Twin], classes: list, chosen: list) -> None:
    """The selection joins the neurons ``chosen`` of each image, and says how many it left out."""
    same(
        batch, selection, [twins.joined(t, c, mine) for t, c, mine in zip(pair, classes, chosen, strict=True)]
    )
    count = Units.from_batch(batch).count
    assert selection.sparsity.tolist() == pytest.approx([1 - len(mine) / count for mine in chosen], abs=1e-12)


# --- integrated gradients ----------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_neuron_intgrad_is_the_papers(name: str, seed: int) -> None:
    batch, pair, classes = case(name, seed)
    wanted = np.stack([twins.neuron_intgrad(t, c, 4) for t, c in zip(pair, classes, strict=True)])
    np.testing.assert_allclose(neuron_intgrad.attribution(batch, 4).numpy(), wanted, rtol=1e-9, atol=1e-12)
    chosen = [twins.most(t, np.abs(w), 0.8, c) for t, w, c in zip(pair, wanted, classes, strict=True)]
    assert any(chosen)
    joined(batch, neuron_intgrad.select(batch, sparsity=0.8, steps=4), pair, classes, chosen)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ("plain", "norm_folded", "groups_and_depthwise"))
def test_neuron_intgrad_is_complete(name: str, seed: int) -> None:
    """graphpath/tracing/README.md, figure 2: over a layer that every route passes, the sum is f(a) - f(0)."""
    model, shape = nets.made(name, seed=seed)
    batch, _ = harness.held(model, nets.images(shape, 2, seed=seed))
    found = neuron_intgrad.attribution(batch, 40)
    for site in batch.compiled.sites:
        if site.activation is None:
            continue
        gone = masked(batch.compiled.network, batch.images, {site.number: torch.zeros(1, site.size)})
        lost = batch.held.value - (gone * batch.held.seed).sum(1)
        terms = found[:, site.span].abs().sum(1)
        assert ((found[:, site.span].sum(1) - lost).abs() / terms).max() < 0.05


def test_neuron_intgrad_of_a_linear_rest_is_exact_with_one_point() -> None:
    """Behind the last activation the network is linear: a * df/da, as NeuronMCT has it."""
    batch, _, _ = case("plain", 0)
    last = [site for site in batch.compiled.sites if site.activation is not None][-1].span
    ours = neuron_intgrad.attribution(batch, 1)[:, last].abs()
    torch.testing.assert_close(ours, neuron_mct.score(batch)[:, last], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
def test_captum_agrees(seed: int) -> None:
    """Behind a convolution without bias a ReLU is 0 for a black image, so integrating the layer is captum's
    LayerIntegratedGradients by the same rule, and its sum, f(x) - f(0), LayerConductance's. NeuronMCT is the
    absolute value of LayerGradientXActivation.
    """
    model, shape = nets.made("plain", seed=seed)
    with torch.no_grad():
        model[0].bias.zero_()
    images = nets.images(shape, 3, seed=seed)
    batch, classes = harness.held(model, images)
    first = batch.compiled.sites[1]
    found = neuron_intgrad.attribution(batch, 6)[:, first.span]
    asked = {"baselines": torch.zeros_like(images), "target": classes}
    theirs = LayerIntegratedGradients(model, model[1]).attribute(
        images, n_steps=6, method="riemann_middle", **asked
    )
    torch.testing.assert_close(found, theirs.flatten(1), rtol=1e-6, atol=1e-9)
    conducted = LayerConductance(model, model[1]).attribute(images, n_steps=400, **asked)
    ours = neuron_intgrad.attribution(batch, 400)[:, first.span]
    torch.testing.assert_close(ours.sum(1), conducted.flatten(1).sum(1), rtol=0.02, atol=1e-3)
    plain = LayerGradientXActivation(model, model[3]).attribute(images, target=classes)
    mct = neuron_mct.score(batch)[:, batch.compiled.sites[2].span]
    torch.testing.assert_close(mct, plain.flatten(1).abs(), rtol=1e-9, atol=1e-12)


def test_a_relu_used_twice_is_two_layers() -> None:
    """The authors' code gives the later calls of a module no score."""
    batch, _, _ = case("residual", 0)
    found = neuron_intgrad.attribution(batch, 3)
    sites = [site for site in batch.compiled.sites if site.activation is not None]
    assert len(sites) == 4  # of one nn.ReLU
    assert all(found[:, site.span].abs().sum() > 0 for site in sites)


def test_a_layer_off_the_way_to_the_goal_has_no_score() -> None:
    model, shape = nets.made("concatenations", seed=0)
    batch, _ = harness.held(model, nets.images(shape, 2, seed=0), target=at(2, 0))
    found = neuron_intgrad.attribution(batch, 2)
    assert float(found[:, batch.compiled.sites[1].span].abs().sum()) > 0
    assert all(float(found[:, site.span].abs().sum()) == 0 for site in batch.compiled.sites[2:])


@pytest.mark.parametrize("steps", (0, -3))
def test_neuron_intgrad_needs_a_point(steps: int) -> None:
    with pytest.raises(MethodError, match=r"steps=.*at least one"):
        neuron_intgrad.select(case("plain", 0)[0], steps=steps)


# --- greedy ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ("plain", "residual", "max_pool_overlapping"))
def test_greedy_as_published(name: str, seed: int) -> None:
    batch, pair, classes = case(name, seed)
    for steps in (1, 2, 17):
        kept = Units.from_batch(batch).spread_to_neurons(
            greedy.prune_as_published(Units.from_batch(batch), steps)
        )
        assert [neurons(mine) for mine in kept] == [
            twins.greedy_published(t, c, steps) for t, c in zip(pair, classes, strict=True)
        ]


def test_greedy_as_published_takes_99_steps() -> None:
    batch, pair, classes = case("plain", 0)
    chosen = [twins.greedy_published(t, c) for t, c in zip(pair, classes, strict=True)]
    joined(batch, greedy.select(batch, variant="published", sparsity=0.5), pair, classes, chosen)


@pytest.mark.parametrize("sparsity", (0.0, 0.5, 0.9))
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ("plain", "residual", "max_pool_overlapping"))
def test_greedy_corrected(name: str, seed: int, sparsity: float) -> None:
    batch, pair, classes = case(name, seed)
    chosen = [twins.greedy_corrected(t, c, sparsity) for t, c in zip(pair, classes, strict=True)]
    assert all(chosen)
    joined(batch, greedy.select(batch, sparsity=sparsity), pair, classes, chosen)


def test_greedy_of_equal_scores_drops_the_later_neuron() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 8, bias=False), nn.ReLU(), nn.Linear(8, 2, bias=False))
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.fill_(1)
    batch, _ = harness.held(model, torch.ones(1, 1, 1, 1, dtype=torch.float64), target=0)
    (kept,) = greedy.prune(Units.from_batch(batch), 0.6)
    assert kept.tolist() == [True] * 3 + [False] * 5


@pytest.mark.parametrize("steps", (0, 101))
def test_greedy_has_a_percentile_a_step(steps: int) -> None:
    with pytest.raises(MethodError, match=r"steps=.*1 to 100"):
        greedy.prune_as_published(Units.from_batch(case("plain", 0)[0]), steps)


# --- distillation-guided routing ---------------------------------------------------------


def routing(batch: Batch, image: int, recipe: GateRecipe, rounds: int = 1) -> twins.Routing:
    units = Units.from_batch(batch)
    channel = recipe.per == "channel"
    count = int(units.channels.max()) + 1 if channel else units.count
    begin = np.ones(count) if recipe.init == "one" else 1 - batch.draw_uniform(count)[image].numpy()
    slower = 1 << 30 if recipe.slower_from is None else recipe.slower_from
    settings = (recipe.gamma, recipe.rate, recipe.iterations, recipe.ceiling, recipe.nesterov)
    return twins.Routing(begin, channel, *settings, slower_from=slower, rounds=rounds)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ("plain", "residual", "concatenations", "logits_of_an_average"))
@pytest.mark.parametrize("which", sorted(RECIPES))
def test_dgr_is_the_papers(name: str, seed: int, which: str) -> None:
    batch, pair, classes = case(name, seed)
    units = Units.from_batch(batch)
    recipe = replace(RECIPES[which], iterations=10)
    if recipe.slower_from is not None:
        recipe = replace(recipe, slower_from=7)
    if recipe.init == "random":
        recipe = replace(recipe, rate=0.1)  # or it would take many rounds
    wanted = [
        twins.dgr(twin, target, routing(batch, image, recipe, rounds=100))
        for image, (twin, target) in enumerate(zip(pair, classes, strict=True))
    ]
    found = dgr.learn_gates(units, recipe)
    np.testing.assert_allclose(found.numpy(), np.stack(wanted), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("per", ("unit", "channel"))
@pytest.mark.parametrize("name", ("plain", "residual"))
def test_dgr_joins_what_is_behind_the_largest_gates(name: str, per: Literal["unit", "channel"]) -> None:
    """Gates equal to the percentile are dropped, as PathwayGrad does."""
    batch, pair, classes = case(name, 0)
    units = Units.from_batch(batch)
    ids, channels, chosen = np.flatnonzero(units.pool.numpy()), units.channels.numpy(), []
    for gates in dgr.learn_gates(units, replace(RECIPES["khakzar"], per=per, iterations=20)).numpy():
        mine = np.flatnonzero((gates > np.percentile(gates, 70)) & (gates > 0))
        chosen.append(set(ids[np.isin(channels, mine) if per == "channel" else mine].tolist()))
    assert all(0 < len(mine) < 0.5 * units.count for mine in chosen)
    joined(batch, dgr.select(batch, sparsity=0.7, per=per, iterations=20), pair, classes, chosen)


def test_dgr_gates_at_random_need_smaller_and_smaller_gammas() -> None:
    """An image whose prediction no gates keep at the first gamma goes on with a tenth of it, alone."""
    model = needs_all()
    batch, classes = harness.held(model, torch.tensor([0.9, 1.0, 2.0]).double().reshape(3, 1, 1, 1))
    recipe = GateRecipe("unit", "random", gamma=3.0, rate=0.02, iterations=60, ceiling=100)
    found = dgr.learn_gates(Units.from_batch(batch), recipe)
    rounds = []
    for image, target in enumerate(classes):
        twin = twins.take_apart(model, batch.images[image])
        wanted = twins.dgr(twin, target, routing(batch, image, recipe, rounds=100))
        np.testing.assert_allclose(found[image].numpy(), wanted, rtol=1e-6, atol=1e-9)
        try:
            twins.dgr(twin, target, routing(batch, image, recipe, rounds=1))
            rounds.append(1)
        except AssertionError:
            rounds.append(2)
    assert sorted(set(rounds)) == [1, 2]


def needs_all() -> nn.Module:
    """An image of 1 needs all four gates to be nearly 1; larger ones can do with less."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        model[1].weight.fill_(1)
        model[1].bias.fill_(1)
        model[3].weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4]))
        model[3].bias.copy_(torch.tensor([-15.0, 0.0]))
    return model


def test_dgr_gates_of_one_begin_with_the_network_itself() -> None:
    """Where every step makes the loss larger, the first gates stay: all of them 1, none above the rest."""
    batch, _, _ = case("plain", 0)
    recipe = GateRecipe("unit", "one", gamma=0.0, rate=0.0, iterations=3, ceiling=100)
    assert torch.equal(
        dgr.learn_gates(Units.from_batch(batch), recipe), torch.ones(2, Units.from_batch(batch).count)
    )
    assert dgr.select(batch, rate=0.0, iterations=1).sparsity.tolist() == [1, 1]


def test_dgr_of_a_tie_between_two_logits() -> None:
    """Gates of 1 are the network itself to the last bit, also where activations are not piecewise linear."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 2, bias=False))
    nets.randomised(model, 0)
    with torch.no_grad():
        for tensor in (model[1].weight, model[1].bias):
            tensor[8:] = tensor[:8].flip(0)
        model[3].weight[0, 8:] = 0
        model[3].weight[1] = model[3].weight[0].flip(0)  # the same sum, in another order
    images = nets.images((1, 2, 3), 200, seed=0)
    batch, _ = harness.held(model, images)
    assert torch.equal(
        dgr.learn_gates(Units.from_batch(batch), replace(RECIPES["khakzar"], iterations=1)),
        torch.ones(200, 16),
    )


def test_dgr_says_where_no_gates_keep_the_prediction() -> None:
    batch, classes = harness.held(needs_all(), torch.ones(2, 1, 1, 1, dtype=torch.float64))
    assert classes == [0, 0]
    with pytest.raises(MethodError, match=r"No gates.*image\(s\) \[0, 1\].*smaller gamma"):
        dgr.select(batch, init="random", rate=0.0, iterations=1)


@pytest.mark.parametrize("wrong", ({"gamma": -1.0}, {"rate": float("nan")}, {"iterations": 0}))
def test_dgr_refuses_settings_out_of_range(wrong: dict) -> None:
    (name,) = wrong
    with pytest.raises(MethodError, match=f"{name}=.* out of range; expected at least"):
        dgr.select(case("plain", 0)[0], **wrong)


def test_dgr_does_not_depend_on_the_batch() -> None:
    model, shape = nets.made("residual", seed=3)
    images = nets.images(shape, 3, seed=3)
    every, _ = harness.held(model, images)
    recipe = replace(RECIPES["khakzar_random"], iterations=10, rate=0.1)
    together = dgr.learn_gates(Units.from_batch(every), recipe)
    alone, _ = harness.held(model, images[1:2])
    alone = Batch(alone.compiled, alone.images, alone.held, every.seeds[1:2])
    torch.testing.assert_close(dgr.learn_gates(Units.from_batch(alone), recipe)[0], together[1])


def test_pruned_score_of_everything_is_mct() -> None:
    batch, _, _ = case("residual", 0)
    units = Units.from_batch(batch)
    everything = torch.ones((2, units.count), dtype=torch.bool)
    ours = units.spread_to_neurons(units.compute_contributions(everything).abs())
    torch.testing.assert_close(ours, neuron_mct.score(batch) * units.pool, rtol=1e-12, atol=1e-14)
    assert most(batch, ours, 0.9).any()
