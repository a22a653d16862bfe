"""NeuronIntGrad (Khakzar et al. 2021): neurons by integrated gradients at their own layer.

One layer at a time is scaled from nothing to what it is; all layers before it are left alone. The attribution
of a neuron is ``a * mean over alpha of df/da at alpha * a``. The authors' code counts layers by module, which
fails where a ReLU is used twice, and it adds its alphas up, so that they run to 5.5. Here layers are sites,
and the mean is taken by the midpoint rule, ``alpha = (k + 1/2) / n``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import Pass
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import join, most
from graphpath.tracing.units import Units


def attribution(batch: Batch, steps: int = 10) -> Tensor:
    """``a * mean df/da`` of the neurons of every layer that methods threshold, 0 elsewhere: (N, neurons).

    With the network's own gradient. Over one layer, a being its outputs, it sums to ``f(a) - f(0)`` up to the
    rule's error.

    Raises:
        MethodError: ``steps`` is less than 1.
    """
    if steps < 1:
        raise MethodError(f"steps={steps} is out of range; expected at least one point of each integral.")
    held = batch.held
    kept = Pass.of(held.network, batch.images)
    found = torch.zeros_like(held.output)
    for site in Units.from_batch(batch).sites:
        output = kept.output(site)
        total = torch.zeros_like(output)
        for point in range(steps):
            with torch.enable_grad():
                scaled = (output * ((point + 0.5) / steps)).requires_grad_(True)
                f = (kept.resumed(site, scaled, batch.goal) * held.seed).sum()
            total += torch.autograd.grad(f, scaled)[0]
        found[:, site.span] = output * total / steps
    return found


def select(batch: Batch, *, sparsity: float = 0.9, steps: int = 10) -> Selection:
    """The critical neurons of each image, joined.

    Args:
        sparsity: the share of neurons left out, pooled over all layers with an activation.
        steps: points of each layer's integral; the time grows with steps times layers.
    """
    return join(batch, most(batch, attribution(batch, steps).abs(), sparsity))
