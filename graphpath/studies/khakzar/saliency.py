"""Pixels' attributions as arrays, and what a network answers when pixels are taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from graphpath.attribution import attribute, heatmap
from graphpath.data import BaseImages
from graphpath.models import LoadedModel
from graphpath.modules.state import evaluating
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import SHUFFLED
from graphpath.studies.khakzar import PATHWAYS, RANDOM_NEURONS

Floats = npt.NDArray[np.float64]
BATCH = 1024
BASELINES = ("gradient", "grad_cam")
RANDOM_PIXELS = "random pixels"


def attribute_images(
    bench: Bench, images: BaseImages, method: str, model: LoadedModel | None = None
) -> Tensor:
    """The attribution (N, C, H, W), or (N, 1, H, W), of each image's predicted class by the unit's network.

    ``method`` is one of ``graphpath.ATTRIBUTIONS`` or a control. Controls are random pixels, random neurons,
    and ``SHUFFLED``: the unit's pathways of the classes that other images are predicted as. ``model`` is
    another network, asked about the class that the unit's own network predicts.
    """
    if method == RANDOM_PIXELS:
        noise = bench.random_generator("pixels", len(images)).standard_normal(
            (len(images), 1, *images.shape[1:])
        )
        return torch.from_numpy(noise)
    target = deal_classes(bench, images) if method == SHUFFLED else bench.predict(images)
    name = {RANDOM_NEURONS: "random", SHUFFLED: bench.part}.get(method, method)
    given: dict[str, Any] = {"sparsity": bench.options["sparsity"]} if name in (*PATHWAYS, "random") else {}
    bench.asked.append(f"graphpath.attribute {name} {given}")
    return attribute(
        model or bench.model,
        images,
        method=name,
        target=torch.from_numpy(target),
        seed=bench.seed,
        device=bench.setting.device,
        **given,
    )


def deal_classes(bench: Bench, images: BaseImages) -> npt.NDArray[np.int64]:
    """The classes that the network gives the images, dealt to others of them: (N,)."""
    return bench.random_generator("labels").permutation(bench.predict(images))


def saliency(bench: Bench, images: BaseImages, method: str, model: LoadedModel | None = None) -> Floats:
    """How much each pixel counts: |attribution|, of the colour where it is largest, (N, H * W)."""
    found: Floats = heatmap(attribute_images(bench, images, method, model)).abs().flatten(1).double().numpy()
    return found


def read_all(images: BaseImages) -> Tensor:
    """All pixels of a set that fits into memory: (N, C, H, W)."""
    return images.batch(0, len(images))


@torch.no_grad()
def compute_logits(module: nn.Module, pixels: Tensor) -> Tensor:
    """The logits (N, classes) of images (N, C, H, W), on the CPU."""
    where = next(module.parameters())
    with evaluating(module):
        parts = [module(part.to(where.device, where.dtype)).cpu() for part in pixels.split(BATCH)]
    return torch.cat(parts)


def rank_pixels(values: Floats) -> npt.NDArray[np.int64]:
    """Each pixel's place from the least (0) to the largest, ties in the pixels' order: (N, P)."""
    return np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1, kind="stable")


def fill_pixels(pixels: Tensor, gone: npt.NDArray[np.bool_], fill: Tensor | float) -> Tensor:
    """Images with the pixels ``gone`` (N, H * W), all colours of them, set to ``fill`` (C,) or a number."""
    mask = torch.from_numpy(gone).view(len(pixels), 1, *pixels.shape[2:])
    value = fill.view(1, -1, 1, 1) if isinstance(fill, Tensor) else torch.tensor(fill)
    return torch.where(mask, value.to(pixels.dtype), pixels)


def mean_colour(images: BaseImages) -> Tensor:
    """The mean of all pixels, colour by colour: (C,)."""
    parts = [images.batch(start, start + BATCH) for start in range(0, len(images), BATCH)]
    return torch.cat([part.mean((2, 3)) for part in parts]).mean(0)
