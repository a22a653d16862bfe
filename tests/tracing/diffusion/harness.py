"""What the tests of diffusion share: pixels carried through a network, as plain tensors."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from graphpath.tracing.batch import Batch
from graphpath.tracing.diffusion.footprints import compute_footprints
from graphpath.tracing.diffusion.plan import DiffusionPlan
from graphpath.tracing.diffusion.sections import iterate_sections
from tests.tracing import harness


def every_pixel(batch: Batch) -> tuple[Tensor, Tensor]:
    """The images and places of all pixels of a batch, image by image."""
    _, height, width = batch.compiled.sites[0].shape
    image = torch.arange(batch.held.images).repeat_interleave(height * width)
    return image, torch.arange(height * width).repeat(batch.held.images)


def plan(batch: Batch, kernel: str, tile: int | None = None) -> DiffusionPlan:
    """The plan to the logits: every tensor whole, or by tiles of ``tile`` whatever that costs."""
    network = batch.compiled.network
    made = DiffusionPlan.make(network, kernel, (network.sites[-1],), cropped=False)
    if tile is None:
        return made
    return replace(made, footprints=compute_footprints(network.program, (tile, tile), worth=torch.inf))


def carried(
    batch: Batch,
    way: DiffusionPlan,
    pixels: tuple[Tensor, Tensor] | None = None,
    init: str = "intensity",
) -> list[Tensor]:
    """The cross-sections of pixels (all of them unless told) on each site: (R, C, H, W) each."""
    image, place = every_pixel(batch) if pixels is None else pixels
    return [
        section.embed().clone() * 2.0 ** section.exponent.double().view(-1, 1, 1, 1)
        for section in iterate_sections(way, batch.held, image, place, init)
    ]


def held(model: nn.Module, images: Tensor) -> Batch:
    """A batch held for its predictions."""
    return harness.held(model, images)[0]
