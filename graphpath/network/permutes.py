"""Channels put last and first again: a network without the orders of axes that cancel.

ConvNeXt turns its maps round, (C, H, W) to (H, W, C), to normalise and to mix channels, and back. What works
element by element does the same in either order, so it is done before the channels move, and moves that
cancel are gone. A dense layer over channels and the activation behind it are then a convolution and the
activation that alone reads it, and their neurons have a channel, y and x as all others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphpath.network.operations import Operation, Permute, permute
from graphpath.network.program import Program, Step

Order = tuple[int, ...]

CHANNELS_FIRST: Order = (0, 3, 1, 2)
CHANNELS_LAST: Order = (0, 2, 3, 1)
"""The one order that is put off; any other is the network's own way to lay out its maps."""


@dataclass(frozen=True)
class _Turned:
    """A step's result is that of ``step``, a step of the new program, with its axes in ``order``."""

    step: int
    order: Order


def move_permutes(program: Program) -> Program:
    """``program`` with channels put last only where something needs them there."""
    return _Settling(program).program()


class _Settling:
    """Goes through a program once, putting off the moves of channels."""

    def __init__(self, program: Program) -> None:
        self._old = program
        self._steps: list[Step] = []
        self._turned: list[_Turned] = []
        self._made: dict[tuple[int, Order], int] = {}

    def program(self) -> Program:
        """The new program."""
        for step in self._old.steps:
            self._turned.append(self._settled(step))
        return Program(tuple(self._steps), self._in_place(self._turned[self._old.output], "permute"))

    def _settled(self, step: Step) -> _Turned:
        operands = [self._turned[i] for i in step.inputs]
        if isinstance(step.operation, Permute):
            inner = operands[0]
            order = tuple(inner.order[axis] for axis in step.operation.order)
            if order in (CHANNELS_LAST, _identity(len(order))):
                return _Turned(inner.step, order)
        operands = self._aligned(step, operands)
        orders = {operand.order for operand in operands}
        if len(orders) == 1:
            (order,) = orders
            turned = step.operation.turned(order)
            if turned is not None:
                inputs = tuple(operand.step for operand in operands)
                return _Turned(self._emit(step, turned, inputs, order), order)
        inputs = tuple(self._in_place(operand, step.place) for operand in operands)
        order = _identity(len(step.shape) + 1)
        return _Turned(self._emit(step, step.operation, inputs, order), order)

    def _aligned(self, step: Step, operands: list[_Turned]) -> list[_Turned]:
        """The operands with channels last in all, where they are in some: a sum's maps stay maps."""
        orders = {operand.order for operand in operands}
        if orders != {CHANNELS_LAST, _identity(4)} or step.operation.turned(CHANNELS_LAST) is None:
            return operands
        return [
            operand if operand.order == CHANNELS_LAST else self._channels_first(operand, step.place)
            for operand in operands
        ]

    def _channels_first(self, operand: _Turned, place: str) -> _Turned:
        """The same result as one of a step whose channels stand first."""
        key = (operand.step, CHANNELS_FIRST)
        if key not in self._made:
            high, wide, channels = self._steps[operand.step].shape
            moved = Step(f"{place}.permute", permute(CHANNELS_FIRST), (operand.step,), (channels, high, wide))
            self._steps.append(moved)
            self._made[key] = len(self._steps) - 1
        return _Turned(self._made[key], CHANNELS_LAST)

    def _emit(self, step: Step, operation: Operation, inputs: tuple[int, ...], order: Order) -> int:
        """Add a step whose result, in ``order``, is the old step's."""
        shape = tuple(step.shape[order.index(axis) - 1] for axis in range(1, len(order)))
        self._steps.append(replace(step, operation=operation, inputs=inputs, shape=shape))
        return len(self._steps) - 1

    def _in_place(self, turned: _Turned, place: str) -> int:
        """The step that gives a result with its axes really in order."""
        if turned.order == _identity(len(turned.order)):
            return turned.step
        key = (turned.step, turned.order)
        if key not in self._made:
            shape = self._steps[turned.step].shape
            moved = tuple(shape[axis - 1] for axis in turned.order[1:])
            self._steps.append(Step(f"{place}.permute", permute(turned.order), (turned.step,), moved))
            self._made[key] = len(self._steps) - 1
        return self._made[key]


def _identity(rank: int) -> Order:
    return tuple(range(rank))
