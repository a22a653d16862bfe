"""Receptive fields against brute force: pixels perturbed one by one, and chains of edges that were met."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from graphpath.network import Network, take_apart
from graphpath.network.fields import Field, find_fields, tabulate_fields
from graphpath.shapes import fold
from tests.network.test_reach import DRAWS, blocks_and_grids, brute, shifted_windows
from tests.tracing import nets

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
Ends = tuple[np.ndarray, np.ndarray]


def boxes(fields: list[Field]) -> list[list[int]]:
    """Every end of every field, in one order."""
    ends = ((f.first_row, f.last_row, f.first_column, f.last_column) for f in fields)
    return [[*map(int, end)] for field in ends for end in field]


def around(network: Network, seen: np.ndarray) -> list[list[int]]:
    """As :func:`boxes`, from which pixels (all neurons, C, H, W) are seen by each neuron."""
    found = []
    for site in network.sites:
        pixels = seen[site.span].any(1).reshape(*site.shape, *seen.shape[2:])
        rows, columns = pixels.any((0, 2, 4)), pixels.any((0, 1, 3))
        found += [[*map(int, end)] for axis in (rows, columns) for end in ends(axis)]
    return found


def ends(there: np.ndarray) -> Ends:
    """The first and the last place of each row that is true; 0 and -1 without any."""
    some = there.any(1)
    last = there.shape[1] - 1 - there[:, ::-1].argmax(1)
    return np.where(some, there.argmax(1), 0), np.where(some, last, -1)


def chained(network: Network, draws: int) -> np.ndarray:
    """Which pixels reach each neuron by chains of edges that some draw of the layers' outputs had."""
    edges, image = brute(network, draws), network.sites[0]
    seen = np.zeros((network.neurons, image.size), bool)
    seen[image.span] = np.eye(image.size, dtype=bool)
    for site in network.sites[1:]:
        seen[site.span] = edges[site.span].astype(np.float32) @ seen.astype(np.float32) > 0
    return seen.reshape(-1, *image.shape)


def check_chains(model: nn.Module, shape: tuple[int, ...]) -> None:
    network = take_apart(model, shape)
    said = boxes(find_fields(network))
    assert any(said == around(network, chained(network, draws)) for draws in DRAWS)


@pytest.mark.parametrize("name", sorted(nets.NETS))
def test_fields_are_chains_of_edges_that_were_met(name: str) -> None:
    check_chains(*nets.made(name))


@pytest.mark.parametrize("make", [shifted_windows, blocks_and_grids])
def test_fields_through_windows_of_attention(make: Callable[[], nn.Module]) -> None:
    model, shape = make().eval(), (1, 4, 4)
    model(torch.zeros(1, *shape))  # which makes what is lazy
    check_chains(nets.randomised(model, 0), shape)


def perturbed(model: nn.Module, network: Network, shape: tuple[int, ...], images: int) -> np.ndarray:
    """Which pixels change each neuron of the network itself, in some image: one changed by 0.1 at a time."""
    generator = torch.Generator().manual_seed(0)
    pixels = int(np.prod(shape))
    seen = np.zeros((pixels, network.neurons), bool)
    for _ in range(images):
        image = torch.rand(1, pixels, generator=generator, dtype=torch.float64)
        changed = image.repeat(pixels + 1, 1)
        changed[:pixels] += 0.1 * torch.eye(pixels, dtype=torch.float64)
        values = outputs(network, changed.reshape(-1, *shape))
        assert np.allclose(
            values[-1, network.sites[-1].span], model(image.reshape(1, *shape)).detach().numpy()
        )
        seen |= values[:-1] != values[-1]
    return seen.T.reshape(-1, *fold(shape))


def outputs(network: Network, images: torch.Tensor) -> np.ndarray:
    """The outputs of all neurons (N, neurons), nothing held."""
    values: list[torch.Tensor] = []
    with torch.no_grad():
        for step in network.program.steps:
            operands = [values[i] for i in step.inputs] if step.inputs else [images]
            values.append(step.operation.true(*operands))
    return torch.cat([values[site.after].flatten(1) for site in network.sites], 1).numpy()


def uneven() -> nn.Module:
    """Adaptive pooling, dilation, steps, transposed convolution and interpolation, one after another."""
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d((7, 5)),
        nn.Conv2d(2, 3, (3, 2), padding=2, dilation=(2, 1)),
        nn.Tanh(),
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.Upsample(size=(9, 6), mode="bilinear"),
        nn.Conv2d(2, 2, 3, stride=(2, 3)),
        nn.Tanh(),
        nn.MaxPool2d(2, 1),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def branched() -> nn.Module:
    """Branches of different windows put beside each other, a shortcut, and a convolution map by map."""
    net = nets.Net(
        lambda net, x: net.head(
            net.each(torch.cat([net.one(x), torch.tanh(net.wide(x)), x], 1)).tanh().mean((2, 3))
        ),
        one=nn.Conv2d(2, 2, 1),
        wide=nn.Conv2d(2, 2, 5, padding=2),
        each=nn.Conv2d(6, 6, 3, padding=1, groups=6),
        head=nn.Linear(6, 3),
    )
    return nets.randomised(net, 0)


def in_depth() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 2, (2, 3, 3), padding=(0, 1, 1)), nn.Tanh(), nn.Conv3d(2, 2, (1, 1, 3)), nn.Tanh(),
        nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip


def turned() -> nn.Module:
    """Rows made columns half way."""
    return nets.Net(
        lambda net, x: net.head(torch.tanh(net.two(torch.tanh(net.one(x)).transpose(2, 3))).flatten(1)),
        one=nn.Conv2d(1, 2, (3, 1)),
        two=nn.Conv2d(2, 2, (1, 2)),
        head=nn.LazyLinear(3),
    )


SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "uneven": (uneven, (1, 11, 8)),
    "branched": (branched, (2, 7, 6)),
    "depth": (in_depth, (1, 4, 4, 5)),
    "turned": (turned, (1, 6, 5)),
}


@pytest.mark.parametrize("name", SMALL)
def test_fields_are_the_pixels_that_change_a_neuron(name: str) -> None:
    make, shape = SMALL[name]
    model = make().double().eval()
    model(torch.zeros(1, *shape, dtype=torch.float64))
    network = take_apart(model, shape)
    assert boxes(find_fields(network)) == around(network, perturbed(model, network, shape, images=12))


def test_a_gate_of_the_whole_image_does_not_widen_a_field() -> None:
    """What flows is the map; the gate, which every pixel changes, is held."""
    gated = nets.Net(
        lambda net, x: net.head(
            (net.one(x) * torch.sigmoid(net.gate(x.mean((2, 3))))[..., None, None]).flatten(1)
        ),
        one=nn.Conv2d(1, 2, 3),
        gate=nn.Linear(1, 2),
        head=nn.Linear(18, 3),
    )
    network = take_apart(nets.randomised(gated, 0), (1, 5, 5))
    field = find_fields(network)[1]
    assert field.first_row.tolist() == field.first_column.tolist() == [0, 1, 2]
    assert field.last_row.tolist() == field.last_column.tolist() == [2, 3, 4]


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_fields_of_known_networks_by_gradients(name: str) -> None:
    """Of a sample of neurons the pixels with a gradient, all weights positive and nothing cut off.

    Of three images: through a maximum only one pixel of each window has one.
    """
    torch.manual_seed(0)
    model = getattr(models, name)(weights=None).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.abs() + 1e-3)
    network = take_apart(model, (3, 70, 83))
    fields, random = find_fields(network), np.random.default_rng(0)
    images = torch.rand(3, 3, 70, 83, dtype=torch.float64, requires_grad=True)
    values: list[torch.Tensor] = []
    for step in network.program.steps:
        operands = [values[i] for i in step.inputs] if step.inputs else [images]
        values.append(step.operation.run(*operands))
    for site, field in list(zip(network.sites, fields, strict=True))[1::3]:
        channel, y, x = (int(random.integers(size)) for size in site.shape)
        neurons = values[site.after].reshape(-1, *site.shape)[:, channel, y, x]
        (gradient,) = torch.autograd.grad(neurons.sum(), images, retain_graph=True)
        seen = (gradient != 0).any(0).any(0).numpy()
        rows, columns = ends(seen.any(1)[None]), ends(seen.any(0)[None])
        expected = [int(end[0]) for end in (*rows, *columns)]
        said = [field.first_row[y], field.last_row[y], field.first_column[x], field.last_column[x]]
        assert expected == [int(end) for end in said], site.name


def test_the_table_says_what_the_fields_are() -> None:
    network = take_apart(nets.randomised(branched(), 0), (2, 7, 6))
    columns = tabulate_fields(network)
    assert set(columns) == {"layer", "axis", "place", "first", "last"}
    for number, field in enumerate(find_fields(network)):
        for axis, first, last in (
            ("y", field.first_row, field.last_row),
            ("x", field.first_column, field.last_column),
        ):
            mine = (columns["layer"] == number) & (columns["axis"] == axis)
            assert columns["place"][mine].tolist() == list(range(len(first)))
            assert columns["first"][mine].tolist() == first.tolist()
            assert columns["last"][mine].tolist() == last.tolist()
