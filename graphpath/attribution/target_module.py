"""A network's steps as modules of their own, for libraries that hook modules.

Hooks on a user's module miss functional ReLUs and meet a ReLU that is used twice once only; here every call
is a module.
"""

from __future__ import annotations

from torch import Tensor, nn

from graphpath.network import Network, Site
from graphpath.network.operations import Operation, Relu


class Rectifier(nn.Module):
    """A ReLU that alone reads its input: captum hooks the tensor that goes in, whoever else may read it."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, z: Tensor) -> Tensor:
        rectified: Tensor = self.relu(z.view_as(z))
        return rectified


class StepModule(nn.Module):
    """One operation with its own gradient."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self._operation = operation

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._operation.true(*inputs)


def _wrap_operation(operation: Operation) -> nn.Module:
    return Rectifier() if isinstance(operation, Relu) else StepModule(operation)


class TargetModule(nn.Module):
    """f as a module: the goal's outputs (N, size), weighed by ``weights`` of the same shape, summed: (N,)."""

    def __init__(self, network: Network, goal: Site) -> None:
        super().__init__()
        self._program = network.program.steps[: goal.after + 1]
        self.steps = nn.ModuleList(_wrap_operation(step.operation) for step in self._program)

    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        values: list[Tensor] = []
        for step, module in zip(self._program, self.steps, strict=True):
            values.append(module(*([values[i] for i in step.inputs] or [images])))
        return (values[-1].flatten(1) * weights).sum(1)

    @property
    def has_relu(self) -> bool:
        """Whether it has a ReLU."""
        return any(isinstance(module, Rectifier) for module in self.steps)
