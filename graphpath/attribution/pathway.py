"""The pathway gradient (Khakzar et al. 2021): saliency through the neurons that a method selects.

The mask of selected neurons is frozen, all others give 0, and the attribution is df/dx of that network. As
published the mask multiplies the outputs of activations; neurons of sites without one all stay.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphpath.network import masked
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.neurons import mark_thresholded


def pathway_gradient(batch: Batch, selection: Selection) -> Tensor:
    """df/dx of each image of a batch in the network that keeps its selection: (N, C, H, W).

    The max-pools and activations of the masked network switch as they do in it.
    """
    factors = mask_kept_neurons(batch, selection).to(batch.images.dtype)
    with torch.enable_grad():
        images = batch.images.detach().clone().requires_grad_(True)
        f = (masked(batch.compiled.network, images, factors, batch.goal) * batch.held.seed).sum()
        (gradient,) = torch.autograd.grad(f, images)
    return gradient


def mask_kept_neurons(batch: Batch, selection: Selection) -> Tensor:
    """The mask (N, neurons) of neurons that stay: those selected, and those that no method thresholds.

    Of a method that selects edges, the neurons at their ends are selected. Later layers than those that it
    selects in are kept whole (diffusion ends at feature maps).
    """
    chosen = selection.neurons
    if chosen is None:
        chosen = torch.zeros_like(batch.held.output, dtype=torch.bool)
        for block in selection.blocks:
            chosen[block.sample, block.source] = True
            chosen[block.sample, block.target] = True
        last = max(block.site.number for block in selection.blocks)
        for site in batch.compiled.sites[last + 1 :]:
            chosen[:, site.span] = True
    return chosen | ~mark_thresholded(batch)
