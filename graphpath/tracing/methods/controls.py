"""Controls: selections that know nothing of the target; what they share, chance or size alone gives."""

from __future__ import annotations

from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import join, most


def select_activation(batch: Batch, *, sparsity: float = 0.9) -> Selection:
    """The neurons with the largest |activation|, one threshold over all layers.

    Args:
        sparsity: the share of neurons left out.
    """
    return join(batch, most(batch, batch.held.output.abs(), sparsity))


def select_random(batch: Batch, *, sparsity: float = 0.9) -> Selection:
    """Neurons drawn uniformly, live or dead; every image by its own seed.

    Args:
        sparsity: the share of neurons left out.
    """
    return join(batch, most(batch, batch.draw_uniform(batch.compiled.network.neurons), sparsity))
