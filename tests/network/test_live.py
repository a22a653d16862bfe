"""The network itself with neurons multiplied, against the module run call by call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graphpath.network import Network, Pass, hold, masked, take_apart
from graphpath.network.operations import Operation
from tests.tracing import nets, twins

EVERY = sorted(nets.NETS)
SOME = ("plain", "residual", "concatenations", "activation_alone", "logits_of_an_average", "norm_alone")
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@cache
def case(name: str) -> tuple[nn.Module, Network, Tensor]:
    model, shape = nets.made(name, seed=EVERY.index(name))
    return model, take_apart(model, shape), nets.images(shape, 2, seed=1)


def factors(network: Network, images: int, seed: int = 0) -> Tensor:
    """Random factors (images, neurons), a third of them 0 and a third 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = 3 * torch.rand((images, network.neurons), generator=generator, dtype=torch.float64)
    return torch.where(drawn < 1, 0, torch.where(drawn < 2, 1, drawn - 1))


@pytest.mark.parametrize("name", EVERY)
def test_ones_leave_the_logits_equal(name: str) -> None:
    model, network, images = case(name)
    untouched = masked(network, images, {})
    torch.testing.assert_close(untouched, model(images).detach(), rtol=1e-12, atol=1e-12)
    assert torch.equal(masked(network, images, torch.ones(1, network.neurons)), untouched)
    assert torch.equal(masked(network, images, torch.ones(2, network.neurons, dtype=torch.bool)), untouched)


@pytest.mark.parametrize("name", nets.TWINNED)
def test_factors_meet_every_neuron(name: str) -> None:
    """All neurons of all sites at once, the image's pixels and the logits among them."""
    model, network, images = case(name)
    by = factors(network, 2)
    got = masked(network, images, by)
    for image, mine, logits in zip(images, by, got, strict=True):
        twin = twins.take_apart(model, image)
        wanted = twins.multiplied(twin, mine)
        torch.testing.assert_close(logits, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", EVERY)
def test_a_pass_is_resumed_from_every_site(name: str) -> None:
    _, network, images = case(name)
    kept = Pass.of(network, images)
    assert torch.equal(kept.logits, masked(network, images, {}))
    by = factors(network, 2)
    for site in network.sites:
        mine = by[:, site.span]
        resumed = kept.resumed(site, kept.output(site) * mine)
        assert torch.equal(resumed, masked(network, images, {site.number: mine}))


@pytest.mark.parametrize("name", SOME)
def test_any_site_is_a_goal(name: str) -> None:
    """The outputs of each site, masked or resumed alike, and untouched by what comes after it."""
    _, network, images = case(name)
    kept, by = Pass.of(network, images), factors(network, 2)
    for goal in network.sites:
        assert torch.equal(masked(network, images, {}, goal), kept.output(goal))
        for site in network.sites:
            mine = by[:, site.span]
            resumed = kept.resumed(site, kept.output(site) * mine, goal)
            assert torch.equal(resumed, masked(network, images, {site.number: mine}, goal))
            if site.number > goal.number:
                assert torch.equal(resumed, kept.output(goal))


def test_resuming_runs_only_what_depends_on_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network, images = case("concatenations")
    kept = Pass.of(network, images)
    ran: list[Operation] = []
    kinds = {type(step.operation) for step in network.program.steps}
    for cls, own in [(cls, cls.true) for cls in kinds]:  # all read first: one may be another's subclass
        monkeypatch.setattr(cls, "true", lambda self, *x, own=own: (ran.append(self), own(self, *x))[1])
    for site in network.sites[1:-1]:
        ran.clear()
        kept.resumed(site, kept.output(site))
        places = {network.program.steps[n].place for n in _dependents(network, site.after)}
        assert len(ran) == len(places)


def _dependents(network: Network, start: int) -> set[int]:
    found = {start}
    for number, step in enumerate(network.program.steps):
        if found & set(step.inputs):
            found.add(number)
    return found - {start}


@pytest.mark.parametrize("name", SOME)
def test_gradients_in_factors_and_images(name: str) -> None:
    _, network, images = case(name)
    by = (0.5 + 0.5 * factors(network, 2)).requires_grad_(True)
    image = images.clone().requires_grad_(True)
    got = torch.autograd.grad(masked(network, image, by)[:, 1].sum(), (by, image))
    random = torch.Generator().manual_seed(0)
    for given, gradient in zip((by, image), got, strict=True):
        way = torch.randn(given.shape, generator=random, dtype=torch.float64)
        ends = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                moved = given + step * way
                pair = (by, moved) if given is image else (moved, image)
                ends.append(float(masked(network, pair[1], pair[0])[:, 1].sum()))
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float((gradient * way).sum()), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", SOME)
def test_gradient_in_the_factors_is_activation_times_gradient(name: str) -> None:
    """At 1, df/dfactor = a * df/da, for every neuron."""
    _, network, images = case(name)
    weights = torch.tensor([[0.0, 1.0, -1.0]], dtype=torch.float64)
    ones = torch.ones((2, network.neurons), dtype=torch.float64, requires_grad=True)
    logits = masked(network, images, ones)
    seed = torch.nn.functional.pad(weights, (0, logits.shape[1] - 3))
    (got,) = torch.autograd.grad((logits * seed).sum(), ones)
    held = hold(network, images, lambda logits: seed.expand_as(logits), gates="true")
    torch.testing.assert_close(got, held.output * held.gradient, rtol=1e-12, atol=1e-12)


def test_channel_factors_broadcast() -> None:
    _, network, images = case("plain")
    conv, dense = network.sites[1], network.sites[3]
    assert dense.kind == "linear"
    channel, unit = torch.rand(2, conv.shape[0], 1, 1), torch.rand(1, dense.size, 1, 1)
    spread = torch.ones(2, network.neurons)
    spread[:, conv.span] = channel.expand(2, *conv.shape).flatten(1)
    spread[:, dense.span] = unit.flatten(1)
    got = masked(network, images, {conv.number: channel, dense.number: unit})
    assert torch.equal(got, masked(network, images, spread))


class _ReluTimes(TorchFunctionMode):
    """Multiplies what every ReLU gives, in the order of the calls."""

    def __init__(self, by: list[Tensor]) -> None:
        super().__init__()
        self.left = iter(by)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in ("relu", "relu_") and type(result) is Tensor:
            return result * next(self.left).reshape(result.shape)
        return result


TORCHVISION: dict[str, Callable[[], nn.Module]] = {
    "resnet18": torchvision.models.resnet18,
    "densenet121": torchvision.models.densenet121,
    "googlenet": lambda: torchvision.models.googlenet(init_weights=False, aux_logits=False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TORCHVISION))
def test_sites_are_calls_not_modules(name: str) -> None:
    """A block's one ReLU that is called twice has two sets of neurons."""
    model = nets.randomised(TORCHVISION[name](), seed=0).eval()
    network, images = take_apart(model, (3, 64, 64)), nets.images((3, 64, 64), 2, seed=0)
    by = factors(network, 2)
    active = sorted((s for s in network.sites if s.activation is not None), key=lambda site: site.after)
    calls = _ReluTimes([by[:, site.span] for site in active])
    with torch.no_grad(), calls:
        wanted = model(images)
    assert next(calls.left, None) is None
    got = masked(network, images, {site.number: by[:, site.span] for site in active})
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9 * float(wanted.abs().max()))
    assert not torch.allclose(got, masked(network, images, {}), rtol=1e-3)
