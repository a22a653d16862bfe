"""The methods against twins written from the papers with plain loops: the same edges, exactly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from graphpath.errors import MethodError
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.methods import controls, effective_path, neuron_mct
from graphpath.tracing.neurons import join, mark_thresholded, most
from graphpath.tracing.registry import METHODS, find_method
from tests.tracing import harness, nets, twins

NAMES = (
    "plain",
    "groups_and_depthwise",
    "norm_folded",
    "norm_alone",
    "residual",
    "sums",
    "concatenations",
    "max_pool_overlapping",
    "average_pool_padded",
    "pool_of_pool",
    "grouped_cat_of_itself",
    "channel_shuffle",
    "moves",
    "activation_alone",
    "input_read_by_many",
    "paddings_and_normalisation",
    "logits_of_an_average",
    "differences",
    "padding_reflect",
)
THETAS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@cache
def case(name: str) -> tuple[Batch, list[twins.Twin], list[int]]:
    model, shape = nets.made(name, seed=7)
    batch, classes = harness.held(model, nets.images(shape, 2, seed=3))
    return batch, [twins.take_apart(model, image) for image in batch.images], classes


def same(batch: Batch, selection: Selection, wanted: list[twins.Selected]) -> None:
    """The same edges with the same flows, each once, and the same dead ends."""
    for image, (mine, want) in enumerate(zip(harness.selected(batch, selection), wanted, strict=True)):
        ours = mine.by_ends()
        assert len(ours) == len(mine)
        assert set(ours) == set(want.flow)
        assert ours == pytest.approx(want.flow, rel=1e-9, abs=1e-13)
        fed = {site: count for site, count in enumerate(selection.bias_fed[image].tolist()) if count}
        assert fed == dict(want.bias_fed)


# --- effective path ----------------------------------------------------------------------


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("name", NAMES)
def test_effective_path_is_the_papers(name: str, theta: float) -> None:
    batch, pair, classes = case(name)
    wanted = [twins.effective_path(twin, target, theta) for twin, target in zip(pair, classes, strict=True)]
    assert any(want.flow for want in wanted)
    same(batch, effective_path.select(batch, theta=theta), wanted)


def whole_numbers(model: nn.Module, seed: int) -> nn.Module:
    """Weights of -2, -1, 1, 2 and biases of -1, 0, 1: sums are exact, and many contributions are equal."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.double().parameters():
            if parameter.dim() == 1:
                parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=generator))
            else:
                drawn = torch.randint(1, 3, parameter.shape, generator=generator)
                parameter.copy_(drawn * (2 * torch.randint(0, 2, parameter.shape, generator=generator) - 1))
    return model


def tied(seed: int) -> tuple[nn.Module, torch.Tensor]:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 3, 2, groups=1),
        nn.MaxPool2d(2, 1),
        nn.Conv2d(3, 4, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 60),
        nn.Linear(60, 3),
    )
    generator = torch.Generator().manual_seed(seed)
    return whole_numbers(model, seed), torch.randint(0, 3, (2, 1, 5, 5), generator=generator).double()


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("seed", range(6))
def test_effective_path_with_ties(seed: int, theta: float) -> None:
    """Whole numbers: ties at the cut go to the lower neuron, linear sites are negative, ReLUs are dead."""
    model, pixels = tied(seed)
    batch, classes = harness.held(model, pixels)
    pair = [twins.take_apart(model, image) for image in pixels]
    same(
        batch,
        effective_path.select(batch, theta=theta),
        [twins.effective_path(twin, target, theta) for twin, target in zip(pair, classes, strict=True)],
    )


@pytest.mark.parametrize("theta", (0.1, 0.2, 0.25, 0.3, 1 / 3, 0.5, 1.0))
def test_effective_path_with_few_inputs(theta: float) -> None:
    """Where one input is already a share of theta, the single largest is taken, whatever it reaches."""
    taken = set()
    for seed in range(8):
        model = nets.randomised(
            nn.Sequential(
                nn.Conv2d(2, 2, 1),
                nn.ReLU(),
                nn.Conv2d(2, 4, (1, 2), groups=2, padding=(0, 1)),
                nn.ReLU(),
                nn.Conv2d(4, 4, 3, padding=1, groups=4),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(40, 2),
                nn.Linear(2, 2),
            ),
            seed,
        )
        batch, classes = harness.held(model, nets.images((2, 2, 4), 2, seed))
        pair = [twins.take_apart(model, image) for image in batch.images]
        taken |= {twin.inputs(neuron) for twin in pair for neuron in range(16, twin.neurons)}
        same(
            batch,
            effective_path.select(batch, theta=theta),
            [twins.effective_path(twin, target, theta) for twin, target in zip(pair, classes, strict=True)],
        )
    assert {1, 2, 4, 6, 40} <= taken


def test_effective_path_of_many_equal_inputs() -> None:
    """More ties than are looked at first: exactly as many as needed, the lowest."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(400, 2, bias=False)).double()
    with torch.no_grad():
        model[1].weight.fill_(1)
        model[1].weight[1].fill_(-1)
    pixels = torch.ones((1, 1, 20, 20), dtype=torch.float64)
    pixels[0, 0, 0, :7] = 0  # no edge from these
    pixels[0, 0, 5, 5] = 8
    batch, _ = harness.held(model, pixels, target=0)
    (edges,) = harness.selected(batch, effective_path.select(batch, theta=0.5))
    assert sorted(edges.source.tolist()) == sorted([105, *(n for n in range(7, 201) if n != 105)][:193])
    batch, _ = harness.held(model, pixels, target=1)
    assert len(harness.selected(batch, effective_path.select(batch, theta=0.5))[0]) == 193  # sign turned


def test_effective_path_without_positive_contributions_ends() -> None:
    """A neuron whose contributions are all negative, its bias making it live, is a dead end and counted."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1)
        model[1].weight[0].fill_(-1)
        model[1].bias.fill_(10)
    batch, _ = harness.held(model, torch.ones((1, 1, 2, 2), dtype=torch.float64))
    selection = effective_path.select(batch, theta=0.9)
    assert selection.bias_fed.tolist() == [[0, 1, 0]]
    (edges,) = harness.selected(batch, selection)
    assert set(edges.target.tolist()) == {5, 6}


def test_effective_path_reaches_theta_and_no_further() -> None:
    """graphpath/tracing/README.md, figure 5: the chosen reach theta of the sum, all but the least do not."""
    batch, _, _ = case("plain")
    for theta in THETAS:
        edges = harness.selected(batch, effective_path.select(batch, theta=theta))
        every = harness.every_edge(batch)
        for image, (mine, whole) in enumerate(zip(edges, every, strict=True)):
            ours = harness.numbers(batch, image)
            for target in set(mine.target.tolist()):
                sign = -1 if ours.z[target] < 0 else 1
                chosen = sign * mine.flow[mine.target == target]
                total = sign * whole.flow[whole.target == target].sum()
                assert (chosen > 0).all()
                if total > 0 and len(chosen) > 1:
                    positive = np.clip(sign * whole.flow[whole.target == target], 0, None).sum()
                    assert chosen.sum() >= theta * min(total, positive) * (1 - 1e-12)
                    assert chosen.sum() - chosen.min() < theta * total


def test_effective_paths_of_one_layer_are_nested_in_theta() -> None:
    model = nets.randomised(nn.Sequential(nn.Flatten(), nn.Linear(50, 4)), seed=0)
    batch, _ = harness.held(model, nets.images((2, 5, 5), 4, seed=0))
    smaller: list[set[twins.Edge]] = [set()] * 4
    for theta in THETAS:
        larger = [
            set(e.by_ends()) for e in harness.selected(batch, effective_path.select(batch, theta=theta))
        ]
        assert all(few <= many for few, many in zip(smaller, larger, strict=True))
        smaller = larger


@pytest.mark.parametrize("theta", (0.0, -0.5, 1.01, float("nan")))
def test_effective_path_refuses_theta_out_of_range(theta: float) -> None:
    with pytest.raises(MethodError, match=r"theta=.*share above 0 and at most 1"):
        effective_path.select(case("plain")[0], theta=theta)


# --- neurons -----------------------------------------------------------------------------


@pytest.mark.parametrize("sparsity", (0.0, 0.5, 0.8, 0.9, 0.98))
@pytest.mark.parametrize("name", NAMES)
def test_neuron_mct_is_the_papers(name: str, sparsity: float) -> None:
    batch, pair, classes = case(name)
    both = [twins.neuron_mct(twin, target, sparsity) for twin, target in zip(pair, classes, strict=True)]
    mask = most(batch, neuron_mct.score(batch), sparsity)
    for image, (chosen, _) in enumerate(both):
        assert set(mask[image].nonzero()[:, 0].tolist()) == chosen
    selection = neuron_mct.select(batch, sparsity=sparsity)
    same(batch, selection, [want for _, want in both])
    pool = int(mark_thresholded(batch).sum())
    left_out = [1 - len(chosen) / pool for chosen, _ in both]
    assert selection.sparsity.tolist() == pytest.approx(left_out, abs=1e-12)


@pytest.mark.parametrize("name", ("plain", "residual", "norm_alone", "concatenations"))
def test_mct_score_is_the_derivative_by_differences(name: str) -> None:
    """graphpath/tracing/README.md, figure 1: abs(a * df/da) by moving each neuron of the running model."""
    batch, pair, classes = case(name)
    score = neuron_mct.score(batch)
    for image, (twin, target) in enumerate(zip(pair, classes, strict=True)):
        random = np.random.default_rng(image)
        for site in twin.sites[1:-1]:
            for place in random.choice(site.size, min(12, site.size), replace=False).tolist():
                step, logits = 1e-6 * max(abs(site.a[place]), 1e-2), []
                for move in (step, -step):
                    value = site.node.value.clone()
                    value.view(-1)[place] += move
                    logits.append(float(twins.replayed(twin.calls, {site.node: value})[target]))
                slope = (logits[0] - logits[1]) / (2 * step)
                got = float(score[image, site.offset + place])
                assert got == pytest.approx(abs(site.a[place] * slope), rel=1e-4, abs=1e-8)


def test_a_percentile_with_ties_keeps_what_is_above() -> None:
    """Scores equal to the threshold are dropped, and zero scores never kept."""
    batch, _, _ = case("plain")
    pool = mark_thresholded(batch)
    score = torch.zeros_like(batch.held.output)
    score[:, pool] = torch.arange(int(pool.sum()), dtype=torch.float64) // 10
    for sparsity in (0.0, 0.3, 0.5, 0.85, 0.9, 0.99):
        mask = most(batch, score, sparsity)
        cut = np.percentile(score[0, pool].numpy(), 100 * sparsity)
        wanted = (score[0] > max(cut, 0)) & pool
        assert torch.equal(mask[0], wanted)
    assert not most(batch, torch.zeros_like(score), 0.0).any()


@pytest.mark.parametrize("sparsity", (-0.1, 1.0, 1.5, float("nan")))
def test_sparsity_out_of_range_is_refused(sparsity: float) -> None:
    with pytest.raises(MethodError, match=r"sparsity=.*expected a share from 0 to below 1"):
        neuron_mct.select(case("plain")[0], sparsity=sparsity)


@pytest.mark.parametrize("sparsity", (0.5, 0.9))
@pytest.mark.parametrize("name", ("plain", "residual", "concatenations"))
def test_activation_control(name: str, sparsity: float) -> None:
    batch, pair, classes = case(name)
    wanted = [
        twins.joined(twin, target, twins.most(twin, np.abs(twin.a), sparsity))
        for twin, target in zip(pair, classes, strict=True)
    ]
    same(batch, controls.select_activation(batch, sparsity=sparsity), wanted)


def test_random_control_is_uniform_over_neurons_and_fixed_by_the_seed() -> None:
    batch, _, _ = case("groups_and_depthwise")
    pool = mark_thresholded(batch)
    mask = most(batch, batch.draw_uniform(batch.compiled.network.neurons), 0.9)
    assert int(mask[0].sum()) == round(0.1 * int(pool.sum()))
    assert torch.equal(mask, most(batch, batch.draw_uniform(batch.compiled.network.neurons), 0.9))
    assert not torch.equal(mask[0], mask[1])
    counts = torch.zeros(batch.compiled.network.neurons)
    for start in range(0, 400, 2):
        other = Batch(batch.compiled, batch.images, batch.held, (1000 + start, 1001 + start))
        counts += most(other, other.draw_uniform(other.compiled.network.neurons), 0.9).sum(0)
    expected, pooled = 400 * 0.1, counts[pool]
    chi = float(((pooled - expected) ** 2 / (expected * 0.9)).sum())
    free = int(pool.sum()) - 1
    assert abs(chi - free) < 5 * (2 * free) ** 0.5  # live and dead alike
    assert float(counts[~pool].sum()) == 0


def test_joined_neurons_meet_only_selected_ones() -> None:
    batch, pair, classes = case("residual")
    random = np.random.default_rng(0)
    pool = np.flatnonzero(mark_thresholded(batch).numpy())
    chosen = [set(random.choice(pool, 40, replace=False).tolist()) for _ in classes]
    mask = torch.zeros_like(batch.held.output, dtype=torch.bool)
    for image, mine in enumerate(chosen):
        mask[image, list(mine)] = True
    wanted = [twins.joined(twin, c, mine) for twin, c, mine in zip(pair, classes, chosen, strict=True)]
    same(batch, join(batch, mask), wanted)


def test_a_network_without_activations_has_no_neurons_to_select_among() -> None:
    model = nets.randomised(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), 0)
    batch, _ = harness.held(model, nets.images((2, 2, 2), 1, 0))
    with pytest.raises(MethodError, match="no activation"):
        neuron_mct.select(batch)


# --- the registry ------------------------------------------------------------------------


def test_methods_and_their_options() -> None:
    assert {"effective_path", "neuron_mct", "activation", "random"} <= set(METHODS)
    options = METHODS["effective_path"].options
    assert options == {"theta": 0.5, "phi": None, "direction": "backward", "psi": "fitted", "depth": None}
    assert METHODS["neuron_mct"].resolve_options({"sparsity": 0}) == {"sparsity": 0.0}
    with pytest.raises(MethodError, match="no method 'deep_magic'; there are effective_path"):
        find_method("deep_magic")
    with pytest.raises(MethodError, match=r"'effective_path' takes no option 'sparsity'; it takes theta"):
        METHODS["effective_path"].resolve_options({"sparsity": 0.9})
    with pytest.raises(MethodError, match=r"theta='half'.*must be of type float"):
        METHODS["effective_path"].resolve_options({"theta": "half"})
    with pytest.raises(MethodError, match="theta=True"):
        METHODS["effective_path"].resolve_options({"theta": True})
