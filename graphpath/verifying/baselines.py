"""Baselines: the values that removed neurons take, and that removed edges carry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network.edits import Circuit
from graphpath.verifying.answer import Ints

BASELINES = ("zero", "mean", "resample")

Pixels = Callable[[Ints], Tensor]
"""The images with some numbers (N,), ready to be run: (N, C, H, W)."""
Baseline = Callable[[Ints], Tensor | None]
"""For the images with some numbers (N,), the outputs of all neurons (N or 1, neurons); None: 0."""


def make_baseline(name: str, circuit: Circuit, pixels: Pixels, images: int, size: int, seed: int) -> Baseline:
    """The baseline called ``name`` over all ``images`` given, ``size`` of them run at a time.

    ``zero``; ``mean``: of the neuron's outputs over the images; ``resample``: its output for another image,
    each image being the other one of exactly one.
    """
    if name == "zero":
        return lambda chosen: None
    if images < 2:
        raise MethodError(f"baseline={name!r} needs at least two images to take other values from.")

    def outputs(chosen: Ints) -> Tensor:
        return circuit.run(pixels(chosen), recorded=True).values[:, : circuit.network.neurons]

    if name == "mean":
        total = sum(outputs(part).double().sum(0) for part in split_batches(np.arange(images), size))
        mean = (torch.as_tensor(total) / images).to(circuit.network.dtype)[None]
        return lambda chosen: mean
    order = np.random.default_rng(seed).permutation(images)
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    return lambda chosen: outputs(other[chosen])


def split_batches(images: Ints, size: int) -> list[Ints]:
    """``images`` in runs of at most ``size``."""
    return [images[start : start + size] for start in range(0, len(images), size)]
