"""What the constants of a held network alone give: biases, batch norm's shifts, offsets of the input.

The pre-activation of a site is its flows and a constant, ``z = sum_n J a + b``. b is carried
forward from the parameters themselves; taking the flows from z instead would leave their rounding behind
where there is no constant at all.
"""

from __future__ import annotations

from torch import Tensor

from graphpath.network.operations import (
    Activation,
    Add,
    Affine,
    Conv,
    Dense,
    MaxPool,
    Mixture,
    Modulation,
    Norm,
    finite,
)
from graphpath.network.program import Program, Step
from graphpath.network.settings import Settings
from graphpath.network.sites import Network

Constant = Tensor | None
"""A step's value were every site's output 0: (1 or N, *shape), None where that is 0."""


def constants(network: Network, settings: Settings) -> tuple[Constant, ...]:
    """b of every site's neurons: (1 or N, size) each, None where it is 0, given what the images set."""
    owner: dict[int, int] = {}
    for site in network.sites:
        owner.setdefault(site.after, site.number)
    alone: list[Constant] = []  # a step's value were the outputs of the sites before it 0
    carrying = network.program.carrying()
    for number, step in enumerate(network.program.steps):
        if number not in carrying:
            alone.append(None)
            continue
        operands = [None if i in owner else alone[i] for i in step.inputs]
        value = _value(network.program, number, operands, settings)
        alone.append(None if value is None else value.to(network.dtype))
    found: list[Constant] = []
    for site in network.sites:
        another = owner.get(site.before, site.number) != site.number
        value = None if another or site.kind == "input" else alone[site.before]
        found.append(None if value is None else value.to(network.dtype).flatten(1))
    return tuple(found)


def _value(program: Program, number: int, operands: list[Constant], settings: Settings) -> Constant:
    step = program.steps[number]
    operation = step.operation
    if isinstance(operation, Activation):
        return None  # always a site's output
    if isinstance(operation, Add):
        return _sum(*operands)
    if isinstance(operation, Modulation):
        scaled = None if operands[0] is None else finite(operands[0]) * settings.scales[number]
        return _sum(scaled, settings.shifts.get(number))
    if all(operand is None for operand in operands[: len(step.carried)]):
        return _started(step)
    filled = _filled(program, step, operands[:1] if isinstance(operation, Mixture) else operands)
    if isinstance(operation, MaxPool):
        return operation.held(filled[0], settings.switches[number])
    if isinstance(operation, Mixture):
        return operation.mixed(filled[0], settings.matrices[number])
    return operation.run(*filled)


def _started(step: Step) -> Constant:
    """The constant that an operation adds to inputs of 0."""
    operation = step.operation
    if isinstance(operation, (Conv, Dense)):
        added = operation.bias
    elif isinstance(operation, (Norm, Affine)):
        added = operation.shift
    else:
        return None
    if added is None:
        return None
    if not isinstance(operation, Affine):  # one number a channel
        added = added.view(-1, *(1,) * (len(step.shape) - 1))
    return added.expand(1, *step.shape)


def _sum(one: Constant, two: Constant) -> Constant:
    if one is None or two is None:
        return two if one is None else one
    return one + two


def _filled(program: Program, step: Step, operands: list[Constant]) -> list[Tensor]:
    """The operands with zeros where there is no constant, all for the same number of images."""
    known = [operand for operand in operands if operand is not None]
    images = max(len(operand) for operand in known)
    return [
        known[0].new_zeros((images, *program.steps[i].shape))
        if operand is None
        else operand.expand(images, *operand.shape[1:])
        for i, operand in zip(step.inputs, operands, strict=False)
    ]
