"""What has a value and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graphpath.network.operations.base import Unseen


@dataclass(frozen=True, eq=False)
class Opaque(Unseen):
    """Any function of one image's tensors, of which only the value is known: it may make gates and
    conditions, and nothing flows through it.

    ``of_one`` takes the operands of one image, without a batch dimension. ``why`` says why it is opaque.
    """

    of_one: Callable[..., Tensor]
    why: str
    limits: bool = False

    def run(self, *inputs: Tensor) -> Tensor:
        return torch.stack([self.of_one(*operands) for operands in zip(*inputs, strict=True)])

    @property
    def bounded(self) -> bool:
        return self.limits
