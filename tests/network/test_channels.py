"""Edges between feature maps: the sums of the neuron edges, by whatever way they were found."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradientXActivation
from torch import Tensor, nn

import graphpath as gp
from graphpath.network.channels import MapEdges, MapIncoming
from graphpath.network.mapped import Planes
from graphpath.network.operations import Conv, convolution
from graphpath.tracing.batch import Batch
from graphpath.tracing.targets import Target
from tests.tracing import harness, nets
from tests.tracing.harness import EXACT, residual

EVERY = sorted(nets.NETS)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

Sums = dict[tuple[int, int], tuple[float, float]]


def map_inlets(batch: Batch) -> tuple[MapIncoming, ...]:
    network = batch.compiled.network
    planes = Planes(network)
    return tuple(MapIncoming(network, site, planes) for site in batch.incoming)


@cache
def case(name: str, target: Target = "predicted") -> tuple[nn.Module, Batch, tuple[MapIncoming, ...]]:
    model, shape = nets.made(name, seed=EVERY.index(name))
    batch, _ = harness.held(model, nets.images(shape, 3, seed=1), target)
    return model, batch, map_inlets(batch)


def summed(batch: Batch) -> list[Sums]:
    """Flow and score of every neuron edge, summed by the maps of its ends, for each image."""
    first = np.empty(batch.compiled.network.neurons, np.int64)
    before = 0
    for site in batch.compiled.sites:
        plane = site.shape[1] * site.shape[2]
        first[site.span] = before + np.arange(site.size) // plane
        before += site.shape[0]
    found = []
    for image, edges in enumerate(harness.every_edge(batch)):
        score = edges.flow * harness.numbers(batch, image).before[edges.target]
        sums: dict[tuple[int, int], list[float]] = {}
        for ends, flow, mine in zip(
            zip(first[edges.source].tolist(), first[edges.target].tolist(), strict=True),
            edges.flow.tolist(),
            score.tolist(),
            strict=True,
        ):
            pair = sums.setdefault(ends, [0.0, 0.0])
            pair[0] += flow
            pair[1] += mine
        found.append({ends: (flow, mine) for ends, (flow, mine) in sums.items()})
    return found


def ours(batch: Batch, incoming: tuple[MapIncoming, ...]) -> list[Sums]:
    found: list[Sums] = [{} for _ in range(batch.held.images)]
    for site in incoming:
        edges = site.edges(batch.held)
        columns = (edges.sample, edges.source, edges.target, edges.flow, edges.score)
        for image, source, target, flow, score in zip(*(c.tolist() for c in columns), strict=True):
            assert (source, target) not in found[image]  # each pair of maps once
            found[image][source, target] = (flow, score)
    return found


def assert_same(got: list[Sums], wanted: list[Sums]) -> None:
    for mine, theirs in zip(got, wanted, strict=True):
        size = max(abs(score) for _, score in theirs.values()) or 1.0
        flows = max(abs(flow) for flow, _ in theirs.values())
        for ends in theirs.keys() | mine.keys():
            flow, score = theirs.get(ends, (0.0, 0.0))
            if ends not in mine:
                assert abs(score) < EXACT * size, ends
                continue
            assert mine[ends][1] == pytest.approx(score, rel=1e-9, abs=EXACT * size), ends
            assert mine[ends][0] == pytest.approx(flow, rel=1e-9, abs=EXACT * flows), ends


@pytest.mark.parametrize("name", EVERY)
def test_edges_between_maps_are_sums_of_neuron_edges(name: str) -> None:
    _, batch, incoming = case(name)
    got = ours(batch, incoming)
    assert_same(got, summed(batch))
    assert all(got)


@pytest.mark.parametrize("name", EVERY)
def test_neuron_edges_summed_one_by_one_are_the_same(name: str) -> None:
    """The way for what the fast one does not know, taken for all."""
    _, batch, incoming = case(name)
    one_by_one = [site._summed_one_by_one(batch.held) for site in incoming]
    assert_same(ours(batch, incoming), [_of(one_by_one, image) for image in range(3)])


def _of(sites: list[MapEdges], image: int) -> Sums:
    found: Sums = {}
    for edges in sites:
        mine = edges.sample == image
        columns = (edges.source, edges.target, edges.flow, edges.score)
        for source, target, flow, score in zip(*(c[mine].tolist() for c in columns), strict=True):
            found[source, target] = (flow, score)
    return found


class Turned(nn.Module):
    """Maps laid on their side, so that each channel that is read holds a row of every one."""

    def __init__(self, pool: bool) -> None:
        super().__init__()
        self.first, self.pool = nn.Conv2d(2, 4, 3, padding=1), pool
        self.second, self.head = nn.Conv2d(4, 3, 2), nn.Linear(12 if pool else 27, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x)).transpose(1, 2)
        x = F.max_pool2d(x, 2, 1) if self.pool else x
        return self.head(torch.relu(self.second(x)).flatten(1))


@pytest.mark.parametrize("pool", (False, True))
def test_channels_that_hold_several_maps(pool: bool) -> None:
    """With a max-pool the image decides of which map the winner is."""
    model = nets.randomised(Turned(pool), seed=4)
    batch, _ = harness.held(model, nets.images((2, 4, 4), 3, seed=1))
    incoming = map_inlets(batch)
    assert [site._mixed for site in incoming] == [False, True, False]
    assert_same(ours(batch, incoming), summed(batch))


MIXING = {"largest", "products", "quotients_choices_and_ratios"}
"""Nets that take maxima over their maps, or multiply maps as matrices: a channel then holds several maps."""


def test_most_networks_take_the_fast_way() -> None:
    mixed = {name for name in EVERY if any(site._mixed for site in case(name)[2])}
    assert mixed == MIXING
    repeated = {name for name in EVERY if any(site._repeated for site in case(name)[2])}
    assert {"sums", "grouped_cat_of_itself"} <= repeated


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("plain", (0, 1)),
        ("plain", gp.at("2", 1)),
        ("residual", gp.at(3, 1)),
        ("concatenations", gp.at(4, 1, 2, 2)),
    ],
)
def test_for_other_targets(name: str, target: Target) -> None:
    _, batch, incoming = case(name, target)
    assert_same(ours(batch, incoming), summed(batch))
    assert all(site.site.number <= batch.goal.number for site in incoming)


@pytest.mark.parametrize("chunk", (1, 1000))
def test_chunks_do_not_matter(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stride_and_dilation", "groups_and_depthwise", "padding_same"):
        _, batch, incoming = case(name)
        wanted = ours(batch, incoming)
        with monkeypatch.context() as patch:
            patch.setattr(convolution, "CHUNK", chunk)
            assert_same(ours(batch, incoming), wanted)


@pytest.mark.parametrize("name", EVERY)
def test_one_image_as_in_a_batch(name: str) -> None:
    """A single image takes convolution's own gradient, a batch products of windows."""
    model, batch, incoming = case(name)
    alone, _ = harness.held(model, batch.images[1:2], compiled=batch.compiled)
    assert_same(ours(alone, map_inlets(alone)), ours(batch, incoming)[1:2])


# --- independent twins ------------------------------------------------------------


def straight(bias: bool = True) -> tuple[nn.Module, Tensor]:
    """Convolutions, ReLUs and max-pools in a row; a map's outgoing edges are all to the next layer."""
    layers = [
        nn.Conv2d(2, 4, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.Conv2d(5, 4, 3, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(3, 1),
        nn.Flatten(),
        nn.Linear(16, 3, bias=bias),
    ]
    return nets.randomised(nn.Sequential(*layers), seed=5), nets.images((2, 12, 12), 3, seed=2)


def test_anchor_1_without_biases_every_layer_sums_to_f() -> None:
    model, images = straight(bias=False)
    batch, _ = harness.held(model, images)
    for site in map_inlets(batch):
        edges = site.edges(batch.held)
        for image in range(3):
            score = edges.score[edges.sample == image]
            assert (
                residual(float(score.sum()), float(batch.held.value[image]), float(score.abs().sum())) < 1e-12
            )


def test_anchor_2_with_biases_and_what_they_give() -> None:
    """Input edges and all ``b * df/db`` sum to f; per map, what enters and ``b * g`` is ``z * g``."""
    model, images = straight()
    batch, classes = harness.held(model, images)
    incoming = map_inlets(batch)
    biases = [m.bias for m in model if getattr(m, "bias", None) is not None]
    for image, target in enumerate(classes):
        logit = model(images[image : image + 1])[0, target]
        given = [
            float((b.detach() * g).sum())
            for b, g in zip(biases, torch.autograd.grad(logit, biases), strict=True)
        ]
        first = incoming[0].edges(batch.held)
        entering = first.score[first.sample == image]
        total = float(entering.sum()) + sum(given)
        terms = float(entering.abs().sum()) + sum(map(abs, given))
        assert residual(total, float(batch.held.value[image]), terms) < EXACT
        for site, bias in zip(incoming, biases, strict=True):
            edges, where = site.edges(batch.held), site.site
            mine = edges.sample == image
            maps = Planes(batch.compiled.network)
            into = torch.zeros(maps.count, dtype=torch.float64)
            into = into.index_add_(0, edges.target[mine], edges.score[mine])[maps.of_site(where)]
            before = batch.held.gradient_before(where)[image].reshape(where.shape[0], -1)
            z = batch.held.before[where.number][image].reshape(where.shape[0], -1)
            left, right = into + bias.detach() * before.sum(1), (z * before).sum(1)
            torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", (1, 4, 6))
def test_anchor_3_captums_gradient_times_activation_is_what_leaves_a_map(layer: int) -> None:
    """Per channel, through max-pools too."""
    model, images = straight()
    batch, classes = harness.held(model, images)
    wanted = LayerGradientXActivation(model, model[layer]).attribute(images, target=torch.tensor(classes))
    place = {1: 0, 4: 1, 6: 2}[layer]
    edges = map_inlets(batch)[place + 1].edges(batch.held)
    maps = Planes(batch.compiled.network)
    leaving = torch.zeros((3, maps.count), dtype=torch.float64)
    leaving.index_put_((edges.sample, edges.source), edges.score, accumulate=True)
    leaving = leaving[:, maps.of_site(batch.compiled.sites[place + 1])]
    torch.testing.assert_close(leaving, wanted.sum((2, 3)).detach(), rtol=1e-12, atol=1e-13)
    assert bool((leaving != 0).any())


@pytest.mark.parametrize("name", ("plain", "stride_and_dilation", "groups_and_depthwise", "residual"))
def test_anchor_7_brute_force(name: str) -> None:
    """All but one channel of what a convolution reads set to 0, convolved, times the gradient."""
    _, batch, incoming = case(name)
    held, compared = batch.held, 0
    for site in incoming:
        [*branches] = site.site.branches
        operation, view = branches[0].operation, branches[0].view
        if len(branches) > 1 or not isinstance(operation, Conv) or view.index is not None:
            continue
        x = held.values[:, view.base : view.base + torch.Size(view.shape).numel()].reshape(-1, *view.shape)
        before = held.gradient_before(site.site).reshape(-1, *site.site.shape)
        found = ours(batch, (site,))
        per_group = operation.weight.shape[1]
        into = site._planes.of_site(site.site).start
        sources = site._behind[0].maps.flatten().tolist()
        for channel, source in enumerate(sources):
            alone = torch.zeros_like(x)
            alone[:, channel] = x[:, channel]
            flow = F.conv2d(
                F.pad(alone, operation.padding),
                operation.weight,
                None,
                operation.stride,
                0,
                operation.dilation,
                operation.groups,
            )
            score = (flow * before).sum((2, 3))
            group = channel // per_group
            outs = site.site.shape[0] // operation.groups
            for out in range(group * outs, (group + 1) * outs):
                for image in range(3):
                    wanted = float(score[image, out])
                    got = found[image].get((source, into + out), (0.0, 0.0))[1]
                    assert got == pytest.approx(wanted, rel=1e-11, abs=1e-13)
                    compared += 1
    assert compared > 30
