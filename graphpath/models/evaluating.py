"""What a network gives, and which seeds torch takes."""

from __future__ import annotations

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.modules.state import evaluating


def check_seed(seed: int) -> None:
    """Refuse with ModelError what torch does not take as a seed."""
    if not 0 <= seed < 1 << 63:
        raise ModelError(f"seed {seed}: expected a whole number from 0 to 2^63 - 1")


def count_outputs(module: nn.Module, shape: tuple[int, int, int]) -> int | None:
    """How many logits ``module`` gives for an image of ``shape``; None where it gives none for such a one."""
    like = next(module.parameters(), torch.empty(0))
    try:
        with evaluating(module), torch.no_grad():
            logits = module(torch.zeros(1, *shape, device=like.device, dtype=like.dtype))
    # Lowering the network explains, with the layer, what it says of images that it cannot take.
    except Exception:
        return None
    return int(logits.shape[1]) if isinstance(logits, torch.Tensor) and logits.ndim == 2 else None
