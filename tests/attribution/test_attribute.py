"""Attributions against the module itself: autograd, formulas written out, and the network run with masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import graphpath as gp
from graphpath.data import open_images
from graphpath.errors import DataError, MethodError
from graphpath.models import LoadedModel
from graphpath.tracing.methods import effective_path, neuron_mct
from graphpath.tracing.neurons import mark_thresholded, most
from tests.tracing import harness, nets

SOME = ("plain", "norm_folded", "norm_alone", "residual", "concatenations", "max_pool_overlapping", "sums")


def case(name: str, count: int = 3) -> tuple[nn.Module, Tensor, Tensor]:
    """A net, images, and the predictions."""
    model, shape = nets.made(name, seed=7)
    images = nets.images(shape, count, seed=3)
    return model, images, model.eval()(images).argmax(1)


def gradient(model: nn.Module, images: Tensor, classes: Tensor, mode: Any = None) -> Tensor:
    """Autograd's gradient of each image's logit."""
    x = images.clone().requires_grad_(True)
    if mode is None:
        logits = model.eval()(x)
    else:
        with mode:
            logits = model.eval()(x)
    (found,) = torch.autograd.grad(logits[torch.arange(len(x)), classes].sum(), x)
    return found


class EachRelu(TorchFunctionMode):
    """Has ``change`` do something to what each ReLU gives, in the order of the calls."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._change = change

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return self._change(result) if getattr(func, "__name__", "") in ("relu", "relu_") else result


# --- captum's ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_gradient_and_input_times_gradient(name: str) -> None:
    model, images, classes = case(name)
    wanted = gradient(model, images, classes)
    ours = gp.attribute(model, images, method="gradient")
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)
    ours = gp.attribute(model, images, method="input_x_gradient")
    torch.testing.assert_close(ours, images * wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ("plain", "residual", "norm_alone"))
def test_integrated_gradients(name: str) -> None:
    """The average of gradients on the way from black, here by many midpoints; complete by itself."""
    model, images, classes = case(name, 2)
    ours = gp.attribute(model, images, method="integrated_gradients", steps=400)
    with torch.no_grad():
        change = (model(images) - model(torch.zeros_like(images)))[torch.arange(2), classes]
    torch.testing.assert_close(ours.sum((1, 2, 3)), change, rtol=5e-3, atol=1e-3)
    steps = (torch.arange(500) + 0.5) / 500
    mean = sum(gradient(model, images * step, classes) for step in steps) / 500
    torch.testing.assert_close(ours, images * mean, rtol=0.05, atol=0.05 * float(ours.abs().max()))


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(context: Any, arriving: Tensor) -> Tensor:  # type: ignore[override]
        return arriving.clamp(min=0)


@pytest.mark.parametrize("name", (*SOME, "functional_weights"))
def test_guided_backprop_is_guided_at_every_call(name: str) -> None:
    """Functional ReLUs included, and ReLUs whose input others read, which captum on the module misses."""
    model, images, classes = case(name)
    wanted = gradient(model, images, classes, EachRelu(_Guided.apply))
    ours = gp.attribute(model, images, method="guided_backprop")
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(ours, gradient(model, images, classes))


@pytest.mark.parametrize(("layer", "relus"), (("last", 2), ("2", 2), ("0", 1)))
def test_grad_cam_is_its_formula(layer: str, relus: int) -> None:
    model, images, classes = case("plain")
    x = images
    for module in model:
        x = module(x)
        relus -= isinstance(module, nn.ReLU)
        if relus == 0:
            maps = x.detach().requires_grad_(True)
            x, relus = maps, -1
    (sent,) = torch.autograd.grad(x[torch.arange(len(x)), classes].sum(), maps)
    cam = (sent.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).clamp(min=0).detach()
    ours = gp.attribute(model, images, method="grad_cam", layer=layer)
    assert ours.shape == (3, 1, 5, 5)
    torch.testing.assert_close(ours, F.interpolate(cam, (5, 5), mode="bilinear"), rtol=1e-10, atol=1e-12)
    assert float(ours.max()) > 0


# --- the pathway gradient ----------------------------------------------------------------


def multiplied(model: nn.Module, images: Tensor, classes: Tensor, masks: list[Tensor]) -> Tensor:
    """The gradient of the module with what each ReLU gives multiplied by a mask, call by call."""
    left = iter(masks)
    found = gradient(model, images, classes, EachRelu(lambda a: a * next(left).reshape(a.shape)))
    assert next(left, None) is None
    return found


def by_call(batch: Any, mask: Tensor) -> list[Tensor]:
    active = sorted(
        (s for s in batch.compiled.sites if s.activation is not None), key=lambda site: site.after
    )
    return [mask[:, site.span].double() for site in active]


@pytest.mark.parametrize("sparsity", (0.5, 0.8))
@pytest.mark.parametrize("name", SOME)
def test_pathway_gradient_of_neurons(name: str, sparsity: float) -> None:
    model, images, classes = case(name)
    batch, _ = harness.held(model, images)
    masks = by_call(batch, most(batch, neuron_mct.score(batch), sparsity))
    wanted = multiplied(model, images, classes, masks)
    ours = gp.attribute(model, images, method="neuron_mct", sparsity=sparsity)
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)
    assert bool((ours != 0).any())
    if name in ("residual", "concatenations"):  # of the others, all that f depends on is kept
        assert not torch.allclose(ours, gradient(model, images, classes))


@pytest.mark.parametrize("name", SOME)
def test_pathway_gradient_of_edges(name: str) -> None:
    """A method of edges keeps the neurons at their ends."""
    model, images, classes = case(name)
    batch, _ = harness.held(model, images)
    mask = torch.zeros_like(batch.held.output, dtype=torch.bool)
    edges = harness.selected(batch, effective_path.select(batch, theta=0.7))
    for image, mine in enumerate(edges):
        mask[image, np.unique([mine.source, mine.target])] = True
    wanted = multiplied(model, images, classes, by_call(batch, mask))
    ours = gp.attribute(model, images, method="effective_path", theta=0.7)
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SOME)
def test_through_all_live_neurons_it_is_the_gradient(name: str) -> None:
    model, images, classes = case(name)
    ours = gp.attribute(model, images, method="activation", sparsity=0.0)
    torch.testing.assert_close(ours, gradient(model, images, classes), rtol=1e-10, atol=1e-12)


def test_the_masked_network_switches_by_itself() -> None:
    """What is taken out changes which pixels win a max-pool further on: the mask is frozen, nothing else."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.fill_(1)
    images = torch.tensor([[[[1.0, 2.0, 3.0, 5.0]]]], dtype=torch.float64)
    batch, _ = harness.held(model, images)
    mask = mark_thresholded(batch)[None] & (batch.held.output != 6)  # 5 + 1: the winner of the second window
    wanted = multiplied(model, images, torch.tensor([0]), by_call(batch, mask))
    assert wanted.flatten().tolist() == [0, 1, 1, 0]


def test_seeds_and_batches() -> None:
    model, images, _ = case("residual", 5)
    one = gp.attribute(model, images, method="random", seed=4)
    torch.testing.assert_close(gp.attribute(model, images, method="random", seed=4, batch=2), one)
    assert not torch.equal(gp.attribute(model, images, method="random", seed=5), one)


# --- targets, inputs, what stays as it was -----------------------------------------------


@pytest.mark.parametrize("method", ("gradient", "input_x_gradient"))
def test_targets(method: str) -> None:
    model, images, _ = case("plain")
    first, second, contrast = (gp.attribute(model, images, method=method, target=t) for t in (0, 1, (0, 1)))
    torch.testing.assert_close(contrast, first - second)
    dense = gp.attribute(model, images, method=method, target=gp.at("6", 3))
    x = images.clone().requires_grad_(True)
    (wanted,) = torch.autograd.grad(model[:8](x)[:, 3].sum(), x)
    torch.testing.assert_close(dense, wanted if method == "gradient" else wanted * images)
    labelled = gp.attribute(model, images, [1, 1, 1], method=method, target="label")
    torch.testing.assert_close(labelled, second)


@pytest.mark.parametrize("method", sorted(gp.ATTRIBUTIONS))
def test_every_method_of_every_kind_of_target(method: str) -> None:
    model, images, _ = case("plain")
    for target in ("predicted", (0, 2), gp.at("6", 1)):
        found = gp.attribute(model, images, method=method, target=target, **harness.QUICK.get(method, {}))
        assert found.shape == (3, 1 if method == "grad_cam" else 2, 5, 5)
        assert bool(found.isfinite().all())
        assert not found.requires_grad


def test_the_model_is_left_as_it_was() -> None:
    model, images, _ = case("relu_spellings")
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for method in ("guided_backprop", "grad_cam", "neuron_mct"):
        gp.attribute(model, images.float().double(), method=method)
    assert model.training
    assert all(not m._forward_hooks and not m._backward_hooks for m in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.inference_mode():
        gp.attribute(model, images, method="gradient")


def test_images_of_every_kind(digits_model: Callable[[int], LoadedModel]) -> None:
    images = open_images("digits", limit=3)
    ours = gp.attribute(digits_model(0), images, method="neuron_mct", sparsity=0.8)
    again = gp.attribute(digits_model(0), images.batch(0, 3), method="neuron_mct", sparsity=0.8)
    torch.testing.assert_close(ours, again)
    assert ours.shape == (3, 1, 8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "no attribution 'magic'; there are effective_path"),
        ({"method": "gradient", "steps": 3}, "takes no option 'steps'"),
        ({"method": "integrated_gradients", "steps": 0}, "steps=0 is out of range"),
        ({"method": "grad_cam", "layer": "nowhere"}, "no layer 'nowhere'"),
        ({"method": "grad_cam", "layer": "8"}, "does not lead to the target"),
        ({"method": "grad_cam", "target": gp.at("0", 0)}, "maps have more than one place"),
        ({"method": "gradient", "target": 9}, "one class of 0 to 2"),
    ],
)
def test_what_is_refused(options: dict, message: str) -> None:
    model, images, _ = case("plain")
    with pytest.raises(MethodError, match=message):
        gp.attribute(model, images, **options)


def test_what_cannot_be_guided_and_no_images() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(MethodError, match="has none"):
        gp.attribute(model, torch.rand(1, 1, 2, 2), method="guided_backprop")
    with pytest.raises(DataError, match="no images"):
        gp.attribute(model, torch.rand(0, 1, 2, 2), method="gradient")


# --- heat maps ---------------------------------------------------------------------------


@st.composite
def attributions(draw: st.DrawFn) -> Tensor:
    shape = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
    )
    values = draw(st.lists(st.integers(-3, 3), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(found=attributions())
def test_a_heat_map_is_the_largest_channel_over_the_largest_pixel(found: Tensor) -> None:
    ours = gp.heatmap(found)
    assert ours.shape == (found.shape[0], *found.shape[2:])
    for image, mine in zip(found, ours, strict=True):
        peak = float(image.abs().max()) or 1.0
        for place in np.ndindex(*mine.shape):
            channels = image[(slice(None), *place)].tolist()
            value = next(v for v in channels if abs(v) == max(map(abs, channels)))
            assert float(mine[place]) == value / peak


@pytest.fixture(autouse=True)
def _nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    yield
    assert list(tmp_path.iterdir()) == []
