"""What ATen's operations mean in the operations of :mod:`graphpath.network.operations`: a rule for each.

A rule is called with the walk, then with the operation's own arguments, and returns what the operation gives.
"""

from __future__ import annotations

from graphpath.network.dialect import (  # noqa: F401 -- each registers its rules
    convolution,
    elementwise,
    moves,
    normalisation,
    nothing,
    pairs,
    placing,
    pooling,
    products,
    reductions,
    resampling,
    sums,
)
from graphpath.network.dialect.registry import has_rule, rule_for

__all__ = ["has_rule", "rule_for"]
