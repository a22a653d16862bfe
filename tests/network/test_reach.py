"""What a network can have edges between, against brute force: every site's outputs drawn at random, and the
Jacobian of every pre-activation with respect to them, over many draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models
from torchvision.models.maxvit import PartitionAttentionLayer
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.ops.misc import Permute

import graphpath as gp
from graphpath.network import Network, reach, take_apart
from graphpath.network.products import Product, disjoint
from graphpath.network.reach import Reach
from graphpath.network.relations import Relation
from tests.tracing import nets

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
DRAWS = (150, 800)
"""How many are made first, and how many where some possible edge was not met among those."""


def possible(network: Network) -> np.ndarray:
    """(target, source) by the products: how many of them have the pair."""
    found = np.zeros((network.neurons, network.neurons), np.int64)
    reach = Reach(network)
    for site in network.sites:
        for term in reach.into(site):
            whole = cells_of(term).astype(np.int64)
            assert whole.shape == (site.size, network.sites[term.source].size)
            found[site.span, network.sites[term.source].span] += whole
    return found


def cells_of(product: Product) -> np.ndarray:
    """(target, source) bool."""
    return np.kron(product.channel.dense(), np.kron(product.y.dense(), product.x.dense()))


def brute(network: Network, draws: int, seed: int = 0) -> np.ndarray:
    """(target, source) bool: whether the Jacobian was other than 0 for some draw of the sites' outputs."""
    generator = torch.Generator().manual_seed(seed)
    leaves: dict[int, torch.Tensor] = {}
    values: dict[int, torch.Tensor] = {}
    before: dict[int, torch.Tensor] = {}
    for number, step in enumerate(network.program.steps):
        value = step.operation.run(*(values[i] for i in step.inputs)) if number else None
        for site in network.sites:  # a later site may stand on the very tensor of an earlier one
            if site.before == number and value is not None:
                before[site.number] = value.flatten(1)
            if site.after == number and site.kind != "logits":
                drawn = torch.randn((draws, *step.shape), generator=generator, dtype=torch.float64)
                value = leaves[site.number] = drawn.requires_grad_(True)
        assert value is not None
        values[number] = value
    found = np.zeros((network.neurons, network.neurons), bool)
    for site in network.sites[1:]:
        z = before[site.number]
        for neuron in range(site.size):
            gradients = torch.autograd.grad(
                z[:, neuron].sum(), list(leaves.values()), retain_graph=True, allow_unused=True
            )
            for source, gradient in zip(leaves, gradients, strict=True):
                if gradient is not None:
                    live = (gradient.flatten(1) != 0).any(0).numpy()
                    found[site.offset + neuron, network.sites[source].span] |= live
    return found


def shifted_windows() -> nn.Module:
    """Attention within windows of 2 x 2 places, then within such that are shifted by one: Swin's."""
    blocks = [SwinTransformerBlock(2, 1, [2, 2], [shift, shift], mlp_ratio=1) for shift in (0, 1)]
    return nn.Sequential(
        nets.conv(1, 2), Permute([0, 2, 3, 1]), *blocks, Permute([0, 3, 1, 2]), nn.Flatten(), nn.LazyLinear(2)
    )


def blocks_and_grids() -> nn.Module:
    """Attention within blocks of 2 x 2 places, then over grids of 2 x 2 places each: MaxViT's."""

    def layer(kind: str) -> nn.Module:
        functions: tuple[type[nn.Module], ...] = nn.GELU, nn.LayerNorm
        return PartitionAttentionLayer(2, 1, 2, kind, (4, 4), 1, *functions, 0.0, 0.0, 0.0)

    parts = [nets.conv(1, 2), layer("window"), layer("grid"), nets.conv(2, 2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(2))


@pytest.mark.parametrize("make", [shifted_windows, blocks_and_grids])
def test_what_is_possible_within_windows(make: Callable[[], nn.Module]) -> None:
    model, shape = make().eval(), (1, 4, 4)
    model(torch.zeros(1, *shape))  # which makes what is lazy
    check_possible(nets.randomised(model, 0), shape)


@pytest.mark.parametrize("name", sorted(nets.NETS))
def test_what_is_possible_is_what_some_image_could_have(name: str) -> None:
    check_possible(*nets.made(name))


def check_possible(model: nn.Module, shape: tuple[int, int, int]) -> None:
    network = take_apart(model, shape)
    said = possible(network)
    assert said.max() <= 1, "an edge is in two products"
    first, all_of_them = DRAWS
    met = brute(network, first)
    assert not (met & (said == 0)).any(), "an edge was met that is said to be impossible"
    assert np.array_equal(said == 1, met) or np.array_equal(said == 1, brute(network, all_of_them))


shapes = st.tuples(*[st.integers(1, 3)] * 6)


@given(shapes, st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_products_are_made_disjoint(shape: tuple[int, ...], count: int, seed: int) -> None:
    random = np.random.default_rng(seed)

    def drawn() -> Product:
        return Product(0, *(Relation.of(random.random((shape[i], shape[i + 3])) < 0.6) for i in range(3)))

    products = [drawn() for _ in range(count)]
    apart = disjoint(products)

    def cells(some: list[Product]) -> np.ndarray:
        none = np.zeros((shape[0] * shape[1] * shape[2], shape[3] * shape[4] * shape[5]), int)
        return sum((cells_of(p).astype(int) for p in some), none)

    assert np.array_equal(cells(apart), cells(products) > 0)
    assert sum(product.pairs for product in apart) == cells(apart).sum()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_rectangles_tile_a_relation(rows: int, columns: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).random((rows, columns)) < 0.6
    found = np.zeros((rows, columns), int)
    for row, high, column, wide in Relation.of(matrix).rectangles():
        found[row : row + high, column : column + wide] += 1
    assert np.array_equal(found, matrix)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_relations_are_what_their_matrices_are(high: int, between: int, wide: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    one, two = random.random((high, between)) < 0.4, random.random((between, wide)) < 0.4
    relation = Relation.of(one)
    assert np.array_equal(relation.dense(), one)
    assert relation.pairs == one.sum()
    assert np.array_equal(relation.after(Relation.of(two)).dense(), one.astype(int) @ two.astype(int) > 0)
    assert np.array_equal(relation.repeated(3).dense(), one.repeat(3, axis=0))
    to, back = np.nonzero(one)
    again = random.permutation(np.repeat(np.arange(len(to)), 2))
    assert Relation.of_pairs(to[again], back[again], one.shape).key == relation.key
    to, back = np.divmod(np.arange(one.size), between)
    assert np.array_equal(relation.has(to, back), one.ravel())


def test_large_networks_take_little_to_say() -> None:
    """A VGG-16's 25 billion possible edges in two thousand rows."""
    network = take_apart(models.vgg16(weights=None), (3, 224, 224))
    columns = Reach(network).columns()
    assert len(columns["layer"]) < 3_000
    conv = [term for site in network.sites[1:3] for term in Reach(network).into(site)]
    inner = (3 * 224 - 2) ** 2  # of 224 x 224 windows of 3 x 3, those at the border are cut
    assert [term.pairs for term in conv] == [3 * 64 * inner, 64 * 64 * inner]


def test_what_takes_too_many_products_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A gate between two halves of what mixes tokens: its channels are the tokens' places."""
    mixer = nets.Net(
        lambda net, x: net.head(torch.mul(*net.mix(x.flatten(2)).chunk(2, 2)).flatten(1)),
        mix=nn.Linear(16, 12),
        head=nn.Linear(18, 3),
    )
    image = nets.images((3, 4, 4), 1, seed=0).float()
    assert gp.trace(mixer.float(), image, out=tmp_path / "few").files("reach")
    monkeypatch.setattr(reach, "MOST", 4)
    assert not gp.trace(mixer.float(), image, out=tmp_path / "many").files("reach")
