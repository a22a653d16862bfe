"""What the constants of a held network alone give: biases, batch norm's shifts, offsets of the input.

The pre-activation of a site is its flows and a constant, ``z = sum_n J a + b``. b is carried
forward from the parameters themselves; taking the flows from z instead would leave their rounding behind
where there is no constant at all.
"""

from __future__ import annotations

from torch import Tensor

from graphpath.network.program import Program, Step
from graphpath.network.settings import Settings
from graphpath.network.sites import Network

Constant = Tensor | None
"""A step's value were every site's output 0: (1 or N, *shape), None where that is 0."""


def constants(network: Network, settings: Settings) -> tuple[Constant, ...]:
    """b of every site's neurons: (1 or N, size) each, None where it is 0, given what the images set."""
    alone, owner = constants_by_step(network, settings), network.owners
    found: list[Constant] = []
    for site in network.sites:
        another = owner.get(site.before, site) is not site
        value = None if another or site.kind == "input" else alone[site.before]
        found.append(None if value is None else value.to(network.dtype).flatten(1))
    return tuple(found)


def constants_by_step(network: Network, settings: Settings) -> list[Constant]:
    """Each step's value were the outputs of the sites before it 0; None for what nothing reads as such."""
    owner, before = network.owners, {site.before for site in network.sites}
    alone: list[Constant] = []
    carrying = network.program.carrying()
    for number, step in enumerate(network.program.steps):
        if number not in carrying or (number in owner and number not in before):
            alone.append(None)  # nothing reads it but as a site's output
            continue
        operands = [None if i in owner else alone[i] for i in step.carried]
        value = _value(network.program, number, operands, settings)
        alone.append(None if value is None else value.to(network.dtype))
    return alone


def _value(program: Program, number: int, operands: list[Constant], settings: Settings) -> Constant:
    step = program.steps[number]
    if all(operand is None for operand in operands):
        return step.operation.constant(number, settings, step.shape)
    return step.operation.held(_filled(program, step, operands), number, settings)


def _filled(program: Program, step: Step, operands: list[Constant]) -> list[Tensor]:
    """The operands with zeros where there is no constant, all for the same number of images."""
    known = [operand for operand in operands if operand is not None]
    images = max(len(operand) for operand in known)
    return [
        known[0].new_zeros((images, *program.steps[i].shape))
        if operand is None
        else operand.expand(images, *operand.shape[1:])
        for i, operand in zip(step.carried, operands, strict=True)
    ]
