"""A network as it was found, before its preprocessing, classes and device are settled."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from graphpath.models.loaded import LoadedModel, check_finite, digest_weights
from graphpath.models.normalize import Normalize

RANDOM = "random (seed {seed}), as none were given"
"""Said of a network by name without weights."""


@dataclass(frozen=True)
class Source:
    """A network with what belongs to its weights."""

    module: nn.Module
    """Without ``normalisation``."""
    name: str
    weights: str | None = None
    """Where its weights are from, in words."""
    normalisation: Normalize | None = None
    """What belongs to the weights; None where pixels go in as they are."""
    classes: tuple[str, ...] | None = None
    shape: tuple[int, int, int] | None = None
    scheme: str | None = None
    wnids: tuple[str, ...] | None = None
    origin: str | None = None

    def assemble(self) -> LoadedModel:
        """The network with its normalisation first. Raises ModelError for NaN or infinite weights."""
        check_finite(self.module, self.name)  # before its names change
        whole = self.module
        if self.normalisation is not None:
            whole = nn.Sequential(self.normalisation, self.module)
        return LoadedModel(
            module=whole.eval(),
            name=self.name,
            sha256=digest_weights(whole),
            classes=self.classes,
            shape=self.shape,
            scheme=self.scheme,
            wnids=self.wnids,
            origin=self.origin,
            weights=self.weights,
        )


def split_normalisation(loaded: LoadedModel) -> Source:
    """A model apart: a normalisation of graphpath's that is its first step, and the network behind it."""
    first, bare = loaded.normalisation, loaded.module
    if first is not None and isinstance(bare, nn.Sequential):
        bare = bare[1:]
        bare = bare[0] if len(bare) == 1 else bare
    return Source(
        bare,
        loaded.name,
        loaded.weights,
        first,
        loaded.classes,
        loaded.shape,
        loaded.scheme,
        loaded.wnids,
        loaded.origin,
    )


def describe_weights(file: str, fitted: str) -> str:
    """``file``, and how its names were fitted to the network."""
    return f"from {file}{f' ({fitted})' if fitted else ''}"
