"""Absolute thresholds of effective paths, layer by layer (Ptolemy, Gan et al. 2020).

They are fitted as Ptolemy's code does, from paths by theta. ``phi`` of a layer: the least contribution chosen
of each important neuron, averaged over the layer's important neurons, then over images. ``psi`` of a layer:
the k-th largest |output|, averaged over images, where k is the number of the layer's important neurons.
Ptolemy averages over training images; here it is over the rightly predicted ones among the images traced.
Ptolemy looks at outputs before the activation; here they are those after it, so no dead neuron is important.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphpath.errors import MethodError
from graphpath.network import Site
from graphpath.tracing.batch import Batch, EdgeBlock, Selection
from graphpath.tracing.fitting import Examples, Fitted, Means, mark_right

ByLayer = Callable[[Site], float]


def list_thresholds(name: str, value: float | str, fitted: Fitted | None) -> ByLayer:
    """The threshold ``name`` of each site: the one ``value``, or the fitted ones; infinite where none was.

    Raises:
        MethodError: it is to be fitted and is not.
    """
    if isinstance(value, float | int):
        number = float(value)
        return lambda site: number
    if not fitted or name not in fitted:
        raise MethodError(
            f"{name}='fitted' needs a fit over all images first: trace() makes one, effective_path.fit too."
        )
    known = fitted[name]
    return lambda site: float(known.get(site.name, torch.inf))


def mark_strong(output: Tensor, psi: float) -> Tensor:
    """The neurons with |output| above ``psi``, or where there are none the largest: (N, size) bool."""
    size = output.abs()
    chosen = size > psi
    largest = torch.zeros_like(chosen).scatter_(1, size.argmax(1, keepdim=True), True)
    return torch.where(chosen.any(1, keepdim=True), chosen, largest & (size > 0))


def fit(examples: Examples, path: Callable[[Batch], Selection]) -> Fitted:
    """``{"phi": {layer: number}, "psi": {layer: number}, "images": how many}`` from all images' paths."""
    phi, psi = Means(), Means()
    for batch, labels in examples:
        selection, right = path(batch), mark_right(batch, labels)
        for block in selection.blocks:
            site = block.site
            least = _find_least(batch, block)
            chosen = least.isfinite()
            important = chosen.sum(1) + selection.bias_fed[:, site.number]
            mean = torch.where(chosen, least, 0).sum(1) / chosen.sum(1)
            outputs = batch.held.output[:, site.span].abs().double().sort(1, descending=True).values
            bound = outputs.gather(1, (important - 1).clamp(min=0)[:, None])[:, 0]
            for image, is_right in enumerate(right):
                if bool(chosen[image].any()):
                    phi.add(site.name, mean[image].cpu(), is_right)
                if int(important[image]) > 0:
                    psi.add(site.name, bound[image].cpu(), is_right)
    found = {"phi": phi.list_means(), "psi": psi.list_means()}
    numbers = {
        name: {layer: float(mean) for layer, (mean, _) in layers.items()} for name, layers in found.items()
    }
    images = max((count for _, count in found["psi"].values()), default=0)
    return {**numbers, "images": images}


def _find_least(batch: Batch, block: EdgeBlock) -> Tensor:
    """The least contribution chosen of each neuron, signed, infinite where none is: (N, size) float64."""
    local = block.target - block.site.offset
    negative = batch.held.before[block.site.number][block.sample, local] < 0
    signed = torch.where(negative, -block.flow, block.flow).double()
    least = signed.new_full((batch.held.images, block.site.size), torch.inf)
    least.view(-1).scatter_reduce_(0, block.sample * block.site.size + local, signed, "amin")
    return least
