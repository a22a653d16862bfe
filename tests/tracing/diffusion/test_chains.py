"""Flows from map to map against dense matrices and single filters; the largest chain against all (X4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphpath.errors import MethodError, UnsupportedOperation
from graphpath.network import Network
from graphpath.tracing.batch import Batch
from graphpath.tracing.diffusion.chains import find_chains
from graphpath.tracing.diffusion.flows import MapFlows, compute_map_flows
from graphpath.tracing.diffusion.plan import DiffusionPlan, find_last_maps
from graphpath.tracing.diffusion.tables import largest_chains, map_sizes
from tests.tracing import nets
from tests.tracing import twins as whole_network
from tests.tracing.diffusion import twins
from tests.tracing.diffusion.harness import carried, held, plan
from tests.tracing.diffusion.test_method import plus_one

SEEDS = (0, 1, 2)
SINGLE = [
    "plain",
    "groups_and_depthwise",
    "stride_and_dilation",
    "norm_alone",
    "norm_folded",
    "padding_circular",
]
"""Nets in which no two filters lead from one map to another."""


def flows_of(batch: Batch, kernel: str, pixels: list[int], together: bool = False) -> list[MapFlows]:
    network = batch.compiled.network
    way = DiffusionPlan.make(network, kernel, find_last_maps(network))
    place = torch.tensor(pixels)
    owner = torch.zeros_like(place) if together else torch.arange(len(place))
    return list(
        compute_map_flows(
            way, batch.held, torch.zeros_like(place), place, owner, int(owner.max()) + 1, "intensity"
        )
    )


def by_maps(flows: list[MapFlows], network: Network, row: int) -> dict[tuple[int, int, int, int], float]:
    """(layer and channel of the source, layer and channel of the target) -> E, those above 0."""
    found: dict[tuple[int, int, int, int], float] = {}
    for flow in flows:
        for o, j in zip(*np.nonzero(np.isfinite(flow.log2[row].numpy())), strict=True):
            first = int(flow.sources[j])
            site = next(site for site in reversed(network.sites) if site.offset <= first)
            plane = site.shape[1] * site.shape[2]
            key = (site.number, (first - site.offset) // plane, flow.site.number, int(o))
            found[key] = found.get(key, 0.0) + 2.0 ** float(flow.log2[row, o, j])
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SINGLE)
def test_flows_are_what_comes_through_each_filter(name: str, seed: int) -> None:
    model, shape = nets.made(name, seed)
    images = nets.images(shape, 1, seed)
    batch, twin = held(model, images), whole_network.take_apart(model, images[0])
    pixels = [1, 8, 13]
    for kernel in (
        ("signed", "plus_one") if name in ("groups_and_depthwise", "stride_and_dilation") else ("signed",)
    ):
        weights = [s.jacobian for s in twin.sites] if kernel == "signed" else plus_one(model, images[0])
        sections = twins.spread(twin, weights, images[0], pixels, unit=False)
        last = max(site.number for site in find_last_maps(batch.compiled.network))
        flows, together = flows_of(batch, kernel, pixels), flows_of(batch, kernel, pixels, together=True)
        every = [filters(twin, weights, section, last) for section in sections]
        for row, wanted in enumerate(every):
            assert by_maps(flows, batch.compiled.network, row) == pytest.approx(wanted, rel=1e-9)
        summed = pd.DataFrame(every).sum()
        assert by_maps(together, batch.compiled.network, 0) == pytest.approx(
            dict(zip(summed.index, summed, strict=True)), rel=1e-9
        )


def filters(
    twin: whole_network.Twin, weights: list[np.ndarray], section: np.ndarray, last: int
) -> dict[tuple[int, int, int, int], float]:
    """E between all maps, from dense matrices."""
    found = {}
    for target in twin.sites[1 : last + 1]:
        for source in twin.sites[: target.number]:
            plane = source.size // source.shape[0]
            for c in range(source.shape[0]):
                mine = slice(source.offset + c * plane, source.offset + (c + 1) * plane)
                sent = np.abs(target.gate * (weights[target.number][:, mine] @ section[mine]))
                for o, value in enumerate(sent.reshape(target.shape[0], -1).sum(1)):
                    if value > 0:
                        found[source.number, c, target.number, o] = float(value)
    return found


@pytest.mark.parametrize("kernel", ["signed", "plus_one"])
def test_a_shortcut_has_flows_beside_its_convolution(kernel: str) -> None:
    convolution = nn.Conv2d(2, 2, 3, padding=1)
    model = nn.Sequential(twins.Residual(convolution), nn.Flatten(), nn.Linear(32, 2))
    model = nets.randomised(model, 4)
    batch = held(model, nets.images((2, 4, 4), 1, 4))
    start, after = (
        section[:, 0:2]
        for section in carried(batch, plan(batch, kernel), (torch.tensor([0]), torch.tensor([5])))[:2]
    )
    gate = batch.held.gate(batch.compiled.sites[1]).view(2, 4, 4)
    weight = convolution.weight.detach() + (kernel == "plus_one")
    wanted = {}
    for c in range(2):
        sent = F.conv2d(start[:, c : c + 1], weight[:, c : c + 1], padding=1)[0].abs()
        for o in range(2):
            flow = float((gate[o] * sent[o]).sum())
            flow += float((gate[o] * start[0, c].abs()).sum()) if c == o else 0.0
            if flow > 0:
                wanted[0, c, 1, o] = flow
    assert by_maps(flows_of(batch, kernel, [5]), batch.compiled.network, 0) == pytest.approx(wanted)
    assert after.any()


def every_chain(
    flows: list[MapFlows], network: Network, row: int, ends: set[int]
) -> Iterator[tuple[float, tuple[tuple[int, int], ...]]]:
    """All chains from the image to a last map, with the sum of the logarithms of their flows."""
    onward: dict[tuple[int, int], list[tuple[tuple[int, int], float]]] = {}
    for flow in flows:
        for o, j in zip(*np.nonzero(np.isfinite(flow.log2[row].numpy())), strict=True):
            first = int(flow.sources[j])
            site = next(site for site in reversed(network.sites) if site.offset <= first)
            source = (site.number, (first - site.offset) // (site.shape[1] * site.shape[2]))
            onward.setdefault(source, []).append(((flow.site.number, int(o)), float(flow.log2[row, o, j])))

    def forward(
        chain: tuple[tuple[int, int], ...], log2: float
    ) -> Iterator[tuple[float, tuple[tuple[int, int], ...]]]:
        if chain[-1][0] in ends:
            yield log2, chain
        for target, more in onward.get(chain[-1], []):
            yield from forward((*chain, target), log2 + more)

    for channel in range(network.sites[0].shape[0]):
        yield from forward(((0, channel),), 0.0)


@pytest.mark.parametrize("kernel", ["signed", "plus_one"])
@pytest.mark.parametrize("name", ["plain", "residual", "concatenations", "channel_shuffle", "sums"])
def test_the_largest_chain_is_the_largest_of_all(name: str, kernel: str) -> None:
    model, shape = nets.made(name, 2)
    batch = held(model, nets.images(shape, 1, 2))
    network = batch.compiled.network
    ends = find_last_maps(network)
    flows = flows_of(batch, kernel, [2, 6, 9])
    found = find_chains(network, flows, ends)
    for row in range(3):
        every = sorted(every_chain(flows, network, row, {site.number for site in ends}), reverse=True)
        mine = found.owner == row
        assert mine.any() == bool(every)
        if every:
            assert found.log2[mine][-1] == pytest.approx(every[0][0], abs=1e-9)
            chain = tuple(zip(found.layer[mine].tolist(), found.channel[mine].tolist(), strict=True))
            assert chain in [one for log2, one in every if log2 > every[0][0] - 1e-9]
            assert found.position[mine].tolist() == list(range(len(chain)))


def test_chains_of_images(tmp_path: object) -> None:
    model, shape = nets.made("plain", 1)
    images = nets.images(shape, 3, 1)
    images[1] = 0
    single = largest_chains(model, images, pixels=[[1, 1], [2, 3]])
    assert list(single.columns) == ["image", "pixel", "position", "layer", "name", "channel", "log10"]
    assert set(single.image) <= {0, 2} and set(single.pixel) <= {6, 13}
    for image in (0, 2):
        batch = held(model, images[image : image + 1])
        flows = flows_of(batch, "signed", [6, 13])
        best = [max(every_chain(flows, batch.compiled.network, row, {2}))[0] for row in (0, 1)]
        last = single[(single.image == image)].groupby("pixel").log10.last()
        assert last.tolist() == pytest.approx([value * np.log10(2) for value in best])
        together = flows_of(batch, "signed", [6, 13], together=True)
        found = largest_chains(model, images, pixels=[6, 13], together=True)
        mine = found[found.image == image]
        assert (mine.pixel == -1).all()
        best_one = max(every_chain(together, batch.compiled.network, 0, {2}))[0]
        assert mine.log10.iloc[-1] == pytest.approx(best_one * np.log10(2))
    assert largest_chains(model, images[1:2]).empty


def test_chunks_of_pixels_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphpath.tracing.diffusion import chains as module
    from graphpath.tracing.diffusion import flows

    model, shape = nets.made("residual", 0)
    images = nets.images(shape, 2, 0)
    options = {"kernel": "plus_one", "pixels": "all"}
    whole = [largest_chains(model, images, together=t, **options) for t in (False, True)]
    monkeypatch.setattr(module, "MEMORY", 14_000)
    monkeypatch.setattr(flows, "CHUNK", 50)
    for one, together in zip(whole, (False, True), strict=True):
        pd.testing.assert_frame_equal(one, largest_chains(model, images, together=together, **options))


def test_what_has_no_feature_maps_is_refused() -> None:
    def forward(net: nets.Net, x: Tensor) -> Tensor:
        y = F.relu(net.stem(x)).view(x.size(0), 1, 8, 4)  # one channel of two maps
        return net.head(F.relu(net.a(y)))

    model = nets.Net(forward, stem=nn.Conv2d(1, 2, 1), a=nn.Conv2d(1, 2, 1), head=nets.head(64))
    with pytest.raises(UnsupportedOperation, match="a reads a tensor whose channels are no feature maps"):
        largest_chains(model, torch.ones(1, 1, 4, 4))
    linear, shape = nets.made("linear_only")
    with pytest.raises(MethodError, match="no feature maps"):
        largest_chains(linear, nets.images(shape, 1, 0))


@pytest.mark.parametrize("kernel", ["signed", "plus_one"])
def test_sizes_on_every_map(kernel: str) -> None:
    model, shape = nets.made("groups_and_depthwise", 1)
    images = nets.images(shape, 3, 1)
    images[1] = 0
    found = map_sizes(model, images, kernel=kernel, pixels=[[0, 1], [3, 3]])
    assert set(found.pixel) == {1, 21} and set(found.image) == {0, 2}
    for image in (0, 2):
        twin = whole_network.take_apart(model, images[image])
        weights = [s.jacobian for s in twin.sites] if kernel == "signed" else plus_one(model, images[image])
        for pixel, section in zip(
            (1, 21), twins.spread(twin, weights, images[image], [1, 21], False), strict=True
        ):
            for site in twin.sites[:-1]:
                mine = found[(found.image == image) & (found.pixel == pixel) & (found.layer == site.number)]
                every = twins.sizes(site, section, kernel == "signed")
                large = twins.large(every, site.shape[0])
                assert mine.channel.tolist() == large and mine["rank"].tolist() == list(
                    range(1, len(large) + 1)
                )
                planes = section[site.offset : site.offset + site.size].reshape(site.shape[0], -1)[large]
                assert mine["size"].to_numpy() == pytest.approx(np.array(every)[large])
                assert mine.signed.to_numpy() == pytest.approx(planes.sum(1), abs=1e-12)
                assert mine.largest.to_numpy() == pytest.approx(np.abs(planes).max(1, initial=0))
    assert map_sizes(model, images[1:2]).empty
