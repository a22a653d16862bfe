"""Every conservation check to 1e-10, all edges materialised, on a net for every supported operation.

The twin of ``tests/tracing/twins.py`` says, independently, what the sites, values, gradients, constants
and edges are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from graphpath.network import Site, hold
from graphpath.network.operations import Conv
from graphpath.tracing.batch import Batch
from graphpath.tracing.neurons import join
from graphpath.tracing.targets import Target, at
from tests.tracing import harness, nets, twins
from tests.tracing.harness import EXACT, residual

EVERY = sorted(nets.NETS)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@cache
def case(name: str) -> tuple[nn.Module, Batch, list[int], list[harness.Edges]]:
    """A net held for two images and two different classes' worth of switches; its edges."""
    model, shape = nets.made(name, seed=EVERY.index(name))
    batch, classes = harness.held(model, nets.images(shape, 2, seed=1))
    return model, batch, classes, harness.every_edge(batch)


@pytest.mark.parametrize("name", EVERY)
def test_laws(name: str) -> None:
    _, batch, _, edges = case(name)
    for image, mine in enumerate(edges):
        for law, off in harness.laws(mine, harness.numbers(batch, image)).items():
            assert off < EXACT, (law, image)


def asked(batch: Batch, kind: str) -> Target:
    """A contrast, or a feature map or live neuron of some site inside the network."""
    if kind == "contrast":
        return (2, 0)
    sites = batch.compiled.sites
    random = np.random.default_rng(len(sites))
    site = sites[int(random.integers(1, max(2, len(sites) - 1)))]
    live = batch.held.output[0, site.span].reshape(site.shape).nonzero()
    channel, y, x = live[int(random.integers(len(live)))].tolist()
    return at(site.name, channel) if kind == "map" else at(site.number, channel, y, x)


@pytest.mark.parametrize("kind", ("contrast", "map", "neuron"))
@pytest.mark.parametrize("name", nets.TWINNED)
def test_laws_of_other_targets(name: str, kind: str) -> None:
    """Every law, and the gradient, where f is a difference of logits or lies inside the network."""
    model, first, _, edges = case(name)
    target = asked(first, kind)
    batch, classes = harness.held(model, first.images, target, first.compiled)
    assert classes == [-1, -1]
    for image, mine in enumerate(edges):
        ours, twin = harness.numbers(batch, image), twins.take_apart(model, batch.images[image])
        for law, off in harness.laws(mine, ours).items():
            assert off < EXACT, (law, image)
        question = {int(n): float(ours.seed[n]) for n in ours.seed.nonzero()[0]}
        np.testing.assert_allclose(ours.gradient, twin.gradient(question), rtol=1e-11, atol=1e-11)
        assert abs(twins.total(twin, question) - ours.value) < EXACT * max(1, abs(ours.value))
        leading = [site.number for site in twin.leading(question)]
        assert [i for i, leads in enumerate(batch.held.leads) if leads] == [*leading, batch.goal.number]
    if kind == "contrast":
        logits = model.eval()(batch.images)
        torch.testing.assert_close(batch.held.value, (logits[:, 2] - logits[:, 0]).detach())
    assert bool((batch.held.value != 0).any())


@pytest.mark.parametrize("name", EVERY)
def test_edges_are_unique_and_carry_flow(name: str) -> None:
    _, batch, _, edges = case(name)
    for mine in edges:
        assert len(set(zip(mine.source.tolist(), mine.target.tolist(), strict=True))) == len(mine) > 0
        assert (mine.flow != 0).all()
        assert (mine.source >= 0).all()
        site = np.searchsorted(
            [s.offset for s in batch.compiled.sites], [mine.source, mine.target], side="right"
        )
        assert (site[0] < site[1]).all()


@pytest.mark.parametrize("name", nets.TWINNED)
def test_network_is_the_twins(name: str) -> None:
    model, batch, classes, edges = case(name)
    for image, (mine, target) in enumerate(zip(edges, classes, strict=True)):
        twin, ours = twins.take_apart(model, batch.images[image]), harness.numbers(batch, image)
        assert [site.offset for site in twin.sites] == ours.starts.tolist()
        assert [site.active for site in twin.sites] == [
            s.activation is not None for s in batch.compiled.sites
        ]
        for site, theirs in zip(batch.compiled.sites, twin.sites, strict=True):
            assert site.shape == (*theirs.shape, 1, 1)[:3]
        # An independent pass of the model itself, and constants carried along instead of left over.
        np.testing.assert_allclose(
            twin.logits, model(batch.images)[image].detach().numpy(), rtol=1e-12, atol=1e-12
        )
        for got, want in (
            (ours.a, twin.a),
            (ours.z, np.concatenate([site.z for site in twin.sites])),
            (ours.b, np.concatenate([site.b for site in twin.sites])),
            (ours.gate, np.concatenate([site.gate for site in twin.sites])),
            (ours.gradient, twin.gradient(target)),
            (ours.before, twin.gradient_before(target)),
        ):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)
        want_flows = twin.flows()
        assert mine.by_ends() == pytest.approx(want_flows, rel=1e-10, abs=1e-14)
        assert abs(twins.total(twin, target) - ours.value) < EXACT


@pytest.mark.parametrize("name", EVERY)
def test_gradient_is_the_models_own(name: str) -> None:
    """The true gradient always; the held one where the network is piecewise linear."""
    model, batch, classes, _ = case(name)
    pixels = batch.images.clone().requires_grad_(True)
    logits = model.eval()(pixels)
    (gradient,) = torch.autograd.grad(logits[torch.arange(2), classes].sum(), pixels)
    network = batch.compiled.network
    true = hold(network, batch.images, lambda _: batch.held.seed, gates="true")
    for held in (true, batch.held) if network.piecewise_linear else (true,):
        ours = held.gradient[:, batch.compiled.sites[0].span].reshape(pixels.shape)
        torch.testing.assert_close(ours, gradient, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", EVERY)
def test_weights_times_their_gradients(name: str) -> None:
    """``W * df/dW`` of a convolution, over space, is its channel edges and the constants that enter it."""
    _, batch, classes, edges = case(name)
    convolutions = [site for site in batch.compiled.sites if site.kind == "conv"]
    for site in convolutions:
        operation = site.branches[0].operation
        assert isinstance(operation, Conv)
        for image, (mine, target) in enumerate(zip(edges, classes, strict=True)):
            product = _weights_times_gradients(batch, site, image, target)
            ours = harness.numbers(batch, image)
            inside = (mine.target >= site.offset) & (mine.target < site.offset + site.size)
            plane = site.shape[1] * site.shape[2]
            channel = (mine.target[inside] - site.offset) // plane
            score = mine.flow[inside] * ours.before[mine.target[inside]]
            bias = 0.0 if operation.bias is None else operation.bias.repeat_interleave(plane).numpy()
            entering = (ours.b[site.span] - bias) * ours.before[site.span]
            left = np.bincount(channel, score, site.shape[0]) + entering.reshape(site.shape[0], -1).sum(1)
            terms = np.bincount(channel, np.abs(score), site.shape[0])
            assert (
                residual(left, product.sum(1), terms + np.abs(entering).reshape(site.shape[0], -1).sum(1))
                < EXACT
            )
            source = _aligned(batch, site.branches[0].view)
            if source is None:
                continue
            per_group = product.shape[1]
            feature = (mine.source[inside] - source.offset) // (source.shape[1] * source.shape[2])
            cell = channel * per_group + feature % per_group
            sums = np.bincount(cell, score, product.size).reshape(product.shape)
            size = np.bincount(cell, np.abs(score), product.size).reshape(product.shape)
            assert residual(sums, product, size) < EXACT


def _weights_times_gradients(batch: Batch, site: Site, image: int, target: int) -> np.ndarray:
    """``W * df/dW`` of a convolution of the held network, summed over the kernel: (O, I / groups)."""
    program = batch.compiled.network.program
    step = program.steps[site.before]
    assert isinstance(step.operation, Conv)
    weight = step.operation.weight.clone().requires_grad_(True)
    steps = list(program.steps)
    steps[site.before] = replace(step, operation=replace(step.operation, weight=weight))
    logit = replace(program, steps=tuple(steps)).run(batch.images[image : image + 1])[0, target]
    (gradient,) = torch.autograd.grad(logit, weight)
    return (weight * gradient).detach().sum((2, 3)).numpy()


def _aligned(batch: Batch, view: object) -> object:
    """The site that a convolution reads as it is, if it does."""
    if view.index is not None:
        return None
    return next((site for site in batch.compiled.sites if site.offset == view.base), None)


@pytest.mark.parametrize("name", EVERY)
def test_joining_every_neuron_gives_every_edge(name: str) -> None:
    """The common rule of neuron methods, with all neurons selected: all edges but those to other logits."""
    _, batch, classes, edges = case(name)
    selection = join(batch, torch.ones_like(batch.held.output, dtype=torch.bool))
    last = batch.compiled.sites[-1].offset
    for mine, every, target in zip(harness.selected(batch, selection), edges, classes, strict=True):
        wanted = (every.target < last) | (every.target == last + target)
        kept = harness.Edges(every.source[wanted], every.target[wanted], every.flow[wanted])
        assert mine.by_ends() == kept.by_ends()
        assert len(mine) == len(kept)


def test_all_routes_and_constants_by_enumeration() -> None:
    """On a net small enough, every single route, those from constants included, sums to f."""
    model = nets.randomised(
        nn.Sequential(
            nn.Conv2d(1, 2, 2),
            nn.BatchNorm2d(2),
            nn.ReLU(),
            nn.MaxPool2d(2, 1),
            nn.Conv2d(2, 2, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2, 2),
        ),
        seed=3,
    )
    batch, classes = harness.held(model, nets.images((1, 4, 4), 4, seed=0))
    for image, (mine, target) in enumerate(zip(harness.every_edge(batch), classes, strict=True)):
        twin, ours = twins.take_apart(model, batch.images[image]), harness.numbers(batch, image)
        flows = mine.by_ends()
        whole = twins.routes(twin, target, flows, constants=True)
        assert sum(r.contribution for r in whole) == pytest.approx(ours.value, rel=EXACT)
        pixels = twins.routes(twin, target, flows, constants=False)
        bias = float((ours.b * ours.before).sum())
        assert sum(r.contribution for r in pixels) + bias == pytest.approx(ours.value, rel=EXACT)
        assert len(whole) > len(pixels) > 0
