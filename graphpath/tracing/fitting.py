"""What a method learns from all images before it selects on any (``Method.fit``).

A fit passes once over the images that are to be traced, batch by batch in their order. It gives something
that JSON can hold. run.json keeps it as ``fitted``, so that a resumed trace selects as it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from graphpath.tracing.batch import Batch

Fitted = Mapping[str, Any]
"""What was learned: names, numbers, lists and mappings of them."""

Examples = Iterable[tuple[Batch, Tensor]]
"""All images to trace, by batch, with their labels (N,), -1 for none."""


def mark_right(batch: Batch, labels: Tensor) -> list[bool]:
    """Of each image, whether its label, if it has one, is what the network predicts.

    Where f is the logit of a class, the prediction must also be that class: an image of another class, or one
    that was tampered with, is no example of it.
    """
    predicted = batch.held.logits.argmax(1)
    right = (labels < 0) | (labels == predicted)
    if batch.goal.kind == "logits":
        seed = batch.held.seed
        one = (seed != 0).sum(1) == 1
        right &= ~one | (seed.argmax(1) == predicted)
    return [bool(value) for value in right.tolist()]


@dataclass
class Means:
    """Means over images, by key: over the rightly predicted ones where a key has any, else over all."""

    _sums: dict[tuple[str, bool], Tensor] = field(default_factory=dict)
    _counts: dict[tuple[str, bool], int] = field(default_factory=dict)

    def add(self, key: str, value: Tensor, right: bool) -> None:
        """Count one image's ``value`` (any shape) for ``key``; image by image, whatever the batches."""
        place = (key, right)
        self._sums[place] = self._sums.get(place, torch.zeros_like(value, dtype=torch.float64)) + value
        self._counts[place] = self._counts.get(place, 0) + 1

    def list_means(self) -> dict[str, tuple[Tensor, int]]:
        """The mean (float64) of every key, and of how many images."""
        found = {}
        for key in dict.fromkeys(name for name, _ in self._sums):
            place = (key, (key, True) in self._sums)
            found[key] = (self._sums[place] / self._counts[place], self._counts[place])
        return found
