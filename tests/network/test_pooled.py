"""Sums of many neurons that many others read make a layer, so that no table of all pairs is written down."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from graphpath.network import take_apart, walk
from tests.tracing import harness, nets


class Centred(nn.Module):
    """Less its own mean, over its own root mean square: a norm, spelled out."""

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean((1, 2, 3), keepdim=True)
        return centred / centred.square().mean((1, 2, 3), keepdim=True).add(1e-5).sqrt()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nets.conv(2, 3), Centred(), nn.ReLU(), nets.head(75)).double()


@pytest.mark.parametrize("most", [100, walk.MOST], ids=["a layer", "a table"])
def test_a_mean_that_is_copied(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lawful either way, and the same network: what all flows give a pixel does not depend on the layer."""
    model, images = network(), nets.images((2, 5, 5), 2, seed=1)
    monkeypatch.setattr(walk, "MOST", most)
    batch, _ = harness.held(model, images)
    kinds = [site.kind for site in batch.compiled.sites]
    assert ("pool" in kinds) == (most == 100)
    for image, mine in enumerate(harness.every_edge(batch)):
        for law, off in harness.laws(mine, harness.numbers(batch, image)).items():
            assert off < harness.EXACT, (law, image)
    monkeypatch.undo()
    plain, _ = harness.held(model, images)
    pixels = batch.compiled.sites[0].span
    torch.testing.assert_close(batch.held.gradient[:, pixels], plain.held.gradient[:, pixels])


def test_a_large_one_takes_little_memory() -> None:
    """Its table of pairs would have (16 * 32 * 32)^2 entries, 4 GB."""
    model = nn.Sequential(nets.conv(3, 16), Centred(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nets.head(16))
    taken = take_apart(model, (3, 32, 32))
    entries = sum(b.view.index.numel() for s in taken.sites for b in s.branches if b.view.index is not None)
    assert entries < 1 << 20
    assert any(site.kind == "pool" for site in taken.sites)
