"""Channels put last and first again: a network without the orders of axes that cancel.

ConvNeXt turns its maps round, (C, H, W) to (H, W, C), to normalise and to mix channels, and back. What works
element by element does the same in either order, so it is done before the channels move, and moves that
cancel are gone. A dense layer over channels and the activation behind it are then a convolution and the
activation that alone reads it, and their neurons have a channel, y and x as all others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphpath.network.operations import Operation, Permute, is_reshape, permute, reshape
from graphpath.network.program import Program, Step

Order = tuple[int, ...]

RANK = 4
"""Axes, that of the batch included, from which on channels put last are put off: (H, W, C), and windows of it
(H / h, W / w, h, w, C)."""


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
            order = tuple(operands[0].order[axis] for axis in step.operation.order)
            if found := self._permuted(step, operands[0].step, order):
                return found
        elif is_reshape(step.operation) and (found := self._reshaped(step, operands[0])):
            return found
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

    def _permuted(self, step: Step, inner: int, order: Order) -> _Turned | None:
        """The result of step ``inner`` in ``order``, if its channels are then first or last.

        Any other order of three axes is the network's own way to lay out its maps.
        """
        rank = len(order)
        if order == _identity(rank) or (rank == RANK and order == _channels_last(rank)):
            return _Turned(inner, order)
        if rank <= RANK or 1 not in (order[1], order[-1]):
            return None
        put_off = _identity(rank) if order[1] == 1 else _channels_last(rank)
        places = (0, 1, *(axis for axis in order[1:] if axis != 1))  # what is to be done now
        shape = tuple(self._steps[inner].shape[axis - 1] for axis in places[1:])
        moved = replace(step, operation=permute(places), inputs=(inner,), shape=shape)
        self._steps.append(moved)
        return _Turned(len(self._steps) - 1, put_off)

    def _reshaped(self, step: Step, operand: _Turned) -> _Turned | None:
        """A reshape of channels put last, if it leaves them what they are: it is one of their places."""
        rank, before = len(step.shape) + 1, len(operand.order)
        channels = self._steps[operand.step].shape[:1]
        put_off = min(rank, before) >= RANK and operand.order == _channels_last(before)
        if not put_off or step.shape[-1:] != channels:
            return None
        shape = (*channels, *step.shape[:-1])
        self._steps.append(replace(step, operation=reshape(shape), inputs=(operand.step,), shape=shape))
        return _Turned(len(self._steps) - 1, _channels_last(rank))

    def _aligned(self, step: Step, operands: list[_Turned]) -> list[_Turned]:
        """The operands with channels last in all, where they are in some: a sum's maps stay maps."""
        orders = {operand.order for operand in operands}
        rank = len(step.shape) + 1
        last = _channels_last(rank)
        if rank < RANK or orders != {last, _identity(rank)} or step.operation.turned(last) is None:
            return operands
        return [
            operand if operand.order == last else self._channels_first(operand, step.place)
            for operand in operands
        ]

    def _channels_first(self, operand: _Turned, place: str) -> _Turned:
        """The same result as one of a step whose channels stand first."""
        *places, channels = self._steps[operand.step].shape
        rank = len(places) + 2
        order = (0, rank - 1, *range(1, rank - 1))
        key = (operand.step, order)
        if key not in self._made:
            shape = (channels, *places)
            self._steps.append(Step(f"{place}.permute", permute(order), (operand.step,), shape))
            self._made[key] = len(self._steps) - 1
        return _Turned(self._made[key], _channels_last(rank))

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


def _channels_last(rank: int) -> Order:
    """The order of channels put last of so many axes, the batch's included."""
    return (0, *range(2, rank), 1)
