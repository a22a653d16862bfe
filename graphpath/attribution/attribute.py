"""``attribute``: how much each pixel counts, by any method; ``heatmap``: one number a pixel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from graphpath.attribution import baselines
from graphpath.attribution.pathway import pathway_gradient
from graphpath.data import Given, Labels
from graphpath.errors import MethodError
from graphpath.models import BY_NAME, LoadedModel
from graphpath.models.inputs import bring_together
from graphpath.tracing.batch import Batch, Selection
from graphpath.tracing.batches import Batches, resolve_target
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.registry import NEURON_METHODS, Method
from graphpath.tracing.targets import Target

_BASELINES = (
    Method("gradient", "Simonyan et al. 2014", True, baselines.gradient),
    Method("input_x_gradient", "Shrikumar et al. 2016", True, baselines.input_x_gradient),
    Method("integrated_gradients", "Sundararajan et al. 2017", True, baselines.integrated_gradients),
    Method("grad_cam", "Selvaraju et al. 2017", True, baselines.grad_cam),
    Method("guided_backprop", "Springenberg et al. 2015", True, baselines.guided_backprop),
)

ATTRIBUTIONS: dict[str, Method[Selection | Tensor]] = {
    **NEURON_METHODS,
    **{method.name: method for method in _BASELINES},
}
"""All methods of ``attribute`` with their options: graphpath's for neurons, then captum's."""


def attribute(
    model: nn.Module | LoadedModel,
    images: Given,
    labels: Labels = None,
    *,
    method: str = "neuron_mct",
    target: Target = "predicted",
    seed: int = 0,
    device: str | torch.device | None = None,
    batch: int | None = None,
    matching: str = BY_NAME,
    **options: Any,
) -> Tensor:
    """How much the pixels of images count for a target.

    A tracing method gives the pathway gradient (Khakzar et al. 2021): df/dx of the network that keeps only
    the neurons selected by the method, their mask frozen. ``"gradient"``, ``"input_x_gradient"``,
    ``"integrated_gradients"``, ``"grad_cam"`` and ``"guided_backprop"`` are captum's, for comparison.

    Args:
        model, images, labels, target, seed, device, batch, matching: as :func:`graphpath.trace` takes them.
        method: a name of ``graphpath.ATTRIBUTIONS``; its options follow by name (``sparsity=0.9``).

    Returns (N, C, H, W) on the CPU, in the model's dtype; (N, 1, H, W) of ``"grad_cam"``.

    Raises MethodError, NetworkError, UnsupportedOperation or DataError.
    """
    if method not in ATTRIBUTIONS:
        raise MethodError(f"There is no attribution {method!r}; there are {', '.join(ATTRIBUTIONS)}.")
    chosen = ATTRIBUTIONS[method]
    given = chosen.resolve_options(options)
    loaded, source = bring_together(model, images, labels, matching=matching)
    target, network = resolve_target(target, loaded, source)
    with in_eval_mode(loaded.module, device):
        batches = Batches(loaded, source, target, seed, network)
        size = batch or batches.fit_size(chosen, given)
        select = partial(chosen.bind_fit(batches.learn(chosen, size, given)), **given)
        return torch.cat([_attribute_batch(select, part).cpu() for part, _ in batches.iterate_examples(size)])


def heatmap(attribution: Tensor) -> Tensor:
    """One number a pixel, in [-1, 1]: (N, H, W) from (N, C, H, W).

    Of each pixel the channel of the largest absolute value, signed, over the largest of its image (Khakzar et
    al. 2021); an image without attribution is 0.
    """
    largest = attribution.abs().argmax(1, keepdim=True)
    value = attribution.gather(1, largest).squeeze(1)
    scale = value.abs().amax((1, 2), keepdim=True)
    return torch.where(scale > 0, value / torch.where(scale > 0, scale, 1), 0)


def _attribute_batch(select: Callable[[Batch], Selection | Tensor], batch: Batch) -> Tensor:
    found = select(batch)
    return found if isinstance(found, Tensor) else pathway_gradient(batch, found)
