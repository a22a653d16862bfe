"""What cannot be taken apart is refused in one sentence that names the operation and its place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from graphpath.errors import NetworkError, UnsupportedOperation
from graphpath.network import hold, take_apart
from graphpath.tracing.batch import Batch
from tests.tracing import harness, nets

SHAPE = (3, 6, 6)


def around(operation: Callable[[Tensor], Any]) -> nn.Module:
    """A network with an operation in its middle."""
    return nets.Net(
        lambda net, x: net.head(operation(net.stem(x))), stem=nets.conv(3, 4), head=nets.head(4 * 36)
    )


def holding(odd: nn.Module) -> nn.Module:
    return nets.Net(
        lambda net, x: net.head(net.odd(net.stem(x))), stem=nets.conv(3, 4), odd=odd, head=nets.head(4 * 36)
    )


def giving(forward: Callable[[Any, Tensor], Any]) -> nn.Module:
    return nets.Net(forward, stem=nets.conv(3, 4), other=nets.conv(3, 4), head=nets.head(4 * 36))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "mean over the batch": (
        lambda: around(lambda y: y - y.mean(0, keepdim=True)),
        r"mixes the images of a batch: .*other logits",
    ),
    "batch turned round": (lambda: around(lambda y: y.flip(0)), r"Net mixes the images of a batch"),
    "batch indexed": (
        lambda: around(lambda y: y[torch.tensor([1, 0])]),
        r"^the network.s output is \(2, 3\)",
    ),
    "batch sliced": (lambda: around(lambda y: y[:1]), r"mixes the images of a batch"),
    "batch concatenated": (lambda: around(lambda y: torch.cat([y, y])), r"^the network.s output is \(2, 3\)"),
    "batch permuted": (
        lambda: around(lambda y: y.permute(1, 0, 2, 3)),
        r"cannot be multiplied",
    ),
    "batch split": (lambda: around(lambda y: y.chunk(2)[0]), r"mixes the images"),
    "batch flattened": (lambda: around(lambda y: y.view(-1)), r"Dimension out of range"),
    "made for a batch of two": (
        lambda: around(lambda y: y + torch.ones(2, 4, 6, 6)),
        r"^the network.s output is \(2, 3\)",
    ),
    "batch norm without statistics": (
        lambda: holding(nn.BatchNorm2d(4, track_running_stats=False)),
        "^odd is a batch norm without running statistics",
    ),
    "dropout that is always on": (
        lambda: around(lambda y: F.dropout(y, 0.5)),
        r"^dropout is random even in evaluation mode",
    ),
    "a feature map as output": (
        lambda: giving(lambda net, x: net.stem(x)),
        r"^the network.s output is \(1, 4, 6, 6\) for one image; expected logits.*: give a module around it",
    ),
    "a Fourier transform": (
        lambda: around(lambda y: torch.fft.fft2(y).real),
        r"^fft_fft2 .*complex numbers.*or trace a module that ends before it\.$",
    ),
}

TAKEN: dict[str, Callable[[], nn.Module]] = {
    "gate of two branches": lambda: giving(lambda net, x: net.head(net.stem(x) * torch.relu(net.other(x)))),
    "square": lambda: around(lambda y: y * y),
    "product of gates": lambda: around(lambda y: torch.sigmoid(y) * torch.tanh(y)),
    "product of a row and a column": lambda: around(lambda y: y.mean((2, 3), keepdim=True) * y[:, :1]),
    "power": lambda: around(lambda y: y**2),
    "division by a tensor": lambda: around(lambda y: 1 / (y + 2)),
    "softmax": lambda: around(lambda y: F.softmax(y, 1)),
    "softmax module": lambda: holding(nn.Softmax(dim=1)),
    "log softmax of the logits": lambda: giving(lambda net, x: F.log_softmax(net.head(net.stem(x)), 1)),
    "batch transposed": lambda: around(lambda y: y.transpose(0, 1).transpose(0, 1)),
    "group norm": lambda: holding(nn.GroupNorm(2, 4)),
    "instance norm": lambda: holding(nn.InstanceNorm2d(4)),
    "transposed convolution": lambda: holding(nn.ConvTranspose2d(4, 4, 3, padding=1)),
    "interpolation": lambda: around(lambda y: F.interpolate(y, size=6)),
    "matrix product": lambda: around(lambda y: torch.matmul(y, y.transpose(2, 3))),
    "broadcast sum": lambda: giving(
        lambda net, x: net.head(net.stem(x) + F.adaptive_avg_pool2d(net.other(x), 1))
    ),
    "dense layer over tokens": lambda: holding(nn.Sequential(nn.Flatten(2), nn.Linear(36, 36))),
    "padding with a value": lambda: around(lambda y: F.pad(y, (1, 1), value=0.5)[..., 1:-1] + y),
    "write into a slice": lambda: around(lambda y: (y.__setitem__((slice(None), 0), 0.0), y)[1]),
    "max-pool with indices": lambda: giving(
        lambda net, x: net.head(F.max_pool2d(net.stem(x), 1, return_indices=True)[0])
    ),
    "recurrent layer": lambda: nets.Net(
        lambda net, x: net.head(net.odd(net.stem(x).flatten(2))[0]),
        stem=nets.conv(3, 4),
        odd=nn.LSTM(36, 6, batch_first=True),
        head=nets.head(24),
    ),
    "transformer layer": lambda: nets.Net(
        lambda net, x: net.head(net.odd(net.stem(x).flatten(2))),
        stem=nets.conv(3, 4),
        odd=nn.TransformerEncoderLayer(36, 2, 8, batch_first=True),
        head=nets.head(144),
    ),
    "operation in place through a view": lambda: around(lambda y: (y[:, :2].relu_(), y)[1]),
    "gate made of the image": lambda: nets.Net(
        lambda net, x: net.head(x * net.conv(x)), conv=nets.conv(3, 3), head=nets.head(108)
    ),
    "weight norm": lambda: holding(nn.utils.parametrizations.weight_norm(nets.conv(4, 4))),
    "two outputs": lambda: giving(lambda net, x: (net.head(net.stem(x)), x)),
    "vision transformer": lambda: torchvision.models.VisionTransformer(6, 3, 1, 2, 8, 8, num_classes=3),
    "hooks": lambda: hooked(),
    "old weight norm": lambda: pre_hooked(),
}
"""What torch.fx's dialect refused."""


def hooked() -> nn.Module:
    model = around(F.relu)
    model.stem.register_forward_hook(lambda module, args, result: result * 2)
    return model


def pre_hooked() -> nn.Module:
    model = around(F.relu)
    model.stem.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    return model


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_by_name_and_place(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(NetworkError, match=message) as caught:
        take_apart(make(), SHAPE)
    assert "\n" not in str(caught.value)


@cache
def taken(name: str) -> tuple[nn.Module, Batch, list[harness.Edges]]:
    torch.manual_seed(1)
    model = TAKEN[name]().double()
    batch, _ = harness.held(model, nets.images(SHAPE, 2, seed=1))
    return model, batch, harness.every_edge(batch)


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_taken_lawfully(name: str) -> None:
    model, batch, edges = taken(name)
    for image, mine in enumerate(edges):
        for law, off in harness.laws(mine, harness.numbers(batch, image)).items():
            assert off < harness.EXACT, (law, image)
    returned = model.eval()(batch.images)
    logits = returned[0] if isinstance(returned, tuple) else returned
    ours = batch.held.logits
    ours = torch.log_softmax(ours, 1) if name == "log softmax of the logits" else ours
    torch.testing.assert_close(ours, logits.detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_taken_with_its_own_gradient(name: str) -> None:
    model, batch, _ = taken(name)
    network = batch.compiled.network
    true = hold(network, batch.images, lambda _: batch.held.seed, gates="true")
    pixels = batch.images.clone().requires_grad_(True)
    returned = model.eval()(pixels)
    logits = returned[0] if isinstance(returned, tuple) else returned
    if name == "log softmax of the logits":
        pytest.skip("the softmax is cut off")
    (gradient,) = torch.autograd.grad((logits * batch.held.seed).sum(), pixels)
    ours = true.gradient[:, network.sites[0].span].reshape(pixels.shape)
    torch.testing.assert_close(ours, gradient, rtol=1e-9, atol=1e-11)


def test_what_the_output_does_not_need_is_not_refused() -> None:
    """A second output with noise, a third of complex numbers; the logits alone are traced."""
    model = giving(lambda net, x: (net.head(net.stem(x)), torch.rand_like(x), torch.fft.fft2(net.other(x))))
    assert len(take_apart(model, SHAPE).sites) == 3


def test_the_place_is_the_one_inside_the_network() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.matrix_exp(x)

    inner = nn.Sequential(nets.conv(3, 4), nn.Sequential(nn.ReLU(), Odd()))
    with pytest.raises(UnsupportedOperation, match=r"^body\.1\.1\.\w*matrix_exp "):
        take_apart(nets.Net(lambda net, x: net.head(net.body(x)), body=inner, head=nets.head(144)), SHAPE)


def test_a_second_input_is_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.fc(x) + y

    with pytest.raises(NetworkError, match="only networks of one input"):
        take_apart(Two(), (1, 2, 2))


def test_branching_on_values_is_refused() -> None:
    model = giving(lambda net, x: net.head(net.stem(x)) if x.sum() > 0 else net.head(net.other(x)))
    with pytest.raises(NetworkError, match=r"Net branches on the values of a tensor \(test_refusals"):
        take_apart(model, SHAPE)


def test_a_hook_on_the_whole_network_is_followed() -> None:
    """It is part of what the module gives."""
    model = around(F.relu).double()
    before = model.eval()(torch.ones(1, *SHAPE, dtype=torch.float64)).detach()
    model.register_forward_hook(lambda module, args, result: result * 2)
    network = take_apart(model, SHAPE)
    ours = network.program.run(torch.ones(1, *SHAPE, dtype=torch.float64))
    torch.testing.assert_close(ours, 2 * before)


def test_images_that_the_network_cannot_take_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 4 * 4, 3))
    take_apart(model, (1, 6, 6))
    with pytest.raises(NetworkError, match=r"Sequential cannot take images of shape \(1, 7, 7\): .*size"):
        take_apart(model, (1, 7, 7))


def test_networks_without_weights_are_taken_and_images_of_other_ranks_refused() -> None:
    bare = take_apart(nn.Sequential(nn.Flatten(), nn.ReLU()), SHAPE)
    assert [site.kind for site in bare.sites] == ["input", "activation", "logits"]
    with pytest.raises(NetworkError, match=r"shape \(6, 6\)"):
        take_apart(around(F.relu), (6, 6))
