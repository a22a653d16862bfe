"""What opens a network beside its name: weights, preprocessing, class names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from graphpath.models.load import load_model
from graphpath.models.loaded import LoadedModel


@dataclass(frozen=True)
class Opening:
    """Arguments of :func:`load_model` as the command line takes them; nothing is opened yet."""

    weights: str | None = None
    preprocess: str | None = None
    mean: str | None = None
    std: str | None = None
    normalize: str | None = None
    classes: str | None = None

    def load(
        self,
        spec: str | Path,
        *,
        device: str | torch.device = "cpu",
        seed: int = 0,
        download: bool = False,
    ) -> LoadedModel:
        """The network that ``spec`` names. Raises as :func:`load_model`."""
        return load_model(spec, device=device, seed=seed, download=download, **dict(self.items()))

    def items(self) -> Iterator[tuple[str, str]]:
        """What was given, by name."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ((name, value) for name, value in given if value is not None)
