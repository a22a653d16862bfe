"""The units of sizes of ``plus_one``: its numbers are counts of routes, 10^44 in a VGG-16.

The unit of a layer is a power of two, about the routes from a pixel that one of its neurons would have if
every filter saw that pixel's place everywhere and half of all neurons were live. It depends on the network
alone, so sizes in one layer are comparable between pixels, images and runs of a network.
"""

from __future__ import annotations

import math

from graphpath.network import Network
from graphpath.network.operations import Activation, Add, Operation, Weighted


def compute_units(network: Network, kernel: str) -> tuple[int, ...]:
    """log2 of the unit of each site; 0, the numbers as they are, for ``signed``."""
    if kernel == "signed":
        return (0,) * len(network.sites)
    logs: list[float] = []
    for step in network.program.steps:
        logs.append(_log_routes(step.operation, [logs[i] for i in step.inputs]))
    return tuple(round(logs[site.after]) for site in network.sites)


def _log_routes(operation: Operation, before: list[float]) -> float:
    """log2 of the routes to a neuron behind an operation, from those before it."""
    if isinstance(operation, Add):
        return max(before) + math.log2(sum(2.0 ** (log - max(before)) for log in before))
    largest = max(before, default=0.0)
    if isinstance(operation, Activation):
        return largest - 1
    if isinstance(operation, Weighted):
        return largest + math.log2(operation.weight[0].numel())
    return largest
