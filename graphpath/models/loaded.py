"""A network with the facts about it that a trace records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class LoadedModel:
    """A network in eval mode, its name, and what is known of its input and classes."""

    module: nn.Module
    name: str
    sha256: str
    classes: tuple[str, ...] | None = None
    shape: tuple[int, int, int] | None = None
    """(channels, height, width) that it was made for."""
    scheme: str | None = None
    """Name of the class scheme: "digits", "imagenet", ..."""


def weights_digest(module: nn.Module) -> str:
    """sha256 over the state dict in its order: names, dtypes, shapes and bytes. Device does not matter."""
    state = hashlib.sha256()
    for name, value in module.state_dict().items():
        # Tensors only: extra state of another kind has no agreed bytes.
        if not isinstance(value, torch.Tensor):
            continue
        tensor = value.detach().cpu().contiguous()
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def as_loaded(model: nn.Module | LoadedModel) -> LoadedModel:
    """``model`` with the facts about it; a plain module is named after its class."""
    if isinstance(model, LoadedModel):
        return model
    return LoadedModel(model, type(model).__name__, weights_digest(model))
