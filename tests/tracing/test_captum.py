"""captum agrees: what graphpath records of neurons and edges is what captum says of the module itself.

Live neurons only, for a dead one would pass whatever was wrong.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients, LayerConductance, LayerGradientXActivation, NeuronGradient
from torch import Tensor, nn

import graphpath as gp
from graphpath.network import hold
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.targets import make_one_hot
from tests.tracing import harness, nets

RELUS = (1, 3, 6, 9)
SITE = {1: 1, 3: 2, 6: 3, 9: 4}
"""The modules that are ReLUs, and the sites whose outputs they give."""


@cache
def case() -> tuple[nn.Sequential, Tensor, list[int], CompiledNetwork]:
    layers = [
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(2, 1),
        nn.Conv2d(5, 6, 2, groups=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(54, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    ]
    model = nets.randomised(nn.Sequential(*layers), seed=8).eval()
    images = nets.images((2, 11, 11), 3, seed=6)
    batch, classes = harness.held(model, images)
    return model, images, classes, batch.compiled


def held(target: gp.at | str = "predicted") -> Batch:
    model, images, _, compiled = case()
    return harness.held(model, images, target, compiled)[0]


# --- 3 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("relu", RELUS)
def test_anchor_3_gradient_times_activation_of_every_neuron(relu: int, tmp_path: Path) -> None:
    """``visits.score``, and the sums of all edges that leave a neuron."""
    model, images, classes, compiled = case()
    wanted = LayerGradientXActivation(model, model[relu]).attribute(images, target=torch.tensor(classes))
    wanted = wanted.flatten(1).detach()
    batch, site = held(), compiled.sites[SITE[relu]]
    torch.testing.assert_close((batch.held.output * batch.held.gradient)[:, site.span], wanted)
    for image, edges in enumerate(harness.every_edge(batch)):
        score = edges.flow * harness.numbers(batch, image).before[edges.target]
        leaving = np.bincount(edges.source, score, compiled.network.neurons)[site.span]
        np.testing.assert_allclose(leaving, wanted[image], rtol=1e-10, atol=1e-12)
    assert bool((wanted != 0).any())
    ask = {"method": "activation", "sparsity": 0.0, "max_edges": None, "out": tmp_path / "t"}
    trace = gp.trace(model, images, **ask)
    visits = trace.visits().to_table().to_pandas()
    offset = trace.layers().to_table().to_pandas().offset[site.number]
    mine = visits[visits.layer == site.number]
    image = mine.pathway - mine.pathway.min()
    recorded = np.zeros_like(wanted)
    recorded[image, mine.neuron - offset] = mine.score
    np.testing.assert_allclose(recorded, wanted, rtol=1e-5, atol=1e-6)


# --- 4 -----------------------------------------------------------------------------------


def live(batch: Batch, relu: int, count: int = 4) -> list[tuple[int, ...]]:
    """Places (image, channel, y, x) of some live neurons, spread over the layer."""
    site = batch.compiled.sites[SITE[relu]]
    found = batch.held.output[:, site.span].reshape(-1, *site.shape).nonzero().tolist()
    return [tuple(found[i]) for i in np.linspace(0, len(found) - 1, count).astype(int)]


@pytest.mark.parametrize(("below", "relu"), [(1, 3), (3, 6), (6, 9)])
def test_anchor_4_edges_into_a_live_neuron_are_its_gradient(below: int, relu: int, tmp_path: Path) -> None:
    """captum's NeuronGradient on the part of the model between two ReLUs is flow / a, at the neuron's gate;
    and these times a, with the constant, are its activation. Through a max-pool and a dense layer as well.
    """
    model, images, _, compiled = case()
    part, activation = model[below + 1 :], model[: below + 1](images).detach()
    source, site = compiled.sites[SITE[below]], compiled.sites[SITE[relu]]
    for image, channel, y, x in live(held(), relu):
        dense = isinstance(model[relu - 1], nn.Linear)
        neuron = (channel,) if dense else (channel, y, x)
        gradient = NeuronGradient(part, part[relu - below - 1]).attribute(
            activation[image : image + 1].requires_grad_(True), neuron_selector=neuron
        )
        wanted = gradient.detach().flatten().numpy()
        target = gp.at(site.name, channel, y, x)
        batch = held(target)
        a, index = batch.held.output[image], (channel * site.shape[1] + y) * site.shape[2] + x
        edges = harness.every_edge(batch)[image]
        mine = edges.target == site.offset + index
        row = np.zeros(source.size)
        row[edges.source[mine] - source.offset] = edges.flow[mine] / a[edges.source[mine]].numpy()
        seen = a[source.span].numpy() != 0  # captum differentiates by dead neurons too; they have no edge
        np.testing.assert_allclose(row[seen], wanted[seen], rtol=1e-12, atol=1e-14)
        constant = float(batch.constants[site.number - 1][image, index])
        total = float((row * a[source.span].numpy()).sum()) + constant
        assert total == pytest.approx(float(a[site.offset + index]), rel=1e-12)
        assert np.abs(wanted[seen]).max() > 0
        trace = gp.trace(
            model,
            images[image : image + 1],
            method="activation",
            sparsity=0.0,
            max_edges=None,
            target=target,
            out=tmp_path / f"{image}-{channel}-{y}-{x}",
        )
        assert_recorded(trace, site.number, wanted, seen)


def assert_recorded(trace: gp.Trace, layer: int, wanted: np.ndarray, seen: np.ndarray) -> None:
    """The record's edges into the target are captum's gradients times the activations."""
    tables = {name: trace.dataset(name).to_table().to_pandas() for name in ("edges", "visits", "layers")}
    edges = tables["edges"][tables["edges"].layer == layer]
    activation = tables["visits"].set_index("neuron").activation
    assert edges.target.nunique() == 1
    offset = tables["layers"].offset[layer - 1]
    found = pd.Series(
        (edges.flow / activation.loc[edges.source].to_numpy()).to_numpy(), edges.source - offset
    )
    row = found.reindex(range(len(wanted)), fill_value=0.0).to_numpy()
    np.testing.assert_allclose(row[seen], wanted[seen], rtol=1e-5, atol=1e-7)


# --- 5 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("relu", RELUS)
def test_anchor_5_conductance_adds_up_and_is_ours(relu: int) -> None:
    """captum's LayerConductance at any layer sums to f(x) - f(0), as integrated gradients do; and neuron by
    neuron it is the held networks' gradients along the way times the steps of the activations.
    """
    model, images, classes, _ = case()
    target, steps = torch.tensor(classes), 400
    conductance = LayerConductance(model, model[relu]).attribute(
        images, target=target, n_steps=steps, method="riemann_middle"
    )
    with torch.no_grad():
        change = (model(images) - model(torch.zeros_like(images)))[torch.arange(3), classes]
    torch.testing.assert_close(
        conductance.sum(tuple(range(1, conductance.dim()))), change, rtol=5e-3, atol=2e-3
    )
    ours = along_the_way(relu, steps)
    scale = float(ours.abs().max())
    torch.testing.assert_close(ours, conductance.flatten(1).detach(), rtol=0.02, atol=0.01 * scale)
    torch.testing.assert_close(ours.sum(1), change, rtol=5e-3, atol=2e-3)


def along_the_way(relu: int, steps: int) -> Tensor:
    """Of each neuron of a layer, the sum over a way from black of df/da times the step of a."""
    _, images, classes, compiled = case()
    site, target = compiled.sites[SITE[relu]], torch.tensor(classes)
    total: Tensor | float = 0.0
    before = None
    for step in range(steps):
        middle, end = (
            hold(
                compiled.network,
                images * ((step + part) / steps),
                lambda logits: make_one_hot(target, logits),
            )
            for part in (0.5, 1.0)
        )
        if before is None:
            start = hold(compiled.network, images * 0, lambda logits: make_one_hot(target, logits))
            before = start.output[:, site.span]
        total = total + middle.gradient[:, site.span] * (end.output[:, site.span] - before)
        before = end.output[:, site.span]
    assert isinstance(total, Tensor)
    return total


def test_integrated_gradients_of_the_module_itself() -> None:
    model, images, classes, _ = case()
    wanted = IntegratedGradients(model).attribute(images, target=torch.tensor(classes), n_steps=60)
    ours = gp.attribute(model, images, method="integrated_gradients", steps=60)
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)
