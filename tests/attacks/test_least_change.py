"""DeepFool, and the attack of Carlini and Wagner: each the least change that it finds."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from graphpath.attacks import CarliniWagner, DeepFool, attack, success_rate
from graphpath.attacks.methods import perturb, resolve_strength
from graphpath.data import open_images
from graphpath.models import LoadedModel

SEEDS = (0, 1, 2)
COUNT = 40
QUICK = CarliniWagner(steps=60, searches=5)


@pytest.fixture(scope="module", params=SEEDS)
def toy(request: pytest.FixtureRequest, digits_model: Callable[[int], LoadedModel]) -> nn.Module:
    return digits_model(request.param).module


@pytest.fixture(scope="module")
def images() -> Tensor:
    return open_images("digits", limit=COUNT).batch(0, COUNT)


def distance(made: Tensor, images: Tensor) -> Tensor:
    return (made - images).flatten(1).norm(dim=1)


def predicted(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return module(images).argmax(1)


def fgsm(module: nn.Module, images: Tensor) -> Tensor:
    """L2 of the weakest FGSM, of epsilons .02 apart, that changes the prediction; inf where none does."""
    own, least = predicted(module, images), torch.full((len(images),), torch.inf)
    for epsilon in np.arange(0.02, 1.0, 0.02):
        push = resolve_strength("fgsm", float(epsilon), None, None)
        made = perturb(module, images, own, push, targeted=False, random_start=False, seeds=[])
        worked = predicted(module, made) != own
        least = torch.where(worked, torch.minimum(least, distance(made, images)), least)
    return least


def test_deepfool_and_cw_need_less_than_fgsm(toy: nn.Module, images: Tensor) -> None:
    """Mean L2 where all three work. Both papers' point: FGSM changes more than is needed."""
    own = predicted(toy, images)
    fool, cw = DeepFool().perturb(toy, images, own), QUICK.perturb(toy, images, own)
    fooled = predicted(toy, fool) != own
    assert fooled.float().mean() >= 0.95
    assert (predicted(toy, cw) != own).all()
    for made in (fool, cw):
        assert made.min() >= 0 and made.max() <= 1
    signed = fgsm(toy, images)
    both = fooled & signed.isfinite()
    assert both.float().mean() >= 0.8
    assert (distance(fool, images) < signed)[both].float().mean() >= 0.95
    assert distance(fool, images)[both].mean() < 0.8 * signed[both].mean()
    assert distance(cw, images)[both].mean() < distance(fool, images)[both].mean()


def test_deepfool_of_a_linear_network_is_the_distance_to_its_nearest_boundary() -> None:
    """Moosavi-Dezfooli et al., equation 6, in the middle of the box."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 4)).double()
    with torch.no_grad():
        network[1].weight.copy_(torch.randn(4, 6, generator=generator, dtype=torch.float64))
        network[1].bias.zero_()
    images = 0.5 + 0.02 * torch.randn(30, 1, 2, 3, generator=generator, dtype=torch.float64)
    own = predicted(network, images)
    weights, logits = network[1].weight.detach(), network(images).detach()
    expected = []
    for image, label in enumerate(own.tolist()):
        rivals = [k for k in range(4) if k != label]
        expected.append(
            min(
                float((logits[image, label] - logits[image, k]) / (weights[k] - weights[label]).norm())
                for k in rivals
            )
        )
    made = DeepFool(overshoot=0.02).perturb(network, images, own)
    inside = (made > 0).flatten(1).all(1) & (made < 1).flatten(1).all(1)
    assert inside.sum() > 20
    assert (predicted(network, made) != own).all()
    found = distance(made, images)[inside].numpy()
    np.testing.assert_allclose(found, 1.02 * np.array(expected)[inside.numpy()], rtol=1e-9)


def test_deepfool_stops_where_nothing_leads_anywhere() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        flat[1].weight.zero_()
    images = torch.rand(2, 1, 2, 2)
    assert torch.equal(DeepFool(steps=3).perturb(flat, images, predicted(flat, images)), images)


def test_cw_searches_for_c(digits_model: Callable[[int], LoadedModel], images: Tensor) -> None:
    """One c that is too small finds next to nothing; the search finds all; more searches come nearer."""
    module = digits_model(0).module
    own = predicted(module, images)
    none = CarliniWagner(steps=60, searches=1, constant=1e-4).perturb(module, images, own)
    assert (none == images).flatten(1).all(1).float().mean() >= 0.9
    found = [
        CarliniWagner(steps=60, searches=searches, constant=1e-4).perturb(module, images, own)
        for searches in (6, 9)
    ]
    assert all((predicted(module, made) != own).all() for made in found)
    nearer, near = (distance(made, images) for made in reversed(found))
    assert (nearer <= near).all() and nearer.mean() < near.mean()


def test_cw_reaches_a_target_and_a_margin(digits_model: Callable[[int], LoadedModel], images: Tensor) -> None:
    module = digits_model(0).module
    target = torch.full((COUNT,), 3)
    others = predicted(module, images) != 3
    made = CarliniWagner(steps=100, confidence=2.0).perturb(module, images, target, targeted=True)
    logits = module(made).detach()[others]
    best = logits.scatter(1, target[others, None], -torch.inf).amax(1)
    margin = logits[:, 3] - best
    assert (margin > 0).float().mean() >= 0.9
    assert (margin[margin > 0] >= 2 - 1e-4).all()


@pytest.mark.parametrize("push", [DeepFool(), CarliniWagner(steps=20, searches=2, constant=10.0)])
def test_an_image_is_attacked_alike_alone(
    digits_model: Callable[[int], LoadedModel], images: Tensor, push: DeepFool | CarliniWagner
) -> None:
    exact = copy.deepcopy(digits_model(0).module).double()
    few = images[:6].double()
    own = predicted(exact, few)
    together = push.perturb(exact, few, own)
    alone = torch.cat([push.perturb(exact, few[i : i + 1], own[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=0)


def test_they_are_attacks_like_the_others(digits_model: Callable[[int], LoadedModel], tmp_path: Path) -> None:
    few = open_images("digits", limit=5)
    made = attack(digits_model(0), few, "deepfool", out=tmp_path / "d", overshoot=0.1)
    detail = json.loads(made.samples()["detail"][0].as_py())
    assert detail == {
        "attack": "deepfool",
        "classes": 10,
        "model": digits_model(0).sha256[:16],
        "overshoot": 0.1,
        "predicted": detail["predicted"],
        "steps": 50,
    }
    assert success_rate(made) == 1
    towards = attack(digits_model(0), few, "cw", out=tmp_path / "c", targeted=2, steps=60)
    assert json.loads(towards.samples()["detail"][0].as_py())["targeted"] == 2
    assert success_rate(towards) == 1
