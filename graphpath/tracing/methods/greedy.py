"""Greedy pruning (Khakzar et al. 2021): the selection that keeps the response without asking what made it.

The units of smallest marginal contribution are taken out, the contributions of the others are scored again in
the pruned network, and so on. Khakzar et al. built it to show that a response can be kept by neurons that the
image had left dead. The rule never takes out units whose score is 0: they make no difference, yet.

``corrected`` stops when no more units than wanted still have a score in the pruned network. These are the
pathway. They need nothing else: the pruned network's answer is theirs alone. On the toy network of digits
they keep every prediction at a sparsity of .98, and one in a hundred of them was dead.

``published`` is what the authors' code does instead. At step i it takes the units at or below the i-th
percentile of the scores, where zeros count as the largest, out of the whole network. It also puts back all
units with a score of 0, among them those taken out the step before. So after 99 steps it keeps some three
quarters of all units whatever the sparsity, most of them dead (``tests/tracing/test_figures.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import count_above, join
from graphpath.tracing.units import Units

STEPS = 99
"""Of the published variant."""
SHARE = 0.01
"""Of all units, the most that one step of the corrected variant takes out."""


def select(
    batch: Batch, *, sparsity: float = 0.9, variant: Literal["corrected", "published"] = "corrected"
) -> Selection:
    """The neurons that greedy pruning leaves of each image, joined.

    Args:
        sparsity: the share of neurons left out, pooled over all layers with an activation; the published
            variant knows nothing of it.
        variant: ``"corrected"``, the rule that reaches its sparsity, or ``"published"``, what the authors'
            code does.
    """
    units = Units.from_batch(batch)
    kept = prune(units, sparsity) if variant == "corrected" else prune_as_published(units)
    return join(batch, units.spread_to_neurons(kept))


def share_kept(options: Mapping[str, Any]) -> float:
    """The share of neurons kept at most: the published variant knows nothing of its sparsity."""
    return 1.0 if options["variant"] == "published" else 1 - float(options["sparsity"])


def prune(units: Units, sparsity: float) -> Tensor:
    """The units that still have a score when no more than wanted have: (N, K) bool."""
    most = count_above(units.count, sparsity)
    step = max(1, round(SHARE * units.count))
    kept = torch.ones((units.batch.held.images, units.count), dtype=torch.bool, device=units.pool.device)
    while True:
        score = units.compute_contributions(kept).abs()
        surplus = (score > 0).sum(1) - most
        if not bool((surplus > 0).any()):
            return score > 0
        kept = kept & ~_mark_lowest(score, surplus.clamp(0, step))


def prune_as_published(units: Units, steps: int = STEPS) -> Tensor:
    """The units that the authors' code leaves after so many steps: (N, K) bool."""
    if not 1 <= steps <= 100:
        raise MethodError(f"steps={steps} is out of range; expected 1 to 100, a percentile each.")
    kept = torch.ones((units.batch.held.images, units.count), dtype=torch.bool, device=units.pool.device)
    for percent in range(steps):
        score = units.compute_contributions(kept).abs()
        raised = torch.where(score > 0, score, score.max(1, keepdim=True).values)
        # At or below it and at or below the interpolated percentile are the same.
        rank = int(percent / 100 * (units.count - 1)) + 1
        cut = raised.kthvalue(rank, 1).values[:, None]
        kept = (score == 0) | (score > cut)
    return kept


def _mark_lowest(score: Tensor, count: Tensor) -> Tensor:
    """The ``count`` (N,) lowest positive scores of each row, of equal ones the last columns: (N, K) bool."""
    ranked = torch.where(score > 0, score, torch.inf).flip(1)
    rank = ranked.argsort(dim=1, stable=True).argsort(dim=1).flip(1)
    return (rank < count[:, None]) & (score > 0)
