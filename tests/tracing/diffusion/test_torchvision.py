"""Cross-sections in every family of torchvision's networks, against the linear maps between sites."""

from __future__ import annotations

import pytest
import torch

from graphpath.tracing.diffusion.plan import DiffusionPlan, find_last_maps
from graphpath.tracing.diffusion.sections import iterate_sections
from tests.network.test_torchvision import NETWORKS, made
from tests.tracing import nets
from tests.tracing.diffusion.harness import held

pytestmark = pytest.mark.slow

FOOTPRINTS = {"alexnet", "googlenet", "inception_v3", "resnet18", "vgg16"}
"""Networks of which some layers must be carried by footprints at these sizes."""


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_sections_are_the_maps_between_sites(name: str) -> None:
    """PS of a site from PS of those before it, through ``IncomingEdges.forward``, which knows no steps."""
    size = NETWORKS[name]
    batch = held(made(name), nets.images((3, size, size), 1, seed=0))
    network = batch.compiled.network
    place = torch.tensor([0, size * (size // 2) + size // 2, size * size - 3])
    ends = find_last_maps(network)
    plan = DiffusionPlan.make(network, "signed", ends)
    assert name not in FOOTPRINTS or any(window is not None for window in plan.footprints.windows)
    rows = batch.held.of(torch.zeros_like(place))
    spread = torch.zeros_like(rows.output)
    seen = 0
    for section in iterate_sections(plan, batch.held, torch.zeros_like(place), place):
        site = section.site
        if site.number == 0:
            spread[:, site.span] = section.embed().flatten(1)
            continue
        before = batch.compiled.incoming[site.number - 1].forward(
            rows.elements.values(spread), rows.settings.matrices
        )
        gate = rows.gate(site)
        wanted = before if gate is None else before * gate
        ours = section.embed().flatten(1)
        assert float((ours - wanted).abs().max()) <= 1e-10 * float(wanted.abs().max())
        spread[:, site.span] = ours
        seen += 1
    assert seen >= ends[-1].number // 2 and bool((spread[:, ends[-1].span] != 0).any())
