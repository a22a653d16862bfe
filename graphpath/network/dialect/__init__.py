"""What PyTorch's spellings mean in graphpath's operations, a file a family.

A new operation is one more rule in one of these files, and one more class in ``operations.py`` if it is
truly new.
"""

from graphpath.network.dialect import activations, moves, nothing, pooling, sums, weights
from graphpath.network.dialect.registry import rule_for

FAMILIES = (weights, activations, sums, pooling, moves, nothing)
"""The files whose rules are known: importing one registers its rules."""

__all__ = ["FAMILIES", "rule_for"]
