"""Relevance against a twin with loops, against zennit, and against the gradient that it is at epsilon 0."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zennit.attribution import Gradient
from zennit.composites import LayerMapComposite
from zennit.rules import Epsilon, Pass, ZPlus
from zennit.types import Activation, AvgPool, Convolution, Linear

import graphpath as gp
from graphpath.network.relevance import Relevance, Rule, relevance
from graphpath.tracing.batch import Batch
from graphpath.tracing.methods import channels
from graphpath.tracing.targets import Target
from tests.tracing import harness, nets, twins

EVERY = sorted(nets.NETS)
EPSILON, Z_PLUS = Rule("epsilon", 1e-6), Rule("z_plus", 1e-6)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@cache
def case(name: str, target: Target = "predicted") -> tuple[nn.Module, Batch, list[twins.Twin]]:
    model, shape = nets.made(name, seed=EVERY.index(name))
    batch, _ = harness.held(model, nets.images(shape, 2, seed=1), target)
    known = batch.images if name in nets.TWINNED else ()
    return model, batch, [twins.take_apart(model, image) for image in known]


def of(batch: Batch, rule: Rule) -> Relevance:
    return relevance(batch.held, batch.incoming, rule)


@pytest.mark.parametrize("rule", (EPSILON, Z_PLUS), ids=lambda rule: rule.name)
@pytest.mark.parametrize("name", nets.TWINNED)
def test_relevance_is_the_twins(name: str, rule: Rule) -> None:
    _, batch, pair = case(name)
    ours = of(batch, rule)
    for image, twin in enumerate(pair):
        seed = harness.numbers(batch, image).seed
        question = {int(n): float(seed[n]) for n in np.flatnonzero(seed)}
        wanted = twins.relevance(twin, question, rule.name, rule.epsilon)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(ours.of[image].numpy(), wanted, rtol=1e-9, atol=1e-11 * scale)


@pytest.mark.parametrize("rule", (EPSILON, Z_PLUS), ids=lambda rule: rule.name)
@pytest.mark.parametrize("target", [(0, 2), gp.at("2", 1), gp.at("6", 3)], ids=["contrast", "map", "neuron"])
def test_other_targets(target: Target, rule: Rule) -> None:
    _, batch, pair = case("plain", target)
    ours = of(batch, rule)
    for image, twin in enumerate(pair):
        seed = harness.numbers(batch, image).seed
        question = {int(n): float(seed[n]) for n in np.flatnonzero(seed)}
        wanted = twins.relevance(twin, question, rule.name, rule.epsilon)
        np.testing.assert_allclose(ours.of[image].numpy(), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_at_epsilon_0_it_is_activation_times_gradient(name: str) -> None:
    """Of the held network, whatever its activations, but for those that are not 0 at 0."""
    _, batch, _ = case(name)
    if any(site.activation is not None and site.activation.at_zero for site in batch.compiled.sites):
        pytest.skip("relevance passes on what an activation gives at 0, the gradient does not")
    ours = of(batch, Rule("epsilon", 0.0)).of
    torch.testing.assert_close(ours, batch.held.output * batch.held.gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rule", (Rule("epsilon", 0.0), Rule("z_plus", 0.0)), ids=lambda rule: rule.name)
def test_without_biases_every_layer_has_all_of_f(rule: Rule) -> None:
    layers = [
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(80, 3, bias=False),
    ]
    model = nets.randomised(nn.Sequential(*layers), seed=5)
    batch, _ = harness.held(model, nets.images((2, 12, 12), 3, seed=2))
    ours = of(batch, rule).of
    for site in batch.compiled.sites:
        torch.testing.assert_close(ours[:, site.span].sum(1), batch.held.value, rtol=1e-10, atol=0)


# --- zennit ------------------------------------------------------------------------------

LAYERS = {
    "straight": [
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    ],
    "no pooling": [
        nn.Conv2d(2, 5, 4, 2),
        nn.ReLU(),
        nn.Conv2d(5, 6, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 3),
    ],
}


@cache
def zennits(name: str) -> tuple[nn.Sequential, Batch, Tensor]:
    """A network of convolutions, ReLUs and dense layers; a batch; its classes one-hot."""
    model = nets.randomised(nn.Sequential(*LAYERS[name]), seed=6)
    batch, classes = harness.held(model, nets.images((2, 12, 12), 3, seed=4))
    return model.eval(), batch, torch.eye(3, dtype=torch.float64)[torch.tensor(classes)]


def heatmaps(
    model: nn.Sequential, images: Tensor, wanted: Tensor, composite: LayerMapComposite, layers: list[int]
) -> list[Tensor]:
    """Relevance by zennit at the image and behind some layers, from the logit's own value on."""
    kept: dict[int, Tensor] = {}

    def keep(layer: int) -> object:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            output.retain_grad()
            kept[layer] = output

        return hook

    with Gradient(model, composite) as attributor:
        hooks = [model[layer].register_forward_hook(keep(layer)) for layer in layers]
        _, image = attributor(images.clone().requires_grad_(True), lambda logits: logits * wanted)
        for hook in hooks:
            hook.remove()
    return [image, *(kept[layer].grad for layer in layers)]


def composite(rule: object, dense: object) -> LayerMapComposite:
    return LayerMapComposite(
        [(Activation, Pass()), (AvgPool, Epsilon(0)), (Convolution, rule), (Linear, dense)]
    )


@pytest.mark.parametrize("epsilon", (1e-6, 0.05))
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_zennits_epsilon_per_layer(name: str, epsilon: float) -> None:
    """With an epsilon that matters, too."""
    model, batch, wanted = zennits(name)
    relus = [n for n, module in enumerate(model) if isinstance(module, nn.ReLU)]
    found = heatmaps(model, batch.images, wanted, composite(Epsilon(epsilon), Epsilon(epsilon)), relus)
    ours = of(batch, Rule("epsilon", epsilon)).of
    for site, theirs in zip(batch.compiled.sites, found, strict=False):
        torch.testing.assert_close(ours[:, site.span], theirs.flatten(1), rtol=1e-8, atol=1e-11)
    assert len(found) == len(batch.compiled.sites) - 1


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_zennits_z_plus_per_layer(name: str) -> None:
    model, batch, wanted = zennits(name)
    relus = [n for n, module in enumerate(model) if isinstance(module, nn.ReLU)]
    found = heatmaps(model, batch.images, wanted, composite(ZPlus(1e-6), ZPlus(1e-6)), relus)
    ours = of(batch, Z_PLUS).of
    for site, theirs in zip(batch.compiled.sites, found, strict=False):
        torch.testing.assert_close(ours[:, site.span], theirs.flatten(1), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_anchor_6_zennits_epsilon_heatmap_is_gradient_times_input(name: str) -> None:
    """Epsilon(1e-12) on ReLU networks; and so is graphpath's, and its held gradient."""
    model, batch, wanted = zennits(name)
    (theirs,) = heatmaps(model, batch.images, wanted, composite(Epsilon(1e-12), Epsilon(1e-12)), [])
    x = batch.images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((model(x) * wanted).sum(), x)
    span = batch.compiled.sites[0].span
    ours = of(batch, Rule("epsilon", 1e-12)).of[:, span].reshape_as(theirs)
    held = (batch.held.gradient * batch.held.output)[:, span].reshape_as(theirs)
    for product in (gradient * x.detach(), ours, held):
        torch.testing.assert_close(product, theirs, rtol=1e-8, atol=1e-10)
    assert bool((theirs != 0).any())


def test_anchor_6_relevance_of_one_channel_is_its_row_of_weights_times_gradients() -> None:
    """zennit with all but channel c silenced at a layer: what each channel below gets is ``(W * dW)[c]``."""
    model, batch, wanted = zennits("no pooling")
    edges = next(s for s in channels.select(batch).edges if s.site.number == 2)
    for channel in range(6):

        def silence(gradient: Tensor, channel: int = channel) -> Tensor:
            alone = torch.zeros_like(gradient)
            alone[:, channel] = gradient[:, channel]
            return alone

        def hook(module: nn.Module, inputs: object, output: Tensor, silence: object = silence) -> None:
            output.register_hook(silence)

        handle = model[3].register_forward_hook(hook)
        (below,) = heatmaps(model, batch.images, wanted, composite(Epsilon(0), Epsilon(0)), [1])[1:]
        handle.remove()
        theirs = below.sum((2, 3))
        ours = torch.zeros((3, 5), dtype=torch.float64)
        mine = edges.target == 2 + 5 + channel
        ours[edges.sample[mine], edges.source[mine] - 2] = edges.score[mine]
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
