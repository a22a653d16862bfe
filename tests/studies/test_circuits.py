"""Scores of feature maps for a concept against slow twins, and the study of circuits at tiny size."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from graphpath.network import Network, Pass, take_apart  # noqa: E402
from graphpath.studies.imagenet import map_scores  # noqa: E402
from tests.tracing.nets import NETS, images, randomised  # noqa: E402


class Residual(nn.Module):
    """Two stages, a sum at the end of each, as a network of blocks has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.down, self.two = nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 1)
        self.head = nn.Linear(6, 3)

    def first(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        return (x + self.one(x)).relu()

    def second(self, x: Tensor) -> Tensor:
        x = self.down(x).relu()
        return (x + self.two(x)).relu()

    def last(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x)))


@pytest.fixture(scope="module")
def module() -> Residual:
    return randomised(Residual(), 3)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def network(module: Residual) -> Network:
    return take_apart(module, (2, 6, 6))


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return images((2, 6, 6), 5, 0)


CLASSES = torch.tensor([0, 2, 1, 1, 0])


def test_ends_of_blocks_are_the_last_sums_of_their_shape(network: Network) -> None:
    ends = map_scores.find_block_ends(network)
    assert [site.shape for site in ends] == [(4, 6, 6), (6, 3, 3)]
    assert [site.kind for site in ends] == ["add", "add"]


def test_without_sums_they_are_the_last_layers_of_their_shape() -> None:
    make, shape = NETS["plain"]
    ends = map_scores.find_block_ends(take_apart(randomised(make(), 0), shape))
    assert [site.shape for site in ends] == [(3, 5, 5), (4, 5, 5)]


def test_scores_of_single_maps(module: Residual, network: Network, pixels: Tensor) -> None:
    ends = map_scores.find_block_ends(network)
    active = map_scores.score_activation(Pass.of(network, pixels), ends)
    scored = map_scores.score_gradient(network, pixels, CLASSES, ends)
    sizes, sums = np.zeros(4), np.zeros(4)
    for image, label in zip(pixels, CLASSES, strict=True):
        maps = module.first(image[None]).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(module.last(module.second(maps))[0, label], maps)
        for channel in range(4):
            both = [values[0, channel].flatten().tolist() for values in (maps.detach(), gradient)]
            sizes[channel] += np.mean(np.abs(both[0])) / 5
            sums[channel] += sum(abs(a * b) for a, b in zip(*both, strict=True)) / 5
    np.testing.assert_allclose(active[ends[0].number], sizes)
    np.testing.assert_allclose(scored[ends[0].number], sums)


def test_cross_layer_attribution_pair_by_pair(module: Residual, network: Network, pixels: Tensor) -> None:
    ends = map_scores.find_block_ends(network)
    run = Pass.of(network, pixels)
    between = map_scores.attribute_maps(run, *ends, np.arange(6))
    expected, last = np.zeros((4, 6)), np.zeros(6)
    for image, label in zip(pixels, CLASSES, strict=True):
        maps = module.first(image[None]).detach().requires_grad_(True)
        for target in range(6):
            length = (module.second(maps)[0, target] ** 2).sum().sqrt()
            (gradient,) = torch.autograd.grad(length, maps)
            for source in range(4):
                product = maps[0, source].abs() * gradient[0, source].abs()
                expected[source, target] += np.nan_to_num(float(product.sum().detach())) / 5
        later = module.second(maps).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(module.last(later)[0, label], later)
        for target in range(6):
            last[target] += float((later[0, target].abs() * gradient[0, target].abs()).sum().detach()) / 5
    np.testing.assert_allclose(between, expected)
    found = map_scores.follow_back(run, ends, CLASSES, [1, 2])
    np.testing.assert_allclose(found[ends[1].number], last)
    taken = sorted(range(6), key=lambda n: -last[n])[:2]
    np.testing.assert_allclose(found[ends[0].number], expected[:, taken].sum(1))


def test_sensitivity_is_what_is_lost_without_a_map(
    module: Residual, network: Network, pixels: Tensor
) -> None:
    ends = map_scores.find_block_ends(network)
    found = map_scores.measure_losses(Pass.of(network, pixels), *ends, np.arange(4))
    assert found.shape == (5, 4, 6) and (found > 0).any() and (found == 0).any()
    with torch.no_grad():
        for place, image in enumerate(pixels):
            maps = module.first(image[None])
            whole = module.second(maps)[0]
            for source in range(4):
                less = maps.clone()
                less[0, source] = 0
                without = module.second(less)[0]
                lost = [max(0.0, float((whole[t] - without[t]).mean())) for t in range(6)]
                np.testing.assert_allclose(found[place, source], lost, atol=1e-12)


def test_peaks_are_means_of_the_largest_tenth(module: Residual, network: Network, pixels: Tensor) -> None:
    ends = map_scores.find_block_ends(network)
    found = map_scores.measure_peaks(Pass.of(network, pixels), ends[0])
    with torch.no_grad():
        for place, image in enumerate(pixels):
            for channel, plane in enumerate(module.first(image[None])[0]):
                largest = sorted(plane.flatten().tolist())[-3:]  # of 36
                assert float(found[place, channel]) == pytest.approx(np.mean(largest))


def test_granular_circuits_link_by_both_scores(network: Network, pixels: Tensor) -> None:
    """Against loops over images, taken maps and later maps."""
    random, ends, run = np.random.default_rng(0), map_scores.find_block_ends(network), Pass.of(network, pixels)
    peaks, own = [random.random((30, 4)), random.random((30, 6))], np.array([2, 7, 11, 12, 20])
    found = map_scores.link_forward(run, ends, peaks, own, [2, 3])
    tops = [[{int(column.argmax())} for column in layer.T] for layer in peaks]
    below = [np.mean([[peaks[0][r, c] < peaks[0][i, c] for r in range(30)] for i in own]) for c in range(4)]
    roots = [sum(i in tops[0][c] for i in own) + below[c] for c in range(4)]
    np.testing.assert_allclose(found[ends[0].number], roots)
    losses = map_scores.measure_losses(run, *ends, np.arange(4))
    expected = np.zeros(6)
    for source in sorted(range(4), key=lambda c: -roots[c])[:2]:
        for place, image in enumerate(own):
            total = losses[place, source].sum()
            for target in range(6):
                linked = image in set(np.argsort(-peaks[1][:, target])[:3])
                shared = len(tops[0][source] & tops[1][target]) / len(tops[1][target])
                if total and linked:
                    expected[target] += losses[place, source, target] / total * shared / 5
    np.testing.assert_allclose(found[ends[1].number], expected)


def test_links_need_sensitivity_and_shared_images() -> None:
    losses = np.array([[[1.0, 3], [0, 0]], [[2, 2], [0, 5]]])
    linked, shared = np.array([[True, True], [False, True]]), np.array([[1.0, 0.5], [0, 0.25]])
    found = map_scores.score_links(losses, linked, shared)
    np.testing.assert_allclose(found, [(1 / 4) / 2, ((3 / 4 + 1 / 2) / 2) * 0.5 + (1 / 2) * 0.25])


def test_the_largest_are_marked_with_ties_to_the_lower_channel() -> None:
    assert map_scores.mark_largest(np.array([1.0, 3, 3, 2]), 2).tolist() == [False, True, True, False]
    assert map_scores.mark_largest(np.array([0.0, 0, 0]), 1).tolist() == [True, False, False]
    marked = map_scores.mark_highest(np.array([[1.0, 9], [2, 8], [3, 7], [4, 6]]), 0.5)
    assert marked.T.tolist() == [[False, False, True, True], [True, True, False, False]]
