"""A network taken apart: from an ``nn.Module`` to sites of neurons and the linear maps between them.

capture, inplace     nn.Module -> graph of ATen operations on one image (torch.export)
lowering, dialect    graph -> program of plain operations
sites, views         program -> sites, and where each element between them comes from
maps, incoming       the flows into chosen neurons, row by row
held, elements       one batch: values, gradients, switches
live                 the network itself: neurons multiplied by factors, a pass resumed from a site
remembered           networks that were taken apart before in this process
edits                the network itself: neurons set, edges cut
"""

from __future__ import annotations

from dataclasses import replace

from graphpath.extras import needs_extra

with needs_extra("graphpath.network", "trace"):
    import torch
    from torch import nn

    from graphpath.modules.state import evaluating, untouched
    from graphpath.modules.wrapping import Adapted, any_tensor, refuse_script
    from graphpath.network.held import Held, Seed, hold
    from graphpath.network.incoming import FlowRows, IncomingEdges
    from graphpath.network.live import Pass, masked
    from graphpath.network.lowering import lower
    from graphpath.network.remembered import describe_state, recall, remember
    from graphpath.network.sites import Network, Site, find_sites
    from graphpath.shapes import fold

__all__ = [
    "FlowRows",
    "Held",
    "IncomingEdges",
    "Network",
    "Pass",
    "Seed",
    "Site",
    "hold",
    "masked",
    "take_apart",
]


def take_apart(module: nn.Module, shape: tuple[int, ...]) -> Network:
    """The sites of ``module`` for images of ``shape`` (C, H, W), in the module's own dtype and device.

    Inputs of other shapes, (F,), (C, L) or (C, D, H, W), are images of (F, 1, 1), (C, L, 1) or (C, D * H, W)
    to the network that is returned.

    A module that is what it was when it was last taken apart in this process gives the same network, without
    a second capture. Raises NetworkError or UnsupportedOperation; the module is left as it was.
    """
    if len(shape) != 3:
        module, shape = Adapted(module, shape), fold(shape)
    like = any_tensor(module)
    dtype = like.dtype if like.is_floating_point() else torch.float32
    image = torch.zeros(shape, dtype=dtype, device=like.device)
    refuse_script(module)
    with evaluating(module), untouched(module), torch.no_grad():
        state = describe_state(module, image)
        known = recall(module, state)
        if known is not None:
            return known
        lowered = lower(module, image)
    network = replace(find_sites(lowered.program, like.device, dtype), head=lowered.output.head)
    remember(module, state, network, lowered)
    return network
