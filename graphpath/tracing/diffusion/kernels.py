"""Diffusion kernels: what each step of the held network multiplies a pixel's signal by.

A pixel's signal is carried forward by the network's own weights, without constants (Lyu, Pang and Wang
2024). The paper is reported to send it through the filters rotated by 180 degrees, and to sum where
footprints meet. That is the same as running the network on an image of that pixel alone: a cross-correlation
with W and a growing patch made of rotated W give the same numbers (tests/tracing/diffusion/twins.py has the
patches).
"""

from __future__ import annotations

from collections.abc import Collection

from graphpath.errors import MethodError
from graphpath.network.operations import Operation
from graphpath.network.program import Program

KERNELS = ("signed", "plus_one")
"""``signed``: the weights themselves, exact: all pixels and the constants sum to the activation.
``plus_one``: 1 + w on every weight of a convolution or dense layer, as reported second-hand of the paper:
a count of routes, weighted."""


def list_operations(program: Program, kernel: str, steps: Collection[int]) -> tuple[Operation, ...]:
    """The operations of a program's steps, those of ``steps`` without constants, for a kernel of ``KERNELS``.

    Batch norms that are folded into a convolution are part of its weights; those that stand alone, pooling
    and constant factors are no convolution, and nothing is added to them. Raises MethodError for another
    kernel.
    """
    if kernel not in KERNELS:
        raise MethodError(f"kernel={kernel!r} is unknown; expected one of {', '.join(KERNELS)}.")
    added = 1 if kernel == "plus_one" else 0
    return tuple(
        step.operation.without_constants(added) if number in steps else step.operation
        for number, step in enumerate(program.steps)
    )
