"""NeuronMCT (Khakzar et al. 2021): neurons by their marginal contribution, first-order Taylor.

The score of a neuron is ``|a * df/da|``, from one forward and one backward pass of the network itself. The
neurons above one percentile of all layers' scores are the critical pathway.
"""

from __future__ import annotations

from torch import Tensor

from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import join, most


def score(batch: Batch) -> Tensor:
    """``|a * df/da|`` of every neuron with the network's true gradient: (N, neurons)."""
    return (batch.true.output * batch.true.gradient).abs()


def select(batch: Batch, *, sparsity: float = 0.9) -> Selection:
    """The critical neurons of each image, joined.

    Args:
        sparsity: the share of neurons left out, pooled over all layers with an activation.
    """
    return join(batch, most(batch, score(batch), sparsity))
