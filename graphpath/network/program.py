"""A network as a list of steps in the order they run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from torch import Tensor

from graphpath.network.operations import Norm, Operation, Weighted


@dataclass(frozen=True)
class Step:
    """One operation at one place of the network.

    ``shape`` is its result's for one image, without the batch dimension. ``inputs`` are the numbers of the
    steps that it reads, all smaller than its own.
    """

    place: str
    operation: Operation
    inputs: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def carried(self) -> tuple[int, ...]:
        """The inputs that flow into the result: all but a gate or a matrix, which is held at its value."""
        return self.inputs[: self.operation.carried]


@dataclass(frozen=True)
class Program:
    """Steps in the order they run; step 0 is the input, ``output`` the step that gives the logits."""

    steps: tuple[Step, ...]
    output: int

    def run(self, images: Tensor) -> Tensor:
        """The logits (N, ...) of a batch."""
        values: list[Tensor] = []
        for step in self.steps:
            operands = [values[i] for i in step.inputs] if step.inputs else [images]
            values.append(step.operation.run(*operands))
        return values[self.output]

    def carrying(self) -> frozenset[int]:
        """The steps that flow to the output, and the input."""
        found = {self.output}
        for number in range(self.output, -1, -1):
            if number in found:
                found.update(self.steps[number].carried)
        return frozenset(found | {0})

    def readers(self) -> list[list[int]]:
        """For every step the steps that read it, twice where one reads it twice; the output has reader -1."""
        readers: list[list[int]] = [[] for _ in self.steps]
        for number, step in enumerate(self.steps):
            for source in step.inputs:
                readers[source].append(number)
        readers[self.output].append(-1)
        return readers

    def pruned(self) -> Program:
        """Without the steps that the output does not need."""
        needed = {self.output, 0}
        for number in range(len(self.steps) - 1, -1, -1):
            if number in needed:
                needed.update(self.steps[number].inputs)
        return self._keep([n for n in range(len(self.steps)) if n in needed], {})

    def folded(self) -> Program:
        """With each batch norm that alone reads a convolution or dense layer folded into it."""
        readers = self.readers()
        steps = list(self.steps)
        stand_in: dict[int, int] = {}
        for number, step in enumerate(self.steps):
            if not isinstance(step.operation, Norm):
                continue
            source = stand_in.get(step.inputs[0], step.inputs[0])
            linear = steps[source].operation
            if readers[step.inputs[0]] != [number] or not isinstance(linear, Weighted):
                continue
            scaled = linear.scaled(step.operation.scale, step.operation.shift)
            steps[source] = replace(steps[source], operation=scaled)
            stand_in[number] = source
        keep = [n for n in range(len(steps)) if n not in stand_in]
        return Program(tuple(steps), self.output)._keep(keep, stand_in)

    def _keep(self, keep: list[int], stand_in: dict[int, int]) -> Program:
        """The steps ``keep``, renumbered; a step of ``stand_in`` is replaced by the one it stands for."""
        number = {old: new for new, old in enumerate(keep)}
        number |= {old: number[other] for old, other in stand_in.items()}
        steps = tuple(
            replace(self.steps[old], inputs=tuple(number[i] for i in self.steps[old].inputs)) for old in keep
        )
        return Program(steps, number[self.output])

    def named(self) -> Program:
        """With places made unique: the second call of ``layer1.relu`` becomes ``layer1.relu:2``."""
        seen: Counter[str] = Counter()
        steps = []
        for step in self.steps:
            seen[step.place] += 1
            count = seen[step.place]
            steps.append(replace(step, place=step.place if count == 1 else f"{step.place}:{count}"))
        return replace(self, steps=tuple(steps))
