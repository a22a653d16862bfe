"""The pathway gradient (Khakzar et al. 2021): saliency through the neurons that a method selects.

The mask of selected neurons is frozen, all others give 0, and the attribution is df/dx of that network. As
published the mask multiplies the outputs of activations; neurons of sites without one all stay.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.network import masked
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import thresholded


def pathway_gradient(batch: Batch, selection: Selection) -> Tensor:
    """df/dx of each image of a batch in the network that keeps its selection: (N, C, H, W).

    The max-pools and activations of the masked network switch as they do in it.
    """
    factors = kept(batch, selection).to(batch.images.dtype)
    with torch.enable_grad():
        images = batch.images.detach().clone().requires_grad_(True)
        f = (masked(batch.wiring.network, images, factors, batch.goal) * batch.held.seed).sum()
        (gradient,) = torch.autograd.grad(f, images)
    return gradient


def kept(batch: Batch, selection: Selection) -> Tensor:
    """The neurons that are not taken out: those selected, and those that no method thresholds: (N, neurons).

    Of a method that chooses edges, the neurons at their ends are selected, and all of the layers behind those
    that it selects in (diffusion ends at feature maps).
    """
    chosen = selection.neurons
    if chosen is None:
        chosen = torch.zeros_like(batch.held.output, dtype=torch.bool)
        for block in selection.blocks:
            chosen[block.sample, block.source] = True
            chosen[block.sample, block.target] = True
        last = max(block.site.number for block in selection.blocks)
        for site in batch.wiring.sites[last + 1 :]:
            chosen[:, site.span] = True
    return chosen | ~thresholded(batch)
