"""Element-wise functions, held at what they multiply each neuron's pre-activation by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpath.network.operations.base import Operation, Order
from graphpath.network.operations.diagonal import Diagonal


@dataclass(frozen=True, eq=False)
class Activation(Diagonal):
    """An element-wise function phi, held: ``phi(z) = gate * z + phi(0)`` with gate constant."""

    kind: ClassVar[str] = "activation"
    mapped: ClassVar[bool] = False

    name: str
    phi: Callable[[Tensor], Tensor]
    at_zero: float = 0.0
    piecewise_linear: bool = True  # the held gradient is the true gradient
    by_channel: bool = False  # phi differs from place to place, by a constant of one image's shape
    limits: bool = False  # phi is bounded

    @property
    def exact(self) -> bool:
        return self.piecewise_linear

    @property
    def bounded(self) -> bool:
        return self.limits

    def run(self, *inputs: Tensor) -> Tensor:
        z = inputs[0]
        if self.piecewise_linear:
            return self.phi(z)
        with torch.no_grad():
            gate = self.gate(z)
        return z * gate + self.at_zero

    def true(self, *inputs: Tensor) -> Tensor:
        return self.phi(inputs[0])

    def gate(self, z: Tensor) -> Tensor:
        """``(phi(z) - phi(0)) / z``, and 0 where z = 0: same shape and dtype as z."""
        live = z != 0
        return torch.where(live, (self.phi(z) - self.at_zero) / torch.where(live, z, 1), 0)

    def turned(self, order: Order) -> Operation | None:
        return None if self.by_channel else self


class Relu(Activation):
    """ReLU, whose gate is 1 or 0."""

    def gate(self, z: Tensor) -> Tensor:
        return (z > 0).to(z.dtype)


RELU = Relu("relu", F.relu)
